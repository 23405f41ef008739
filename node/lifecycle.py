"""What happens to transactions after they were ordered, told to everybody who waits for it.

Rules: the order is fixed (mempool, tracker, outbox, listeners); nothing here decides anything.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from bulwark.ledger.batch import Batch
from bulwark.ledger.errors import TransactionInvalid
from bulwark.ledger.hashing import keccak256
from bulwark.ledger.ids import Digest, Height
from bulwark.ledger.receipt import Receipt
from bulwark.ledger.transaction import Transaction
from node.chain.store import ChainStore
from node.execution.executor import ExecutedBlock
from node.intake import Intake
from node.logs import Log
from node.mempool import Mempool
from node.reporting.anchorer import Anchorer
from node.reporting.tracker import StageTracker

MAY_COME_AGAIN = frozenset({"nonce", "block gas"})
"""Rules by which execution leaves a transaction out that a later block may hold."""

log = Log("lifecycle")


class Lifecycle:
    """The driver's Observer."""

    def __init__(
        self,
        *,
        mempool: Mempool,
        tracker: StageTracker,
        intake: Intake,
        anchorer: Anchorer,
        changed: Callable[[], None],
        also: Callable[[Sequence[Receipt] | None], None] = lambda receipts: None,
    ) -> None:
        """`also` is told the receipts of every block, None when state sync skipped some."""
        self._mempool = mempool
        self._tracker = tracker
        self._intake = intake
        self._anchorer = anchorer
        self._changed = changed
        self._also = also
        self.blocks = 0
        self.transactions = 0
        self.records = 0

    def transactions_of(self, batch: Batch) -> list[Transaction]:
        """Decoded transactions, from the mempool where they wait there.

        One that does not decode is left out here, as execution leaves it out.
        """
        found: list[Transaction] = []
        for raw in batch.transactions:
            pending = self._mempool.get(keccak256(raw))
            if pending is not None:
                found.append(pending.transaction)
                continue
            with contextlib.suppress(TransactionInvalid):
                found.append(Transaction.decode(raw))
        return found

    def ordered(self, height: Height, batch: Batch) -> None:
        """A batch has its commit certificate."""
        self._tracker.ordered((keccak256(raw) for raw in batch.transactions), height)

    def executed(self, height: Height, block: ExecutedBlock) -> None:
        """A block is durable."""
        results = block.results
        hashes = [transaction_hash for transaction_hash, _ in results]
        refused = _refused(block)
        dropped = self._mempool.executed(
            height, block.transactions, refused, block.header.timestamp_ms
        )
        self._tracker.executed(results, height)
        self._anchorer.executed(block.transactions, results, height)
        self._intake.executed([*hashes, *refused, *dropped])
        self.blocks += 1
        self.transactions += len(results)
        self.records += block.record_count
        self._also(block.receipts)
        self._changed()

    async def installed(self, chain: ChainStore, before: Height) -> None:
        """State sync brought the blocks above `before`: settle what waited for one of them."""
        tip = chain.tip
        self._also(None)
        self._intake.executed(self._mempool.caught_up(tip.height, tip.timestamp_ms))
        for number in range(before + 1, tip.height + 1):
            if not self._anchorer.waiting:
                break
            # Some block may hold an own transaction, or another one with its nonce.
            height = Height(number)
            block = chain.block(height)
            if block is not None:
                sent = [Transaction.decode(raw) for raw in block.raw_transactions]
                succeeded = (receipt.succeeded for receipt in block.receipts)
                results = list(zip(block.transaction_hashes, succeeded, strict=True))
                self._tracker.executed(results, height)
                self._anchorer.executed(sent, results, height)
            await asyncio.sleep(0)
        self._changed()

    def finalized(self, height: Height) -> None:
        """Blocks up to here have a checkpoint certificate."""
        self._tracker.finalized(height)
        self._anchorer.finalized(height)


def _refused(block: ExecutedBlock) -> list[Digest]:
    """Hashes of transactions that no block will ever hold."""
    found: list[Digest] = []
    for skipped in block.skipped:
        transaction_hash = keccak256(block.batch.transactions[skipped.position])
        log.info(
            "transaction left out",
            hash=transaction_hash.hex(),
            rule=skipped.rule,
            reason=skipped.detail,
        )
        if skipped.rule not in MAY_COME_AGAIN:
            found.append(transaction_hash)
    return found
