"""A disk that forgets at a crash whatever was not synced before it.

Fault model: a write is atomic; it is durable exactly from the moment its sync finished; writes
never reorder; nothing that was synced is ever damaged.
"""

from __future__ import annotations

from dataclasses import dataclass

from bulwark.ledger.batch import Batch
from bulwark.ledger.ids import Digest
from bulwark.ledger.votes import Certificate


@dataclass(frozen=True)
class Block:
    """One executed block as the toy executor makes it."""

    height: int
    batch: Batch
    header_hash: Digest
    commit: Certificate


class Disk:
    """Consensus records, blocks and finality certificates of one node."""

    def __init__(self) -> None:
        self.records: dict[bytes, bytes] = {}
        self.blocks: list[Block] = []
        self.stable: Certificate | None = None
        self._unsynced_stable: Certificate | None = None

    def write_records(self, records: tuple[tuple[bytes, bytes | None], ...]) -> None:
        """The moment a Persist's fsync finished."""
        for key, value in records:
            if value is None:
                self.records.pop(key, None)
            else:
                self.records[key] = value
        self._sync_stable()

    def write_block(self, block: Block) -> None:
        """The moment a block's synced write finished."""
        if block.height != len(self.blocks) + 1:
            raise AssertionError(f"block {block.height} written after {len(self.blocks)}")
        self.blocks.append(block)
        self._sync_stable()

    def write_stable(self, certificate: Certificate) -> None:
        """Not synced: reaches the disk with the next write that is."""
        self._unsynced_stable = certificate

    def best_stable(self) -> Certificate | None:
        """The highest certificate, also if it is not synced."""
        return self._unsynced_stable or self.stable

    def _sync_stable(self) -> None:
        if self._unsynced_stable is not None:
            self.stable, self._unsynced_stable = self._unsynced_stable, None

    def crash(self) -> None:
        """Power is lost."""
        self._unsynced_stable = None

    def wipe(self) -> None:
        """Everything is gone."""
        self.records.clear()
        self.blocks.clear()
        self.stable = self._unsynced_stable = None
