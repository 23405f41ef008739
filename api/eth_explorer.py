"""Ethereum methods of the explorer Otterscan: ots_... and erigon_getHeaderByNumber.

Rules: there is no index of addresses, so a search looks through a bounded number of blocks, newest
or oldest first, and finds senders, recipients, created contracts and those that emitted an event;
what is found goes out as a page, and a stretch without any is refused with its bounds. Who created
a contract is found by its code in old states. Numbers may be plain JSON numbers here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from api.auth import Principal
from api.eth_debug import page_number
from api.eth_params import address, digest, existing_height, number_or_tag, take
from api.eth_shapes import (
    ZERO,
    block_bloom,
    block_shape,
    block_transaction,
    created_address,
    header_shape,
    receipt_shapes,
    seconds,
)
from api.eth_traceforms import flat_form, operations_form, walk
from api.hexadecimal import data, quantity
from api.jsonrpc import LIMIT_EXCEEDED, Json, Method, RpcError, invalid_params
from bulwark.ledger.ids import Address, Height
from node.ethereum import BlockBody, TransactionPlace
from node.traces import CallFrame, TracedView, TraceWish

API_LEVEL: Final = 8
MAX_PAGE: Final = 100
"""Transactions that a page is asked for; a block's are not parted."""
MAX_SEARCHED: Final = 2_000
"""Blocks that one search looks through."""

Holds = Callable[[Height], bool]
"""Whether a thing holds in the state of a height; once it does, it stays."""


