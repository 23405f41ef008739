"""View changes: leaving a view, agreeing what the next one starts with, entering it.

Rules owned: V2..V9 (docs/protocol.md). Certificates, not locks, cross views (pitfall L6); view
numbers only grow (S10); what follows from a quorum of VIEW-CHANGEs is decided by `select_new_view`
alone. When to leave a view is the pacemaker's affair.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec.structs import replace

from bulwark.ledger.ids import Digest, ValidatorIndex, View
from consensus.checkpoints import Checkpoints
from consensus.effects import Report, Send
from consensus.errors import require
from consensus.evidence import (
    DoubleNewView,
    DoubleViewChange,
    Evidence,
    ForgottenCommit,
    WrongNewView,
    amnesia_between,
    forgotten_commit,
)
from consensus.messages import NewView, ViewChange, ViewChangeRequest, Vote
from consensus.newview import NewViewPlan, select_new_view
from consensus.ordering import Ordering
from consensus.pacemaker import Pacemaker
from consensus.recovery import NewViewProof
from consensus.state import ReplicaState
from consensus.transitions import Cause
from consensus.types import Status


@dataclass(slots=True)
class PendingNewView:
    """A NEW-VIEW whose VIEW-CHANGEs are not all here yet."""

    new_view: NewView
    found: dict[Digest, ViewChange] = field(default_factory=dict)

    @property
    def missing(self) -> tuple[Digest, ...]:
        """Hashes still to fetch, in the NEW-VIEW's order."""
        return tuple(h for _, h in self.new_view.view_changes if h not in self.found)


