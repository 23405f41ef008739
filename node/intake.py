"""The intake: every way a transaction enters this node, through one check.

Rules: own anchors, JSON-RPC and gossip pass the same ingress check as a proposal and a vote do;
what a client sent over JSON-RPC is durable before its hash is answered and is sent again after a
restart; a transaction is passed on once, by the node where it entered, to all members. Anything
still waiting after a second is sent to all again, by whoever holds it (fairness ladder).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from bulwark.ledger.errors import LedgerError, TransactionInvalid
from bulwark.ledger.ids import Digest, MemberId
from bulwark.ledger.transaction import Transaction
from node.chain.store import ChainStore
from node.clock import Clock
from node.execution.executor import Executor
from node.gossip import Parcel, decode_parcel, make_parcel
from node.logs import Log
from node.mempool import Mempool, PoolFull
from node.mesh import NetworkMesh
from node.service import Busy
from node.storage.port import KeyValueStore
from node.storage.schema import OUTBOX

_CLIENT = OUTBOX + b"x"
"""transaction hash -> raw transaction that a client sent, until it is executed."""
RESEND_AFTER_MS = 1_000
RESEND_MOST = 64
"""Parcels sent again in one turn."""

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
        self._gas_limit = gas_limit
        self._check_sender = check_sender
        self._changed = changed
        self._clients: set[Digest] = set()
        self.refused = 0
        """Parcels of peers that were refused since start."""

    def _add(self, parcel: Parcel) -> bool:
        transaction = parcel.transaction
        transaction.check(self._chain_id, self._gas_limit)
        self._check_sender(transaction)
        added = self._mempool.add(
            transaction,
            parcel.sidecar_root,
            parcel.sidecar,
            len(parcel.sidecar_bytes),
            self._clock.now_ms(),
        )
        if added:
            self._changed()
        return added

    def submit(self, parcel: Parcel) -> None:
        """Take an own parcel that is in the outbox and pass it on; a refusal is logged loudly."""
        try:
            self._add(parcel)
        except PoolFull as error:
            # It is in the outbox: the resend turn brings it in when there is room.
            log.warning("own transaction waits", reason=str(error))
        except TransactionInvalid as error:
            log.error(
                "own transaction refused", hash=parcel.transaction.hash.hex(), reason=str(error)
            )
            return
        self._mesh.gossip(parcel.encode())

    def receive(self, member: MemberId, payload: bytes) -> None:
        """A parcel of a peer; one that breaks a rule is counted and dropped."""
        try:
            self._add(decode_parcel(payload))
        except PoolFull:
            self.refused += 1
        except LedgerError as error:
            if isinstance(error, TransactionInvalid) and error.rule.startswith("nonce."):
                # Normal for what was executed or is here already.
                return
            self.refused += 1
            log.warning("transaction refused", peer=member, reason=str(error))

    def send_raw(self, raw: bytes) -> Digest:
        """A client's transaction: checked, durable, passed on. Raises LedgerError, Busy."""
        transaction = Transaction.decode(raw)
        parcel = make_parcel(transaction, None)
        if transaction.hash in self._mempool:
            return transaction.hash
        try:
            self._add(parcel)
        except PoolFull as error:
            raise Busy(str(error)) from error
        self._store.write({_CLIENT + transaction.hash: raw}, sync=True)
        self._clients.add(transaction.hash)
        self._mesh.gossip(parcel.encode())
        return transaction.hash

    def resume(self) -> None:
        """Take in again what clients sent before the restart and no block executed."""
        gone: dict[bytes, bytes | None] = {}
        for key, raw in self._store.iterate(_CLIENT):
            try:
                parcel = make_parcel(Transaction.decode(raw), None)
                self._add(parcel)
                self._clients.add(parcel.transaction.hash)
            except LedgerError as error:
                log.info("client transaction dropped", reason=str(error))
                gone[key] = None
        if gone:
            self._store.write(gone, sync=False)

    def executed(self, hashes: list[Digest]) -> None:
        """Forget clients' transactions that a block executed."""
        done = [h for h in hashes if h in self._clients]
        if done:
            self._clients.difference_update(done)
            self._store.write({_CLIENT + h: None for h in done}, sync=False)

    def resend(self) -> None:
        """Pass on again what waits for long, so that a proposer that missed it gets it."""
        before = self._clock.now_ms() - RESEND_AFTER_MS
        for pending in self._mempool.older_than(before, RESEND_MOST):
            if pending.in_flight is None:
                self._mesh.gossip(make_parcel(pending.transaction, pending.sidecar).encode())

    def welcome(self, member: MemberId) -> None:
        """Bring a member that just connected what waits here."""
        for pending in self._mempool.older_than(self._clock.now_ms() + 1, RESEND_MOST):
            parcel = make_parcel(pending.transaction, pending.sidecar)
            self._mesh.gossip(parcel.encode(), [member])
