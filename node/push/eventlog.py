"""The event log: what happened at this member, numbered, on disk, each thing once.

Rules: numbers rise by one and never come again; the log has a random id of its own, so that a
database made anew is not taken for this one, and a new one from the next event on when the database
was restored from a backup, since events that the backup does not know have had its next numbers; an
event has a name under which it is known, so that
what is told twice is logged once. Events are encrypted, as they say who asked about what case; they
go by age and by number, the newest always stays. A write here is not flushed: `durable` waits until
an event is on disk, and nobody outside is told of it before.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from hashlib import blake2b
from itertools import islice
from typing import Any, Final

from msgspec import Struct

from bulwark.privacy.group import RandomBytes
from node.guarded.atrest import AtRest
from node.push.port import Event, EventType
from node.rotation.keyline import Renaming, first_key
from node.storage.durability import Durability
from node.storage.port import KeyValueStore
from node.storage.schema import META_RESTORED, PUSH, number8
from node.storage.seal import seal, unseal

LOG_ID: Final = PUSH + b"\x00"
"""8 bytes of the restoration that it knows of | first number8 and id8 of each era, sealed."""
MAX_ERAS: Final = 64
EVENTS: Final = PUSH + b"\x01"
"""number8 -> event as JSON, encrypted."""
NAMES: Final = PUSH + b"\x02"
"""keyed name16 of what happened -> number8, sealed."""
SCAN: Final = 1_000
"""Events looked at for one page, wanted or not."""
PRUNE: Final = 500
Puts = dict[bytes, bytes | None]


class Draft(Struct, frozen=True):
    """An event that is not in the log yet."""

    type: EventType
    name: bytes
    """What happened, told apart from all else of its type; it is not stored."""
    time_ms: int
    height: int | None
    data: Mapping[str, object]


class EventLog:
    """Events of one member."""

    def __init__(
        self,
        store: KeyValueStore,
        at_rest: AtRest,
        index_key: bytes,
        durability: Durability,
        wall_ms: Callable[[], int],
        random_bytes: RandomBytes,
    ) -> None:
        """`index_key`: the member's 32 bytes. Raises StoreDamaged, StoreWriteFailed."""
        self._store = store
        self._at_rest = at_rest
        self._key, self._renamed = first_key(index_key), Renaming(index_key)
        self._durability = durability
        self._wall_ms = wall_ms
        self.last = self._end(reverse=True)
        """Number of the newest event, 0 before the first."""
        self._eras = self._read_eras(random_bytes)
        """First number and id of each era, oldest first."""
        self.first = self._end(reverse=False) or 1
        """Number of the oldest event that is kept."""
        self._durable = self.last
        self._news = asyncio.Event()

    def _end(self, *, reverse: bool) -> int:
        found = next(iter(self._store.iterate(EVENTS, reverse=reverse)), None)
        return 0 if found is None else _number(found[0])

    def _read_eras(self, random_bytes: RandomBytes) -> list[tuple[int, str]]:
        mark = self._store.get(META_RESTORED)
        restored = bytes(8) if mark is None else blake2b(mark, digest_size=8).digest()
        held = self._store.get(LOG_ID)
        known = b"" if held is None else unseal(LOG_ID, held)
        pairs = [known[at : at + 16] for at in range(8, len(known), 16)]
        if not pairs or (mark is not None and known[:8] != restored):
            pairs.append(number8(self.last + 1) + random_bytes(8))
            value = restored + b"".join(pairs[-MAX_ERAS:])
            self._store.write({LOG_ID: seal(LOG_ID, value)}, sync=False)
        return [(int.from_bytes(pair[:8], "big"), pair[8:].hex()) for pair in pairs]

    @property
    def id(self) -> str:
        """Id of the log for new events, 16 hexadecimal digits."""
        return self._eras[-1][1]

    def name_of(self, event: Event) -> str:
        """The id that receivers know an event by."""
        return self.name(event.number)

    def name(self, number: int) -> str:
        """The id of the event with a number."""
        era = next((name for first, name in reversed(self._eras) if first <= number), self.id)
        return f"{era}-{number}"

    def behind(self, log: str | None, number: int) -> int:
        """Number to go on behind for who read up to one of a log; 0 for a log that is not known.

        Of an era that ended with a restoration there may be numbers that this log does not have.
        """
        ends = [first - 1 for first, _ in self._eras[1:]] + [self.last]
        for (_, name), end in zip(self._eras, ends, strict=True):
            if name == log:
                return min(number, end)
        return min(number, self.last) if log is None else 0

    def add(self, drafts: Iterable[Draft], also: Mapping[bytes, bytes | None] | None = None) -> int:
        """Log what is not in the log yet, with the caller's own puts in one write; how many.

        Raises StoreWriteFailed.
        """
        puts: Puts = {}
        number = self.last
        for draft in drafts:
            base = self._name(draft)
            name = NAMES + self._renamed(base)
            if name in puts or self._store.get(name) is not None:
                continue
            number += 1
            key = EVENTS + number8(number)
            puts[name] = seal(name, number8(number))
            puts[key] = self._at_rest.encrypt(key, self._encode(draft, base))
        count = number - self.last
        if also:
            puts |= also
        if puts:
            self._store.write(puts, sync=False)
        if count:
            self.last = number
            self._news.set()
            self._news = asyncio.Event()
        return count

    def _encode(self, draft: Draft, name: bytes) -> bytes:
        document = {
            "type": draft.type.value,
            "time_ms": draft.time_ms,
            "height": draft.height,
            "data": draft.data,
            "logged_ms": self._wall_ms(),
            "name": name.hex(),
        }
        return json.dumps(document, separators=(",", ":")).encode()

    def number_of(self, draft: Draft) -> int | None:
        """Number of what was logged, None if it is not. Raises StoreDamaged."""
        key = NAMES + self._renamed(self._name(draft))
        held = self._store.get(key)
        return None if held is None else int.from_bytes(unseal(key, held), "big")

    def _name(self, draft: Draft) -> bytes:
        data = draft.type.value.encode() + b"\x00" + draft.name
        return blake2b(data, digest_size=16, key=self._key, person=b"push-event").digest()

    # Reading

    def get(self, number: int) -> Event | None:
        """One event, None where the log does not have it. Raises StoreDamaged."""
        key = EVENTS + number8(number)
        held = self._store.get(key)
        return None if held is None else self._decode(key, held)[0]

    def after(self, number: int) -> Iterator[Event]:
        """Events behind a number, oldest first. Raises StoreDamaged."""
        for event, _ in self._timed(number):
            yield event

    def page(
        self, after: int, most: int, types: Collection[EventType] = ()
    ) -> tuple[list[Event], int]:
        """Up to `most` wanted events behind a number, and the number up to which was looked."""
        found: list[Event] = []
        seen = max(after, self.first - 1)
        for event in islice(self.after(after), SCAN):
            seen = event.number
            if not types or event.type in types:
                found.append(event)
                if len(found) == most:
                    break
        return found, seen

    def between(self, from_ms: int, until_ms: int) -> Iterator[Event]:
        """Events that were logged at a time from one to another, oldest first."""
        for event, logged_ms in self._timed(0):
            if from_ms <= logged_ms <= until_ms:
                yield event

    def _timed(self, after: int) -> Iterator[tuple[Event, int]]:
        start = EVENTS + number8(after + 1)
        for key, held in self._store.iterate(EVENTS, start=start):
            event, document = self._decode(key, held)
            yield event, document["logged_ms"]

    def _decode(self, key: bytes, held: bytes) -> tuple[Event, dict[str, Any]]:
        document = json.loads(self._at_rest.decrypt(key, held))
        event = Event(
            _number(key),
            EventType(document["type"]),
            document["time_ms"],
            document["height"],
            document["data"],
        )
        return event, document

    # Waiting

    async def durable(self, number: int) -> None:
        """Until an event is on disk. Raises StoreWriteFailed."""
        while self._durable < number:
            written = self.last
            await self._durability.barrier()
            self._durable = max(self._durable, written)

    def news(self) -> asyncio.Event:
        """Is set with the next event that is logged."""
        return self._news

    def prune(self, before_ms: int, most: int) -> int:
        """Drop some of the oldest events that are too old or too many; how many. Not flushed."""
        puts: Puts = {}
        first = self.first
        for key, held in islice(self._store.iterate(EVENTS), PRUNE):
            event, document = self._decode(key, held)
            is_new = document["logged_ms"] >= before_ms
            if event.number == self.last or (is_new and event.number > self.last - most):
                break
            name = NAMES + self._renamed(bytes.fromhex(document["name"]))
            puts[key] = puts[name] = None
            first = event.number + 1
        if puts:
            self._store.write(puts, sync=False)
            self.first = first
        return len(puts) // 2


def _number(key: bytes) -> int:
    return int.from_bytes(key[len(EVENTS) :], "big")