class ViewChanger:
    """Keeps at most one VIEW-CHANGE a replica (V3) and one pending NEW-VIEW a leader."""

    __slots__ = (
        "_accused",
        "_checkpoints",
        "_ordering",
        "_pace",
        "_pending",
        "_state",
        "pool",
        "proof",
    )

    def __init__(
        self, state: ReplicaState, pace: Pacemaker, ordering: Ordering, checkpoints: Checkpoints
    ) -> None:
        self._state = state
        self._pace = pace
        self._ordering = ordering
        self._checkpoints = checkpoints
        self._pending: dict[ValidatorIndex, PendingNewView] = {}
        self._accused: set[tuple[ValidatorIndex, str]] = set()
        self.pool: dict[ValidatorIndex, ViewChange] = {}
        """The VIEW-CHANGE of the highest view of each replica, own included."""
        self.proof: NewViewProof | None = None
        """Proof of the active view, to forward; None for view 0."""

    @property
    def own(self) -> ViewChange | None:
        """The own VIEW-CHANGE while one is under way."""
        state = self._state
        return self.pool.get(state.me) if state.status is Status.CHANGING else None

    # -- leaving a view ----------------------------------------------------------------------

    def start(self, view: View) -> None:
        """V2: leave for `view`: record it, send VIEW-CHANGE; nothing is voted below it again."""
        state = self._state
        if view <= state.view or state.silent:
            return
        state.turn(Cause.LEAVE)
        state.view = view
        prepared = tuple(
            slot.prepared
            for slot in state.log.above(state.stable_height)
            if slot.prepared is not None
        )
        unsigned = ViewChange(view, state.stable, prepared, state.me, b"")
        signature = state.keyring.sign(ViewChange.TAG, unsigned.signed_body())
        message = replace(unsigned, signature=signature)
        state.journal.view(view, Status.CHANGING)
        state.journal.view_change(message)
        state.flush()
        state.broadcast(message)
        self.pool[state.me] = message
        self._pace.on_leaving(view, state.now_ms)
        self._review()

    def start_next(self) -> None:
        """T1..T3: a timer ran out; ask for the next view."""
        self.start(View(self._state.view + 1))

    def after_start(self) -> None:
        """P4: a recovered VIEW-CHANGE may already be a quorum (n = 1), or make this one leader."""
        self._review()

    def resend(self) -> None:
        """T5: the own VIEW-CHANGE again, unchanged."""
        own = self.own
        if own is not None:
            self._state.broadcast(own)
        self._pace.on_resent(self._state.now_ms)

    # -- collecting --------------------------------------------------------------------------

    def on_view_change(self, message: ViewChange) -> None:
        """V3, V4: keep the highest of each replica; join what f + 1 ask for."""
        state = self._state
        if message.checkpoint is not None:
            self._checkpoints.learn(message.checkpoint, message.signer)
        waiting = self._waiting_for(message) if self._pending else []
        for signer in waiting:  # all of them: a faulty leader may name it too
            pending = self._pending.get(signer)
            if pending is not None:  # else forgotten with the view that was just entered
                pending.found[message.hash()] = message
                self._try_enter(signer)
        if waiting or message.signer == state.me or message.view <= state.active_view:
            return
        known = self.pool.get(message.signer)
        if known is not None and message.view <= known.view:
            if message.view < known.view or message == known:
                return
            if not amnesia_between(known, message, state.terms):
                self._accuse(DoubleViewChange(known, message))
                return
            if message.base_above(state.terms.start) < known.base_above(state.terms.start):
                return  # the forgotten one, sent again by somebody (P6)
        self.pool[message.signer] = message
        self._compare_commits(message)
        self.join()
        self._review()

    def _waiting_for(self, message: ViewChange) -> list[ValidatorIndex]:
        """The leaders whose pending NEW-VIEW names this VIEW-CHANGE, not found so far."""
        digest = message.hash()
        return [i for i, p in sorted(self._pending.items()) if digest in p.missing]

    def _compare_commits(self, change: ViewChange) -> None:
        """A VIEW-CHANGE must prove every COMMIT that its signer cast above its checkpoint."""
        state = self._state
        for slot in state.log.above(change.base_above(state.terms.start)):
            vote = slot.commits.get(change.signer)
            if vote is not None and forgotten_commit(vote, change, state.terms):
                self._accuse(ForgottenCommit(vote, change))

    def check_commit(self, vote: Vote) -> None:
        """The same for a COMMIT that arrives after its signer's VIEW-CHANGE."""
        change = self.pool.get(vote.signer)
        if change is not None and forgotten_commit(vote, change, self._state.terms):
            self._accuse(ForgottenCommit(vote, change))

    def _accuse(self, evidence: Evidence) -> None:
        """Report once a signer and kind of evidence in each view."""
        mark = (evidence.culprit, type(evidence).__name__)
        if mark not in self._accused:
            self._accused.add(mark)
            self._state.outbox.append(Report(evidence))

    def join(self) -> None:
        """V4: leave for the highest view that f + 1 others ask for; an honest one is among them."""
        state = self._state
        views = sorted(
            (c.view for i, c in self.pool.items() if i != state.me and c.view > state.view),
            reverse=True,
        )
        if len(views) > state.validators.faulty:
            self.start(views[state.validators.faulty])

    def _review(self) -> None:
        """T3, V5: start the leader's time at a quorum; as leader, open the view."""
        state = self._state
        if state.status is not Status.CHANGING:
            return
        asking = [i for i in sorted(self.pool) if self.pool[i].view >= state.view]
        if len(asking) >= state.validators.quorum:
            self._pace.on_quorum(state.now_ms)
        exact = [i for i in asking if self.pool[i].view == state.view]
        if state.leader == state.me and len(exact) >= state.validators.quorum:
            self._open(self._freshest(exact))

    def _freshest(self, signers: list[ValidatorIndex]) -> list[ValidatorIndex]:
        """V5: the quorum whose checkpoints are highest: stale ones may be refused (V10)."""
        start = self._state.terms.start
        ranked = sorted(signers, key=lambda i: (-self.pool[i].base_above(start), i))
        return sorted(ranked[: self._state.validators.quorum])

    def _open(self, signers: list[ValidatorIndex]) -> None:
        """V5: the leader names a quorum of VIEW-CHANGEs and what follows from them."""
        state = self._state
        changes = tuple(self.pool[signer] for signer in signers)
        plan = select_new_view(changes, state.terms.start)
        if self._stale(changes, plan):
            return
        references = tuple((change.signer, change.hash()) for change in changes)
        unsigned = NewView(state.view, references, plan.digests, state.me, b"")
        signature = state.keyring.sign(NewView.TAG, unsigned.signed_body())
        new_view = replace(unsigned, signature=signature)
        self._enter(NewViewProof(new_view, changes), plan, announce=True)

    # -- entering ----------------------------------------------------------------------------

    def on_new_view(self, sender: ValidatorIndex, message: NewView) -> None:
        """V7: take a NEW-VIEW for a view not below the own; fetch what it names and is missing."""
        state = self._state
        self._compare_new_views(self.proof.new_view if self.proof is not None else None, message)
        if message.view < state.view or message.view <= state.active_view:
            return
        pending = self._pending.get(message.signer)
        if pending is not None and pending.new_view.view > message.view:
            return
        self._compare_new_views(pending.new_view if pending is not None else None, message)
        if pending is None or pending.new_view != message:
            pending = self._pending[message.signer] = PendingNewView(message)
        for signer, digest in message.view_changes:
            known = self.pool.get(signer)
            if known is not None and known.hash() == digest:
                pending.found[digest] = known
        if pending.missing:
            unsigned = ViewChangeRequest(message.view, pending.missing, state.me, b"")
            signature = state.keyring.sign(ViewChangeRequest.TAG, unsigned.signed_body())
            state.outbox.append(Send(sender, replace(unsigned, signature=signature)))
        else:
            self._try_enter(message.signer)

    def _compare_new_views(self, known: NewView | None, message: NewView) -> None:
        if known is not None and known.view == message.view and known != message:
            self._accuse(DoubleNewView(known, message))

    def _try_enter(self, signer: ValidatorIndex) -> None:
        """V7: recompute O from the named VIEW-CHANGEs and compare all of it (S2)."""
        state = self._state
        pending = self._pending[signer]
        if pending.missing:
            return
        del self._pending[signer]
        new_view = pending.new_view
        changes = tuple(pending.found[digest] for _, digest in new_view.view_changes)
        named = [index for index, _ in new_view.view_changes]
        plan = select_new_view(changes, state.terms.start)
        right = plan.digests == new_view.digests and named == [c.signer for c in changes]
        if not right or any(change.view != new_view.view for change in changes):
            self._accuse(WrongNewView(new_view, changes))
        elif self._stale(changes, plan):
            return
        elif new_view.view >= state.view and new_view.view > state.active_view:
            self._enter(NewViewProof(new_view, changes), plan, announce=False)

    def _stale(self, changes: tuple[ViewChange, ...], plan: NewViewPlan) -> bool:
        """V10: whether a VIEW-CHANGE among them may be one that its sender forgot (P6).

        It is old, and O passes over what is prepared and not settled here: that may be committed
        elsewhere with the vote that the sender cast after it forgot.
        """
        state = self._state
        oldest = min(change.base_above(state.terms.start) for change in changes)
        if oldest + 2 * state.config.window > state.low:
            return False
        return any(
            slot.prepared is not None
            and slot.prepared.subject.digest != plan.digest_at(slot.height)
            for slot in state.log.above(state.low)
        )

    def _enter(self, proof: NewViewProof, plan: NewViewPlan, *, announce: bool) -> None:
        """V9: record the view and its proof, forget the old view's votes, propose O again."""
        state = self._state
        view = proof.new_view.view
        require(view > state.active_view, "S10", f"view {view} after {state.active_view}")
        state.journal.view(view, Status.NORMAL)
        state.journal.new_view(proof.new_view, proof.view_changes)
        for slot in state.log.above(state.low):
            for digest in slot.enter_view(state.now_ms, plan.digest_at(slot.height)):
                state.journal.drop_body(slot.height, digest)
        state.flush()
        if announce:
            state.broadcast(proof.new_view)
        state.view = state.active_view = view
        state.turn(Cause.ENTER)
        state.plan, self.proof = plan, proof
        self.pool = {i: c for i, c in self.pool.items() if c.view > view}
        self._pending = {i: p for i, p in self._pending.items() if p.new_view.view > view}
        self._accused.clear()
        self._pace.on_entered(view, state.now_ms)
        if plan.checkpoint is not None:
            self._checkpoints.learn(plan.checkpoint, None)
        self._ordering.adopt_plan()
        self._ordering.ask_proposal()

    # -- serving -----------------------------------------------------------------------------

    def on_request(self, sender: ValidatorIndex, message: ViewChangeRequest) -> None:
        """R5: serve the VIEW-CHANGEs of the own pool and of the active view's proof."""
        held = list(self.pool.values())
        if self.proof is not None:
            held += self.proof.view_changes
        wanted = set(message.hashes)
        for change in held:
            digest = change.hash()
            if digest in wanted:
                wanted.discard(digest)
                self._state.outbox.append(Send(sender, change))
