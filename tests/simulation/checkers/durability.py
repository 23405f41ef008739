"""Invariant 9: what a node said or announced is on its disk already, and survives every crash.

Asked at the first sight of each own statement: the record behind it, the body behind a PREPARE, the
certificate behind a COMMIT, the block behind a CHECKPOINT must be durable when it leaves (P1). At a
crash the chain may not be shorter than what was announced. Also here: a vote for a fresh proposal
whose time lies ahead of the voter's clock (O3), since the body is at hand; and a wiped node's
silence (P6): it votes at no height that it may have voted at before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulwark.ledger.votes import Certificate, VoteKind
from consensus.messages import NewView, ViewChange, Vote
from tests.reference.new_view import NULL_REQUEST
from tests.simulation.checkers.record import Record

if TYPE_CHECKING:
    from tests.simulation.node import SimNode

STALE_MS = 120_000
"""No proposal may be older than this when it gets a PREPARE: far above every delay of a world."""


class Durability:
    """Invariant 9, O3 and P6."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._announced: dict[int, int] = {}
        self._silent: dict[int, tuple[int, int]] = {}
        """Of a wiped node: the highest height that it had voted at, and what was final there."""

    # -- statements --------------------------------------------------------------------------

    def on_vote(self, node: SimNode, vote: Vote) -> None:
        """A new own vote leaves the node."""
        record, subject = self._record, vote.subject
        kind, height = subject.kind, subject.height
        place = height.to_bytes(8, "big")
        if height > record.voted.get(node.index, 0):
            record.voted[node.index] = height
        if node.wiped and node.index in self._silent:
            self._forgot(node, height)
        if kind is VoteKind.CHECKPOINT and len(node.disk.blocks) < height:
            record.fail(9, "C1", f"node {node.index} vouches for block {height}, not on its disk")
        records = node.disk.records
        byte = bytes([kind])
        saved = records.get(b"vote/" + byte + place)
        said = byte + subject.view.to_bytes(8, "big") + place + subject.digest
        if saved is None or saved[:49] < said[:9] or (saved[:9] == said[:9] and saved[:49] != said):
            self._unless_pruned(node, height, f"{kind.name} of view {subject.view}")
        if kind is VoteKind.PREPARE and subject.digest != NULL_REQUEST:
            body = records.get(b"body/" + place + subject.digest)
            if body is None:
                self._unless_pruned(node, height, "body behind the PREPARE")
            else:
                self._time(node, subject.view, height, int.from_bytes(body[:8], "big"))
        elif kind is VoteKind.COMMIT and records.get(b"prepared/" + place) is None:
            self._unless_pruned(node, height, "certificate behind the COMMIT")

    def _forgot(self, node: SimNode, height: int) -> None:
        """P6: h* + 4L, and h* is at least what was final here before, less one window."""
        voted, final = self._silent[node.index]
        stable = node.disk.best_stable()
        known = node.span.start if stable is None else stable.subject.height
        if height <= voted or known < final + 3 * node.config.window:
            self._record.fail(
                9,
                "P6",
                f"node {node.index} forgot its votes up to {voted}, knows {known} to be final and "
                f"votes at {height}; {final} was final before",
            )

    def _unless_pruned(self, node: SimNode, height: int, what: str) -> None:
        """P3: one write may hold a record and its removal once the height is final."""
        stable = node.disk.best_stable()
        if stable is None or stable.subject.height < height:
            self._record.fail(9, "P1", f"node {node.index} sends before its disk has the {what}, "
                              f"height {height}")  # fmt: skip

    def _time(self, node: SimNode, view: int, height: int, timestamp_ms: int) -> None:
        fresh = self._record.first_fresh.get((self._record.epoch(node), view))
        if height < (1 if fresh is None else fresh):
            return  # proposed again: judged when it was fresh
        ahead = timestamp_ms - node.now()
        # a vote that was cast before a crash or a freeze leaves the node after it
        stale = ahead < -STALE_MS and self._record.world.now - node.awake_ms > STALE_MS
        if ahead > node.config.clock_precision_ms or stale:
            self._record.fail(
                9, "O3", f"node {node.index} prepares {height}, {ahead} ms ahead of its clock"
            )

    def on_view_change(self, node: SimNode, message: ViewChange) -> None:
        """A new own VIEW-CHANGE leaves the node."""
        saved = node.disk.records.get(b"view", b"")
        if int.from_bytes(saved[:8], "big") < message.view:
            self._record.fail(9, "P1", f"node {node.index} asks for {message.view}, not on disk")

    def on_new_view(self, node: SimNode, message: NewView) -> None:
        """A new own NEW-VIEW leaves the node."""
        saved = node.disk.records.get(b"new-view", b"")
        if int.from_bytes(saved[:8], "big") < message.view:
            self._record.fail(9, "P1", f"node {node.index} opens {message.view}, not on disk")

    # -- finality ----------------------------------------------------------------------------

    def on_stable(self, node: SimNode, certificate: Certificate) -> None:
        """Finality is announced: the block is there, and it is the one that everybody has."""
        subject = certificate.subject
        block = self._record.chain.get(subject.height)
        if block is None or block.header_hash != subject.digest:
            self._record.fail(9, "finality", f"height {subject.height} certified, never executed")
        if len(node.disk.blocks) < subject.height:
            self._record.fail(
                9, "durability", f"node {node.index} announces {subject.height}, not on its disk"
            )
        known = self._announced.get(node.index, 0)
        self._announced[node.index] = max(known, subject.height)

    def on_crash(self, node: SimNode) -> None:
        """Nothing that was announced is gone."""
        announced = self._announced.get(node.index, 0)
        if len(node.disk.blocks) < announced:
            self._record.fail(
                9, "durability", f"node {node.index} lost blocks from {announced} at a crash"
            )

    def on_wipe(self, node: SimNode) -> None:
        """Power and disk are lost, on purpose."""
        final = self._announced.get(node.index, 0)
        if node.index in self._record.voted:
            self._silent[node.index] = (self._record.voted[node.index], final)
        self._announced[node.index] = 0
