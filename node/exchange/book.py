"""The exchange book: which record stands for which thing of MISP, and clear text if it is kept.

Rules: an entry lies under a keyed name of the foreign id, encrypted with its place as associated
data (AES-256-GCM under a key derived from the vault key), so that a thief of the disk learns how
many there are and nothing else. Clear text is in an entry only where the operator and the import
both asked for it; it leaves by `forget` or with the entry. Writes are the caller's, as puts, so
that they go with whatever else has to be durable at the same moment.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from bulwark.ledger.ids import RecordId
from bulwark.privacy.group import RandomBytes
from node.guarded.atrest import AtRest
from node.rotation.keyline import Renaming, first_key
from node.storage.port import KeyValueStore
from node.storage.schema import EXCHANGE

ENTRIES: Final = EXCHANGE + b"\x01"
"""name16 -> entry, encrypted."""
SAID: Final = EXCHANGE + b"\x02"
"""record id32 | name16 -> empty: who says a record."""
SOURCES: Final = EXCHANGE + b"\x03"
"""name16 -> cursor, encrypted."""
SHOWN: Final = EXCHANGE + b"\x04"
"""name16 of an exported attribute -> record id32, encrypted."""
PARTS_MAX: Final = 4
"""Parts of a foreign thing that may be missing in a row: those that were refused."""
ACTED_MAX: Final = 256
"""Sightings remembered of one entry; older ones would be refused by the ledger anyway."""
NAME_BYTES: Final = 16
Puts = dict[bytes, bytes | None]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What one statement of a foreign thing became."""

    ref: str
    part: int
    record: str
    """Record id in hex."""
    version: str
    says: str
    """Keyed digest of the whole row."""
    about: str
    """Keyed digest of kind, value, fraud type and role: another one makes the old one wrong."""
    acted: tuple[str, ...] = ()
    """Sightings that were acted on."""
    is_over: bool = False
    """Its record was retracted or expired because the source said so."""
    row: dict[str, Any] | None = None
    """The row with its clear value, where it is kept."""
    origin: dict[str, str] = {}
    """Foreign type and category, beside a kept row."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A kept clear value."""

    record: RecordId
    row: Mapping[str, Any] = field(repr=False)
    origin: Mapping[str, str] = field(repr=False)


