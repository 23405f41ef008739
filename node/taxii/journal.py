"""The journal: when each object came into a collection, so that pollers see every change once.

Rules: a date is given once in a collection and only ever grows, whatever the clock does; an object
has one entry a collection, under the date of its newest version, so a change moves it to the end.
What of the ledger is not written down yet is caught up when somebody asks, in ledger order and for
a bounded time; it reads final blocks alone. Entries name records and never hold tags or values.
"""

from __future__ import annotations

import asyncio
import hmac
import struct
import time
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Final

from msgspec import Struct

from bulwark.indicators.vocabulary import Tlp
from bulwark.ledger.ids import MemberId, RecordId
from bulwark.ledger.lifecycle import STATEMENTS, Operation
from bulwark.ledger.record import Record
from node.audit.scan import LedgerScan, Placed
from node.rotation.keyline import Renaming, first_key
from node.storage.port import KeyValueStore
from node.storage.schema import TAXII
from node.taxii.port import Collection

STATE: Final = TAXII + b"\x00"
"""Next position of the record log (8 bytes) and last date (8 bytes)."""
ADDED: Final = TAXII + b"\x01"
"""collection1 | date8 -> role1 | record32 | more32."""
PLACES: Final = TAXII + b"\x02"
"""collection1 | keyed digest of the object's id, 16 bytes -> date8."""
BATCH: Final = 200
"""Records between two writes and turns of the event loop."""
CATCH_UP_S: Final = 3.0
"""Most that one request spends on catching up; the next goes on."""
_STATE: Final = struct.Struct(">QQ")
_DATE: Final = struct.Struct(">Q")
CODES: Final = {Collection.RECORDS: b"\x01", Collection.OWN: b"\x02"}
Puts = dict[bytes, bytes | None]


class Role(IntEnum):
    """What an entry shows of its record."""

    INDICATOR = 1
    OBSERVABLE = 2
    RELATION = 3
    SIGHTING = 4
    OPINION = 5
    """`more` is the dispute's id."""
    IDENTITY = 6
    """Of a member; `more` is its id in UTF-8."""
    FIXED = 7
    """A marking or definition; the last byte of `more` is its number."""


class Added(Struct, frozen=True):
    """One entry."""

    date: int
    role: Role
    record: bytes
    more: bytes


class JournalParts(Struct, frozen=True):
    """What the journal works with."""

    store: KeyValueStore
    scan: Callable[[], LedgerScan]
    """The ledger up to the last final block."""
    member: MemberId
    named: Callable[[str], str]
    """What a member is called in exports; one word for all where they are not named."""
    is_taken: Callable[[RecordId, RecordId], bool]
    """Whether the ledger took a follow-up (second) of a record (first)."""
    name: Callable[[Role, bytes, bytes, Collection], str]
    """The id of the object that an entry stands for."""
    key: bytes
    now_ms: Callable[[], int]
    is_settled: Callable[[], bool]
    """Whether what was imported is in the exchange book: own records are shown with it."""
    fixed: int
    """How many fixed objects there are."""
    seconds: Callable[[], float] = time.monotonic


