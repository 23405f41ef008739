"""The replica: one `step` for every event, returning the effects the driver carries out in order.

Total on peer input: whatever an authenticated message says, `step` drops it, reports it or acts on
it, and never raises. Misuse by the driver raises LocalProtocolError; a broken invariant becomes a
`Halt` effect, after which every step returns nothing. The parts own the rules; here they are wired.
"""

from __future__ import annotations

from typing import Final, assert_never

from bulwark.ledger.ids import Height, ValidatorIndex, View
from bulwark.ledger.votes import VoteKind
from consensus import restoring
from consensus.amnesia import Amnesia
from consensus.checkpoints import Checkpoints
from consensus.config import Config
from consensus.effects import Effect, EpochEnded, Halt
from consensus.errors import InvariantViolation, LocalProtocolError
from consensus.events import (
    BatchChecked,
    ClockSet,
    Event,
    Executed,
    PeerDown,
    PeerUp,
    ProposalReady,
    Received,
    Start,
    StateInstalled,
    SyncFailed,
    TimerFired,
    TxPending,
)
from consensus.keyring import Keyring
from consensus.messages import (
    Body,
    BodyRequest,
    Decision,
    Message,
    NewView,
    PrePrepare,
    StableProof,
    StatusReport,
    ViewChange,
    ViewChangeRequest,
    Vote,
)
from consensus.ordering import Ordering
from consensus.pacemaker import Pacemaker, Situation
from consensus.recovery import Recovery
from consensus.retransmission import Retransmission
from consensus.snapshot import Snapshot, slot_snapshot
from consensus.state import ReplicaState
from consensus.terms import Terms
from consensus.transitions import Cause
from consensus.types import Status, TimerName
from consensus.viewchange import ViewChanger

FINAL: Final = (Status.ENDED, Status.HALTED)


