"""Proposals: makes a batch when the core wants one, and checks the batches of others.

Rules: one check for ingress, proposal and vote; the sidecars of a batch are in the database before
the core hears `ok` (the synced write of the vote that follows makes them durable, since LevelDB's
log is sequential); a batch with a sidecar that nobody has yet waits, bounded, instead of failing.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from bulwark.ledger.batch import Batch
from bulwark.ledger.errors import LedgerError, TransactionInvalid
from bulwark.ledger.hashing import keccak256
from bulwark.ledger.ids import Digest, TimestampMs, View
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
from node.storage.errors import StorageError

FETCH_PATIENCE_MS = 8_000
"""How long a batch waits for a sidecar that nobody serves: gossip is slower than votes."""
FETCH_PAUSE_S = 0.1
KEPT_HASHES = 32
"""Batches whose transaction hashes are remembered: some windows of them."""

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
        """`pace_ms`: least time between two proposals: load makes larger blocks, not more."""
        self._mempool = mempool
        self._chain = chain
        self._clock = clock
        self._chain_id = chain_id
        self.gas_limit = gas_limit
        """Of one block; governance may change it from epoch to epoch."""
        self._check_sender = check_sender
        self._fetch_sidecar = fetch_sidecar
        self._pace_ms = pace_ms
        self._wanted: NeedProposal | None = None
        self._last_ms = 0
        self._last_view: View | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._checks: set[asyncio.Task[None]] = set()
        self.post: Callable[[Event], None] = lambda event: None
        """Where answers go; `begin` sets it."""
        self.fail: Callable[[str], None] = lambda reason: None
        """Called when the disk fails; the driver sets it and halts the node."""
        self._hashes: OrderedDict[Digest, tuple[Digest, ...]] = OrderedDict()

    def begin(self, post: Callable[[Event], None]) -> None:
        """A core begins to run: it gets the answers from now on."""
        self._wanted, self._last_view = None, None
        self.post = post

    def end(self) -> None:
        """The core ended: nobody wants a batch."""
        self._wanted = None
        self.post = lambda event: None

    def _hashes_of(self, batch: Batch) -> tuple[Digest, ...]:
        known = self._hashes.get(batch.digest)
        if known is None:
            known = tuple(keccak256(raw) for raw in batch.transactions)
            self._hashes[batch.digest] = known
            if len(self._hashes) > KEPT_HASHES:
                self._hashes.popitem(last=False)
        return known

    def wanted(self, need: NeedProposal) -> None:
        """The core wants a batch; a newer wish replaces an older one."""
        self._wanted = need
        held = [transaction for batch in need.in_flight for transaction in self._hashes_of(batch)]
        self._mempool.set_in_flight(need.height, held)
        self.nudge()

    def nudge(self) -> None:
        """Propose now if it is wanted and there is something to propose."""
        try:
            self._nudge()
        except StorageError as error:
            # Whoever brought the transaction, a timer or a client, could not halt the node.
            self.fail(f"storage: {error}")

    def _nudge(self) -> None:
        need = self._wanted
        if need is None or self._timer is not None:
            return
        if self._mempool.proposable() == 0 and not need.allow_empty:
            return
        wait_ms = self._last_ms + self._pace_ms - self._clock.now_ms()
        if need.view != self._last_view or need.allow_empty:
            # After a view change the alliance has waited enough; a heartbeat is not load.
            wait_ms = 0
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
        batch = self._mempool.select(need.height, TimestampMs(self._clock.wall_ms()))
        if not batch.transactions and not need.allow_empty:
            return
        self._wanted = None
        self._last_ms, self._last_view = now_ms, need.view
        for transaction_hash in self._hashes_of(batch):
            pending = self._mempool.get(transaction_hash)
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
            self._check_later(effect.digest, transactions, missing, self.post)
        )
        self._checks.add(task)
        task.add_done_callback(self._checks.discard)

    async def _check_later(
        self,
        digest: Digest,
        transactions: list[Transaction],
        missing: list[Digest],
        post: Callable[[Event], None],
    ) -> None:
        """Fetch what is missing, then check again.

        The answer is for the core that asked: in the next epoch other limits may hold.
        """
        try:
            for sidecar in await self._bring(transactions, set(missing)):
                self._chain.put_sidecar(sidecar)
            self._keep_sidecars(transactions)
        except (LedgerError, LookupError) as error:
            log.warning("batch refused", digest=digest.hex(), reason=str(error))
            post(BatchChecked(digest, False, str(error)))
        except StorageError as error:
            self.fail(f"storage: {error}")
        else:
            post(BatchChecked(digest, True))

    async def _bring(self, transactions: list[Transaction], missing: set[Digest]) -> list[Sidecar]:
        """The missing sidecars, checked, and none of them kept if together they are too long."""
        size = 0
        brought: list[Sidecar] = []
        for transaction in transactions:
            call = anchor_call(transaction)
            if call is None or call.root not in missing:
                continue
            sidecar = await self._fetch(Digest(call.root))
            check_sidecar(transaction, sidecar)
            size += len(sidecar.encode())
            if size > MAX_BATCH_BYTES:
                raise _too_long(size)
            brought.append(sidecar)
        return brought

    async def _fetch(self, root: Digest) -> Sidecar:
        """A sidecar from here or a peer, asked for until it comes; raises LookupError."""
        until_ms = self._clock.now_ms() + FETCH_PATIENCE_MS
        while True:
            try:
                return await self._fetch_sidecar(root)
            except LookupError:
                if self._clock.now_ms() >= until_ms:
                    raise
            await asyncio.sleep(FETCH_PAUSE_S)

    def _checked(self, batch: Batch) -> list[Transaction]:
        """Decode and check every transaction as at ingress; raises LedgerError."""
        transactions: list[Transaction] = []
        seen: set[Digest] = set()
        gas = 0
        for raw, transaction_hash in zip(batch.transactions, self._hashes_of(batch), strict=True):
            if transaction_hash in seen:
                raise TransactionInvalid("batch.duplicate", "a transaction occurs twice")
            seen.add(transaction_hash)
            pending = self._mempool.get(transaction_hash)
            if pending is not None:
                transaction = pending.transaction
            else:
                transaction = Transaction.decode(raw)
                transaction.check(self._chain_id, self.gas_limit)
                self._check_sender(transaction)
            gas += transaction.gas
            transactions.append(transaction)
        if gas > self.gas_limit:
            raise TransactionInvalid("batch.gas", f"{gas} gas, the limit is {self.gas_limit}")
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
            raise _too_long(size)
        return missing

    async def close(self) -> None:
        """Stop what waits."""
        if self._timer is not None:
            self._timer.cancel()
        tasks = list(self._checks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _too_long(size: int) -> TransactionInvalid:
    return TransactionInvalid(
        "batch.bytes", f"{size} bytes with sidecars, the limit is {MAX_BATCH_BYTES}"
    )
