"""The driver: feeds events to the consensus core and carries out its effects in order.

Duties 1-13 are in `consensus.effects`. This file owns: one task steps the core; all `Persist` of a
turn share one write and everything else of the turn waits for its flush (group commit); a failed
write or an effect that can not be carried out halts the node with one line. What needs the disk or
other peers for longer (execution, sidecars, sync) runs in `node.driver.worker`, in order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol, assert_never

from bulwark.ledger.ids import MemberId, ValidatorIndex
from consensus.authentication import authenticate
from consensus.effects import (
    Broadcast,
    CancelTimer,
    CheckBatch,
    Effect,
    EpochEnded,
    Execute,
    Halt,
    NeedProposal,
    Persist,
    Report,
    Send,
    SetTimer,
    Stable,
    SyncTo,
)
from consensus.errors import AuthenticationFailed
from consensus.events import (
    ClockSet,
    Event,
    PeerDown,
    PeerUp,
    Received,
    Start,
    TimerFired,
    TxPending,
)
from consensus.evidence import Evidence
from consensus.messages import Message, encode_message
from consensus.replica import Replica
from consensus.terms import Terms
from consensus.types import TimerName
from node.clock import Clock
from node.driver.proposals import Proposals
from node.driver.start import records_of
from node.driver.trace import TraceRecorder
from node.driver.worker import Worker
from node.evidence import Case
from node.evidence_book import keep_case
from node.logs import Log
from node.storage.durability import Durability
from node.storage.errors import StorageError
from node.storage.port import KeyValueStore

MAX_QUEUED_MESSAGES = 4_000
"""Messages of one peer that wait for the core; those beyond are dropped (it sends again)."""
CLOCK_STEP_MS = 20
"""A system clock that runs this much off the steady one has been set, or has drifted."""
WORTH_A_LINE_MS = 500
COMPLAINT_PAUSE_MS = 1_000
"""Least time between two lines about refused messages: nobody may fill the log."""
MAX_QUEUED_BYTES = 32 * 1024 * 1024
"""Bytes of one peer that wait for the core, likewise."""

log = Log("consensus")


class Mesh(Protocol):
    """What the driver needs of the network."""

    def send(self, member: MemberId, payload: bytes) -> bool:
        """Queue a consensus message for a member."""
        ...


class Driver:
    """One validator's consensus core at work."""

    def __init__(
        self,
        *,
        replica: Replica,
        terms: Terms,
        own: ValidatorIndex,
        store: KeyValueStore,
        durability: Durability,
        mesh: Mesh,
        clock: Clock,
        proposals: Proposals,
        worker: Worker,
        halt: Callable[[str], None],
        recorder: TraceRecorder | None = None,
    ) -> None:
        self._replica = replica
        self._validators = terms.validators
        self._own = own
        self._terms = terms
        self._records = records_of(terms.validators.epoch)
        self._store = store
        self._durability = durability
        self._mesh = mesh
        self._clock = clock
        self._proposals = proposals
        self._worker = worker
        self._halt = halt
        self._recorder = recorder
        # Before anything that a connection may bring: the core wants it first.
        self._events: deque[Event] = deque([Start()])
        self._started = False
        self._complained_ms = 0
        self._offset_ms = 0
        """By how much the core believes the system's clock to differ from the steady one."""
        self._wake = asyncio.Event()
        self._timers: dict[TimerName, asyncio.TimerHandle] = {}
        self._queued: dict[ValidatorIndex, tuple[int, int]] = {}
        """Messages and bytes of each peer among the events."""
        self._lengths: deque[int] = deque()
        """Length of each Received among the events, in their order."""
        self._others = [
            (ValidatorIndex(i), v.member)
            for i, v in enumerate(terms.validators.validators)
            if i != own
        ]
        self._index_of = {member: index for index, member in self._others}
        self.refused_messages = 0
        """Messages of peers that did not authenticate."""
        self.dropped_events = 0
        self.halted: str | None = None
        self.ended = False
        """The epoch is over here: its last block is certified, or block sync led out of it."""
        proposals.fail = self._stop

    @property
    def replica(self) -> Replica:
        """The core, for snapshots."""
        return self._replica

    def post(self, event: Event) -> None:
        """Queue an event for the core."""
        self._events.append(event)
        self._wake.set()

    def receive(self, member: MemberId, payload: bytes) -> None:
        """A consensus frame of a peer: authenticate it, then queue it; drops what fails."""
        sender = self._index_of.get(member)
        count, size = self._queued.get(sender, (0, 0)) if sender is not None else (0, 0)
        size += len(payload)
        if sender is None or count >= MAX_QUEUED_MESSAGES or size > MAX_QUEUED_BYTES:
            self.dropped_events += 1
            return
        try:
            message = authenticate(payload, self._terms)
        except AuthenticationFailed as error:
            self.refused_messages += 1
            now_ms = self._clock.now_ms()
            if now_ms >= self._complained_ms + COMPLAINT_PAUSE_MS:
                self._complained_ms = now_ms
                log.warning("message refused", peer=member, reason=str(error))
            return
        self._queued[sender] = (count + 1, size)
        self._lengths.append(len(payload))
        self.post(Received(sender, message))

    def peer_up(self, member: MemberId) -> None:
        """A member's connection is there."""
        if member in self._index_of:
            self.post(PeerUp(self._index_of[member]))

    def peer_down(self, member: MemberId) -> None:
        """A member's connection closed."""
        if member in self._index_of:
            self.post(PeerDown(self._index_of[member]))

    def pending_changed(self, oldest_ms: int | None, count: int) -> None:
        """The mempool changed; `oldest_ms` is None if nothing in it could be proposed."""
        # What waits behind a nonce gap is no work: nobody may be blamed for not ordering it.
        self.post(TxPending(oldest_ms, 0 if oldest_ms is None else count))
        self._proposals.nudge()

    async def run(self) -> None:
        """Work until cancelled or halted."""
        self._wake.set()
        try:
            while self.halted is None and not self.ended:
                await self._wake.wait()
                self._wake.clear()
                await self._turn()
        finally:
            for handle in self._timers.values():
                handle.cancel()

    async def _turn(self) -> None:
        """Step the core through everything queued, then carry out what it wants."""
        effects = self._look_at_clock()
        # Bounded, so that a flood of messages can not keep timers and connections waiting.
        for _ in range(min(len(self._events), 512)):
            event = self._events.popleft()
            if isinstance(event, Received):
                count, size = self._queued[event.sender]
                self._queued[event.sender] = (count - 1, size - self._lengths.popleft())
            effects += self._step(event)
        if self._events:
            self._wake.set()
        try:
            if self._persist(effects):
                # What arrives meanwhile is one larger turn after this one: a group commit.
                await self._durability.barrier()
            for effect in effects:
                if self.halted is not None or self.ended:
                    return
                self._carry_out(effect)
        except StorageError as error:
            self._stop(f"storage: {error}")

    def _step(self, event: Event) -> list[Effect]:
        now_ms = self._clock.now_ms()
        effects = self._replica.step(event, now_ms)
        if self._recorder is not None:
            self._recorder.record(now_ms, event, effects)
        self._started = True
        return effects

    def _look_at_clock(self) -> list[Effect]:
        """Tell the core when somebody set the system's clock (O3)."""
        offset_ms = self._clock.offset_ms()
        if not self._started or abs(offset_ms - self._offset_ms) < CLOCK_STEP_MS:
            return []
        if abs(offset_ms - self._offset_ms) > WORTH_A_LINE_MS:
            log.warning("the system clock was set", by_ms=offset_ms - self._offset_ms)
        self._offset_ms = offset_ms
        return self._step(ClockSet(offset_ms))

    def _persist(self, effects: list[Effect]) -> bool:
        """One write for all Persist of the turn, before anything else; whether there was any."""
        puts: dict[bytes, bytes | None] = {}
        for effect in effects:
            if isinstance(effect, Persist):
                puts.update((self._records + key, value) for key, value in effect.records)
        if puts:
            self._store.write(puts, sync=False)
        return bool(puts)

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Persist():
                return
            case Send(to, message):
                self._send(to, message)
            case Broadcast(message):
                payload = encode_message(message)
                for _, member in self._others:
                    self._mesh.send(member, payload)
            case SetTimer(name, at_ms):
                self._set_timer(name, at_ms)
            case CancelTimer(name):
                self._cancel_timer(name)
            case NeedProposal():
                self._proposals.wanted(effect)
            case CheckBatch():
                self._proposals.check(effect)
            case Execute():
                self._worker.execute(effect)
            case Stable(certificate):
                self._worker.stable(certificate)
            case SyncTo():
                self._sync(effect)
            case Report(evidence):
                self._keep_evidence(evidence)
            case EpochEnded(certificate):
                # After a crash the core may have it from its own records, and the chain not yet.
                self._worker.stable(certificate)
                self.finish()
            case Halt(reason):
                self._stop(f"consensus: {reason}")
            case _:
                assert_never(effect)

    def finish(self) -> None:
        """End `run`: nothing of this epoch is to be said any more."""
        self.ended = True
        self._wake.set()

    def _sync(self, effect: SyncTo) -> None:
        prefer = None if effect.from_ is None else self._validators.validators[effect.from_].member
        self._worker.catch_up(effect.certificate.subject.height, prefer)

    def _send(self, to: ValidatorIndex, message: Message) -> None:
        self._mesh.send(self._validators.validators[to].member, encode_message(message))

    def _set_timer(self, name: TimerName, at_ms: int) -> None:
        self._cancel_timer(name)
        delay_s = max(0, at_ms - self._clock.now_ms()) / 1000
        loop = asyncio.get_running_loop()
        self._timers[name] = loop.call_later(delay_s, self._fire, name, at_ms)

    def _fire(self, name: TimerName, at_ms: int) -> None:
        # The loop's clock is not the core's: one that is early by a millisecond, or after the wall
        # clock was set back, would be ignored by the core and never come again.
        if self._clock.now_ms() < at_ms:
            self._set_timer(name, at_ms)
            return
        self._timers.pop(name, None)
        self.post(TimerFired(name))

    def _cancel_timer(self, name: TimerName) -> None:
        handle = self._timers.pop(name, None)
        if handle is not None:
            handle.cancel()

    def _keep_evidence(self, evidence: Evidence) -> None:
        case = Case(self._validators.epoch, evidence)
        member = self._validators.validators[evidence.culprit].member
        kept = keep_case(self._store, case)
        log.error(
            "evidence of misbehaviour",
            culprit=member,
            kind=case.label,
            epoch=case.epoch,
            id=None if kept is None else kept.hex(),
        )

    def _stop(self, reason: str) -> None:
        if self.halted is None:
            self.halted = reason
            self._wake.set()
            self._halt(reason)
