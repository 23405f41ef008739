"""The three phases: PRE-PREPARE, PREPARE, COMMIT, then execution in order.

Rules owned: O2..O9 (docs/protocol.md), each named where it is applied. Votes of other views never
count; a COMMIT certificate counts in every view and status (commit first, then change view).
View changes, checkpoints and timers are elsewhere.
"""

from __future__ import annotations

from bulwark.ledger.batch import NULL_BATCH, Batch
from bulwark.ledger.ids import Digest, Height, ValidatorIndex
from bulwark.ledger.votes import Certificate, VoteKind, VoteSubject
from consensus.effects import CheckBatch, Execute, NeedProposal, Send
from consensus.errors import require
from consensus.events import BatchChecked, ProposalReady
from consensus.log import Slot, signatures_for, tally
from consensus.messages import Body, BodyRequest, Decision, PrePrepare, Vote
from consensus.pacemaker import Pacemaker
from consensus.state import ReplicaState
from consensus.types import Place


class Ordering:
    """Moves slots through the phases."""

    __slots__ = ("_asked", "_cursor", "_pace", "_state", "_turn")

    def __init__(self, state: ReplicaState, pace: Pacemaker) -> None:
        self._state = state
        self._pace = pace
        self._asked: NeedProposal | None = None
        self._cursor = (state.active_view, Height(0))
        """Where next_height() stopped: in one view proposals are only added."""
        self._turn = (state.active_view, Height(0), ValidatorIndex(0))
        """View, height and proposer at the last look."""

    # -- proposing ---------------------------------------------------------------------------

    def next_height(self) -> Height:
        """First fresh height above the executed ones that has no proposal in the active view."""
        state = self._state
        height = Height(max(state.plan.first_fresh, state.executed + 1))
        view, reached = self._cursor
        if reached > height and view == state.active_view:
            height = reached
        begun = height
        while (slot := state.log.get(height)) is not None:
            if slot.digest is None and slot.committed is None:
                break
            height = Height(height + 1)
        if height != begun or view != state.active_view:
            self._cursor = (state.active_view, height)
        return height

    def next_proposer(self) -> ValidatorIndex:
        """O1: who proposes next_height()."""
        state = self._state
        height = self.next_height()
        view, known, proposer = self._turn
        if known != height or view != state.active_view:
            proposer = state.proposer(height)
            self._turn = (state.active_view, height, proposer)
        return proposer

    def in_flight(self) -> bool:
        """Whether a proposal of the active view is not committed."""
        state = self._state
        if state.log.top <= state.executed:
            return False
        for slot in state.log.above(state.executed):
            if slot.digest is not None and slot.committed is None:
                return True
        return False

    def ask_proposal(self, heartbeat: bool = False) -> None:
        """O10: ask the driver for a batch if it is our turn and the pipeline has room."""
        state = self._state
        if self.next_proposer() != state.me or not state.ordering or state.silent:
            return
        height = self.next_height()
        if height > min(state.executed + state.config.pipeline, state.high):
            return
        # E2: nobody waits for requests when a decided change of validators is due
        empty = heartbeat or state.epoch_end is not None
        known = self._asked
        asked = known is not None and (known.view, known.height) == (state.active_view, height)
        if known is not None and asked and (known.allow_empty or not empty):
            return
        need = NeedProposal(state.active_view, height, empty, self._in_flight(height))
        self._asked = need
        state.outbox.append(need)

    def _in_flight(self, below: Height) -> tuple[Batch, ...]:
        """Bodies at hand of the heights that will execute before `below`."""
        bodies: list[Batch] = []
        for slot in self._state.log.above(self._state.executed):
            certified = None if slot.committed is None else slot.committed.subject.digest
            digest = certified if certified is not None else slot.digest
            if slot.height < below and digest is not None and digest in slot.bodies:
                bodies.append(slot.bodies[digest])
        return tuple(bodies)

    def on_proposal_ready(self, event: ProposalReady) -> None:
        """Propose the driver's batch; an answer that came too late is ignored."""
        state = self._state
        asked = self._asked
        if asked is None or (asked.view, asked.height) != (event.view, event.height):
            return
        if not state.ordering or event.view != state.active_view:
            return
        if event.height != self.next_height():
            return
        slot = state.slot(event.height)
        self._asked = None
        digest = event.batch.digest
        slot.digest, slot.timely, slot.opened_ms = digest, True, state.now_ms
        state.version += 1
        slot.bodies[digest] = event.batch
        slot.approved.add(digest)
        state.journal.body(slot.height, event.batch)
        vote = state.cast(slot, VoteKind.PREPARE, digest)
        state.flush()
        slot.pre_prepare = self._sign_pre_prepare(vote, event.batch)
        state.broadcast(slot.pre_prepare)
        self._pace.on_proposal(state.now_ms)
        self.advance(slot)
        self.ask_proposal()

    def _sign_pre_prepare(self, vote: Vote, batch: Batch) -> PrePrepare:
        subject = vote.subject
        unsigned = PrePrepare(
            subject.view, subject.height, subject.digest, vote.signer, b"", vote.signature, batch
        )
        signature = self._state.keyring.sign(PrePrepare.TAG, unsigned.signed_body())
        return PrePrepare(
            subject.view,
            subject.height,
            subject.digest,
            vote.signer,
            signature,
            vote.signature,
            batch,
        )

    def restore_pre_prepare(self, slot: Slot) -> None:
        """P4: the proposer's message follows from its recovered PREPARE vote and body."""
        vote = slot.own.get(VoteKind.PREPARE)
        if vote is None or slot.digest is None or slot.height < self._state.first_fresh:
            return
        body = slot.bodies.get(slot.digest)
        if body is not None and self._state.proposer(slot.height) == self._state.me:
            slot.pre_prepare = self._sign_pre_prepare(vote, body)

    # -- messages ----------------------------------------------------------------------------

    def on_pre_prepare(self, sender: ValidatorIndex, message: PrePrepare, received_ms: int) -> None:
        """O2, O3: accept the first proposal of the height's proposer in this view."""
        state = self._state
        place = state.place(message.view, message.height)
        if place is Place.LATER:
            state.later.add(sender, received_ms, message)
        if place is not Place.NOW or not state.ordering:
            return
        if message.height < state.first_fresh or message.signer != state.proposer(message.height):
            return
        slot = state.slot(message.height)
        subject = VoteSubject(VoteKind.PREPARE, message.view, message.height, message.digest)
        fresh = state.record(slot, Vote(subject, message.signer, message.vote_signature))
        if slot.digest not in (None, message.digest):
            return  # O2: the vote inside was reported as a contradiction above
        if slot.digest is None:
            slot.digest = message.digest
            state.version += 1
            slot.opened_ms = received_ms
            slot.timely = self._timely(message.batch, received_ms)
            self._pace.on_proposal(state.now_ms)
        slot.pre_prepare = message
        slot.bodies.setdefault(message.digest, message.batch)
        if fresh or message.digest not in slot.approved:
            self.advance(slot)
        self.ask_proposal()

    def _timely(self, batch: Batch, received_ms: int) -> bool:
        """O3: PBTS bounds on a fresh proposal's time, judged by the moment of receipt."""
        config = self._state.config
        delay = config.proposal_delay_ms(self._pace.attempt)
        arrived_ms = received_ms + self._state.clock_offset_ms
        latest = arrived_ms + config.clock_precision_ms
        return arrived_ms - delay - config.clock_precision_ms <= batch.timestamp_ms <= latest

    def on_vote(self, sender: ValidatorIndex, vote: Vote, received_ms: int) -> None:
        """O6, O7: count a PREPARE or COMMIT of the active view."""
        state = self._state
        place = state.place(vote.subject.view, vote.subject.height)
        if place is Place.LATER:
            state.later.add(sender, received_ms, vote)
        if place is not Place.NOW or vote.signer == state.me:
            return
        slot = state.slot(vote.subject.height)
        if state.record(slot, vote):
            self.advance(slot)

    def on_decision(self, message: Decision) -> None:
        """O8: a COMMIT certificate settles its height in every view and status."""
        state = self._state
        height = message.certificate.subject.height
        if not state.executed < height <= state.high:
            return
        slot = state.slot(height)
        self._commit(slot, message.certificate)
        slot.bodies.setdefault(message.batch.digest, message.batch)
        self.advance(slot)
        self.ask_proposal()

    def on_body(self, message: Body) -> None:
        """O5: keep a body only if its digest is wanted at its height (pitfall D1)."""
        slot = self._state.log.get(message.height)
        if slot is None or message.batch.digest != slot.wanted_body():
            return
        slot.bodies[message.batch.digest] = message.batch
        self.advance(slot)

    def on_batch_checked(self, event: BatchChecked) -> None:
        """O4: the driver's verdict on a body."""
        for slot in self._state.log.above(self._state.low):
            if event.digest not in slot.checking:
                continue
            slot.checking.discard(event.digest)
            if event.ok:
                slot.approved.add(event.digest)
                self.advance(slot)
            else:
                slot.refused[event.digest] = event.reason
                self._pace.on_suspicion(self._state.now_ms)

    # -- phases ------------------------------------------------------------------------------

    def advance(self, slot: Slot) -> None:
        """Take a slot through every phase it is ready for."""
        state = self._state
        self._want_body(slot)
        if state.ordering and slot.digest is not None and slot.height > state.low:
            self._prepare(slot, slot.digest)
        if slot.committed is None and slot.commits:
            digest = tally(slot.commits, state.terms.validators.quorum)
            if digest is not None:
                subject = VoteSubject(VoteKind.COMMIT, state.active_view, slot.height, digest)
                signatures = signatures_for(slot.commits, digest)
                self._commit(
                    slot, Certificate.assemble(subject, signatures, state.validators.quorum)
                )
                self._want_body(slot)
        if state.executing is None:
            self.execute()

    def _prepare(self, slot: Slot, digest: Digest) -> None:
        """O4..O7: check the body, then PREPARE, then COMMIT on a prepared certificate."""
        state = self._state
        body = slot.bodies.get(digest)
        if body is None or digest in slot.refused or state.silent:
            return
        if digest not in slot.approved:
            if digest not in slot.checking:
                asked = any(digest in other.checking for other in state.log.above(state.low))
                slot.checking.add(digest)
                if not asked:
                    state.outbox.append(CheckBatch(digest, body))
            return
        if slot.timely and not state.voted(slot, VoteKind.PREPARE):
            if digest != NULL_BATCH.digest:
                state.journal.body(slot.height, body)
            vote = state.cast(slot, VoteKind.PREPARE, digest)
            state.flush()
            state.broadcast(vote)
        quorum = state.terms.validators.quorum
        if len(slot.prepares) < quorum or state.voted(slot, VoteKind.COMMIT):
            return
        signatures = signatures_for(slot.prepares, digest)
        if len(signatures) < quorum:
            return
        subject = VoteSubject(VoteKind.PREPARE, state.active_view, slot.height, digest)
        slot.prepared = Certificate.assemble(subject, signatures, quorum)
        state.journal.prepared(slot.prepared)
        if digest != NULL_BATCH.digest:
            state.journal.body(slot.height, body)
        vote = state.cast(slot, VoteKind.COMMIT, digest)
        state.flush()
        state.broadcast(vote)

    def _commit(self, slot: Slot, certificate: Certificate) -> None:
        digest = certificate.subject.digest
        if slot.committed is not None:
            require(
                slot.committed.subject.digest == digest,
                "agreement",
                f"two COMMIT certificates at height {slot.height}",
            )
            return
        slot.committed = certificate
        self._state.version += 1
        slot.committed_ms = self._state.now_ms
        self._pace.on_progress(self._state.now_ms)

    def execute(self) -> None:
        """O9: hand over the next height when it is committed and its body is here."""
        state = self._state
        if state.executing is not None or state.syncing:
            return
        slot = state.log.get(Height(state.executed + 1))
        if slot is None or slot.committed is None:
            return
        body = slot.bodies.get(slot.committed.subject.digest)
        if body is not None:
            state.executing = slot.height
            state.version += 1
            state.outbox.append(Execute(slot.height, body, slot.committed))

    # -- re-proposals and bodies --------------------------------------------------------------

    def adopt_plan(self) -> None:
        """V9: the view's re-proposals become the proposals of their heights, once in the window."""
        state = self._state
        for height in range(state.low + 1, min(state.first_fresh, state.high + 1)):
            digest = state.plan.digest_at(Height(height))
            if digest is None:
                continue  # at or below the plan's base: a certified height, others have it
            slot = state.slot(Height(height))
            if slot.digest is None:
                slot.digest, slot.timely, slot.opened_ms = digest, True, state.now_ms
                state.version += 1
                self.advance(slot)

    def _want_body(self, slot: Slot) -> None:
        """O5: ask one peer at a time for a body that is needed and missing."""
        wanted = slot.wanted_body()
        if wanted is None:
            return
        if wanted == NULL_BATCH.digest:
            slot.bodies[wanted] = NULL_BATCH
            slot.approved.add(wanted)
        elif slot.body_asked == 0:
            self.ask_body(slot, wanted)

    def ask_body(self, slot: Slot, digest: Digest) -> None:
        """Ask the next peer; voters for the digest first, since an honest one holds the body."""
        state = self._state
        voters = [*signatures_for(slot.prepares, digest), *signatures_for(slot.commits, digest)]
        voters += [ValidatorIndex((state.leader + i) % state.n) for i in range(state.n)]
        peers = [peer for peer in dict.fromkeys(voters) if peer != state.me]
        if not peers:
            return
        peer = peers[slot.body_asked % len(peers)]
        slot.body_asked += 1
        unsigned = BodyRequest(slot.height, digest, state.me, b"")
        signature = state.keyring.sign(BodyRequest.TAG, unsigned.signed_body())
        state.outbox.append(Send(peer, BodyRequest(slot.height, digest, state.me, signature)))

    def on_body_request(self, sender: ValidatorIndex, message: BodyRequest) -> None:
        """R4: serve a body from the window or one window below it."""
        slot = self._state.log.get(message.height)
        body = None if slot is None else slot.bodies.get(message.digest)
        if body is not None:
            self._state.outbox.append(Send(sender, Body(message.height, body)))
