"""The intake: every way a transaction enters this node, through one check.

Rules: own anchors, JSON-RPC and gossip pass the same ingress check as a proposal and a vote do;
what a client sent over JSON-RPC is durable before its hash is answered and is sent again after a
restart; a transaction is passed on once, by the node where it entered, to all members. Anything
still waiting is sent to all again, by whoever holds it (fairness ladder), at growing pauses and
within a byte budget, since a backlog must not be multiplied by its resending. An own transaction
that the mempool does not take now is tried again each turn: it was acknowledged. What a peer sends
is looked at from the cheap end: known, permitted, and only then the sidecar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from bulwark.ledger.errors import LedgerError, TransactionInvalid
from bulwark.ledger.hashing import keccak256
from bulwark.ledger.ids import Address, Digest, MemberId
from bulwark.ledger.transaction import Transaction
from node.chain.store import ChainStore
from node.clock import Clock
from node.execution.executor import Executor
from node.gossip import Parcel, join_parcel, make_parcel, split_parcel
from node.logs import Log
from node.mempool import Mempool, Pending, PoolFull
from node.mesh import NetworkMesh
from node.service import Busy
from node.storage.port import KeyValueStore
from node.storage.schema import OUTBOX

_CLIENT = OUTBOX + b"x"
"""transaction hash -> raw transaction that a client sent, until it is executed."""
RESEND_AFTER_MS = 2_500
"""First pause before a transaction is passed on again; each further one is twice as long."""
RESEND_DOUBLINGS = 5
RESEND_MOST = 64
"""Parcels sent again in one turn."""
RESEND_BYTES = 2 * 1024 * 1024
"""Bytes sent again in one turn, or brought to a member that just connected."""
SETTLED = frozenset({"nonce.too-low", "size", "type", "encoding", "chain id", "block gas"})
"""Rules whose breach no later block can heal."""

log = Log("intake")


class SenderCheck(Protocol):
    """The permission rule on the state of the last block."""

    def __call__(self, transaction: Transaction) -> None:
        """Raises TransactionInvalid."""
        ...


class StateCheck:
    """What can be told of a transaction before it is ordered, from the state of the last block."""

    def __init__(self, executor: Executor, chain: ChainStore) -> None:
        self._executor = executor
        self._chain = chain

    def __call__(self, transaction: Transaction) -> None:
        """Permission, and that the value can be paid. Raises TransactionInvalid."""
        self._executor.check(transaction)
        if transaction.value == 0:
            return
        account = self._executor.account(self._chain.tip.state_root, transaction.sender)
        balance = 0 if account is None else account.balance
        if transaction.value > balance:
            raise TransactionInvalid("balance", f"value {transaction.value}, balance {balance}")


class Intake:
    """Transactions on their way into the mempool."""

    def __init__(
        self,
        *,
        mempool: Mempool,
        mesh: NetworkMesh,
        store: KeyValueStore,
        clock: Clock,
        chain_id: int,
        gas_limit: int,
        check_sender: SenderCheck,
        changed: Callable[[], None],
    ) -> None:
        """`changed` is called after every change of the mempool."""
        self._mempool = mempool
        self._mesh = mesh
        self._store = store
        self._clock = clock
        self._chain_id = chain_id
        self.gas_limit = gas_limit
        """Of one block; governance may change it from epoch to epoch."""
        self._check_sender = check_sender
        self._changed = changed
        self._clients: set[Digest] = set()
        self._postponed: dict[Digest, Parcel] = {}
        self._own: Address | None = None
        """Who signs what is submitted here."""
        self.refused = 0
        """Parcels of peers that were refused since start."""

    def _check(self, transaction: Transaction) -> None:
        """The ingress check besides nonce and room; raises TransactionInvalid."""
        transaction.check(self._chain_id, self.gas_limit)
        self._check_sender(transaction)

    def _add(self, parcel: Parcel) -> None:
        self._check(parcel.transaction)
        self._hold(parcel)

    def _hold(self, parcel: Parcel) -> None:
        """Into the mempool; raises TransactionInvalid."""
        added = self._mempool.add(
            parcel.transaction,
            parcel.sidecar_root,
            parcel.sidecar,
            len(parcel.sidecar_bytes),
            self._clock.now_ms(),
        )
        if added:
            self._changed()

    def submit(self, parcel: Parcel) -> None:
        """Take an own parcel that is in the outbox and pass it on, or try again each turn."""
        self._own = parcel.transaction.sender
        self._try(parcel)
        self._mesh.gossip(parcel.encode())

    def _try(self, parcel: Parcel) -> None:
        transaction_hash = parcel.transaction.hash
        try:
            self._add(parcel)
        except TransactionInvalid as error:
            if error.rule == "nonce.too-low":
                # An own one: the anchorer sees the block that took the nonce, and acts.
                self.executed([transaction_hash])
            elif transaction_hash not in self._postponed:
                self._postponed[transaction_hash] = parcel
                log.warning("own transaction waits", hash=transaction_hash.hex(), reason=str(error))
            return
        self._postponed.pop(transaction_hash, None)

    @property
    def postponed(self) -> int:
        """Own transactions that the mempool did not take yet."""
        return len(self._postponed)

    def receive(self, member: MemberId, payload: bytes) -> None:
        """A parcel of a peer; one that breaks a rule is counted and dropped."""
        try:
            raw, sidecar_bytes = split_parcel(payload)
            if keccak256(raw) in self._mempool:
                return
            transaction = Transaction.decode(raw)
            self._check(transaction)
            self._mempool.check_nonce(transaction)
            self._hold(join_parcel(transaction, sidecar_bytes))
        except PoolFull:
            self.refused += 1
        except LedgerError as error:
            if isinstance(error, TransactionInvalid) and error.rule.startswith("nonce."):
                # Normal for what was executed or is here already.
                return
            self.refused += 1
            log.warning("transaction refused", peer=member, reason=str(error))

    def send_raw(self, raw: bytes) -> Digest:
        """A client's transaction: checked, written, passed on. Raises LedgerError, Busy.

        The caller waits for the flush before it answers (ADR-0009).
        """
        transaction = Transaction.decode(raw)
        if transaction.hash in self._clients:
            return transaction.hash
        parcel = make_parcel(transaction, None)
        known = transaction.hash in self._mempool
        if not known:
            self._check(transaction)
            self._mempool.check_nonce(transaction)
        self._store.write({_CLIENT + transaction.hash: raw}, sync=False)
        try:
            if not known:
                self._hold(parcel)
        except TransactionInvalid as error:
            self._store.write({_CLIENT + transaction.hash: None}, sync=False)
            if isinstance(error, PoolFull):
                raise Busy(str(error)) from error
            raise
        self._clients.add(transaction.hash)
        if not known:
            self._mesh.gossip(parcel.encode())
        return transaction.hash

    def resume(self) -> None:
        """Take in again what clients sent before the restart and no block executed."""
        gone: dict[bytes, bytes | None] = {}
        for key, raw in self._store.iterate(_CLIENT):
            transaction_hash = Digest(key[len(_CLIENT) :])
            try:
                parcel = make_parcel(Transaction.decode(raw), None)
                self._clients.add(transaction_hash)
                self._add(parcel)
            except TransactionInvalid as error:
                if error.rule in SETTLED:
                    log.info("client transaction dropped", reason=str(error))
                    self._clients.discard(transaction_hash)
                    gone[key] = None
                else:
                    self._postponed[transaction_hash] = parcel
        if gone:
            self._store.write(gone, sync=False)

    def recheck(self) -> None:
        """Take out of the mempool what the check refuses by now: a vote changed roles or limits.

        No proposer could order it, and all would be blamed for that one after the other (T2). What
        this node answers for is tried again each turn, if anything can heal it.
        """
        refused: dict[Digest, TransactionInvalid] = {}
        for pending in self._mempool.waiting():
            try:
                self._check(pending.transaction)
            except TransactionInvalid as error:
                refused[pending.transaction.hash] = error
                self._put_aside(pending, error)
        if refused:
            log.warning("transactions are refused by now", count=len(refused))
            self._mempool.refuse(refused)
            self._changed()

    def _put_aside(self, pending: Pending, error: TransactionInvalid) -> None:
        transaction_hash = pending.transaction.hash
        if pending.transaction.sender != self._own and transaction_hash not in self._clients:
            return
        if error.rule in SETTLED:
            self.executed([transaction_hash])
        else:
            self._postponed[transaction_hash] = _parcel_of(pending)

    def executed(self, hashes: list[Digest]) -> None:
        """Forget transactions that a block executed or made impossible."""
        if self._postponed:
            for transaction_hash in hashes:
                self._postponed.pop(transaction_hash, None)
        done = self._clients.intersection(hashes)
        if done:
            self._clients -= done
            self._store.write({_CLIENT + h: None for h in done}, sync=False)

    def resend(self) -> None:
        """Try again what is postponed, and pass on again what waits for long."""
        for parcel in list(self._postponed.values()):
            self._try(parcel)
        now_ms = self._clock.now_ms()
        due = (
            pending
            for pending in self._mempool.waiting()
            if pending.in_flight is None and _due_ms(pending) <= now_ms
        )
        for pending in _within_budget(due):
            pending.sent = min(pending.sent + 1, RESEND_DOUBLINGS)
            pending.send_ms = now_ms + (RESEND_AFTER_MS << pending.sent)
            self._mesh.gossip(_parcel_of(pending).encode())

    def welcome(self, member: MemberId) -> None:
        """Bring a member that just connected what waits here."""
        for pending in _within_budget(self._mempool.waiting()):
            self._mesh.gossip(_parcel_of(pending).encode(), [member])


def _due_ms(pending: Pending) -> int:
    return pending.send_ms or pending.arrived_ms + RESEND_AFTER_MS


def _within_budget(waiting: Iterable[Pending]) -> list[Pending]:
    """The first ones that fit one turn, at least one."""
    chosen: list[Pending] = []
    size = 0
    for pending in waiting:
        size += pending.size
        if len(chosen) >= RESEND_MOST or (chosen and size > RESEND_BYTES):
            break
        chosen.append(pending)
    return chosen


def _parcel_of(pending: Pending) -> Parcel:
    """The parcel that was checked when it came in."""
    sidecar = pending.sidecar
    data = b"" if sidecar is None else sidecar.encode()
    return Parcel(pending.transaction, sidecar, data)
