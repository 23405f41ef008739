"""Old bodies: transactions, receipts, commit certificates and the transaction index of old blocks.

Rules: the floor is on disk first (`marks`), then bodies go block by block in ascending order, a few
in one write with the cursor behind them; blocks that have to stay (`duties`) stay whole. Headers,
finality certificates, the record log, records and the index of events stay for ever: proofs and
screening need no body, and who asks for one is told that it is pruned. A sidecar goes only when
every record in it was erased long before: what is left of it are leaf hashes.
"""

from __future__ import annotations

from typing import Final

from bulwark.ledger.hashing import keccak256
from bulwark.ledger.ids import Height
from bulwark.ledger.record import Record
from node.pruning.duties import is_kept
from node.pruning.marks import BODIES_AT, SIDECARS_AT, begin_bodies, put_number, read_number
from node.service import HistoryPruned
from node.storage import blocks, schema
from node.storage.errors import StoreDamaged
from node.storage.port import KeyValueStore

BLOCKS: Final = 16
"""Blocks that go in one write."""
ANCHORS: Final = 64
"""Anchors whose sidecars one step looks at."""

Puts = dict[bytes, bytes | None]


class BodyPruning:
    """One pass; `step` until it says that it is done."""

    def __init__(self, store: KeyValueStore, floor: Height, *, is_dry: bool = False) -> None:
        """Bodies below `floor` go. A dry pass writes nothing and counts."""
        self._store = store
        self._floor = floor
        self._is_dry = is_dry
        self._at = max(1, read_number(store, BODIES_AT))
        self._anchor = 0
        self._began = False
        self.blocks = 0
        self.kept = 0
        """Blocks below the floor that stay whole."""
        self.sidecars = 0
        self.bytes: dict[bytes, int] = {}
        """Keys and values that went, or would, by the first byte of their key."""

    def step(self) -> bool:
        """Some of the work, without giving way; whether all is done.

        Raises StoreDamaged, StoreWriteFailed.
        """
        if not self._began:
            self._began = True
            if not self._is_dry and self._at < self._floor:
                begin_bodies(self._store, self._floor)
            return False
        if self._at < self._floor:
            self._take_bodies()
            return False
        return self._take_sidecars()

    def _take_bodies(self) -> None:
        puts: Puts = {}
        last = min(self._floor, self._at + BLOCKS)
        for number in range(self._at, last):
            for key in self._body_keys(Height(number)):
                self._note(key, puts)
        self._at = last
        if not self._is_dry:
            self._store.write(puts | put_number(BODIES_AT, last), sync=False)

    def _body_keys(self, height: Height) -> list[bytes]:
        """Keys of one block that go; none for one that stays or is gone."""
        try:
            placed = blocks.read_receipts(self._store, height)
            batch = blocks.read_batch(self._store, height)
        except HistoryPruned:
            return []
        if is_kept([receipt for _, receipt in placed]):
            self.kept += 1
            return []
        self.blocks += 1
        return [
            schema.batch(height),
            schema.receipts(height),
            schema.commit_certificate(height),
            *(schema.transaction(keccak256(batch.transactions[at])) for at, _ in placed),
        ]

    def _take_sidecars(self) -> bool:
        """Look at some sidecars of blocks below the floor; whether all were looked at."""
        puts: Puts = {}
        for _ in range(ANCHORS):
            anchor = blocks.read_anchor(self._store, self._anchor)
            if anchor is None or anchor.height >= self._floor:
                if not self._is_dry:
                    self._store.write(puts | put_number(SIDECARS_AT, self._anchor), sync=False)
                return True
            self._anchor += 1
            if not anchor.count:
                continue
            sidecar = blocks.read_sidecar(self._store, anchor.digest)
            if sidecar is None or any(isinstance(entry, Record) for entry in sidecar.entries):
                continue
            if self._store.get(schema.bare_sidecar(anchor.digest)) is not None:
                continue  # whether an order covers all of it is still being found out
            self.sidecars += 1
            self._note(schema.sidecar(anchor.digest), puts)
        if puts and not self._is_dry:
            self._store.write(puts, sync=False)
        return False

    def _note(self, key: bytes, puts: Puts) -> None:
        value = self._store.get(key)
        if value is not None:
            prefix = key[:1]
            self.bytes[prefix] = self.bytes.get(prefix, 0) + len(key) + len(value)
            puts[key] = None


def check_bodies(store: KeyValueStore, height: Height) -> None:
    """Raise StoreDamaged if a body at or above the floor is missing; for tests and fsck."""
    if height >= blocks.read_pruned_from(store) and store.get(schema.batch(height)) is None:
        raise StoreDamaged(f"block {height}", "its body is missing")
