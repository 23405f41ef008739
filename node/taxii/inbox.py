"""The inbox: objects that other systems wrote, as they came, encrypted, for a bounded time.

Rules: a version of an object is kept once; dates are the journal's and given once; names are kept
as keyed digests and bodies under the vault key, since they can hold clear text. What is older than
the inbox keeps goes first, and a full inbox refuses what comes. Statuses of requests stay as long.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from bulwark.privacy.group import RandomBytes
from node.guarded.atrest import AtRest
from node.rotation.keyline import Renaming, first_key
from node.storage.port import KeyValueStore
from node.storage.schema import TAXII
from node.taxii.port import Dated, Status, StatusEntry, timestamp, version_of

OBJECTS: Final = TAXII + b"\x04"
"""date8 -> object, encrypted."""
VERSIONS: Final = TAXII + b"\x05"
"""digest16 of the id | date8 -> digest16 of the version."""
STATUSES: Final = TAXII + b"\x06"
"""date8 | id16 -> status, encrypted."""
COUNT: Final = TAXII + b"\x07"
"""How many versions there are, 8 bytes."""
SWEPT: Final = 500
"""Old entries taken out with one request."""
STATUSES_MAX: Final = 1_000
_DAY_US: Final = 86_400_000_000
Puts = dict[bytes, bytes | None]


class _Kept(msgspec.Struct, frozen=True):
    """A status as it is kept."""

    requested: int
    successes: list[tuple[str, str, str]]
    failures: list[tuple[str, str, str]]


class InboxParts(Struct, frozen=True):
    """What the inbox works with."""

    store: KeyValueStore
    vault_key: bytes
    random_bytes: RandomBytes
    new_date: Callable[[], int]
    days: int
    most: int


class Inbox:
    """Objects and statuses of one node."""

    def __init__(self, parts: InboxParts) -> None:
        self._parts = parts
        self._at_rest = AtRest(parts.vault_key, b"taxii", parts.random_bytes)
        first = first_key(parts.vault_key)
        self._key = hmac.digest(first, b"bulwark/taxii/inbox/1", "sha256")
        self._renamed = Renaming(parts.vault_key)
        held = parts.store.get(COUNT)
        self.count = 0 if held is None else int.from_bytes(held, "big")

    @property
    def is_full(self) -> bool:
        """Whether nothing more is kept."""
        return self.count >= self._parts.most

    def has(self, document: Mapping[str, Any]) -> bool:
        """Whether this version of an object is here."""
        prefix = VERSIONS + self._digest(str(document["id"]))
        version = self._digest(version_of(document))
        return any(value == version for _, value in self._parts.store.iterate(prefix))

    def keep(self, document: Mapping[str, Any]) -> int:
        """Keep a version of an object; its date."""
        date = self._parts.new_date().to_bytes(8, "big")
        name = self._digest(str(document["id"]))
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
        self.count += 1
        puts: Puts = {
            OBJECTS + date: self._at_rest.encrypt(OBJECTS + date, body),
            VERSIONS + name + date: self._digest(version_of(document)),
            COUNT: self.count.to_bytes(8, "big"),
        }
        self._parts.store.write(puts, sync=False)
        return int.from_bytes(date, "big")

    def objects(self, after: int) -> Iterator[Dated]:
        """Versions after a date, in the order in which they came."""
        start = OBJECTS + max(0, min(after + 1, 2**63)).to_bytes(8, "big")
        for key, held in self._parts.store.iterate(OBJECTS, start=start):
            yield self._dated(key, held)

    def of(self, name: str) -> list[Dated]:
        """The versions of an object, in the order in which they came."""
        prefix = VERSIONS + self._digest(name)
        found: list[Dated] = []
        for key, _ in list(self._parts.store.iterate(prefix)):
            place = OBJECTS + key[-8:]
            held = self._parts.store.get(place)
            if held is not None:
                found.append(self._dated(place, held))
        return found

    def newest(self, name: str) -> str:
        """The newest version of an object."""
        return max((dated.version for dated in self.of(name)), default="")

    def remove(self, dated: Dated) -> None:
        """Take a version out."""
        date = dated.added.to_bytes(8, "big")
        self.count = max(0, self.count - 1)
        puts: Puts = {
            OBJECTS + date: None,
            VERSIONS + self._digest(str(dated.object["id"])) + date: None,
            COUNT: self.count.to_bytes(8, "big"),
        }
        self._parts.store.write(puts, sync=False)

    def sweep(self, now_us: int) -> None:
        """Take out what is older than the inbox keeps, a bounded number at a time."""
        limit = now_us - self._parts.days * _DAY_US
        old: list[Dated] = []
        for key, held in self._parts.store.iterate(OBJECTS):
            if int.from_bytes(key[-8:], "big") >= limit or len(old) >= SWEPT:
                break
            old.append(self._dated(key, held))
        for dated in old:
            self.remove(dated)
        statuses = [key for key, _ in self._parts.store.iterate(STATUSES)]
        spare = len(statuses) - STATUSES_MAX
        gone = [
            key
            for at, key in enumerate(statuses)
            if at < spare or int.from_bytes(key[2:10], "big") < limit
        ]
        if gone:
            self._parts.store.write(dict.fromkeys(gone[:SWEPT]), sync=False)

    # Statuses

    def keep_status(self, status: Status) -> None:
        """Keep what became of a request."""
        name = bytes.fromhex(status.id.replace("-", ""))
        place = STATUSES + status.requested.to_bytes(8, "big") + name
        kept = _Kept(
            status.requested,
            [(one.id, one.version, one.message) for one in status.successes],
            [(one.id, one.version, one.message) for one in status.failures],
        )
        body = self._at_rest.encrypt(place, msgspec.msgpack.encode(kept))
        self._parts.store.write({place: body}, sync=False)

    def status(self, status_id: str) -> Status | None:
        """What became of an earlier request."""
        name = bytes.fromhex(status_id.replace("-", ""))
        for key, held in self._parts.store.iterate(STATUSES, reverse=True):
            if key[-16:] == name:
                kept = msgspec.msgpack.decode(self._at_rest.decrypt(key, held), type=_Kept)
                return Status(
                    status_id,
                    kept.requested,
                    tuple(StatusEntry(*one) for one in kept.successes),
                    tuple(StatusEntry(*one) for one in kept.failures),
                )
        return None

    def _dated(self, key: bytes, held: bytes) -> Dated:
        document = json.loads(self._at_rest.decrypt(key, held))
        date = int.from_bytes(key[-8:], "big")
        return Dated(date, document, version_of(document) or timestamp(date))

    def _digest(self, text: str) -> bytes:
        return self._renamed(hmac.digest(self._key, text.encode("utf-8"), "sha256")[:16])
