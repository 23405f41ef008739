"""Checkers: the hooks of the world, handed on to whoever wants them.

Costs: one dictionary look-up for an uninteresting message or effect; a snapshot every 64th step of
a node. Everything else happens at the first sight of a statement, certificate, block or view.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bulwark.ledger.votes import VoteKind, VoteSubject
from consensus.effects import (
    Effect,
    EpochEnded,
    Execute,
    Halt,
    Persist,
    SetTimer,
    Stable,
    SyncTo,
)
from consensus.events import Event, Received, StateInstalled, SyncFailed
from consensus.evidence import Evidence
from consensus.messages import Decision, Message, NewView, PrePrepare, ViewChange, Vote
from tests.simulation.checkers.bounds import Bounds
from tests.simulation.checkers.calm import Calm
from tests.simulation.checkers.certificates import Certificates
from tests.simulation.checkers.durability import Durability
from tests.simulation.checkers.duties import Duties
from tests.simulation.checkers.ledger import Agreement, Integrity, TotalOrder
from tests.simulation.checkers.liveness import Fairness, Liveness
from tests.simulation.checkers.newview import NewViews
from tests.simulation.checkers.record import Record
from tests.simulation.checkers.timers import Deletions, Execution, Timers
from tests.simulation.checkers.votes import NonEquivocation, PreparedUnique, Views

if TYPE_CHECKING:
    from tests.simulation.ledger import Block
    from tests.simulation.node import SimNode
    from tests.simulation.world import World

COMMIT, CHECKPOINT = VoteKind.COMMIT, VoteKind.CHECKPOINT
WATCHED_MESSAGES = frozenset((Vote, PrePrepare, ViewChange, NewView))


class Checkers:
    """All invariants of one world; each raises `Violation`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._byzantine = world.byzantine
        self.record = Record(world)
        self.agreement = Agreement(self.record)
        self.order = TotalOrder(self.record)
        self.integrity = Integrity(self.record)
        self.unique = PreparedUnique(self.record)
        self.equivocation = NonEquivocation(self.record)
        self.views = Views(self.record)
        self.certificates = Certificates(self.record, self.unique)
        self.new_views = NewViews(self.record, self.certificates)
        self.durability = Durability(self.record)
        self.timers = Timers(self.record)
        self.execution = Execution(self.record)
        self.deletions = Deletions(self.record)
        self.bounds = Bounds(self.record, self.views, self.timers)
        self.liveness = Liveness(self.record)
        self.fairness = Fairness(self.record)
        self.calm = Calm(self.record)
        self.duties = Duties(self.record, self.certificates)

    @property
    def reports(self) -> int:
        """Pieces of evidence that honest nodes reported."""
        return sum(self.duties.reports.values())

    # -- hooks -------------------------------------------------------------------------------

    def on_block(self, node: SimNode, block: Block) -> None:
        """A node wrote a block, executed or synced."""
        if node.index in self.world.byzantine:
            return
        self.agreement.on_block(node, block)
        self.order.on_block(node, block)
        certificate = block.commit
        self.certificates.on_use(node, certificate, VoteKind.COMMIT, block.height)
        if certificate.subject.digest != block.batch.digest:
            self.record.fail(8, "certificate", f"block {block.height} has another batch's")
        if block.height not in self.record.chain:
            self.record.chain[block.height] = block
            self.record.top = max(self.record.top, block.height)
            self.integrity.on_new_block(node, block)
            self.liveness.on_new_block(node, block)
            self.fairness.on_new_block(node, block)

    def on_send(self, node: SimNode, message: Message) -> None:
        """A node sends a message; a broadcast is told once."""
        kind = type(message)
        if kind not in WATCHED_MESSAGES or node.index in self._byzantine:
            return
        if message.signer != node.index:
            self._forwarded(node, message)
            return
        self.calm.on_send(node, message)
        if kind is Vote:
            self._vote(node, message, self.equivocation.on_vote(node, message))
        elif kind is PrePrepare:
            new = self.equivocation.on_pre_prepare(node, message)
            self._vote(node, _vote_inside(message), new)
        elif kind is ViewChange:
            if self.equivocation.on_view_change(node, message):
                self.views.on_view_change(node, message)
                self.durability.on_view_change(node, message)
                terms = self.record.terms(node)
                for certificate in message.prepared:
                    self.certificates.check(terms, certificate)
                if message.checkpoint is not None:
                    self.certificates.check(terms, message.checkpoint)
        elif self.equivocation.on_new_view(node, message):
            self.durability.on_new_view(node, message)

    def _vote(self, node: SimNode, vote: Vote, new: bool) -> None:
        if new:
            self.views.on_vote(node, vote)
            self.execution.on_vote(node, vote)
            if vote.subject.kind is VoteKind.PREPARE:
                self.deletions.on_vote(node, vote)
            self.durability.on_vote(node, vote)

    def _forwarded(self, node: SimNode, message: Message) -> None:
        """Another honest node's statement passes by: it must be the one that it made."""
        if isinstance(message, Vote) and message.signer not in self.world.byzantine:
            self.equivocation.on_vote(node, message)

    def after_step(self, node: SimNode, event: Event, effects: list[Effect]) -> None:
        """A replica handled an event."""
        if node.index in self._byzantine:
            return
        kind = type(event)
        if kind is StateInstalled or kind is SyncFailed:
            self.execution.on_synced(node)
        for effect in effects:
            if type(effect) in _LOOK:
                self._effect(node, effect)
        if kind is Received:
            message = event.message.message
            if type(message) is Decision:
                self.execution.on_decision(node, message)
        self.bounds.after_step(node)

    def _effect(self, node: SimNode, effect: Effect) -> None:
        _LOOK[type(effect)](self, node, effect)

    def _persist(self, node: SimNode, effect: Persist) -> None:
        for key, value in effect.records:
            if value is None:
                self.deletions.on_delete(node, key)
            elif key == b"new-view":
                self.new_views.on_record(node, value)

    def _set_timer(self, node: SimNode, effect: SetTimer) -> None:
        self.timers.on_set(node, effect)

    def _sync_to(self, node: SimNode, effect: SyncTo) -> None:
        height = effect.certificate.subject.height
        self.certificates.on_use(node, effect.certificate, CHECKPOINT, height)
        self.execution.on_sync_to(node, height)

    def _execute(self, node: SimNode, effect: Execute) -> None:
        self.execution.on_execute(node, effect)
        self.certificates.on_use(node, effect.commit_certificate, COMMIT, effect.height)

    def _stable(self, node: SimNode, effect: Stable) -> None:
        certificate = effect.certificate
        self.certificates.on_use(node, certificate, CHECKPOINT, certificate.subject.height)
        self.durability.on_stable(node, certificate)

    def _epoch_ended(self, node: SimNode, effect: EpochEnded) -> None:
        self.duties.on_epoch_ended(node, effect)

    def _halt(self, node: SimNode, effect: Halt) -> None:
        self.duties.on_halt(node, effect.reason)

    def on_crash(self, node: SimNode) -> None:
        """A node lost power; what was not synced is gone from its disk."""
        self.calm.on_crash(node)
        if node.index not in self.world.byzantine:
            self.views.on_crash(node)
            self.durability.on_crash(node)

    def on_wipe(self, node: SimNode) -> None:
        """A node lost its disk; it counts as one of the f faulty ones from now on."""
        self.order.on_wipe(node)
        self.views.on_wipe(node)
        self.durability.on_wipe(node)

    def on_report(self, node: SimNode, evidence: Evidence) -> None:
        """A node reports evidence."""
        if node.index not in self.world.byzantine:
            self.duties.on_report(node, evidence)

    def at_end(self, exact: bool = False) -> None:
        """The run is over; `exact` asks for exact message counts in a calm world (12)."""
        self.integrity.at_end()
        self.bounds.at_end()
        self.liveness.at_end()
        self.calm.at_end(exact)


_LOOK: dict[type[Effect], Callable[[Checkers, SimNode, Any], None]] = {
    Persist: Checkers._persist,
    SetTimer: Checkers._set_timer,
    SyncTo: Checkers._sync_to,
    Execute: Checkers._execute,
    Stable: Checkers._stable,
    EpochEnded: Checkers._epoch_ended,
    Halt: Checkers._halt,
}
"""The effects that a checker wants to see."""


def _vote_inside(message: PrePrepare) -> Vote:
    subject = VoteSubject(VoteKind.PREPARE, message.view, message.height, message.digest)
    return Vote(subject, message.signer, message.vote_signature)
