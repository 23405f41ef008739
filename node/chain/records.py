"""Records as this node holds them: by tag for screenings, by id for everything else.

Rules: a look-up by tag is one ordered scan without any second read; an erased record has no tag
entry and answers by id with an empty payload. Follow-ups of a record are found the same way under
its reference tag. A record that somebody anchors a second time is the first one's. Values of the
vocabulary are not interpreted here.
"""

from __future__ import annotations

from itertools import islice

from msgspec import Struct

from bulwark.ledger.header import Header
from bulwark.ledger.ids import Address, Height, RecordId, Tag, TimestampMs
from bulwark.ledger.lifecycle import Operation, reference_tag
from bulwark.ledger.record import Record, RecordPayload
from node.chain.store import ChainStore
from node.storage import schema
from node.storage.blocks import read_header
from node.storage.errors import StoreDamaged
from node.storage.port import KeyValueStore
from node.storage.seal import unseal
from node.storage.values import TaggedRecord, decode_number

_ORDER = slice(1 + 32, 1 + 32 + 16)
_HEIGHT = slice(1 + 32, 1 + 32 + 8)


class StoredRecord(Struct, frozen=True):
    """A record with where and by whom it was anchored; its payload is readable."""

    record_id: RecordId
    reporter: Address
    """Account that anchored it."""
    height: Height
    timestamp_ms: TimestampMs
    """Time of its block."""
    payload: RecordPayload
    order: bytes = b""
    """Height, transaction and position, 16 bytes: ledger order is their order."""


class FoundRecord(Struct, frozen=True):
    """A record found by its id; an erased one has no payload."""

    record_id: RecordId
    reporter: Address
    height: Height
    timestamp_ms: TimestampMs
    payload: RecordPayload | None
    order: bytes = b""
    """As in StoredRecord."""


class RecordReader:
    """Look-ups of records; serves a screener as its replica too."""

    def __init__(self, store: KeyValueStore, chain: ChainStore) -> None:
        self._store = store
        self._chain = chain

    @property
    def tip(self) -> Header:
        """Header of the last executed block."""
        return self._chain.tip

    @property
    def finalized(self) -> Height:
        """Height of the highest checkpoint certificate."""
        return self._chain.finalized

    def header(self, height: Height) -> Header:
        """Header of an executed block. Raises StoreDamaged."""
        tip = self._chain.tip
        return tip if height == tip.height else read_header(self._store, height)

    def records_of(self, tag: Tag, most: int, at: Height | None = None) -> list[StoredRecord]:
        """The newest `most` records of a tag up to a height that are not erased, oldest first.

        Raises StoreDamaged.
        """
        # What lies above was stored by state sync and is no part of the chain yet.
        seen = self._chain.applied if at is None else min(at, self._chain.applied)
        last = schema.last_record_by_tag(tag, Height(seen))
        newest_first = self._store.iterate(schema.records_by_tag(tag), start=last, reverse=True)
        found = [_stored(key, value) for key, value in islice(newest_first, most)]
        if len(found) > 1:
            # Whoever anchors another's record again makes nothing of it its own.
            found = list({record.record_id: record for record in found}.values())
            found.sort(key=lambda record: record.order)
        return found

    def follow_ups(self, subject: RecordId) -> list[StoredRecord]:
        """What follows a record (or batch root) on the executed ledger, in ledger order.

        Raises StoreDamaged.
        """
        tag = reference_tag(subject)
        applied = self._chain.applied
        found: list[StoredRecord] = []
        for key, value in self._store.iterate(schema.records_by_tag(tag)):
            record = _stored(key, value)
            if record.height > applied:
                break
            if record.payload.previous_record == subject:
                found.append(record)
        return found

    def disputes(
        self, before: bytes | None, most: int
    ) -> tuple[list[tuple[bytes, RecordId, RecordId]], bytes | None]:
        """Order, id, subject of DISPUTE records below an order, newest first; where to go on.

        It reads at most `most` follow-ups, whatever they are. Raises StoreDamaged.
        """
        order = before or schema.last_order(self._chain.applied)
        found: list[tuple[bytes, RecordId, RecordId]] = []
        start = schema.FOLLOW_UPS + order
        newest_first = self._store.iterate(schema.FOLLOW_UPS, start=start, reverse=True)
        for number, (key, value) in enumerate(newest_first, 1):
            entry, order = unseal(key, value), key[1:]
            if entry[64] == Operation.DISPUTE and order != before:
                found.append((order, RecordId(entry[:32]), RecordId(entry[32:64])))
            if number >= most:
                return found, order
        return found, None

    def has(self, tag: Tag) -> bool:
        """Whether a tag has any record."""
        return bool(self.records_of(tag, 1))

    def height_of(self, record_id: RecordId) -> Height | None:
        """Block of a record, None for one that is not on the executed ledger."""
        place = self._chain.record_place(record_id)
        return None if place is None else place.height

    def by_id(self, record_id: RecordId) -> FoundRecord | None:
        """A record by its id, None for one that is not on the executed ledger."""
        place = self._chain.record_place(record_id)
        if place is None:
            return None
        where = f"record {record_id.hex()}"
        header = self._chain.header(place.height)
        sidecar = self._chain.sidecar(place.root)
        if sidecar is None:
            self._chain.check_kept(where, place.height)
        if header is None or sidecar is None or place.position >= sidecar.count:
            raise StoreDamaged(where, "its index leads nowhere")
        anchors = self._chain.anchors(place.height)
        anchor = next((a for a in anchors if a.count and a.digest == place.root), None)
        if anchor is None:
            raise StoreDamaged(where, f"block {place.height} does not anchor its sidecar")
        entry = sidecar.entries[place.position]
        return FoundRecord(
            record_id=record_id,
            reporter=anchor.account,
            height=place.height,
            timestamp_ms=header.timestamp_ms,
            payload=entry.payload if isinstance(entry, Record) else None,
            order=place.encode()[:12] + place.position.to_bytes(4, "big"),
        )


def _stored(key: bytes, value: bytes) -> StoredRecord:
    entry = TaggedRecord.decode(key, unseal(key, value))
    return StoredRecord(
        record_id=entry.record_id,
        reporter=entry.reporter,
        height=Height(decode_number(key, key[_HEIGHT])),
        timestamp_ms=entry.timestamp_ms,
        payload=entry.payload(key),
        order=key[_ORDER],
    )
