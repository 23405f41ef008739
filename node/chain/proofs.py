"""Makes the proofs that leave the node, from the store alone.

Rules: a proof ends in the lowest certified header at or above the anchor, so that it is the same
whoever asks when; what is not final is refused with NotProvable. Checking is `bulwark.ledger`'s.
"""

from __future__ import annotations

from bulwark.ledger.anchor import Anchor
from bulwark.ledger.ids import Digest, Height, RecordId
from bulwark.ledger.merkle import stored_consistency_path, stored_inclusion_path
from bulwark.ledger.proofs import AnchorProof, ConsistencyProof, RecordProof, SealedHeader
from node.chain.epochs import EpochBook
from node.chain.errors import NotProvable
from node.chain.store import ChainStore
from node.storage import blocks, schema
from node.storage.errors import StoreDamaged
from node.storage.port import KeyValueStore
from node.storage.values import decode_number

__all__ = ["NotProvable", "Prover"]


class Prover:
    """Proofs over one node's chain."""

    def __init__(self, store: KeyValueStore, chain: ChainStore, epochs: EpochBook) -> None:
        self._store = store
        self._chain = chain
        self._epochs = epochs

    def record(self, record_id: RecordId) -> RecordProof:
        """Proof of a record, erased or not. Raises LookupError, NotProvable."""
        place = self._chain.record_place(record_id)
        sidecar = None if place is None else self._chain.sidecar(place.root)
        if place is not None and sidecar is None:
            self._chain.check_kept(f"record {record_id.hex()}", place.height)
        if place is None or sidecar is None:
            raise LookupError(f"no record {record_id.hex()}")
        return RecordProof(
            entry=sidecar.entries[place.position],
            index=place.position,
            path=tuple(sidecar.path(place.position)),
            anchored=self.anchor(place.root),
        )

    def anchor(self, name: bytes) -> AnchorProof:
        """Proof of the last anchor of a batch root or a consent's anchor id.

        Raises LookupError, NotProvable.
        """
        positions = self.positions(name)
        if not positions:
            raise LookupError(f"no anchor {name.hex()}")
        return self.anchor_at(positions[-1])

    def positions(self, name: bytes) -> list[int]:
        """Positions in the record log of a batch root or a consent's anchor id, ascending."""
        prefix = schema.LOG_INDEX + name
        found = (
            decode_number(key, key[len(prefix) :])
            for key, _ in self._store.iterate(prefix)
            if len(key) == len(prefix) + 8
        )
        size = self._chain.tip.record_log_size
        return [position for position in found if position < size]

    def anchor_of(self, position: int) -> Anchor:
        """The anchor at a position of the record log. Raises StoreDamaged."""
        anchor = blocks.read_anchor(self._store, position)
        if anchor is None:
            raise StoreDamaged("record log", f"anchor {position} is missing")
        return anchor

    def anchor_at(self, position: int) -> AnchorProof:
        """Proof of the anchor at a position of the record log. Raises NotProvable."""
        anchor = self.anchor_of(position)
        sealed = self._sealed("the anchor", anchor.height)
        path = stored_inclusion_path(self._node_at, position, sealed.header.record_log_size)
        return AnchorProof(anchor, position, tuple(path), sealed)

    def consistency(self, first: Height, second: Height) -> ConsistencyProof:
        """Proof that the log of one certified block extends that of another.

        Each height stands for the lowest certified block at or above it. Raises NotProvable.
        """
        early, late = self._sealed("the first", first), self._sealed("the second", second)
        size = early.header.record_log_size
        path: list[Digest] = []
        if size:
            path = stored_consistency_path(self._node_at, size, late.header.record_log_size)
        return ConsistencyProof(early, late, tuple(path))

    def _node_at(self, level: int, place: int) -> Digest:
        return blocks.read_log_node(self._store, level, place)

    def _sealed(self, what: str, height: Height) -> SealedHeader:
        found = self._chain.certified_from(height)
        if found is None:
            raise NotProvable(what, height, self._chain.finalized)
        header, certificate = found
        return SealedHeader(header, certificate, self._epochs.changes(header.epoch))
