"""Records as this node holds them: by tag for screenings, by id for everything else.

Rules: a look-up by tag is one ordered scan without any second read; an erased record has no tag
entry and answers by id with an empty payload. Values of the vocabulary are not interpreted here.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from bulwark.ledger.header import Header
from bulwark.ledger.ids import Address, Height, RecordId, Tag, TimestampMs
from bulwark.ledger.record import Record, RecordPayload
from node.chain.store import ChainStore
from node.storage import schema
from node.storage.errors import StoreDamaged
from node.storage.port import KeyValueStore
from node.storage.seal import unseal
from node.storage.values import TaggedRecord, decode_number

_HEIGHT = slice(1 + 32, 1 + 32 + 8)


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record with where and by whom it was anchored; its payload is readable."""

    record_id: RecordId
    reporter: Address
    """Account that anchored it."""
    height: Height
    timestamp_ms: TimestampMs
    """Time of its block."""
    payload: RecordPayload


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A record found by its id; an erased one has no payload."""

    record_id: RecordId
    reporter: Address
    height: Height
    timestamp_ms: TimestampMs
    payload: RecordPayload | None


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

    def records_of(self, tag: Tag, most: int) -> list[StoredRecord]:
        """The newest `most` records of a tag that are not erased, oldest first.

        Raises StoreDamaged.
        """
        found: list[StoredRecord] = []
        # What lies above was stored by state sync and is no part of the chain yet.
        last = schema.last_record_by_tag(tag, self._chain.applied)
        newest_first = self._store.iterate(schema.records_by_tag(tag), start=last, reverse=True)
        for key, stored in islice(newest_first, most):
            entry = TaggedRecord.decode(key, unseal(key, stored))
            found.append(
                StoredRecord(
                    record_id=entry.record_id,
                    reporter=entry.reporter,
                    height=Height(decode_number(key, key[_HEIGHT])),
                    timestamp_ms=entry.timestamp_ms,
                    payload=entry.payload(key),
                )
            )
        found.reverse()
        return found

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
        block = self._chain.block(place.height)
        sidecar = self._chain.sidecar(place.root)
        if block is None or sidecar is None or place.position >= sidecar.count:
            raise StoreDamaged(where, "its index leads nowhere")
        anchor = next((a for a in block.anchors if a.count and a.digest == place.root), None)
        if anchor is None:
            raise StoreDamaged(where, f"block {place.height} does not anchor its sidecar")
        entry = sidecar.entries[place.position]
        return FoundRecord(
            record_id=record_id,
            reporter=anchor.account,
            height=place.height,
            timestamp_ms=block.header.timestamp_ms,
            payload=entry.payload if isinstance(entry, Record) else None,
        )
