"""Ethereum methods over the chain: blocks, transactions, receipts, logs, filters, the network.

Rules: an unknown hash, number or index answers exactly null; methods that this node has not are
absent from the table, so the dispatcher answers -32601. State methods are in `eth_state`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from api.auth import Principal, RandomBytes
from api.eth_debug import DebugMethods
from api.eth_explorer import ExplorerMethods
from api.eth_filters import MAX_HASH_BLOCKS, FilterKind, Filters, LogReader
from api.eth_params import (
    ANY_LOG,
    LogQuestion,
    digest,
    flag,
    height_at,
    log_question,
    number_or_tag,
    take,
)
from api.eth_pool import PoolMethods
from api.eth_progress import syncing_shape
from api.eth_roles import guarded
from api.eth_shapes import (
    ZERO,
    block_shape,
    block_transaction,
    log_shape,
    receipt_shape,
    receipt_shapes,
    transaction_shape,
)
from api.eth_state import StateMethods
from api.hexadecimal import data, parse_data, parse_quantity, quantity
from api.jsonrpc import (
    ARRIVED,
    LIMIT_EXCEEDED,
    NOT_FOUND,
    PRUNED,
    SERVER_ERROR,
    TRANSACTION_REJECTED,
    UNAVAILABLE,
    Json,
    Method,
    RpcError,
)
from api.settings import ApiSettings
from bulwark.ledger.errors import TransactionInvalid
from bulwark.ledger.hashing import keccak256
from bulwark.ledger.ids import Digest, Height
from node.ethereum import BlockBody, TooMany, TransactionPlace
from node.service import Busy, HistoryPruned, NodeService, ServiceError, Unavailable
from node.traces import TracedView, TraceRefused

MAX_SHA3_BYTES = 128 * 1024
HOLD_S = 0.5
"""How long the receipt of a waiting transaction is held, from the arrival of its batch."""
HOLD_POLL_S = 0.02


def client_version() -> str:
    """Name and version of the node, as web3_clientVersion shows them."""
    try:
        return f"bulwark/v{version('bulwark')}"
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "bulwark/unreleased"


def translate(error: Exception) -> RpcError | None:
    """The error object of what the node's ports raise."""
    match error:
        case TransactionInvalid():
            return RpcError(TRANSACTION_REJECTED, str(error))
        case Busy():
            return RpcError(LIMIT_EXCEEDED, error.detail)
        case Unavailable():
            return RpcError(UNAVAILABLE, error.detail)
        case HistoryPruned():
            return RpcError(PRUNED, error.detail, hex(error.lowest))
        case ServiceError() if error.status < 500:
            return RpcError(SERVER_ERROR, error.detail)
        case LookupError() if type(error) is LookupError:  # not its kin, which are faults of ours
            # Which state is missing, and from where on they are here, is worth telling.
            told = str(error)
            return RpcError(NOT_FOUND, told if "state" in told else "header not found")
        case TooMany():
            return RpcError(LIMIT_EXCEEDED, "the answer would be too large, ask for less")
        case TraceRefused():
            return RpcError(LIMIT_EXCEEDED, f"no trace: {error}")
        case _:
            return None


def constants(chain_id: int) -> dict[str, Method]:
    """Methods whose answer never changes while the node runs."""
    nothing: list[Json] = []
    answers: dict[str, tuple[Json, str]] = {
        "web3_clientVersion": (client_version(), "name and version of the node"),
        "net_version": (str(chain_id), "the chain id in decimal digits"),
        "net_listening": (True, "always true"),
        "eth_chainId": (quantity(chain_id), "the chain id"),
        "eth_accounts": (nothing, "always empty: the node signs for nobody"),
        "eth_gasPrice": (ZERO, "always zero"),
        "eth_maxPriorityFeePerGas": (ZERO, "always zero"),
        "eth_blobBaseFee": (ZERO, "always zero: there are no blobs"),
        "eth_getUncleByBlockHashAndIndex": (None, "[hash, index]: always null"),
        "eth_getUncleByBlockNumberAndIndex": (None, "[number or tag, index]: always null"),
    }
    return {name: _constant(name, *said) for name, said in answers.items()}


