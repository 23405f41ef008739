"""One validator of a test net: the core, a disk, a mempool and a driver that obeys the contract.

Effects are carried out at once and strictly in order; nothing has a delay of its own, so a test
decides by messages and timers alone what happens. The disk forgets at a crash what was not synced.
No randomness. Faults (a crash at an effect, a full disk) come through `Machine.before`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulwark.ledger.batch import Batch
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Digest, Height, TimestampMs, ValidatorIndex
from bulwark.ledger.votes import Certificate
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
from consensus.events import (
    BatchChecked,
    Event,
    Executed,
    ProposalReady,
    Start,
    StateInstalled,
    SyncFailed,
    TxPending,
)
from consensus.keyring import Keyring
from consensus.recovery import Recovery
from consensus.replica import Replica
from consensus.terms import Terms
from consensus.types import TimerName

if TYPE_CHECKING:
    from tests.scenarios.net import Net

GENESIS_HASH = sha256(b"genesis header")


def header_hash(parent: Digest, height: int, batch: Batch) -> Digest:
    """What the toy executor makes of a block."""
    return sha256(parent + height.to_bytes(8, "big") + batch.digest)


@dataclass(frozen=True)
class Block:
    """One executed block."""

    height: int
    batch: Batch
    header_hash: Digest
    commit: Certificate | None
    """None for a block that came by block sync."""


class Disk:
    """Records, blocks and the finality certificate; only synced writes survive a crash."""

    def __init__(self) -> None:
        self.records: dict[bytes, bytes] = {}
        self.blocks: list[Block] = []
        self.stable: Certificate | None = None
        self.unsynced: Certificate | None = None

    def write(self, records: tuple[tuple[bytes, bytes | None], ...]) -> None:
        """One atomic synced write."""
        for key, value in records:
            if value is None:
                self.records.pop(key, None)
            else:
                self.records[key] = value
        self._sync()

    def append(self, block: Block) -> None:
        """One synced block."""
        if block.height != len(self.blocks) + 1:
            raise AssertionError(f"block {block.height} written after {len(self.blocks)}")
        self.blocks.append(block)
        self._sync()

    def _sync(self) -> None:
        if self.unsynced is not None:
            self.stable, self.unsynced = self.unsynced, None

    def tip(self) -> Digest:
        """Hash of the last header."""
        return self.blocks[-1].header_hash if self.blocks else GENESIS_HASH


class Machine:
    """One process: `slot` is its place in the net, `index` the validator whose key it holds."""

    def __init__(
        self, net: Net, slot: int, index: int, keyring: Keyring, terms: Terms, config: Config
    ) -> None:
        self.net = net
        self.slot = slot
        self.index = ValidatorIndex(index)
        self.keyring, self.terms, self.config = keyring, terms, config
        self.disk = Disk()
        self.replica: Replica | None = None
        self.queue: deque[Effect] = deque()
        self.inbox: deque[Event] = deque()
        self.mempool: dict[bytes, int] = {}
        self.done: set[bytes] = set()
        self.timers: dict[TimerName, int] = {}
        self.need: NeedProposal | None = None
        self.sync: SyncTo | None = None
        self.held: list[Event] = []
        """Answers of the driver that a scenario holds back."""
        self.hold: set[str] = set()
        """Which answers are held: check, execute."""
        self.auto = True
        """Whether the driver proposes and syncs by itself."""
        self.early_ms = 0
        """Added to the time of own batches: makes a twin's proposals differ."""
        self.wiped = False
        self.stopped = ""
        self.busy = False
        """In the middle of `give`."""

    # -- life --------------------------------------------------------------------------------

    def recovery(self) -> Recovery:
        """What the disk says."""
        disk = self.disk
        height = len(disk.blocks)
        return Recovery.from_records(
            disk.records.items(),
            applied_height=Height(max(height, self.terms.start)),
            applied_hash=disk.tip(),
            stable=disk.stable,
            epoch_end=self._end(height),
            wiped=self.wiped and not disk.records,
        )

    def start(self) -> None:
        """From the disk, the same way every time; raises RecordsDamaged."""
        self.queue.clear()
        self.inbox.clear()
        self.timers.clear()
        self.held.clear()
        self.need = self.sync = None
        self.stopped = ""
        self.replica = Replica(self.config, self.terms, self.keyring, self.recovery())
        self.done = {tx for block in self.disk.blocks for tx in block.batch.transactions}
        self.give(Start())

    def stop(self, why: str) -> None:
        """Power fails: memory and unsynced writes are gone."""
        self.replica = None
        self.stopped = why
        self.queue.clear()
        self.inbox.clear()
        self.mempool.clear()
        self.timers.clear()
        self.disk.unsynced = None

    def wipe(self) -> None:
        """The disk is lost and the operator knows it."""
        self.disk = Disk()
        self.wiped = True

    # -- events ------------------------------------------------------------------------------

    def give(self, *events: Event) -> None:
        """Let the core handle events, then everything that follows from them."""
        if self.replica is None:
            return
        self.inbox.extend(events)
        if self.busy:
            return
        self.busy = True
        try:
            while self.replica is not None:
                if self.queue:
                    self.carry_out(self.queue.popleft())
                elif self.inbox:
                    self.queue.extend(self.replica.step(self.inbox.popleft(), self.net.now))
                else:
                    return
        finally:
            self.busy = False

    def submit(self, transaction: bytes) -> None:
        """A client's request."""
        if self.replica is None or transaction in self.done or transaction in self.mempool:
            return
        self.mempool[transaction] = self.net.now
        self.pending()

    def pending(self) -> None:
        """Tell the core about the mempool; propose if it is our turn."""
        self.give(TxPending(min(self.mempool.values(), default=None), len(self.mempool)))
        if self.auto:
            self.propose()

    def propose(self, transactions: tuple[bytes, ...] | None = None) -> bool:
        """Answer the newest NeedProposal; whether there was one to answer."""
        need = self.need
        if need is None or self.replica is None:
            return False
        if transactions is None:
            flying = {tx for batch in need.in_flight for tx in batch.transactions}
            transactions = tuple(tx for tx in self.mempool if tx not in flying)
            if not transactions and not need.allow_empty:
                return False
        self.need = None
        batch = Batch(TimestampMs(self.net.now + self.early_ms), transactions)
        self.give(ProposalReady(need.view, need.height, batch))
        return True

    # -- effects -----------------------------------------------------------------------------

    def before(self, effect: Effect) -> bool:
        """A seam for faults: whether the effect takes place."""
        return True

    def after(self, effect: Effect) -> None:
        """A seam for faults: the effect took place."""

    def carry_out(self, effect: Effect) -> None:
        """One effect."""
        if not self.before(effect):
            return
        net = self.net
        net.saw(self, effect)
        match effect:
            case Persist(records=records):
                self.disk.write(records)
            case Send(to=to, message=message):
                net.post(self, (to,), message)
            case Broadcast(message=message):
                others = tuple(i for i in range(len(self.terms.validators)) if i != self.index)
                net.post(self, others, message)
            case SetTimer(name=name, at_ms=at_ms):
                self.timers[name] = at_ms
            case CancelTimer(name=name):
                self.timers.pop(name, None)
            case NeedProposal():
                self.need = effect
                if self.auto:
                    self.propose()
            case CheckBatch(digest=digest, batch=batch):
                ok = not any(tx.startswith(b"bad") for tx in batch.transactions)
                self._answer("check", BatchChecked(digest, ok, "" if ok else "bad transaction"))
            case Execute():
                self._execute(effect)
            case Stable(certificate=certificate):
                self.disk.unsynced = certificate
            case SyncTo():
                self.sync = effect
                if self.auto:
                    self.catch_up()
            case Halt(reason=reason):
                self.stop(f"halted: {reason}")
            case EpochEnded(certificate=certificate):
                self.disk.stable, self.disk.unsynced = certificate, None
            case Report():
                pass
        self.after(effect)

    def _answer(self, kind: str, event: Event) -> None:
        if kind in self.hold:
            self.held.append(event)
        else:
            self.give(event)

    def release(self) -> None:
        """Give the answers that were held back."""
        events, self.held = self.held, []
        self.give(*events)

    def _execute(self, effect: Execute) -> None:
        if effect.height != len(self.disk.blocks) + 1:
            return  # block sync was faster
        hashed = header_hash(self.disk.tip(), effect.height, effect.batch)
        self._store(Block(effect.height, effect.batch, hashed, effect.commit_certificate))
        self._answer("execute", Executed(effect.height, hashed, self._end(effect.height)))
        oldest = min(self.mempool.values(), default=None)
        self.give(TxPending(oldest, len(self.mempool)))

    def _store(self, block: Block) -> None:
        self.disk.append(block)
        for transaction in block.batch.transactions:
            self.done.add(transaction)
            self.mempool.pop(transaction, None)
        self.net.stored(self, block)

    def _end(self, height: int) -> Height | None:
        """The epoch's last height, decided by a transaction "end-E" in a block up to `height`."""
        for block in self.disk.blocks[self.terms.start : height]:
            for transaction in block.batch.transactions:
                if transaction.startswith(b"end-"):
                    return Height(int(transaction[4:]))
        return None

    def catch_up(self) -> bool:
        """Block sync from the first peer that is far enough; whether it brought anything."""
        if self.sync is None:
            return False
        height = self.sync.certificate.subject.height
        self.sync = None
        for peer in self.net.peers_of(self):
            certificate = peer.disk.unsynced or peer.disk.stable
            if certificate is None or certificate.subject.height < height:
                continue
            top = certificate.subject.height
            for block in peer.disk.blocks[len(self.disk.blocks) : top]:
                self._store(Block(block.height, block.batch, block.header_hash, None))
            if len(self.disk.blocks) > top:
                break
            self.give(StateInstalled(top, self.disk.tip(), certificate, self._end(top)))
            oldest = min(self.mempool.values(), default=None)
            self.give(TxPending(oldest, len(self.mempool)))
            return True
        self.give(SyncFailed())
        return False