class ExplorerMethods:
    """Methods that Otterscan calls."""

    def __init__(self, view: TracedView) -> None:
        self._view = view

    def table(self) -> dict[str, Method]:
        """Methods by name."""
        return {
            "ots_getApiLevel": self.api_level,
            "ots_hasCode": self.has_code,
            "ots_getBlockDetails": self.block_details,
            "ots_getBlockDetailsByHash": self.block_details_by_hash,
            "ots_getBlockTransactions": self.block_transactions,
            "ots_getInternalOperations": self.internal_operations,
            "ots_getTransactionError": self.transaction_error,
            "ots_traceTransaction": self.trace_transaction,
            "ots_getTransactionBySenderAndNonce": self.by_sender_and_nonce,
            "ots_getContractCreator": self.contract_creator,
            "ots_searchTransactionsBefore": self.search_before,
            "ots_searchTransactionsAfter": self.search_after,
            "erigon_getHeaderByNumber": self.header,
        }

    async def api_level(self, params: list[object], _: Principal) -> Json:
        """ots_getApiLevel: the level of Otterscan's interface that is served."""
        take(params, 0, 0)
        return API_LEVEL

    async def has_code(self, params: list[object], _: Principal) -> Json:
        """ots_hasCode [address, block]: whether there is a contract."""
        who, at = take(params, 1, 2)
        account = address(who, "address")
        height = existing_height(self._view, _plain(at), "block")
        return bool(self._view.code(account, height))

    def _block(self, given: object) -> BlockBody | None:
        return self._view.block(Height(page_number(given, "block")))

    async def block_details(self, params: list[object], _: Principal) -> Json:
        """ots_getBlockDetails [number]: a block without its transactions, and what was paid."""
        (given,) = take(params, 1, 1)
        return _details(self._block(given))

    async def block_details_by_hash(self, params: list[object], _: Principal) -> Json:
        """ots_getBlockDetailsByHash [hash]: the same by hash."""
        (given,) = take(params, 1, 1)
        height = self._view.height_of_hash(digest(given, "0"))
        return _details(None if height is None else self._view.block(height))

    async def block_transactions(self, params: list[object], _: Principal) -> Json:
        """ots_getBlockTransactions [number, page, page size]: a page, page 0 with the last ones."""
        given, page, size = take(params, 3, 3)
        block, number, most = self._block(given), page_number(page, "1"), _page_size(size)
        if block is None:
            return None
        end = max(0, len(block.transactions) - number * most)
        start = max(0, end - most)
        whole = block_shape(block, False)
        shown: list[Json] = []
        for index in range(start, end):
            transaction = block_transaction(block, index)
            transaction["input"] = data(block.transactions[index].data[:4])
            shown.append(transaction)
        whole["transactions"] = shown
        whole["transactionCount"] = quantity(len(block.transactions))
        whole["logsBloom"] = None
        receipts: list[Json] = []
        for receipt in receipt_shapes(block)[start:end]:
            receipts.append({**receipt, "logs": None, "logsBloom": None})
        return {"fullblock": whole, "receipts": receipts}

    def _place(self, given: object) -> TransactionPlace | None:
        return self._view.transaction(digest(given, "0"))

    async def _frames(self, place: TransactionPlace) -> CallFrame:
        (trace,) = await self._view.traces.block(place.height, TraceWish(), place.index)
        if trace.root is None:
            raise RpcError(LIMIT_EXCEEDED, "the transaction has no calls to show")
        return trace.root

    async def internal_operations(self, params: list[object], _: Principal) -> Json:
        """ots_getInternalOperations [hash]: value moved, contracts made and destroyed inside."""
        (given,) = take(params, 1, 1)
        place = self._place(given)
        if place is None:
            return None
        root = await self._frames(place)
        return await asyncio.to_thread(operations_form, root)

    async def trace_transaction(self, params: list[object], _: Principal) -> Json:
        """ots_traceTransaction [hash]: all calls in a flat list with their depths."""
        (given,) = take(params, 1, 1)
        place = self._place(given)
        if place is None:
            return None
        root = await self._frames(place)
        return await asyncio.to_thread(flat_form, root)

    async def transaction_error(self, params: list[object], _: Principal) -> Json:
        """ots_getTransactionError [hash]: revert data of a failed transaction, 0x of others."""
        (given,) = take(params, 1, 1)
        place = self._place(given)
        if place is None:
            return None
        block = self._view.block(place.height)
        if block is not None and block.receipts[place.index].succeeded:
            return "0x"
        return data((await self._frames(place)).output)

    async def by_sender_and_nonce(self, params: list[object], _: Principal) -> Json:
        """ots_getTransactionBySenderAndNonce [address, nonce]: its hash, found in old states."""
        who, given = take(params, 2, 2)
        sender, nonce = address(who, "address"), page_number(given, "nonce")
        tip = self._tip()
        if self._view.nonce(sender, tip) <= nonce:
            return None
        height = await self._first(tip, lambda at: self._view.nonce(sender, at) > nonce)
        block = self._view.block(height)
        for transaction in () if block is None else block.transactions:
            if transaction.sender == sender and transaction.nonce == nonce:
                return data(transaction.hash)
        return None

    async def contract_creator(self, params: list[object], _: Principal) -> Json:
        """ots_getContractCreator [address]: creating transaction and account, null of genesis."""
        (given,) = take(params, 1, 1)
        contract = address(given, "address")
        tip = self._tip()
        if not self._view.code(contract, tip):
            return None
        height = await self._first(tip, lambda at: bool(self._view.code(contract, at)))
        if height == 0:
            return None
        for trace in await self._view.traces.block(height, TraceWish()):
            for frame in () if trace.root is None else walk(trace.root):
                if frame.to == contract and frame.kind in ("CREATE", "CREATE2"):
                    made = {"hash": data(trace.transaction_hash or b"")}
                    return {**made, "creator": data(frame.sender)}
        return None

    def _tip(self) -> Height:
        return existing_height(self._view, "latest", "block")

    async def _first(self, tip: Height, holds: Holds) -> Height:
        """The lowest height from which on a thing holds that holds at the tip."""
        low, high = 0, int(tip)
        while low < high:
            middle = (low + high) // 2
            if holds(Height(middle)):
                high = middle
            else:
                low = middle + 1
            await asyncio.sleep(0)  # consensus goes first
        return Height(low)

    async def search_before(self, params: list[object], _: Principal) -> Json:
        """ots_searchTransactionsBefore [address, block, page size]: newest below a block or tip."""
        who, given, size = take(params, 3, 3)
        account, start, most = address(who, "0"), page_number(given, "1"), _page_size(size)
        tip = int(self._tip())
        first = tip if start == 0 else min(tip, start - 1)
        found, ended = await self._search(account, range(first, 0, -1), most)
        return {**_page(found), "firstPage": start == 0 or start > tip, "lastPage": ended}

    async def search_after(self, params: list[object], _: Principal) -> Json:
        """ots_searchTransactionsAfter [address, block, page size]: oldest above a block."""
        who, given, size = take(params, 3, 3)
        account, start, most = address(who, "0"), page_number(given, "1"), _page_size(size)
        heights = range(start + 1, int(self._tip()) + 1)
        found, ended = await self._search(account, heights, most)
        return {**_page(found[::-1]), "firstPage": ended, "lastPage": start == 0}

    async def _search(
        self, account: Address, heights: range, most: int
    ) -> tuple[list[tuple[BlockBody, list[int]]], bool]:
        """Blocks with the positions in them, and whether the search came to the end."""
        found: list[tuple[BlockBody, list[int]]] = []
        count = 0
        for at, height in enumerate(heights):
            if at >= MAX_SEARCHED:
                if not found:
                    over = f"nothing in {MAX_SEARCHED} blocks down to {height}, ask from there on"
                    raise RpcError(LIMIT_EXCEEDED, over)
                return found, False
            await asyncio.sleep(0)  # consensus goes first: a block may hold many signatures
            block = self._view.block(Height(height))
            positions = [] if block is None else _positions(block, account)
            if block is not None and positions:
                found.append((block, positions))
                count += len(positions)
                if count >= most:
                    return found, height == heights[-1]
        return found, True

    async def header(self, params: list[object], _: Principal) -> Json:
        """erigon_getHeaderByNumber [number]: the header fields of a block."""
        (given,) = take(params, 1, 1)
        height = self._view.height(number_or_tag(_plain(given), "0"))
        block = None if height is None else self._view.block(height)
        return None if block is None else header_shape(block.header, block.hash, block_bloom(block))


