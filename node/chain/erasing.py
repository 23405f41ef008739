"""Takes records out of the executed chain: salt, tag and payload go, leaf and proofs stay.

Rules: records of one sidecar go in one write of it, whatever their number; the same record in
another sidecar (somebody anchored a copy) goes with it; nothing is flushed here. Who may ask for it
is not decided here. `give_back` is the way back for entries that a peer left out without an order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from bulwark.ledger.anchor import Anchor
from bulwark.ledger.ids import Digest, Height, RecordId
from bulwark.ledger.record import Record
from bulwark.ledger.sidecar import Entry, ErasedRecord, Sidecar
from node.chain.store import ChainStore
from node.storage import schema
from node.storage.errors import StoreDamaged
from node.storage.port import KeyValueStore
from node.storage.seal import seal, unseal
from node.storage.values import TaggedRecord, tagged_tail_of

Puts = dict[bytes, bytes | None]
_ORDER_BYTES = 16
"""height8 | transaction index4 | position4 at the end of an entry's key under its tag."""


@dataclass(slots=True)
class Group:
    """Records of one sidecar that are to go."""

    root: Digest
    positions: set[int] = field(default_factory=set)


class Eraser:
    """Erases records of one node's chain."""

    def __init__(self, store: KeyValueStore, chain: ChainStore) -> None:
        self._store = store
        self._chain = chain

    def groups(self, record_ids: Collection[RecordId]) -> list[Group]:
        """The records by sidecar, copies not looked for; unknown records are left out."""
        found: dict[Digest, Group] = {}
        for record_id in record_ids:
            place = self._chain.record_place(record_id)
            if place is not None:
                found.setdefault(place.root, Group(place.root)).positions.add(place.position)
        return list(found.values())

    def erase(
        self, group: Group, also: Callable[[list[Record]], Mapping[bytes, bytes | None]]
    ) -> tuple[list[Record], list[Group]]:
        """Erase records of one sidecar; what they were, and the copies that are still to go.

        `also` gives puts for the same write from the records that go. Raises StoreDamaged,
        StoreWriteFailed.
        """
        sidecar = self._chain.sidecar(group.root)
        if sidecar is None:
            raise StoreDamaged(f"sidecar {group.root.hex()}", "it is missing")
        gone = [
            entry
            for position in sorted(group.positions)
            if isinstance(entry := sidecar.entries[position], Record)
        ]
        puts: Puts = dict(also(gone))
        copies: dict[Digest, Group] = {}
        for record in gone:
            for key, place in self._index_entries(record):
                puts[key] = None
                if place.root != group.root:
                    copies.setdefault(place.root, Group(place.root)).positions |= place.positions
        erased = Sidecar(
            tuple(
                ErasedRecord(entry.record_id) if position in group.positions else entry
                for position, entry in enumerate(sidecar.entries)
            )
        )
        self._chain.replace_sidecar(group.root, erased, puts)
        return gone, list(copies.values())

    def _index_entries(self, record: Record) -> Iterator[tuple[bytes, Group]]:
        """Every place where the ledger holds exactly this record, with the key of each."""
        prefix = schema.records_by_tag(record.tag)
        for key, stored in self._store.iterate(prefix):
            if TaggedRecord.decode(key, unseal(key, stored)).record_id != record.record_id:
                continue
            order = key[-_ORDER_BYTES:]
            position = int.from_bytes(order[12:], "big")
            for anchor in self._anchors(order):
                held = self._chain.sidecar(anchor.digest)
                if (
                    held is not None
                    and position < held.count
                    and held.entries[position].record_id == record.record_id
                ):
                    yield key, Group(anchor.digest, {position})

    def _anchors(self, order: bytes) -> list[Anchor]:
        """Anchors of batches of one transaction, as the tail of an index key names it."""
        block = self._chain.block(Height(int.from_bytes(order[:8], "big")))
        index = int.from_bytes(order[8:12], "big")
        anchors = () if block is None else block.anchors
        return [a for a in anchors if a.count and a.transaction_index == index]

    def give_back(self, root: Digest, given: Sidecar, leaves: Collection[RecordId]) -> int:
        """Put records that are bare here back from a peer's sidecar of this root; how many.

        The caller has checked that the ledger holds no order for `leaves`. Raises StoreDamaged.
        """
        sidecar = self._chain.sidecar(root)
        if sidecar is None or given.root != root:
            return 0
        entries: list[Entry] = list(sidecar.entries)
        back: dict[int, Record] = {}
        for position, (own, other) in enumerate(zip(sidecar.entries, given.entries, strict=True)):
            bare = isinstance(own, ErasedRecord) and own.leaf in leaves
            if bare and isinstance(other, Record):
                entries[position] = back[position] = other
        if back:
            puts = self._tag_entries(root, back)
            self._chain.replace_sidecar(root, Sidecar(tuple(entries)), puts)
        return len(back)

    def _tag_entries(self, root: Digest, back: Mapping[int, Record]) -> Puts:
        puts: Puts = {}
        for position, record in back.items():
            place = self._chain.record_place(record.record_id)
            block = None if place is None else self._chain.block(place.height)
            if place is None or block is None or place.root != root or place.position != position:
                continue  # a copy that a later anchor overtook answers from there
            anchor = next(a for a in block.anchors if a.count and a.digest == root)
            key = schema.record_by_tag(record.tag, place)
            tail = tagged_tail_of(anchor.account, block.header.timestamp_ms)
            puts[key] = seal(key, record.record_id + tail + record.payload_bytes)
        return puts
