"""The Ethereum-shaped read side of a node: what JSON-RPC asks for.

Values are plain Python (bytes, int); hexadecimal is the API's affair. Block tags: `latest` and
`pending` are the executed tip, `safe` and `finalized` the tip with a checkpoint certificate,
`earliest` the genesis block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from bulwark.ledger.header import Header
from bulwark.ledger.ids import Address, Digest, Height
from bulwark.ledger.receipt import Log, Receipt
from bulwark.ledger.transaction import Transaction

BlockAt = int | str
"""A height or one of latest, pending, safe, finalized, earliest."""


class BlockBody(Struct, frozen=True):
    """A stored block with decoded transactions and their receipts in order."""

    header: Header
    hash: Digest
    transactions: tuple[Transaction, ...]
    receipts: tuple[Receipt, ...]
    size: int
    """Bytes of the encoded batch."""


class TransactionPlace(Struct, frozen=True):
    """Where a transaction stands in the chain."""

    transaction: Transaction
    height: Height
    block_hash: Digest
    index: int


class LogPlace(Struct, frozen=True):
    """A log with the position that JSON-RPC gives it."""

    log: Log
    height: Height
    block_hash: Digest
    transaction_hash: Digest
    transaction_index: int
    log_index: int
    """Position within the block."""
    timestamp_ms: int


class CallRequest(Struct, frozen=True):
    """A message to execute without a transaction."""

    sender: Address
    to: Address | None
    data: bytes
    value: int
    gas: int | None


class CallResult(Struct, frozen=True):
    """Outcome of a call: output, or revert data, or another failure."""

    success: bool
    output: bytes
    """Return data; revert data when it reverted."""
    gas_used: int
    failure: str | None
    """None on success; `revert`, or the kind of the EVM error."""


class StorageProof(Struct, frozen=True):
    """Merkle-Patricia proof of one storage slot."""

    key: bytes
    value: int
    proof: tuple[bytes, ...]


class AccountProof(Struct, frozen=True):
    """EIP-1186 proof of an account at a block."""

    address: Address
    balance: int
    nonce: int
    code_hash: Digest
    storage_hash: Digest
    proof: tuple[bytes, ...]
    storage: tuple[StorageProof, ...]


class WaitingTransaction(Struct, frozen=True):
    """A transaction that waits at this node."""

    transaction: Transaction
    ready: bool
    """Whether every lower nonce of its sender is executed or waits too."""


class TooMany(Exception):
    """A log query touches more than the node answers at once."""


class EthereumView(Protocol):
    """Reads over the executed chain; every height-dependent read takes a block tag or height."""

    chain_id: int
    gas_limit: int

    def height(self, at: BlockAt) -> Height | None:
        """Resolve a tag; None for a height above the executed tip."""
        ...

    def block(self, height: Height) -> BlockBody | None:
        """Block with its transactions and receipts."""
        ...

    def height_of_hash(self, block_hash: Digest) -> Height | None:
        """Height of a block hash."""
        ...

    def transaction(self, transaction_hash: Digest) -> TransactionPlace | None:
        """An executed transaction."""
        ...

    def pending_transaction(self, transaction_hash: Digest) -> Transaction | None:
        """A transaction in this node's mempool."""
        ...

    def waiting(self) -> Sequence[WaitingTransaction]:
        """What waits in this node's mempool, in order of arrival."""
        ...

    def arrivals(self, since: int) -> tuple[Sequence[Digest], int]:
        """Hashes of what came into the mempool from number `since` on, and the next number.

        The last few thousand are remembered, in blocks already or not.
        """
        ...

    def logs(
        self,
        first: Height,
        last: Height,
        addresses: Sequence[Address],
        topics: Sequence[Sequence[bytes] | None],
        most: int,
    ) -> list[LogPlace]:
        """Matching logs in order; raises TooMany past `most`."""
        ...

    def balance(self, address: Address, height: Height) -> int:
        """Balance in wei."""
        ...

    def nonce(self, address: Address, at: BlockAt) -> int:
        """Transaction count; `pending` includes the mempool."""
        ...

    def code(self, address: Address, height: Height) -> bytes:
        """Contract code, empty for none."""
        ...

    def storage_at(self, address: Address, slot: int, height: Height) -> bytes:
        """32 bytes of storage."""
        ...

    def proof(self, address: Address, slots: Sequence[int], height: Height) -> AccountProof:
        """EIP-1186 account and storage proof."""
        ...

    async def call(self, request: CallRequest, height: Height) -> CallResult:
        """Execute a message on the state after `height`, bounded in gas and time."""
        ...

    async def estimate_gas(self, request: CallRequest, height: Height) -> CallResult:
        """Least gas with which the message succeeds, in `gas_used`."""
        ...

    async def send_raw_transaction(self, raw: bytes) -> Digest:
        """Take a signed transaction durably; raises TransactionInvalid or ServiceError."""
        ...