class Journal:
    """Entries of the collections that are made of the ledger."""

    def __init__(self, parts: JournalParts) -> None:
        self._parts = parts
        held = parts.store.get(STATE)
        self._next = 0 if held is None else int.from_bytes(held[:8], "big")
        self._last = 0 if held is None else int.from_bytes(held[8:], "big")
        self._key = hmac.digest(first_key(parts.key), b"bulwark/taxii/places/1", "sha256")
        self._renamed = Renaming(parts.key)
        self._turn = asyncio.Lock()
        self._puts: Puts = {}

    async def catch_up(self) -> None:
        """Write down what the ledger says by now, for a bounded time."""
        async with self._turn:
            if not self._parts.is_settled():
                return  # what there is is told; the next question goes on
            scan = self._parts.scan()
            until = self._parts.seconds() + CATCH_UP_S
            if self._next == 0 and self._last == 0:
                self._furnish()
            for number, (placed, done) in enumerate(self._anchors(scan), 1):
                self._take(scan, placed)
                self._next = done
                if number % BATCH == 0 or len(self._puts) > 8 * BATCH:
                    self._write()
                    await asyncio.sleep(0)
                    if self._parts.seconds() > until:
                        return
            self._write()

    def entries(self, collection: Collection, after: int) -> Iterator[Added]:
        """Entries after a date, in order."""
        prefix = ADDED + CODES[collection]
        start = prefix + _DATE.pack(max(0, min(after + 1, 2**63)))
        for key, value in self._parts.store.iterate(prefix, start=start):
            date = int.from_bytes(key[-8:], "big")
            yield Added(date, Role(value[0]), value[1:33], value[33:65])

    def date_of(
        self, collection: Collection, role: Role, record: bytes, more: bytes = bytes(32)
    ) -> int | None:
        """When an entry came in, None for one that is not there."""
        held = self._get(self._place(collection, role, record, more))
        return None if held is None else int.from_bytes(held, "big")

    def find(self, collection: Collection, name: str) -> Added | None:
        """The entry of an object by its id; None where there is none, or its id is of a value."""
        held = self._get(self._named(collection, name))
        value = None if held is None else self._get(ADDED + CODES[collection] + held)
        if held is None or value is None:
            return None
        return Added(int.from_bytes(held, "big"), Role(value[0]), value[1:33], value[33:65])

    def new_date(self) -> int:
        """A date that nothing has yet, for whoever keeps a collection of its own."""
        self._last = max(self._parts.now_ms() * 1000, self._last + 1)
        self._puts[STATE] = _STATE.pack(self._next, self._last)
        self._write()
        return self._last

    def _anchors(self, scan: LedgerScan) -> Iterator[tuple[Placed, int]]:
        for placed in scan.anchors(0, self._next):
            yield placed, placed.index + 1

    def _take(self, scan: LedgerScan, placed: Placed) -> None:
        if not placed.anchor.count:
            return
        reporter = scan.member_of(placed.anchor.account)
        for position, entry in enumerate(scan.entries(placed.anchor)):
            if scan.is_copy(entry.record_id, placed.anchor, position):
                continue
            if not isinstance(entry, Record):
                continue
            payload = entry.payload
            if payload.operation in STATEMENTS:
                self._statement(entry.record_id, reporter, payload.tlp, payload.operation)
            elif payload.previous_record is not None:
                self._changed(payload.previous_record, entry.record_id, payload.operation, reporter)

    def _statement(self, record: RecordId, reporter: str, tlp: int, operation: int) -> None:
        if tlp == Tlp.RED:
            return
        roles = [Role.INDICATOR]
        if operation == Operation.SIGHT:
            roles.append(Role.SIGHTING)
        self._member(reporter)
        for role in roles:
            self._add(Collection.RECORDS, role, record)
        if reporter == self._parts.member:
            for role in (*roles, Role.OBSERVABLE, Role.RELATION):
                self._add(Collection.OWN, role, record)

    def _changed(self, subject: RecordId, follow: RecordId, operation: int, by: str) -> None:
        """A follow-up moves what it changes to the end, where its subject is shown at all."""
        for collection in CODES:
            if self.date_of(collection, Role.INDICATOR, subject) is None:
                continue
            if not self._parts.is_taken(subject, follow):
                return
            if operation == Operation.DISPUTE:
                self._member(by)
                self._add(collection, Role.OPINION, subject, follow)
            else:
                self._again(collection, subject)
            self._add(collection, Role.INDICATOR, subject)

    def _again(self, collection: Collection, subject: RecordId) -> None:
        """Opinions and sightings of a record whose standing changed."""
        if self.date_of(collection, Role.SIGHTING, subject) is not None:
            self._add(collection, Role.SIGHTING, subject)
        for dispute in self._disputes_of(collection, subject):
            self._add(collection, Role.OPINION, subject, dispute)

    def _disputes_of(self, collection: Collection, subject: RecordId) -> list[bytes]:
        held = self._get(self._named(collection, f"disputes/{subject.hex()}"))
        return [] if held is None else [held[at : at + 32] for at in range(0, len(held), 32)]

    def _member(self, member: str) -> None:
        more = self._parts.named(member).encode("utf-8")[:32].ljust(32, b"\x00")
        for collection in CODES:
            if self.date_of(collection, Role.IDENTITY, bytes(32), more) is None:
                self._add(collection, Role.IDENTITY, bytes(32), more)

    def _furnish(self) -> None:
        for collection in CODES:
            for number in range(self._parts.fixed):
                self._add(collection, Role.FIXED, bytes(32), number.to_bytes(32, "big"))
        self._member(self._parts.member)

    def _add(
        self, collection: Collection, role: Role, record: bytes, more: bytes = bytes(32)
    ) -> None:
        """Put an entry at the end, instead of where it was."""
        place = self._place(collection, role, record, more)
        before = self._get(place)
        if before is not None:
            self._puts[ADDED + CODES[collection] + before] = None
        self._last = max(self._parts.now_ms() * 1000, self._last + 1)
        date = _DATE.pack(self._last)
        self._puts[place] = date
        self._puts[ADDED + CODES[collection] + date] = bytes([role]) + record + more
        if role is Role.OPINION and before is None:
            listed = self._named(collection, f"disputes/{record.hex()}")
            self._puts[listed] = (self._get(listed) or b"") + more

    def _place(self, collection: Collection, role: Role, record: bytes, more: bytes) -> bytes:
        return self._named(collection, self._parts.name(role, record, more, collection))

    def _named(self, collection: Collection, name: str) -> bytes:
        digest = hmac.digest(self._key, name.encode("utf-8"), "sha256")[:16]
        return PLACES + CODES[collection] + self._renamed(digest)

    def _get(self, key: bytes) -> bytes | None:
        return self._puts[key] if key in self._puts else self._parts.store.get(key)

    def _write(self) -> None:
        self._puts[STATE] = _STATE.pack(self._next, self._last)
        puts, self._puts = self._puts, {}
        self._parts.store.write(puts, sync=False)
