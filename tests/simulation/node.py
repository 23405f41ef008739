"""A simulated node: a replica, its disk, a toy mempool and executor, and a driver in few lines.

The driver keeps the duties of `consensus.effects`: effects in order, nothing past a `Persist`
before its fsync, one block at a time, one replica an epoch. Every delay comes from the world's
seeded random numbers. Block sync and the change of epochs are in `tests.simulation.following`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bulwark.ledger.ids import Height, ValidatorIndex
from consensus.config import Config
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
from consensus.errors import RecordsDamaged
from consensus.events import (
    Event,
    Executed,
    PeerDown,
    PeerUp,
    Start,
    TimerFired,
    TxPending,
)
from consensus.messages import StatusReport
from consensus.replica import Replica
from consensus.types import TimerName
from node.driver.trace import TraceRecorder
from tests.simulation import following, proposing
from tests.simulation.disk import Disk
from tests.simulation.ledger import Block, EpochSpan, Ledger
from tests.simulation.opening import opening_of

if TYPE_CHECKING:
    from tests.simulation.world import Frame, World

FIRED = {name: TimerFired(name) for name in TimerName}


class SimNode:
    """One node of a world: a validator of the epochs whose set it is in, else a follower."""

    def __init__(self, world: World, index: int, config: Config, skew_ms: int) -> None:
        self.world = world
        self.index = ValidatorIndex(index)
        """Its number in the world, and its place in every validator set it is in."""
        self.config = config
        self.skew_ms = skew_ms
        self.drift_ppm = 0
        self.disk = Disk(self._new_ledger)
        self.life = 0
        """Grows at every start, crash and epoch: callbacks of another life do nothing."""
        self.replica: Replica | None = None
        self.running = False
        self.half = 0
        """Which of two twins it is."""
        self.frozen_until = 0
        self.awake_ms = 0
        """Since when it runs without a crash or a freeze."""
        self.span = EpochSpan(0, 0, ())
        self.others: tuple[int, ...] = ()
        """The other validators of its epoch."""
        self.queue: deque[Effect] = deque()
        self.writing = False
        self.executing = False
        self._telling = False
        self.need: NeedProposal | None = None
        self.mempool: dict[bytes, int] = {}
        self.timers: dict[str, int] = {}
        self._armed: dict[str, int] = {}
        self.told = 0
        """Blocks that the checkers know of."""
        self.halted = ""
        self.voted_before = False
        """The marker outside the disk: this node ran once."""
        self.wiped = False
        """It lost its disk at least once."""
        self.fuse = 0
        """Effects until a crash; 0 means none is planned."""
        self.fail_next_write = False
        self.last_status: StatusReport | None = None
        self.answered_ms: dict[int, int] = {}
        self.recorder: TraceRecorder | None = None
        """Writes this node's trace as a production node does."""
        self.take = self.receive
        """The bound method once, for the heap."""

    def _new_ledger(self) -> Ledger:
        return self.world.new_ledger()

    @property
    def up(self) -> bool:
        """Whether the node runs."""
        return self.running

    @property
    def ledger(self) -> Ledger:
        """The durable chain."""
        return self.disk.ledger

    @property
    def done(self) -> set[bytes]:
        """Executed transactions."""
        return self.disk.ledger.done

    @property
    def silent(self) -> bool:
        """P6, as its snapshot says."""
        return self.replica is not None and self.replica.snapshot().silent_until is not None

    def now(self) -> int:
        """The node's clock, within the alliance's precision of the world's."""
        world = self.world
        return world.now + self.skew_ms + (world.now - world.began) * self.drift_ppm // 1_000_000

    # -- life --------------------------------------------------------------------------------

    def wipe(self) -> None:
        """The disk is lost, and the node knows it."""
        self.disk.wipe()
        self.wiped, self.told = True, 0
        self.world.checkers.on_wipe(self)

    def start(self) -> None:
        """Start from the disk, the same way every time."""
        self.running = True
        self.awake_ms = self.world.now
        try:
            self.disk.read_records()
        except RecordsDamaged:
            self.wipe()  # what the operator does after the node refused to start
        self.open_epoch(recovered=True)
        for transaction in self.world.submitted:
            self.submit(transaction)
        if self.replica is None:
            self.later(1, lambda _: following.follow(self))

    def open_epoch(self, *, recovered: bool, silent: bool = False) -> None:
        """Build the replica of the epoch that the disk stands in, or none for a follower."""
        self._drop_replica()
        ledger, disk = self.ledger, self.disk
        span = ledger.epochs[-1]
        if span.start and span.start not in disk.boundaries:
            span = ledger.epochs[-2]  # its last block is executed, but not certified here yet
        self.span = span
        n = len(span.generations)
        self.others = tuple(i for i in range(n) if i != self.index)
        if self.index >= n:
            return
        opening, keyring = opening_of(self, silent)
        if self.recorder is not None:
            keyring = self.recorder.begin(opening, keyring)
        self.replica = Replica(self.config, opening.terms, keyring, opening.recovery())
        self.world.on_epoch(self)
        self.give(Start())
        if not recovered:
            for other in self.others:
                self.give(PeerUp(ValidatorIndex(other)))
            self.pending()

    def _drop_replica(self) -> None:
        self.life += 1
        self.replica = None
        self.queue.clear()
        self.timers.clear()
        self._armed.clear()
        self.need, self.writing, self.executing, self._telling = None, False, False, False
        self.fuse = 0
        self.last_status = None

    def crash(self) -> None:
        """Stop at once; what was not synced may be gone."""
        self._drop_replica()
        self.running = False
        self.frozen_until = 0
        self.mempool.clear()
        happened = self.disk.crash(self.world.rng)
        self.tell_blocks()
        if happened:
            self.world.faults[happened] += 1

    def later(self, delay_ms: int, action: Callable[[Any], None], argument: Any = None) -> None:
        """Call `action` after a delay unless the node crashed meanwhile."""
        self.world.push(delay_ms, self, self.life, action, argument)

    # -- events ------------------------------------------------------------------------------

    def give(self, event: Event) -> None:
        """One step of the replica, then as many effects as the disk allows."""
        replica = self.replica
        if replica is None:
            return
        world = self.world
        now_ms = self.now()
        effects = replica.step(event, now_ms)
        if self.recorder is not None:
            self.recorder.record(now_ms, event, effects)
        world.on_step(self, event, effects)
        if effects:
            self.queue.extend(effects)
            if not self.writing:
                self.drain()

    def receive(self, frame: Frame) -> None:
        """A frame with an authenticated message; one of another epoch is answered (rule E4)."""
        epoch, event = frame
        if self.replica is not None and epoch == self.span.number:
            self.give(event)
        elif self.running:
            following.other_epoch(self, epoch, event.sender)

    def overhear(self, frame: Frame) -> None:
        """As `receive`; the adversary may replay it later."""
        self.world.byzantine[self.index].observe(frame[1].message.message)
        self.receive(frame)

    def peer(self, event: PeerUp | PeerDown) -> None:
        """A connection came or went."""
        if self.replica is not None and event.index < len(self.span.generations):
            self.give(event)

    def submit(self, transaction: bytes) -> None:
        """A client's request arrives."""
        if self.running and transaction not in self.mempool and transaction not in self.done:
            self.mempool[transaction] = self.now()
            if self.replica is not None and not self._telling:
                self._telling = True
                self.later(2, self._tell_pending)

    def _tell_pending(self, _: object) -> None:
        """Requests that come together are told together."""
        self._telling = False
        self.pending()
        if self.need is not None:
            self._maybe_propose(None)

    def pending(self) -> None:
        """Tell the replica what waits."""
        oldest = next(iter(self.mempool.values())) if self.mempool else None
        self.give(TxPending(oldest, len(self.mempool)))

    # -- effects -----------------------------------------------------------------------------

    def drain(self) -> None:
        """Work the queue off in order until something must be synced."""
        queue = self.queue
        while queue and not self.writing:
            if self.fuse:
                self.fuse -= 1
                if not self.fuse:
                    self.world.power_fails(self)
                    return
            effect = queue.popleft()
            _PERFORM[type(effect)](self, effect)

    def _persist(self, effect: Persist) -> None:
        if self.fail_next_write:
            self.world.write_failed(self)
            return
        number = self.disk.begin(effect.records)
        delay = self.world.lasts.fsync()
        if delay:
            self.writing = True
            self.later(delay, self._synced, number)
        else:
            self.disk.finish(number)

    def _synced(self, number: int) -> None:
        self.disk.finish(number)
        self.writing = False
        self.drain()

    def _send(self, effect: Send) -> None:
        self.world.send(self, (effect.to,), effect.message)

    def _broadcast(self, effect: Broadcast) -> None:
        message = effect.message
        if type(message) is StatusReport:
            self.last_status = message
        self.world.send(self, self.others, message)

    def _set_timer(self, effect: SetTimer) -> None:
        name, at_ms = effect.name, effect.at_ms
        self.timers[name] = at_ms
        armed = self._armed.get(name)
        if armed is None or armed > at_ms:
            self._arm(name, at_ms)

    def _arm(self, name: str, at_ms: int) -> None:
        self._armed[name] = at_ms
        self.later(max(0, at_ms - self.now()), self._timer, (name, at_ms))

    def _cancel_timer(self, effect: CancelTimer) -> None:
        self.timers.pop(effect.name, None)

    def _timer(self, entry: tuple[TimerName, int]) -> None:
        name, armed_ms = entry
        if self._armed.get(name) != armed_ms:
            return
        del self._armed[name]
        at_ms = self.timers.get(name)
        if at_ms is None:
            return
        if at_ms > self.now():
            self._arm(name, at_ms)
            return
        del self.timers[name]
        self.give(FIRED[name])

    def _need_proposal(self, effect: NeedProposal) -> None:
        self.need = effect
        self.later(0, self._maybe_propose)

    def _maybe_propose(self, _: object) -> None:
        proposing.propose(self)

    def _check_batch(self, effect: CheckBatch) -> None:
        self.later(self.world.lasts.check(), self.give, proposing.verdict_on(effect))

    def _execute(self, effect: Execute) -> None:
        self.executing = True
        self.later(self.world.lasts.execution(), self._write_block, effect)

    def _write_block(self, effect: Execute) -> None:
        if effect.height != self.ledger.height + 1:
            self.executing = False
            return  # block sync was faster
        if self.fail_next_write:
            self.world.write_failed(self)
            return
        block = self.ledger.execute(effect.batch, effect.commit_certificate)
        number = self.disk.begin(block)
        self.later(self.world.lasts.fsync(), self._executed, (number, block))

    def _executed(self, entry: tuple[int, Block]) -> None:
        number, block = entry
        self.disk.finish(number)
        self.executing = False
        self.tell_blocks()
        end = self.ledger.end_of(self.span)
        self.give(Executed(Height(block.height), block.header_hash, end))
        self.pending()

    def tell_blocks(self) -> None:
        """What is durable and new: its requests need not wait, and the checkers look at it."""
        for block in self.ledger.blocks[self.told :]:
            self.told = block.height
            for transaction in block.batch.transactions:
                self.mempool.pop(transaction, None)
            self.world.on_block(self, block)

    def _stable(self, effect: Stable) -> None:
        self.disk.write_stable(effect.certificate)

    def _sync_to(self, effect: SyncTo) -> None:
        height = effect.certificate.subject.height
        self.later(self.world.lasts.sync(), lambda _: following.sync(self, height))

    def _report(self, effect: Report) -> None:
        self.world.checkers.on_report(self, effect.evidence)

    def _epoch_ended(self, effect: EpochEnded) -> None:
        following.end_epoch(self, effect.certificate)

    def _halt(self, effect: Halt) -> None:
        self.halted = effect.reason


_PERFORM: dict[type[Effect], Callable[[SimNode, Any], None]] = {
    Persist: SimNode._persist,
    Send: SimNode._send,
    Broadcast: SimNode._broadcast,
    SetTimer: SimNode._set_timer,
    CancelTimer: SimNode._cancel_timer,
    NeedProposal: SimNode._need_proposal,
    CheckBatch: SimNode._check_batch,
    Execute: SimNode._execute,
    Stable: SimNode._stable,
    SyncTo: SimNode._sync_to,
    Report: SimNode._report,
    EpochEnded: SimNode._epoch_ended,
    Halt: SimNode._halt,
}
