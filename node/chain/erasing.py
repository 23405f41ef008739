"""Takes records out of the executed chain: salt, tag and payload go, leaf and proofs stay.

Rules: records of one sidecar go in one write of it, whatever their number; the same record in
another sidecar (somebody anchored a copy) goes with it; nothing is flushed here. Who may ask for it
is not decided here. `give_back` is the way back for entries that a peer left out without an order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from bulwark.ledger.ids import Digest, RecordId
from bulwark.ledger.record import Record
from bulwark.ledger.sidecar import Entry, ErasedRecord, Sidecar
from node.chain.store import ChainStore
from node.storage import schema
from node.storage.errors import StoreDamaged
from node.storage.port import KeyValueStore
from node.storage.seal import seal
from node.storage.values import RecordPlace, tagged_tail_of

Puts = dict[bytes, bytes | None]


@dataclass(slots=True)
class Group:
    """Places of one sidecar whose records are to go."""

    root: Digest
    places: list[RecordPlace] = field(default_factory=list)


class Eraser:
    """Erases records of one node's chain."""

    def __init__(self, store: KeyValueStore, chain: ChainStore) -> None:
        self._store = store
        self._chain = chain

    def groups(self, record_ids: Collection[RecordId]) -> list[Group]:
        """Every place of these records by sidecar, copies too; unknown records are left out."""
        found: dict[Digest, Group] = {}
        for record_id in record_ids:
            for key, value in self._store.iterate(schema.record(record_id)):
                place = RecordPlace.decode(key, value)
                if place.height <= self._chain.applied:
                    found.setdefault(place.root, Group(place.root)).places.append(place)
        return list(found.values())

    def erase(
        self, group: Group, also: Callable[[list[Record]], Mapping[bytes, bytes | None]]
    ) -> list[Record]:
        """Erase records of one sidecar in one write; those that were here in full.

        `also` gives puts for the same write from the records that go. Raises StoreDamaged,
        StoreWriteFailed.
        """
        sidecar = self._chain.sidecar(group.root)
        if sidecar is None:
            raise StoreDamaged(f"sidecar {group.root.hex()}", "it is missing")
        gone: dict[int, Record] = {}
        keys: Puts = {}
        for place in group.places:
            entry = sidecar.entries[place.position]
            if isinstance(entry, Record):
                gone[place.position] = entry
                keys[schema.record_by_tag(entry.tag, place)] = None
        if gone:
            erased = Sidecar(
                tuple(
                    ErasedRecord(entry.record_id) if position in gone else entry
                    for position, entry in enumerate(sidecar.entries)
                )
            )
            puts = {**keys, **also(list(gone.values()))}
            self._chain.replace_sidecar(group.root, erased, puts)
        return list(gone.values())

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
        for record in back.values():
            for key, value in self._store.iterate(schema.record(record.record_id)):
                place = RecordPlace.decode(key, value)
                header = self._chain.header(place.height)
                if header is None or place.root != root:
                    continue
                anchors = self._chain.anchors(place.height)
                anchor = next(a for a in anchors if a.count and a.digest == root)
                by_tag = schema.record_by_tag(record.tag, place)
                tail = tagged_tail_of(anchor.account, header.timestamp_ms)
                puts[by_tag] = seal(by_tag, record.record_id + tail + record.payload_bytes)
        return puts
