"""Invariants 4 to 6: what validators sign. Asked for every message that an honest node sends.

4 Prepared-uniqueness: one digest has a PREPARE certificate in a view at a height. 5 Honest nodes
never contradict themselves, over all bytes ever sent, across restarts and wipes. 6 No vote in a
view after a VIEW-CHANGE for a higher one; a VIEW-CHANGE hides no COMMIT of its signer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulwark.ledger.votes import Certificate, VoteKind
from consensus.messages import NewView, PrePrepare, ViewChange, Vote
from tests.simulation.checkers.record import Record

if TYPE_CHECKING:
    from tests.simulation.node import SimNode

PREPARE, COMMIT, CHECKPOINT = VoteKind.PREPARE, VoteKind.COMMIT, VoteKind.CHECKPOINT


class PreparedUnique:
    """Invariant 4."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._digests: dict[tuple[int, int, int], bytes] = {}

    def on_certificate(self, epoch: int, certificate: Certificate) -> None:
        """A PREPARE certificate, or a COMMIT one that stands on it."""
        subject = certificate.subject
        key = (epoch, subject.view, subject.height)
        if self._digests.setdefault(key, subject.digest) != subject.digest:
            self._record.fail(
                4, "prepared-uniqueness", f"two digests for epoch, view, height {key}"
            )


class NonEquivocation:
    """Invariant 5; tells on the first sight of each own statement whether it is new."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._statements: dict[tuple[object, ...], object] = {}

    def on_vote(self, node: SimNode, vote: Vote) -> bool:
        """An own vote, or one of another honest node that is forwarded; True if it is new."""
        subject = vote.subject
        key = (subject.kind, subject.view, subject.height, vote.signer, self._record.epoch(node))
        return self._state(vote.signer, key, subject.digest)

    def on_pre_prepare(self, node: SimNode, message: PrePrepare) -> bool:
        """A proposal carries a PREPARE vote."""
        place = (message.view, message.height, message.signer, self._record.epoch(node))
        new = self._state(message.signer, (PREPARE, *place), message.digest)
        self._state(message.signer, ("proposal", *place), message.digest)
        return new

    def on_view_change(self, node: SimNode, message: ViewChange) -> bool:
        """One VIEW-CHANGE a view; a wiped node may ask again for a view that it forgot (P6)."""
        epoch = self._record.epoch(node)
        key = ("view-change", message.view, message.signer, epoch, node.wiped)
        return self._state(message.signer, key, message.signed_body())

    def on_new_view(self, node: SimNode, message: NewView) -> bool:
        """One NEW-VIEW a view."""
        key = ("new-view", message.view, message.signer, self._record.epoch(node))
        return self._state(message.signer, key, message.signed_body())

    def _state(self, signer: int, key: tuple[object, ...], value: object) -> bool:
        known = self._statements.get(key)
        if known is None:
            self._statements[key] = value
            return True
        if known != value:
            self._record.fail(5, "non-equivocation", f"node {signer} contradicts itself: {key}")
        return False


class Views:
    """Invariant 6, and that a VIEW-CHANGE shows what its signer committed (V2)."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._left: dict[tuple[int, int], int] = {}
        """Highest view each node sent a VIEW-CHANGE for, by node and epoch."""
        self._seen: dict[tuple[int, int], int] = {}
        """Highest view of a snapshot since the last crash."""
        self._committed: dict[int, dict[int, int]] = {}
        """View of the last own COMMIT, by node and height."""

    def on_vote(self, node: SimNode, vote: Vote) -> None:
        """A new own vote."""
        subject = vote.subject
        if subject.kind is CHECKPOINT:
            return
        left = self._left.get((node.index, self._record.epoch(node)), -1)
        if subject.view < left and not node.wiped:
            self._record.fail(
                6, "V8", f"node {node.index} votes in {subject.view} after leaving for {left}"
            )
        if subject.kind is COMMIT:
            self._committed.setdefault(node.index, {})[subject.height] = subject.view

    def on_view_change(self, node: SimNode, message: ViewChange) -> None:
        """A new own VIEW-CHANGE."""
        record = self._record
        key = (node.index, record.epoch(node))
        self._left[key] = max(self._left.get(key, -1), message.view)
        base = message.base_above(record.terms(node).start)
        shown: dict[int, int] = {c.subject.height: c.subject.view for c in message.prepared}
        committed = self._committed.get(node.index, {})
        for height in [h for h in committed if h <= base]:
            del committed[height]
        for height, view in committed.items():
            if shown.get(height, -1) < view:
                record.fail(
                    6, "V2", f"node {node.index} hides its COMMIT of view {view} at {height}"
                )

    def on_snapshot(self, node: SimNode, view: int) -> None:
        """View numbers only grow while a node runs."""
        key = (node.index, self._record.epoch(node))
        if view < self._seen.get(key, 0):
            self._record.fail(6, "S10", f"node {node.index} went back to view {view}")
        self._seen[key] = view

    def on_crash(self, node: SimNode) -> None:
        """A view that was not synced when the power failed was never spoken of."""
        key = (node.index, self._record.epoch(node))
        self._seen[key] = 0 if node.wiped else max(0, self._left.get(key, 0))

    def on_wipe(self, node: SimNode) -> None:
        """It forgot its views and COMMITs; that it contradicts no vote is invariant 5."""
        self._committed.pop(node.index, None)
        self._seen = {k: v for k, v in self._seen.items() if k[0] != node.index}
