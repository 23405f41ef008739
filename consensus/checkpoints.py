"""Checkpoints: from executed headers to finality, and what may be forgotten after it.

Rules owned: C1..C5 (docs/protocol.md). A replica whose own header differs from a certified
one halts: state divergence stops a node instead of forking the chain.
"""

from __future__ import annotations

from bulwark.ledger.ids import Height, ValidatorIndex, View
from bulwark.ledger.votes import Certificate, VoteKind, VoteSubject
from consensus.effects import Stable, SyncTo
from consensus.errors import LocalProtocolError, require
from consensus.events import Executed, StateInstalled
from consensus.log import signatures_for, tally
from consensus.messages import Vote
from consensus.pacemaker import Pacemaker
from consensus.state import ReplicaState
from consensus.transitions import Cause
from consensus.types import Status


class Checkpoints:
    """Counts CHECKPOINT votes and owns `executed` and `stable`."""

    __slots__ = ("_behind_ms", "_finalised", "_pace", "_state", "_synced_ms")

    def __init__(self, state: ReplicaState, pace: Pacemaker) -> None:
        self._state = state
        self._pace = pace
        self._finalised = state.low
        self._behind_ms: int | None = None
        self._synced_ms = 0

    # -- own execution -----------------------------------------------------------------------

    def on_executed(self, event: Executed) -> bool:
        """C1: the next block is durable; vote for its header. False for a late answer."""
        state = self._state
        if event.height <= state.executed:
            return False
        if event.height != state.executed + 1 or state.executing != event.height:
            raise LocalProtocolError(
                "Executed",
                f"height {event.height} given, {state.executed + 1} handed out: {state.executing}",
            )
        slot = state.slot(event.height)
        slot.header_hash = event.header_hash
        state.executing = None
        state.executed, state.executed_hash = event.height, event.header_hash
        state.moved()
        state.end_epoch_at(event.epoch_end)
        self._behind_ms = None
        self._pace.on_progress(state.now_ms)
        self._pace.on_heartbeat(state.now_ms)
        certificate = slot.committed
        if state.ordering and certificate and certificate.subject.view == state.active_view:
            self._pace.on_view_works()
        self.vote(event.height)
        self.settle()
        return True

    def vote(self, height: Height) -> None:
        """C1: cast CHECKPOINT for an executed height that is not yet stable."""
        state = self._state
        if height % state.config.checkpoint_interval or height <= state.stable_height:
            return
        if height > state.high:
            return  # after a crash that lost the latest stable certificate; peers have it
        slot = state.slot(height)
        if slot.header_hash is None or state.silent or state.voted(slot, VoteKind.CHECKPOINT):
            return
        vote = state.cast(slot, VoteKind.CHECKPOINT, slot.header_hash)
        state.flush()
        state.broadcast(vote)
        self._tally(height)

    # -- messages ----------------------------------------------------------------------------

    def on_vote(self, sender: ValidatorIndex, vote: Vote, received_ms: int) -> None:
        """C2: count a CHECKPOINT vote of the window."""
        state = self._state
        height = vote.subject.height
        if height <= state.stable_height or vote.signer == state.me:
            return
        if height > state.high:
            if height <= state.high + state.config.window:
                state.later.add(sender, received_ms, vote)
            return
        if state.record(state.slot(height), vote):
            self._tally(height)

    def _tally(self, height: Height) -> None:
        state = self._state
        slot = state.slot(height)
        digest = tally(slot.checkpoints, state.validators.quorum)
        if digest is None:
            return
        subject = VoteSubject(VoteKind.CHECKPOINT, View(0), height, digest)
        signatures = signatures_for(slot.checkpoints, digest)
        self.learn(Certificate.assemble(subject, signatures, state.validators.quorum), None)

    def learn(self, certificate: Certificate, source: ValidatorIndex | None) -> None:
        """C2: a verified CHECKPOINT certificate; only a higher one than known counts (S10)."""
        state = self._state
        if certificate.subject.height <= state.stable_height:
            return
        state.stable, state.stable_from = certificate, source
        state.moved()
        state.journal.stable(certificate)
        self.settle()

    # -- consequences ------------------------------------------------------------------------

    def settle(self) -> None:
        """C3: compare, announce finality, forget what is below the low mark."""
        state = self._state
        stable = state.stable
        if stable is None:
            return
        height = stable.subject.height
        if height > state.executed:
            self._maybe_sync()
        else:
            slot = state.log.get(height)
            known = None if slot is None else slot.header_hash
            own = state.executed_hash if height == state.executed else known
            require(
                own in (None, stable.subject.digest),
                "C3",
                f"own header of height {height} differs from the certified one",
            )
            if height > self._finalised:
                self._finalised = height
                state.outbox.append(Stable(stable))
            if height == state.epoch_end and state.status is not Status.ENDED:
                state.turn(Cause.END)
        state.log.collect(state.low)
        state.journal.prune(state.low)
        if state.silent_until is not None and state.low >= state.silent_until:
            state.silent_until = None
            state.version += 1
            state.journal.silent(None)

    def on_tick(self) -> None:
        """C4: time passed; a replica that stays behind asks for block sync."""
        state = self._state
        if state.stable_height <= state.executed:
            self._behind_ms = None
        elif self._behind_ms is None:
            self._behind_ms = state.now_ms
        self._maybe_sync()

    def _maybe_sync(self) -> None:
        state = self._state
        stable = state.stable
        if stable is None or state.stable_height <= state.executed:
            return
        patience = state.config.sync_patience_ms
        waited = self._behind_ms is not None and state.now_ms >= self._behind_ms + patience
        far = state.stable_height > state.executed + state.config.window
        if not far and (not waited or state.executing is not None):
            return
        retry = state.now_ms >= self._synced_ms + state.config.sync_retry_ms
        if state.syncing and not retry:
            return  # the running sync is enough; the target moves forward with the next request
        state.syncing = True
        state.version += 1
        self._synced_ms = state.now_ms
        state.outbox.append(SyncTo(stable, state.stable_from))

    def on_sync_failed(self) -> None:
        """C4: block sync gave up; go on with what peers send."""
        self._state.syncing = False
        self._state.version += 1
        self._behind_ms = None

    def on_installed(self, event: StateInstalled) -> bool:
        """C5: block sync reached a certified height. False if it brings nothing new (L7)."""
        state = self._state
        subject = event.certificate.subject
        if subject.kind is not VoteKind.CHECKPOINT or subject.height != event.height:
            raise LocalProtocolError("StateInstalled", "needs the height's CHECKPOINT certificate")
        if subject.digest != event.header_hash:
            raise LocalProtocolError("StateInstalled", "the header is not the certified one")
        state.syncing = False
        state.version += 1
        self._behind_ms = None
        if event.height <= state.executed:
            self.learn(event.certificate, None)
            return False
        state.executed, state.executed_hash = event.height, event.header_hash
        state.moved()
        state.executing = None
        state.log.skip_to(Height(event.height))
        state.end_epoch_at(event.epoch_end)
        self._pace.on_progress(state.now_ms)
        self.learn(event.certificate, None)
        self.settle()
        return True