class Replica:
    """One validator of signed PBFT, without clock, socket, disk or randomness."""

    __slots__ = (
        "_amnesia",
        "_changer",
        "_checkpoints",
        "_halted",
        "_known",
        "_mark",
        "_ordering",
        "_pace",
        "_retransmission",
        "_seen",
        "_started",
        "_state",
        "_was_silent",
    )

    def __init__(
        self,
        config: Config,
        terms: Terms,
        keyring: Keyring,
        recovery: Recovery,
    ) -> None:
        """Raises LocalProtocolError if key, epoch, window or height do not fit together."""
        me = terms.validators.index_of(keyring.address)
        if me is None:
            raise LocalProtocolError("Replica", "the vote key belongs to no validator of the set")
        if terms.domain.epoch != terms.validators.epoch:
            raise LocalProtocolError("Replica", "the domain is of another epoch than the set")
        if terms.window != config.window:
            raise LocalProtocolError("Replica", f"window {terms.window}, {config.window} needed")
        if recovery.applied_height < terms.start:
            raise LocalProtocolError(
                "Replica", f"epoch above {terms.start}, applied is {recovery.applied_height}"
            )
        state = ReplicaState(
            config,
            terms,
            keyring,
            me,
            recovery.applied_height,
            recovery.applied_hash,
            recovery.stable,
            epoch_end=recovery.epoch_end,
        )
        self._state = state
        self._pace = Pacemaker(config, recovery.view)
        self._ordering = Ordering(state, self._pace)
        self._checkpoints = Checkpoints(state, self._pace)
        self._changer = ViewChanger(state, self._pace, self._ordering, self._checkpoints)
        self._retransmission = Retransmission(state, self._pace, self._ordering, self._changer)
        self._amnesia = Amnesia(state, recovery)
        self._halted = ""
        self._started = False
        self._known: Situation | None = None
        """The situation at the last look at the deadlines."""
        self._seen = -1
        """The state's version at that look."""
        self._mark: tuple[Height, View] | None = None
        """Window and view at the last look at what had to wait (W2)."""
        restoring.restore(state, self._changer, self._ordering, recovery)
        self._was_silent = state.silent

    # -- the one entry -----------------------------------------------------------------------

    def step(self, event: Event, now_ms: int) -> list[Effect]:
        """Handle one event at `now_ms` (milliseconds, never going back)."""
        state = self._state
        if state.status in FINAL:
            return []
        if now_ms < state.now_ms:
            raise LocalProtocolError("step", f"time went back from {state.now_ms} to {now_ms}")
        if self._started == isinstance(event, Start):
            raise LocalProtocolError("step", "Start is the first event, once")
        state.now_ms = now_ms
        try:
            self._handle(event)
            if state.version != self._seen or self._pace.stale:
                state.outbox += self._consequences(now_ms)
        except InvariantViolation as broken:
            self._halted = str(broken)
            state.turn(Cause.CONTRADICTION)
            state.outbox = [Halt(self._halted)]
        effects, state.outbox = state.outbox, []
        return effects

    def _consequences(self, now_ms: int) -> list[Effect]:
        """What follows from any change; most messages change nothing that matters here."""
        state = self._state
        if not state.ended:
            self._follow_up()
        if state.status is Status.ENDED and state.stable is not None:
            return [EpochEnded(state.stable)]
        self._seen = state.version
        situation = self._situation()
        if situation == self._known and not self._pace.stale:
            return []  # the situation is the same, so the deadlines are
        self._known = situation
        return self._pace.update(situation, now_ms)

    def _handle(self, event: Event) -> None:
        state = self._state
        match event:
            case Received(sender=sender, message=authenticated):
                self._receive(sender, authenticated.message, state.now_ms)
            case TimerFired(name=name):
                if self._pace.is_due(name, state.now_ms):
                    self._timer(name)
            case ProposalReady():
                self._ordering.on_proposal_ready(event)
            case BatchChecked():
                self._ordering.on_batch_checked(event)
            case Executed():
                self._checkpoints.on_executed(event)
            case TxPending(oldest_arrival_ms=oldest_ms, count=count):
                self._pace.on_pending(oldest_ms, count)
            case StateInstalled():
                self._checkpoints.on_installed(event)
            case ClockSet(offset_ms=offset_ms):
                state.clock_offset_ms = offset_ms
            case SyncFailed():
                self._checkpoints.on_sync_failed()
            case PeerUp(index=index):
                self._pace.on_peer(index, up=True)
                self._retransmission.greet(index)
            case PeerDown(index=index):
                self._pace.on_peer(index, up=False)
            case Start():
                self._start()
            case _:
                assert_never(event)

    def _receive(self, sender: ValidatorIndex, message: Message, received_ms: int) -> None:
        match message:
            case Vote(subject=subject):
                if subject.kind is VoteKind.CHECKPOINT:
                    self._checkpoints.on_vote(sender, message, received_ms)
                else:
                    self._ordering.on_vote(sender, message, received_ms)
                    if subject.kind is VoteKind.COMMIT:
                        self._changer.check_commit(message)
            case PrePrepare():
                self._ordering.on_pre_prepare(sender, message, received_ms)
            case ViewChange():
                self._changer.on_view_change(message)
            case NewView():
                self._changer.on_new_view(sender, message)
            case StatusReport():
                if message.signer == sender:  # a forwarded STATUS says nothing about the forwarder
                    self._amnesia.on_status(message)
                    self._retransmission.on_status(sender, message)
            case BodyRequest():
                self._ordering.on_body_request(sender, message)
            case Body():
                self._ordering.on_body(message)
            case ViewChangeRequest():
                self._changer.on_request(sender, message)
            case Decision():
                self._ordering.on_decision(message)
            case StableProof(certificate=certificate):
                self._checkpoints.learn(certificate, sender)
            case _:
                assert_never(message)

    def _timer(self, name: TimerName) -> None:
        state = self._state
        match name:
            case TimerName.PROGRESS | TimerName.FAIRNESS | TimerName.NEW_VIEW:
                self._changer.start_next()
            case TimerName.RESEND:
                self._changer.resend()
            case TimerName.STATUS:
                self._retransmission.tick()
                self._checkpoints.on_tick()
            case TimerName.HEARTBEAT:
                self._pace.on_proposal(state.now_ms)
                self._ordering.ask_proposal(heartbeat=True)
            case _:
                assert_never(name)

    def _start(self) -> None:
        """P4: the same path after a first start and after a crash."""
        self._started = True
        self._pace.on_start(self._state.now_ms)
        self._amnesia.on_start()
        self._retransmission.resend_own()
        self._checkpoints.vote(self._state.executed)
        self._changer.after_start()
        self._retransmission.tick()
        for slot in list(self._state.log.above(self._state.low)):
            self._ordering.advance(slot)
        self._checkpoints.settle()

    def _follow_up(self) -> None:
        """W2: whenever the window or the view moved, look again at what had to wait."""
        state = self._state
        if self._was_silent and not state.silent:
            self._was_silent = False
            self._changer.join()  # what others asked for while it could not (V4, P6)
        while self._mark != (state.low, state.active_view):
            self._mark = (state.low, state.active_view)
            self._ordering.adopt_plan()
            for sender, received_ms, message in state.later.drain():
                self._receive(sender, message, received_ms)
        if state.executing is None:
            self._ordering.execute()
        if state.version != self._seen:
            self._ordering.ask_proposal()

    def _situation(self) -> Situation:
        state = self._state
        ordering = state.status is Status.NORMAL
        proposer = self._ordering.next_proposer()
        silent = state.silent_until is not None
        return Situation(
            changing=state.status is Status.CHANGING,
            in_flight=state.epoch_end is not None or self._ordering.in_flight(),
            busy=state.executing is not None,
            lagging=state.stable_height > state.executed or state.syncing or silent,
            awaited=proposer if ordering else state.leader,
            my_turn=ordering and proposer == state.me and not silent,
        )

    # -- looking in --------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """The replica as a plain value."""
        state = self._state
        next_height = self._ordering.next_height()
        slots = state.log.above(Height(state.low - state.config.window))
        pool = self._changer.pool
        return Snapshot(
            me=state.me,
            epoch=state.validators.epoch,
            start=state.terms.start,
            epoch_end=state.epoch_end,
            view=state.view,
            active_view=state.active_view,
            status=state.status,
            proposer=state.proposer(next_height),
            next_height=next_height,
            executed=state.executed,
            executed_hash=state.executed_hash,
            stable=state.stable_height,
            low=state.low,
            high=state.high,
            executing=state.executing,
            syncing=state.syncing,
            silent_until=state.silent_until,
            pending_requests=self._pace.pending,
            timeout_ms=self._pace.timeout_ms,
            attempt=self._pace.attempt,
            timers=self._pace.deadlines,
            view_changes=tuple((index, pool[index].view) for index in sorted(pool)),
            slots=tuple(slot_snapshot(slot, state.executed) for slot in slots),
            buffered=len(state.later),
            live_records=state.journal.live_records(),
            peers=self._retransmission.peers(),
            halted=self._halted,
        )