def _plain(given: object) -> object:
    """A block as the other methods take it."""
    return quantity(given) if type(given) is int and given >= 0 else given


def _page_size(given: object) -> int:
    size = page_number(given, "page size")
    if not 1 <= size <= MAX_PAGE:
        raise invalid_params(f"page size wants 1 to {MAX_PAGE}")
    return size


def _details(block: BlockBody | None) -> Json:
    if block is None:
        return None
    shown = block_shape(block, False)
    del shown["transactions"]
    shown["transactionCount"] = quantity(len(block.transactions))
    shown["logsBloom"] = None
    nothing = {"blockReward": ZERO, "uncleReward": ZERO, "issuance": ZERO}
    return {"block": shown, "issuance": nothing, "totalFees": ZERO}


def _positions(block: BlockBody, account: Address) -> list[int]:
    """Transactions of a block that have to do with an account."""
    return [
        index
        for index, (transaction, receipt) in enumerate(
            zip(block.transactions, block.receipts, strict=True)
        )
        if account in (transaction.sender, transaction.to)
        or (transaction.to is None and created_address(transaction) == account)
        or any(log.address == account for log in receipt.logs)
    ]


def _page(found: list[tuple[BlockBody, list[int]]]) -> dict[str, Json]:
    """Transactions and receipts, newest first."""
    transactions: list[Json] = []
    receipts: list[Json] = []
    for block, positions in found:
        shapes = receipt_shapes(block)
        for index in reversed(positions):
            transactions.append(block_transaction(block, index))
            receipts.append({**shapes[index], "timestamp": seconds(block.header)})
    return {"txs": transactions, "receipts": receipts}
