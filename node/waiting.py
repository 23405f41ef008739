"""What waits for a block, as JSON-RPC sees it: the mempool to read, the intake to write.

It holds no rule of its own; the checks of what comes in are the intake's.
"""

from __future__ import annotations

from collections.abc import Sequence

from bulwark.ledger.ids import Address, Digest
from bulwark.ledger.transaction import Transaction
from node.ethereum import WaitingTransaction
from node.intake import Intake
from node.mempool import Mempool
from node.storage.durability import Durability


class WaitingTransactions:
    """The chain reader's `Waiting` over mempool and intake."""

    def __init__(self, mempool: Mempool, intake: Intake, durability: Durability) -> None:
        self._durability = durability
        self._mempool = mempool
        self._intake = intake

    def transaction(self, transaction_hash: Digest) -> Transaction | None:
        """A waiting transaction."""
        pending = self._mempool.get(transaction_hash)
        return None if pending is None else pending.transaction

    def next_nonce(self, sender: Address) -> int:
        """First nonce with neither an executed nor a waiting transaction."""
        return self._mempool.next_nonce(sender)

    def all(self) -> Sequence[WaitingTransaction]:
        """Everything that waits, in order of arrival."""
        return [
            WaitingTransaction(pending.transaction, pending.ready_ms is not None)
            for pending in self._mempool.waiting()
        ]

    def arrivals(self, since: int) -> tuple[Sequence[Digest], int]:
        """Hashes of what came from number `since` on, and the next number."""
        return self._mempool.arrivals.since(since)

    async def submit(self, raw: bytes) -> Digest:
        """Take a signed transaction durably; raises TransactionInvalid or ServiceError."""
        transaction_hash = self._intake.send_raw(raw)
        await self._durability.barrier()
        return transaction_hash
