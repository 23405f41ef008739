"""The batch: what PBFT orders. Transactions and a proposer's time, nothing that depends on a view.

Rules: a batch carries no view, no parent and no state root, so a new view can propose it again
unchanged (pitfall S14). An empty batch is what a null request executes as.
Sidecars do not travel inside: a batch names them through its anchor transactions.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import LimitExceeded
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Digest, TimestampMs
from bulwark.ledger.limits import (
    MAX_BATCH_BYTES,
    MAX_BATCH_TRANSACTIONS,
    MAX_TIMESTAMP_MS,
    MAX_TRANSACTION_BYTES,
)


@dataclass(frozen=True, slots=True)
class Batch:
    """Transactions in execution order with the time their proposer gave."""

    timestamp_ms: TimestampMs
    transactions: tuple[bytes, ...]
    """Raw signed Ethereum transactions."""
    digest: Digest = field(init=False, compare=False)
    """SHA-256 of the encoding under its domain tag: what votes name."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", sha256(b"bulwark/batch/1\x00" + self.encode()))

    def encode(self) -> bytes:
        """Canonical bytes."""
        writer = Writer().uint(self.timestamp_ms, 8)
        return writer.sequence(self.transactions, lambda w, raw: w.blob(raw)).done()

    @classmethod
    def decode(cls, data: bytes) -> Batch:
        """Inverse of encode(); raises DecodeError on anything over its limit."""
        if len(data) > MAX_BATCH_BYTES:
            raise LimitExceeded("batch", len(data), MAX_BATCH_BYTES)
        reader = Reader(data, "batch")
        timestamp_ms = TimestampMs(reader.uint(8, "timestamp_ms", MAX_TIMESTAMP_MS))
        transactions = reader.sequence(
            "transactions",
            MAX_BATCH_TRANSACTIONS,
            lambda r: r.blob("transaction", MAX_TRANSACTION_BYTES),
        )
        reader.end()
        return cls(timestamp_ms, transactions)


NULL_BATCH = Batch(TimestampMs(0), ())
"""The null request of OSDI'99 section 4.4: fills a gap of a new view, executes as an empty block.
Its time 0 is below any parent's, so execution clamps it to parent + 1."""
