"""Invariants 1 to 3: one chain. Asked for every block that an honest node writes.

1 Agreement: no two honest nodes execute different batches at one height. 2 Total order: each node
executes heights one by one, and all headers are equal. 3 Integrity: what is executed was submitted;
an honest alliance orders it once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.checkers.record import Record

if TYPE_CHECKING:
    from tests.simulation.ledger import Block
    from tests.simulation.node import SimNode


class Agreement:
    """Invariant 1."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def on_block(self, node: SimNode, block: Block) -> None:
        """One batch a height."""
        known = self._record.chain.get(block.height)
        if known is not None and known.batch.digest != block.batch.digest:
            self._record.fail(
                1, "agreement", f"node {node.index} executes another batch at {block.height}"
            )


class TotalOrder:
    """Invariant 2."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._last: dict[int, int] = {}

    def on_block(self, node: SimNode, block: Block) -> None:
        """Height by height, header by header."""
        record = self._record
        expected = self._last.get(node.index, 0) + 1
        if block.height != expected:
            record.fail(2, "total order", f"node {node.index} executes {block.height}, {expected}")
        self._last[node.index] = block.height
        known = record.chain.get(block.height)
        if known is not None and known.header_hash != block.header_hash:
            record.fail(2, "total order", f"node {node.index} has another header {block.height}")

    def on_wipe(self, node: SimNode) -> None:
        """A wiped node begins again."""
        self._last[node.index] = 0


class Integrity:
    """Invariant 3; transactions that are in the chain twice are counted."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._submitted: set[bytes] = set()
        self._read = 0
        self._executed: set[bytes] = set()
        self.repeated = 0

    def on_new_block(self, node: SimNode, block: Block) -> None:
        """Every transaction is a client's; asked once a height."""
        requests = self._record.world.submitted
        if self._read < len(requests):
            self._submitted.update(requests[self._read :])
            self._read = len(requests)
        executed = self._executed
        for transaction in block.batch.transactions:
            if transaction not in self._submitted:
                self._record.fail(3, "integrity", f"{transaction!r} was never submitted")
            if transaction in executed:
                self.repeated += 1
            executed.add(transaction)

    def at_end(self) -> None:
        """Honest proposers never order again what is in flight or executed."""
        if self._record.calm() and self.repeated:
            self._record.fail(3, "integrity", f"{self.repeated} requests were ordered twice")
