"""Proposals: makes a batch when the core wants one, and checks the batches of others.

Rules: one check for ingress, proposal and vote; the sidecars of a batch are in the database before
the core hears `ok` (the synced write of the vote that follows makes them durable, since LevelDB's
log is sequential); a batch with a sidecar that nobody has yet waits, bounded, instead of failing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from bulwark.ledger.batch import Batch
from bulwark.ledger.errors import LedgerError, TransactionInvalid
from bulwark.ledger.hashing import keccak256
from bulwark.ledger.ids import Digest, TimestampMs
from bulwark.ledger.limits import MAX_BATCH_BYTES
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.transaction import Transaction
from consensus.effects import CheckBatch, NeedProposal
from consensus.events import BatchChecked, Event, ProposalReady
from node.clock import Clock
from node.driver.ports import Chain
from node.gossip import anchor_call, check_sidecar
from node.logs import Log
from node.mempool import Mempool

log = Log("proposals")


class Proposals:
    """Own proposals and checks of others'."""

    def __init__(
        self,
        *,
        mempool: Mempool,
        chain: Chain,
        clock: Clock,
        chain_id: int,
        gas_limit: int,
        check_sender: Callable[[Transaction], None],
        fetch_sidecar: Callable[[Digest], Awaitable[Sidecar]],
        pace_ms: int,
    ) -> None:
        """`pace_ms`: least time between two proposals while earlier ones are in flight."""
        self._mempool = mempool
        self._chain = chain
        self._clock = clock
        self._chain_id = chain_id
        self._gas_limit = gas_limit
        self._check_sender = check_sender
        self._fetch_sidecar = fetch_sidecar
        self._pace_ms = pace_ms
        self._wanted: NeedProposal | None = None
        self._last_ms = 0
        self._timer: asyncio.TimerHandle | None = None
        self._checks: dict[Digest, asyncio.Task[None]] = {}
        self.post: Callable[[Event], None] = lambda event: None
        """Where answers go; the driver sets it."""

    def wanted(self, need: NeedProposal) -> None:
        """The core wants a batch; a newer wish replaces an older one."""
        self._wanted = need
        self.nudge()

    def nudge(self) -> None:
        """Propose now if it is wanted and there is something to propose."""
        need = self._wanted
        if need is None or self._timer is not None:
            return
        if self._mempool.proposable() == 0 and not need.allow_empty:
            return
        in_flight = need.height > self._chain.applied + 1
        wait_ms = self._last_ms + self._pace_ms - self._clock.now_ms() if in_flight else 0
        if wait_ms > 0:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(wait_ms / 1000, self._after_pace)
            return
        self._propose(need)

    def _after_pace(self) -> None:
        self._timer = None
        self.nudge()

    def _propose(self, need: NeedProposal) -> None:
        now_ms = self._clock.now_ms()
        batch = self._mempool.select(need.height, TimestampMs(now_ms))
        if not batch.transactions and not need.allow_empty:
            return
        self._wanted = None
        self._last_ms = now_ms
        for raw in batch.transactions:
            pending = self._mempool.get(keccak256(raw))
            if pending is not None and pending.sidecar is not None:
                self._chain.put_sidecar(pending.sidecar)
        self.post(ProposalReady(need.view, need.height, batch))

    def check(self, effect: CheckBatch) -> None:
        """Check a proposed batch; answers with BatchChecked, at once if nothing is missing."""
        try:
            transactions = self._checked(effect.batch)
            missing = self._keep_sidecars(transactions)
        except LedgerError as error:
            log.warning("batch refused", digest=effect.digest.hex(), reason=str(error))
            self.post(BatchChecked(effect.digest, False, str(error)))
            return
        if not missing:
            self.post(BatchChecked(effect.digest, True))
            return
        task = asyncio.get_running_loop().create_task(
            self._check_later(effect.digest, transactions, missing)
        )
        self._checks[effect.digest] = task
        task.add_done_callback(lambda _: self._checks.pop(effect.digest, None))

    async def _check_later(
        self, digest: Digest, transactions: list[Transaction], missing: list[Digest]
    ) -> None:
        """Fetch what is missing, then check again."""
        try:
            for transaction in transactions:
                call = anchor_call(transaction)
                if call is not None and call.root in missing:
                    sidecar = await self._fetch_sidecar(Digest(call.root))
                    check_sidecar(transaction, sidecar)
                    self._chain.put_sidecar(sidecar)
            self._keep_sidecars(transactions)
        except (LedgerError, LookupError) as error:
            log.warning("batch refused", digest=digest.hex(), reason=str(error))
            self.post(BatchChecked(digest, False, str(error)))
            return
        self.post(BatchChecked(digest, True))

    def _checked(self, batch: Batch) -> list[Transaction]:
        """Decode and check every transaction as at ingress; raises LedgerError."""
        transactions: list[Transaction] = []
        seen: set[Digest] = set()
        gas = 0
        for raw in batch.transactions:
            transaction_hash = keccak256(raw)
            if transaction_hash in seen:
                raise TransactionInvalid("batch.duplicate", "a transaction occurs twice")
            seen.add(transaction_hash)
            pending = self._mempool.get(transaction_hash)
            if pending is not None:
                transaction = pending.transaction
            else:
                transaction = Transaction.decode(raw)
                transaction.check(self._chain_id, self._gas_limit)
                self._check_sender(transaction)
            gas += transaction.gas
            transactions.append(transaction)
        if gas > self._gas_limit:
            raise TransactionInvalid("batch.gas", f"{gas} gas, the limit is {self._gas_limit}")
        return transactions

    def _keep_sidecars(self, transactions: list[Transaction]) -> list[Digest]:
        """Store the sidecars that are here; roots of those that are not."""
        size = sum(len(transaction.raw) + 4 for transaction in transactions) + 12
        missing: list[Digest] = []
        for transaction in transactions:
            call = anchor_call(transaction)
            if call is None:
                continue
            root = Digest(call.root)
            pending = self._mempool.get(transaction.hash)
            if pending is not None and pending.sidecar is not None:
                self._chain.put_sidecar(pending.sidecar)
                size += pending.sidecar_size
                continue
            kept = self._chain.sidecar(root)
            if kept is None:
                missing.append(root)
            else:
                if kept.count != call.count:
                    raise TransactionInvalid("sidecar.count", "the call names another count")
                size += len(kept.encode())
        if size > MAX_BATCH_BYTES:
            raise TransactionInvalid(
                "batch.bytes", f"{size} bytes with sidecars, the limit is {MAX_BATCH_BYTES}"
            )
        return missing

    async def close(self) -> None:
        """Stop what waits."""
        if self._timer is not None:
            self._timer.cancel()
        tasks = list(self._checks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
