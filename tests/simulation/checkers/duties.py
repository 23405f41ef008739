"""What honest nodes owe besides the fourteen invariants: no halt, true evidence, clean epochs.

An honest replica halts only where more than f are faulty. Evidence holds by itself and accuses
nobody honest. An epoch ends once, at the boundary that was decided, with a certificate of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulwark.ledger.votes import VoteKind
from consensus.effects import EpochEnded
from consensus.evidence import Evidence
from tests.simulation.checkers.certificates import Certificates
from tests.simulation.checkers.record import Record

if TYPE_CHECKING:
    from tests.simulation.node import SimNode


class Duties:
    """Halts, evidence, epochs."""

    def __init__(self, record: Record, certificates: Certificates) -> None:
        self._record = record
        self._certificates = certificates
        self._ended: set[tuple[int, int]] = set()
        self.reports: dict[str, int] = {}
        """Evidence by kind."""

    def on_halt(self, node: SimNode, reason: str) -> None:
        """An honest replica stopped for ever."""
        self._record.fail(0, "halt", f"node {node.index}: {reason}")

    def on_report(self, node: SimNode, evidence: Evidence) -> None:
        """A node accuses another."""
        name = type(evidence).__name__
        self.reports[name] = self.reports.get(name, 0) + 1
        if evidence.culprit not in self._record.world.byzantine:
            self._record.fail(
                0, "evidence", f"node {node.index} accuses honest {evidence.culprit} of {name}"
            )
        if not evidence.holds(self._record.terms(node)):
            self._record.fail(0, "evidence", f"node {node.index} reports a {name} that is none")

    def on_epoch_ended(self, node: SimNode, effect: EpochEnded) -> None:
        """E3: at a certified boundary, once."""
        record, height = self._record, effect.certificate.subject.height
        mark = (node.index, record.epoch(node))
        self._certificates.on_use(node, effect.certificate, VoteKind.CHECKPOINT, height)
        if height % node.config.checkpoint_interval or len(node.disk.blocks) < height:
            record.fail(0, "E3", f"node {node.index} ends its epoch at {height}")
        if node.replica is not None and node.replica.snapshot().epoch_end != height:
            record.fail(0, "E3", f"node {node.index} ends its epoch at {height}, undecided")
        if mark in self._ended and height in node.disk.boundaries and not node.wiped:
            record.fail(0, "E3", f"node {node.index} ends epoch {mark[1]} twice")
        self._ended.add(mark)