class ChainMethods:
    """Methods that read the chain."""

    def __init__(
        self,
        view: TracedView,
        service: NodeService,
        settings: ApiSettings,
        random_bytes: RandomBytes,
        now_ms: Callable[[], int],
    ) -> None:
        self._view = view
        self._service = service
        self._now_ms = now_ms
        self._logs = LogReader(view, settings.max_log_blocks, settings.max_logs)
        self._filters = Filters(random_bytes, settings.max_filters, settings.filter_expiry_ms)

    def table(self) -> dict[str, Method]:
        """Every method by name, each behind its roles."""
        return guarded(self._methods())

    def _methods(self) -> dict[str, Method]:
        return {
            **constants(self._view.chain_id),
            **StateMethods(self._view).table(),
            **PoolMethods(self._view).table(),
            **DebugMethods(self._view).table(),
            **ExplorerMethods(self._view).table(),
            "eth_syncing": self.syncing,
            "web3_sha3": self.sha3,
            "net_peerCount": self.peer_count,
            "eth_blockNumber": self.block_number,
            "eth_getBlockByNumber": self.block,
            "eth_getBlockByHash": self.block_by_hash,
            "eth_getBlockReceipts": self.block_receipts,
            "eth_getBlockTransactionCountByNumber": self.transaction_count,
            "eth_getBlockTransactionCountByHash": self.transaction_count_by_hash,
            "eth_getUncleCountByBlockNumber": self.uncle_count,
            "eth_getUncleCountByBlockHash": self.uncle_count,
            "eth_getTransactionByHash": self.transaction,
            "eth_getTransactionByBlockNumberAndIndex": self.transaction_at,
            "eth_getTransactionByBlockHashAndIndex": self.transaction_at_hash,
            "eth_getTransactionReceipt": self.receipt,
            "eth_getLogs": self.logs,
            "eth_newFilter": self.new_filter,
            "eth_newBlockFilter": self.new_block_filter,
            "eth_newPendingTransactionFilter": self.new_transaction_filter,
            "eth_getFilterChanges": self.filter_changes,
            "eth_getFilterLogs": self.filter_logs,
            "eth_uninstallFilter": self.uninstall_filter,
        }

    async def sha3(self, params: list[object], _: Principal) -> Json:
        """web3_sha3 [data]: keccak256."""
        (given,) = take(params, 1, 1)
        return data(keccak256(parse_data(given, "0", MAX_SHA3_BYTES)))

    async def peer_count(self, params: list[object], _: Principal) -> Json:
        """net_peerCount: members with a live connection."""
        take(params, 0, 0)
        return quantity(sum(1 for member in self._service.members() if member.connected))

    async def syncing(self, params: list[object], _: Principal) -> Json:
        """eth_syncing: false, or how far the node is behind the others while it catches up."""
        take(params, 0, 0)
        return syncing_shape(self._service, self._logs.tip())

    async def block_number(self, params: list[object], _: Principal) -> Json:
        """eth_blockNumber: the executed tip."""
        take(params, 0, 0)
        return quantity(self._logs.tip())

    def _block_at(self, given: object) -> BlockBody | None:
        height = height_at(self._view, given, "block")
        return None if height is None else self._view.block(height)

    def _block_of(self, given: object) -> BlockBody | None:
        height = self._view.height_of_hash(digest(given, "block hash"))
        return None if height is None else self._view.block(height)

    async def block(self, params: list[object], _: Principal) -> Json:
        """eth_getBlockByNumber [number or tag, whole transactions]: null where there is none."""
        at, full = take(params, 1, 2)
        height = self._view.height(number_or_tag(at, "0"))
        block = None if height is None else self._view.block(height)
        return None if block is None else block_shape(block, flag(full, "1"))

    async def block_by_hash(self, params: list[object], _: Principal) -> Json:
        """eth_getBlockByHash [hash, whole transactions]: null where there is none."""
        given, full = take(params, 1, 2)
        whole = flag(full, "1")
        block = self._block_of(given)
        return None if block is None else block_shape(block, whole)

    async def block_receipts(self, params: list[object], _: Principal) -> Json:
        """eth_getBlockReceipts [number, tag or hash]: receipts in order."""
        (at,) = take(params, 1, 1)
        block = self._block_at(at)
        return None if block is None else receipt_shapes(block)

    async def transaction_count(self, params: list[object], _: Principal) -> Json:
        """eth_getBlockTransactionCountByNumber [number or tag]: how many there are."""
        (at,) = take(params, 1, 1)
        block = self._block_at(at)
        return None if block is None else quantity(len(block.transactions))

    async def transaction_count_by_hash(self, params: list[object], _: Principal) -> Json:
        """eth_getBlockTransactionCountByHash [hash]: how many there are."""
        (given,) = take(params, 1, 1)
        block = self._block_of(given)
        return None if block is None else quantity(len(block.transactions))

    async def uncle_count(self, params: list[object], _: Principal) -> Json:
        """eth_getUncleCountByBlockNumber, -Hash [block]: 0 for a block that is there."""
        (at,) = take(params, 1, 1)
        return None if height_at(self._view, at, "block") is None else ZERO

    async def transaction(self, params: list[object], _: Principal) -> Json:
        """eth_getTransactionByHash [hash]: executed, or waiting in this node's mempool."""
        (given,) = take(params, 1, 1)
        wanted = digest(given, "0")
        place = self._view.transaction(wanted)
        if place is None:
            waiting = self._view.pending_transaction(wanted)
            return None if waiting is None else transaction_shape(waiting)
        block = self._view.block(place.height)
        return None if block is None else block_transaction(block, place.index)

    async def transaction_at(self, params: list[object], _: Principal) -> Json:
        """eth_getTransactionByBlockNumberAndIndex [number or tag, index]: by its place."""
        at, index = take(params, 2, 2)
        position = parse_quantity(index, "1")
        return _transaction_in(self._block_at(at), position)

    async def transaction_at_hash(self, params: list[object], _: Principal) -> Json:
        """eth_getTransactionByBlockHashAndIndex [hash, index]: by its place."""
        given, index = take(params, 2, 2)
        position = parse_quantity(index, "1")
        return _transaction_in(self._block_of(given), position)

    async def receipt(self, params: list[object], _: Principal) -> Json:
        """eth_getTransactionReceipt [hash]: null until it is executed; one that waits is held."""
        (given,) = take(params, 1, 1)
        wanted = digest(given, "0")
        place = self._view.transaction(wanted)
        if place is None and self._view.pending_transaction(wanted) is not None:
            place = await self._hold(wanted)
        block = None if place is None else self._view.block(place.height)
        return None if block is None or place is None else receipt_shape(block, place.index)

    async def _hold(self, wanted: Digest) -> TransactionPlace | None:
        """Where a waiting transaction is executed, if that is soon.

        Without new work there is no further block, and ethers, which keeps an answer for 250 ms and
        then asks at the next block only, would wait for ever on a null of the wrong moment.
        """
        clock = asyncio.get_running_loop().time
        until = ARRIVED.get(clock()) + HOLD_S
        while clock() < until:
            await asyncio.sleep(HOLD_POLL_S)
            place = self._view.transaction(wanted)
            if place is not None:
                return place
        return None

    async def logs(self, params: list[object], _: Principal) -> Json:
        """eth_getLogs [filter]: events, within the caps on blocks and logs."""
        (given,) = take(params, 1, 1)
        return [log_shape(place) for place in self._logs.answer(log_question(given, "0"))]

    async def new_filter(self, params: list[object], who: Principal) -> Json:
        """eth_newFilter [filter]: follows events from now on."""
        (given,) = take(params, 1, 1)
        question = log_question(given, "0")
        if question.block_hash is not None:
            raise RpcError(-32602, "a filter follows a range, not a block hash")
        # Changes start after the present tip; eth_getFilterLogs gives what was before.
        first = self._logs.tip() + 1
        if isinstance(question.first, int):
            first = Height(max(first, question.first))
        return self._add(FilterKind.LOGS, who, first, question)

    def _add(
        self, kind: FilterKind, who: Principal, first: int, question: LogQuestion = ANY_LOG
    ) -> str:
        return quantity(self._filters.add(kind, who.key_id, question, first, self._now_ms()))

    async def new_block_filter(self, params: list[object], who: Principal) -> Json:
        """eth_newBlockFilter: follows block hashes."""
        take(params, 0, 0)
        return self._add(FilterKind.BLOCKS, who, self._logs.tip() + 1)

    async def new_transaction_filter(self, params: list[object], who: Principal) -> Json:
        """eth_newPendingTransactionFilter: follows what comes into this node's mempool."""
        take(params, 0, 0)
        return self._add(FilterKind.TRANSACTIONS, who, self._view.arrivals(0)[1])

    async def filter_changes(self, params: list[object], who: Principal) -> Json:
        """eth_getFilterChanges [id]: what came since it was last asked."""
        (given,) = take(params, 1, 1)
        found = self._filters.get(parse_quantity(given, "0", 128), who.key_id, self._now_ms())
        if found.kind is FilterKind.LOGS:
            places, found.next_height = self._logs.since(found.question, found.next_height)
            return [log_shape(place) for place in places]
        if found.kind is FilterKind.TRANSACTIONS:
            came, found.next_height = self._view.arrivals(found.next_height)
            return [data(each) for each in came]
        hashes, found.next_height = self._hashes(found.next_height)
        return hashes

    def _hashes(self, first: int) -> tuple[list[Json], int]:
        last = min(int(self._logs.tip()), first + MAX_HASH_BLOCKS - 1)
        hashes: list[Json] = []
        for height in range(first, last + 1):
            block = self._view.block(Height(height))
            if block is None:
                return hashes, height
            hashes.append(data(block.hash))
        return hashes, max(first, last + 1)

    async def filter_logs(self, params: list[object], who: Principal) -> Json:
        """eth_getFilterLogs [id]: all events of its range."""
        (given,) = take(params, 1, 1)
        found = self._filters.get(parse_quantity(given, "0", 128), who.key_id, self._now_ms())
        if found.kind is not FilterKind.LOGS:
            raise RpcError(SERVER_ERROR, "filter not found")
        return [log_shape(place) for place in self._logs.answer(found.question)]

    async def uninstall_filter(self, params: list[object], who: Principal) -> Json:
        """eth_uninstallFilter [id]: whether there was one."""
        (given,) = take(params, 1, 1)
        return self._filters.remove(parse_quantity(given, "0", 128), who.key_id)


def _constant(name: str, answer: Json, about: str) -> Method:
    async def method(params: list[object], _: Principal) -> Json:
        return answer

    method.__doc__ = f"{name}{' ' if about.startswith('[') else ': '}{about}."
    return method


def _transaction_in(block: BlockBody | None, index: int) -> Json:
    if block is None or index >= len(block.transactions):
        return None
    return block_transaction(block, index)
