"""Invariant 12: a fault-free run changes no view and sends exactly the votes of three phases.

Each height costs one PRE-PREPARE, n - 1 further PREPAREs, n COMMITs and, every K-th, n CHECKPOINTs,
each broadcast once. Where the network delays at random a node may be so late that its vote is no
longer needed, so then the numbers are the most; with constant delays they are exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulwark.ledger.votes import VoteKind
from consensus.messages import NewView, PrePrepare, ViewChange, Vote
from tests.simulation.checkers.record import Record

if TYPE_CHECKING:
    from tests.simulation.node import SimNode


class Calm:
    """Invariant 12."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._calm = record.calm()
        self._sent: dict[int, list[int]] = {}
        """PRE-PREPAREs, PREPAREs, COMMITs, CHECKPOINTs by height."""

    def on_send(self, node: SimNode, message: PrePrepare | Vote | ViewChange | NewView) -> None:
        """Count an own message, repetitions too."""
        if not self._calm or message.signer != node.index:
            return
        if isinstance(message, ViewChange | NewView):
            self._record.fail(12, "calm", f"node {node.index} changes view without any fault")
        if isinstance(message, PrePrepare):
            self._count(message.height, 0)
        else:
            self._count(message.subject.height, message.subject.kind)

    def on_crash(self, node: SimNode) -> None:
        """A test crashed a node by hand: not calm any more."""
        self._calm = False

    def _count(self, height: int, kind: int) -> None:
        self._sent.setdefault(height, [0, 0, 0, 0])[kind] += 1

    def at_end(self, exact: bool = False) -> None:
        """Compare the heights that are certainly over."""
        if not self._calm:
            return
        record = self._record
        done = min(len(node.disk.blocks) for node in record.world.nodes)
        for height in range(1, done + 1):
            node = record.world.nodes[0]
            n, interval = len(record.terms(node).validators), node.config.checkpoint_interval
            most = [1, n - 1, n, 0 if height % interval else n]
            found = self._sent.get(height, [0, 0, 0, 0])
            over = any(a > b for a, b in zip(found, most, strict=True))
            final = height <= done - node.config.window
            if over or (exact and final and found != most):
                names = [VoteKind(i).name for i in (1, 2, 3)]
                record.fail(
                    12,
                    "calm",
                    f"height {height}: sent {found}, {most} of PRE-PREPARE, {', '.join(names)}",
                )
