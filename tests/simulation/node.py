"""A simulated node: a replica, its disk, a toy mempool and executor, and a driver in few lines.

The driver keeps the duties of `consensus.effects`: effects in order, nothing past a `Persist`
before its fsync, one block at a time. Every delay comes from the world's seeded random numbers.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from bulwark.ledger.batch import Batch
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Digest, Height, TimestampMs, ValidatorIndex
from consensus.config import Config
from consensus.effects import (
    Broadcast,
    CancelTimer,
    CheckBatch,
    Effect,
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
from consensus.events import (
    BatchChecked,
    Event,
    Executed,
    ProposalReady,
    Received,
    Start,
    StateInstalled,
    SyncFailed,
    TimerFired,
    TxPending,
)
from consensus.messages import Message
from consensus.recovery import Recovery
from consensus.replica import Replica
from tests.simulation.disk import Block, Disk

if TYPE_CHECKING:
    from tests.simulation.world import World

MAX_TRANSACTIONS = 20


def header_hash(parent: Digest, height: int, batch: Batch) -> Digest:
    """What the toy executor makes of a block."""
    return sha256(parent + height.to_bytes(8, "big") + batch.digest)


class SimNode:
    """One validator of a world."""

    def __init__(self, world: World, index: int, config: Config, skew_ms: int) -> None:
        self.world = world
        self.index = ValidatorIndex(index)
        self.config = config
        self.skew_ms = skew_ms
        self.disk = Disk()
        self.life = 0
        """Grows at every start and crash: callbacks of another life do nothing."""
        self.replica: Replica | None = None
        self.queue: deque[Effect] = deque()
        self.syncing_disk = False
        self.need: NeedProposal | None = None
        self.mempool: dict[bytes, int] = {}
        self.done: set[bytes] = set()
        self.timers: dict[str, int] = {}
        self.halted = ""
        self.wiped = False

    @property
    def up(self) -> bool:
        """Whether the node runs."""
        return self.replica is not None

    def now(self) -> int:
        """The node's clock, within the alliance's precision of the world's."""
        return self.world.now + self.skew_ms

    # -- life --------------------------------------------------------------------------------

    def wipe(self) -> None:
        """The disk is lost, and the node knows it."""
        self.disk.wipe()
        self.wiped = True

    def start(self) -> None:
        """Start from the disk, the same way every time."""
        self.life += 1
        self.queue.clear()
        self.timers.clear()
        self.need, self.syncing_disk = None, False
        blocks = self.disk.blocks
        self.done = {tx for block in blocks for tx in block.batch.transactions}
        recovery = Recovery.from_records(
            self.disk.records.items(),
            applied_height=Height(len(blocks)),
            applied_hash=blocks[-1].header_hash if blocks else self.world.alliance.genesis_hash,
            stable=self.disk.stable,
            wiped=self.wiped and not self.disk.records,
        )
        alliance = self.world.alliance
        self.replica = Replica(
            self.config,
            self.world.terms,
            alliance.keyrings[self.index],
            recovery,
        )
        self.give(Start())
        for transaction in self.world.submitted:
            self.submit(transaction)

    def crash(self) -> None:
        """Stop at once; what was not synced is gone."""
        self.life += 1
        self.replica = None
        self.mempool.clear()
        self.disk.crash()

    def later(self, delay_ms: int, action: object, *args: object) -> None:
        """Call `action` after a delay unless the node crashed meanwhile."""
        life = self.life

        def run() -> None:
            if self.life == life:
                action(*args)  # type: ignore[operator]

        self.world.schedule(delay_ms, run)

    # -- events ------------------------------------------------------------------------------

    def give(self, event: Event) -> None:
        """One step of the replica, then as many effects as the disk allows."""
        if self.replica is None:
            return
        effects = self.replica.step(event, self.now())
        self.world.checkers.after_step(self, event, effects)
        self.queue.extend(effects)
        self.drain()

    def receive(self, sender: ValidatorIndex, message: object) -> None:
        """A message that passed authentication."""
        self.give(Received(sender, message))  # type: ignore[arg-type]

    def submit(self, transaction: bytes) -> None:
        """A client's request arrives."""
        if self.up and transaction not in self.done and transaction not in self.mempool:
            self.mempool[transaction] = self.now()
            self._pending()
            self._maybe_propose()

    def _pending(self) -> None:
        oldest = min(self.mempool.values(), default=None)
        self.give(TxPending(oldest, len(self.mempool)))

    # -- effects -----------------------------------------------------------------------------

    def drain(self) -> None:
        """Work the queue off in order until something must be synced."""
        while self.queue and not self.syncing_disk and self.up:
            effect = self.queue.popleft()
            if isinstance(effect, Persist):
                self.syncing_disk = True
                self.later(self.world.delays.fsync(), self._synced, effect)
            else:
                self._perform(effect)

    def _synced(self, effect: Persist) -> None:
        self.disk.write_records(effect.records)
        self.syncing_disk = False
        self.drain()

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Send(to=to, message=message):
                self._send([to], message)
            case Broadcast(message=message):
                others = [ValidatorIndex(i) for i in range(self.world.n) if i != self.index]
                self._send(others, message)
            case SetTimer(name=name, at_ms=at_ms):
                self.timers[name] = at_ms
                self.later(max(0, at_ms - self.now()), self._timer, name, at_ms)
            case CancelTimer(name=name):
                self.timers.pop(name, None)
            case NeedProposal():
                self.need = effect
                self.later(0, self._maybe_propose)
            case CheckBatch(digest=digest, batch=batch):
                ok = all(tx.startswith(b"tx") for tx in batch.transactions)
                self.later(self.world.delays.check(), self.give, BatchChecked(digest, ok, "toy"))
            case Execute():
                self.later(self.world.delays.execution(), self._executed, effect)
            case Stable(certificate=certificate):
                self.disk.write_stable(certificate)
            case SyncTo(certificate=certificate):
                height = certificate.subject.height
                self.later(self.world.delays.block_sync(), self._sync, height)
            case Report(evidence=evidence):
                self.world.checkers.on_report(self, evidence)
            case Halt(reason=reason):
                self.halted = reason

    def _send(self, receivers: list[ValidatorIndex], message: Message) -> None:
        self.world.send(self, receivers, message)

    def _timer(self, name: str, at_ms: int) -> None:
        if self.timers.get(name) == at_ms:
            del self.timers[name]
            self.give(TimerFired(name))  # type: ignore[arg-type]

    def _maybe_propose(self) -> None:
        need = self.need
        if need is None or self.replica is None:
            return
        flying = {tx for batch in need.in_flight for tx in batch.transactions}
        chosen = [tx for tx in self.mempool if tx not in flying][:MAX_TRANSACTIONS]
        if chosen or need.allow_empty:
            self.need = None
            batch = Batch(TimestampMs(self.now()), tuple(chosen))
            self.give(ProposalReady(need.view, need.height, batch))

    def _executed(self, effect: Execute) -> None:
        if effect.height != len(self.disk.blocks) + 1:
            return  # block sync was faster
        blocks = self.disk.blocks
        parent = blocks[-1].header_hash if blocks else self.world.alliance.genesis_hash
        hashed = header_hash(parent, effect.height, effect.batch)
        block = Block(effect.height, effect.batch, hashed, effect.commit_certificate)
        self.disk.write_block(block)
        self._forget(block)
        self.world.checkers.on_block(self, block)
        self.give(Executed(effect.height, hashed))
        self._pending()

    def _forget(self, block: Block) -> None:
        for transaction in block.batch.transactions:
            self.done.add(transaction)
            self.mempool.pop(transaction, None)

    def _sync(self, height: int) -> None:
        """Block sync from any reachable node that is far enough."""
        for peer in self.world.reachable(self):
            certificate = peer.disk.best_stable()
            if certificate is None or certificate.subject.height < height:
                continue
            top = certificate.subject.height
            for block in peer.disk.blocks[len(self.disk.blocks) : top]:
                self.disk.write_block(block)
                self._forget(block)
                self.world.checkers.on_block(self, block)
            if len(self.disk.blocks) > top:
                break  # execution was faster
            hashed = self.disk.blocks[-1].header_hash
            self.give(StateInstalled(top, hashed, certificate))
            self._pending()
            return
        self.give(SyncFailed())
