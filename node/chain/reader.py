"""The Ethereum-shaped read side over the chain: implements `node.ethereum.EthereumView`.

Rules: every state ever executed can be read, since old trie nodes stay; calls and estimates run on
a few worker threads with a cap on gas, time and waiting calls, so that they cannot hold up votes;
what has to do with waiting transactions is asked of the mempool's owner (`Waiting`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from bulwark.ledger.genesis import Genesis
from bulwark.ledger.hashing import keccak256
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Address, Digest, Height
from bulwark.ledger.transaction import Transaction
from bulwark.ledger.trie import EMPTY_TRIE_ROOT
from node.chain.logs import find_logs
from node.chain.store import ChainStore
from node.chain.tracer import ChainTracer
from node.ethereum import (
    AccountProof,
    BlockAt,
    BlockBody,
    CallRequest,
    CallResult,
    LogPlace,
    StorageProof,
    TransactionPlace,
    WaitingTransaction,
)
from node.execution.accounts import EMPTY_CODE_HASH, Account, read_account, read_slot
from node.execution.calls import Outcome, estimate, run_call
from node.execution.errors import StateMissing
from node.execution.executor import Executor
from node.execution.patricia import prove
from node.service import Busy, HistoryPruned
from node.storage import blocks
from node.storage.port import KeyValueStore

CALL_GAS: Final = 10_000_000
"""Most gas of one call, whatever was asked for."""
CALL_SECONDS: Final = 2.0
"""Longest run of one call or estimate."""
CALL_WORKERS: Final = 2
MAX_WAITING_CALLS: Final = 32
"""Calls under way and waiting; more are refused with Busy."""


class Waiting(Protocol):
    """What the reader asks of the owner of the mempool."""

    def transaction(self, transaction_hash: Digest) -> Transaction | None:
        """A waiting transaction."""
        ...

    def next_nonce(self, sender: Address) -> int:
        """First nonce with neither an executed nor a waiting transaction."""
        ...

    def all(self) -> Sequence[WaitingTransaction]:
        """Everything that waits, in order of arrival."""
        ...

    def arrivals(self, since: int) -> tuple[Sequence[Digest], int]:
        """Hashes of what came from number `since` on, and the next number."""
        ...

    async def submit(self, raw: bytes) -> Digest:
        """Take a signed transaction durably; raises TransactionInvalid or ServiceError."""
        ...


class EthereumReader:
    """EthereumView of one node."""

    def __init__(
        self,
        *,
        store: KeyValueStore,
        chain: ChainStore,
        executor: Executor,
        genesis: Genesis,
        waiting: Waiting,
    ) -> None:
        self._store = store
        self._chain = chain
        self._executor = executor
        self._waiting = waiting
        self.chain_id = genesis.chain_id
        self.gas_limit = genesis.gas_limit
        self._workers = ThreadPoolExecutor(CALL_WORKERS, thread_name_prefix="call")
        self._calls = 0
        self.traces = ChainTracer(
            executor, self.block, self._with_state, min(CALL_GAS, self.gas_limit)
        )

    def close(self) -> None:
        """Stop the workers; calls under way end within CALL_SECONDS, a trace in TRACE_SECONDS."""
        self._workers.shutdown(wait=True, cancel_futures=True)
        self.traces.close()

    # Blocks

    def height(self, at: BlockAt) -> Height | None:
        """Resolve a tag; None for a height above the executed tip or an unknown tag."""
        if isinstance(at, int):
            return Height(at) if 0 <= at <= self._chain.applied else None
        match at:
            case "latest" | "pending":
                return self._chain.applied
            case "safe" | "finalized":
                return self._chain.finalized
            case "earliest":
                return Height(0)
            case _:
                return None

    def block(self, height: Height) -> BlockBody | None:
        """Block with its transactions and receipts."""
        stored = self._chain.block(height)
        if stored is None:
            return None
        return BlockBody(
            header=stored.header,
            hash=stored.header.hash(),
            transactions=tuple(Transaction.decode(raw) for raw in stored.raw_transactions),
            receipts=stored.receipts,
            size=len(stored.batch.encode()),
        )

    def height_of_hash(self, block_hash: Digest) -> Height | None:
        """Height of a block hash."""
        return self._chain.height_of_hash(block_hash)

    def transaction(self, transaction_hash: Digest) -> TransactionPlace | None:
        """An executed transaction."""
        place = self._chain.place_of_transaction(transaction_hash)
        stored = None if place is None else self._chain.block(place[0])
        if place is None or stored is None:
            return None
        height, index = place
        return TransactionPlace(
            Transaction.decode(stored.raw_transactions[index]),
            height,
            stored.header.hash(),
            index,
        )

    def pending_transaction(self, transaction_hash: Digest) -> Transaction | None:
        """A transaction in this node's mempool."""
        return self._waiting.transaction(transaction_hash)

    def waiting(self) -> Sequence[WaitingTransaction]:
        """What waits in this node's mempool, in order of arrival."""
        return self._waiting.all()

    def arrivals(self, since: int) -> tuple[Sequence[Digest], int]:
        """Hashes of what came into the mempool from number `since` on, and the next number."""
        return self._waiting.arrivals(since)

    def logs(
        self,
        first: Height,
        last: Height,
        addresses: Sequence[Address],
        topics: Sequence[Sequence[bytes] | None],
        most: int,
    ) -> list[LogPlace]:
        """Matching logs in order; raises TooMany."""
        return find_logs(self._store, self._chain, first, last, addresses, topics, most)

    # State

    def _header(self, height: Height) -> Header:
        header = self._chain.header(height)
        if header is None:
            raise LookupError(f"no block {height}")
        return header

    def _with_state(self, height: Height) -> Header:
        """Header of a block whose state is here; state sync leaves those of older blocks out."""
        header = self._header(height)
        start = self._chain.state_from
        if height < blocks.read_swept_from(self._store):
            raise HistoryPruned(f"the state of block {height}", start)
        if height < start:
            try:
                self._executor.source.node(header.state_root)
            except StateMissing as error:
                raise LookupError(
                    f"the state of block {height} is not kept here, that of {start} is"
                ) from error
        return header

    def _account(self, address: Address, height: Height) -> Account:
        root = self._with_state(height).state_root
        return read_account(self._executor.source, root, address) or Account()

    def balance(self, address: Address, height: Height) -> int:
        """Balance in wei."""
        return self._account(address, height).balance

    def nonce(self, address: Address, at: BlockAt) -> int:
        """Transaction count; `pending` includes the mempool."""
        if at == "pending":
            return self._waiting.next_nonce(address)
        height = self.height(at)
        if height is None:
            raise LookupError(f"no block {at}")
        return self._account(address, height).nonce

    def code(self, address: Address, height: Height) -> bytes:
        """Contract code, empty for none."""
        code_hash = self._account(address, height).code_hash
        return b"" if code_hash == EMPTY_CODE_HASH else self._executor.source.code(code_hash)

    def storage_at(self, address: Address, slot: int, height: Height) -> bytes:
        """32 bytes of storage."""
        root = self._account(address, height).storage_root
        return read_slot(self._executor.source, root, slot).to_bytes(32, "big")

    def proof(self, address: Address, slots: Sequence[int], height: Height) -> AccountProof:
        """EIP-1186 account and storage proof."""
        source = self._executor.source
        account = self._account(address, height)
        root = account.storage_root
        return AccountProof(
            address=address,
            balance=account.balance,
            nonce=account.nonce,
            code_hash=account.code_hash,
            storage_hash=root,
            proof=prove(source, self._header(height).state_root, keccak256(address)),
            storage=tuple(
                StorageProof(
                    key=slot.to_bytes(32, "big"),
                    value=0 if root == EMPTY_TRIE_ROOT else read_slot(source, root, slot),
                    proof=prove(source, root, keccak256(slot.to_bytes(32, "big"))),
                )
                for slot in slots
            ),
        )

    # Calls

    async def call(self, request: CallRequest, height: Height) -> CallResult:
        """Execute a message on the state after `height`. Raises Busy, LookupError."""
        return await self._run(run_call, request, height)

    async def estimate_gas(self, request: CallRequest, height: Height) -> CallResult:
        """Least gas with which the message succeeds, in `gas_used`. Raises Busy, LookupError."""
        return await self._run(estimate, request, height)

    async def _run(
        self, kind: Callable[..., Outcome], request: CallRequest, height: Height
    ) -> CallResult:
        block = self._with_state(height)
        if self._calls >= MAX_WAITING_CALLS:
            raise Busy(f"{self._calls} calls are under way")
        cap = min(CALL_GAS, self.gas_limit)

        def work() -> Outcome:
            return kind(
                self._executor,
                block,
                sender=request.sender,
                to=request.to,
                data=request.data,
                value=request.value,
                gas=cap if request.gas is None else min(request.gas, cap),
                deadline_s=time.monotonic() + CALL_SECONDS,
            )

        self._calls += 1
        try:
            done = await asyncio.get_running_loop().run_in_executor(self._workers, work)
        finally:
            self._calls -= 1
        return CallResult(done.success, done.output, done.gas_used, done.failure)

    async def send_raw_transaction(self, raw: bytes) -> Digest:
        """Take a signed transaction durably; raises TransactionInvalid or ServiceError."""
        return await self._waiting.submit(raw)