class ExchangeBook:
    """Entries, sources and what was shown."""

    def __init__(self, store: KeyValueStore, vault_key: bytes, random_bytes: RandomBytes) -> None:
        self._store = store
        self._at_rest = AtRest(vault_key, b"exchange", random_bytes)
        # Digests inside entries and tokens in exports stay those of the first key: the former are
        # encrypted, and receivers know things again by the latter.
        first = first_key(vault_key)
        self._index = hmac.digest(first, b"bulwark/exchange/index/1", "sha256")
        self._export = hmac.digest(first, b"bulwark/exchange/tokens/1", "sha256")
        self._renamed = Renaming(vault_key)

    # Names

    def digest(self, text: bytes) -> str:
        """A keyed digest that only this member can make, 64 hex digits."""
        return hmac.digest(self._index, b"row\x00" + text, "sha256").hex()

    def token(self, tag: bytes) -> bytes:
        """The token of a tag in this member's exports, 32 bytes."""
        return hmac.digest(self._export, tag, "sha256")

    def _name(self, use: bytes, text: str) -> bytes:
        name = hmac.digest(self._index, use + b"\x00" + text.encode(), "sha256")[:NAME_BYTES]
        return self._renamed(name)

    def _key(self, ref: str, part: int) -> bytes:
        return ENTRIES + self._name(b"entry", f"{ref}/{part}")

    # Entries

    def find(self, ref: str, part: int) -> Entry | None:
        """The entry of a statement. Raises StoreDamaged."""
        return self._read(self._key(ref, part))

    def parts(self, ref: str) -> list[Entry]:
        """All entries of a foreign thing."""
        found: list[Entry] = []
        part = 0
        while part < (found[-1].part + 1 if found else 0) + PARTS_MAX:
            entry = self.find(ref, part)
            if entry is not None:
                found.append(entry)
            part += 1
        return found

    def _read(self, key: bytes) -> Entry | None:
        held = self._store.get(key)
        if held is None:
            return None
        return msgspec.msgpack.decode(self._at_rest.decrypt(key, held), type=Entry)

    def puts(self, entry: Entry, before: Entry | None = None) -> Puts:
        """What keeps an entry instead of the one before."""
        key = self._key(entry.ref, entry.part)
        found: Puts = {}
        if before is not None and before.record != entry.record:
            found[SAID + bytes.fromhex(before.record) + key[len(ENTRIES) :]] = None
        found[SAID + bytes.fromhex(entry.record) + key[len(ENTRIES) :]] = b""
        found[key] = self._at_rest.encrypt(key, msgspec.msgpack.encode(entry))
        return found

    def is_said_by_others(self, entry: Entry) -> bool:
        """Whether another foreign thing that is not over states the same record."""
        own = self._key(entry.ref, entry.part)[len(ENTRIES) :]
        prefix = SAID + bytes.fromhex(entry.record)
        for key, _ in self._store.iterate(prefix):
            name = key[len(prefix) :]
            other = None if name == own else self._read(ENTRIES + name)
            if other is not None and not other.is_over and other.record == entry.record:
                return True
        return False

    def kept(self) -> Iterator[Kept]:
        """Every kept clear value whose record is not over."""
        for key, _ in self._store.iterate(ENTRIES):
            entry = self._read(key)
            if entry is not None and entry.row is not None and not entry.is_over:
                yield Kept(RecordId(bytes.fromhex(entry.record)), entry.row, entry.origin)

    def clear_of(self, record: RecordId) -> Kept | None:
        """The kept clear value of a record."""
        prefix = SAID + record
        for key, _ in self._store.iterate(prefix):
            entry = self._read(ENTRIES + key[len(prefix) :])
            if entry is not None and entry.row is not None and entry.record == record.hex():
                return Kept(record, entry.row, entry.origin)
        return None

    def forgetting(self, record: RecordId) -> Puts:
        """What forgets the clear text of one record."""
        found: Puts = {}
        prefix = SAID + record
        for key, _ in self._store.iterate(prefix):
            place = ENTRIES + key[len(prefix) :]
            entry = self._read(place)
            if entry is not None and entry.row is not None:
                bare = msgspec.structs.replace(entry, row=None, origin={})
                found[place] = self._at_rest.encrypt(place, msgspec.msgpack.encode(bare))
        return found

    def kept_records(self) -> set[RecordId]:
        """Records whose clear text is kept."""
        return {kept.record for kept in self.kept()}

    # Sources

    def cursor(self, source: str) -> str:
        """Where the next pull from a source begins, '' for its beginning."""
        key = SOURCES + self._name(b"source", source)
        held = self._store.get(key)
        return "" if held is None else self._at_rest.decrypt(key, held).decode()

    def cursor_puts(self, source: str, cursor: str) -> Puts:
        """What keeps a cursor."""
        key = SOURCES + self._name(b"source", source)
        return {key: self._at_rest.encrypt(key, cursor.encode())}

    # What was shown

    def shown_puts(self, shown: Mapping[str, RecordId]) -> Puts:
        """What keeps which record stands behind exported attributes, by their UUIDs."""
        found: Puts = {}
        for uuid, record in shown.items():
            key = SHOWN + self._name(b"shown", uuid)
            if self._store.get(key) is None:
                found[key] = self._at_rest.encrypt(key, record)
        return found

    def shown(self, uuid: str) -> RecordId | None:
        """The record behind an exported attribute."""
        key = SHOWN + self._name(b"shown", uuid)
        held = self._store.get(key)
        return None if held is None else RecordId(self._at_rest.decrypt(key, held))
