"""Subscriptions of one WebSocket: new heads, events, waiting transactions, catching up.

Rules: bounded a connection; what is told begins with what comes after the subscription, and its id
is answered before; a client that falls behind gets heads in order and at most so many a turn, and
of the mempool what is still remembered. Nothing here is reorganised, so nothing told is ever taken
back. Who is told is the connection's affair.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Final

import orjson

from api.auth import Principal, RandomBytes
from api.eth_filters import LogReader
from api.eth_params import ANY_LOG, LogQuestion, flag, log_question, take
from api.eth_progress import syncing_shape
from api.eth_shapes import block_bloom, header_shape, log_shape, transaction_shape
from api.hexadecimal import data, parse_quantity, quantity
from api.jsonrpc import LIMIT_EXCEEDED, Json, Method, RpcError, invalid_params
from bulwark.ledger.ids import Height
from node.ethereum import EthereumView, TooMany
from node.service import NodeService

MAX_SUBSCRIPTIONS: Final = 16
"""Subscriptions of one connection."""
HEADS_AT_ONCE: Final = 64
"""Heads sent in one turn to a client that fell behind."""
POLL_S: Final = 0.1
SYNC_EVERY: Final = 10
"""Turns between two looks at whether the node catches up."""
KINDS: Final = ("newHeads", "logs", "newPendingTransactions", "syncing")


class Subscriptions:
    """What one connection follows, and how far it was told."""

    def __init__(
        self,
        view: EthereumView,
        service: NodeService,
        reader: LogReader,
        random_bytes: RandomBytes,
    ) -> None:
        self._view = view
        self._service = service
        self._reader = reader
        self._random = random_bytes
        self._heads: set[str] = set()
        self._logs: dict[str, LogQuestion] = {}
        self._pending: dict[str, bool] = {}
        """Whether whole transactions are wanted."""
        self._syncing: dict[str, Json] = {}
        """What each was told last."""
        self._next = self._next_arrival = self._turn = 0
        self.answered = asyncio.Event()
        """Whether the client was told the ids of all its subscriptions; in a batch that is late."""
        self.answered.set()

    def table(self) -> dict[str, Method]:
        """Methods that a WebSocket has beside the others."""
        return {"eth_subscribe": self.subscribe, "eth_unsubscribe": self.unsubscribe}

    def __len__(self) -> int:
        kinds = (self._heads, self._logs, self._pending, self._syncing)
        return sum(map(len, kinds))

    async def subscribe(self, params: list[object], _: Principal) -> Json:
        """eth_subscribe [kind, filter]: newHeads, logs, newPendingTransactions or syncing."""
        name, given = take(params, 1, 2)
        if len(self) >= MAX_SUBSCRIPTIONS:
            over = f"at most {MAX_SUBSCRIPTIONS} subscriptions a connection"
            raise RpcError(LIMIT_EXCEEDED, over)
        identifier = quantity(int.from_bytes(self._random(16), "big"))
        self.answered.clear()
        if name in ("newHeads", "logs") and not self._heads and not self._logs:
            self._next = self._reader.tip() + 1
        match name:
            case "newHeads":
                self._heads.add(identifier)
            case "logs":
                question = log_question(given, "1") if given is not None else ANY_LOG
                self._logs[identifier] = question
            case "newPendingTransactions":
                whole = flag(given, "1")
                if not self._pending:
                    self._next_arrival = self._view.arrivals(0)[1]
                self._pending[identifier] = whole
            case "syncing":
                self._syncing[identifier] = None  # told at once
                self._turn = 0
            case _:
                raise invalid_params(f"a subscription is to one of {', '.join(KINDS)}")
        return identifier

    async def unsubscribe(self, params: list[object], _: Principal) -> Json:
        """eth_unsubscribe [id]: whether there was one."""
        (given,) = take(params, 1, 1)
        identifier = quantity(parse_quantity(given, "0", 128))
        known = identifier in self._heads
        self._heads.discard(identifier)
        for kind in (self._logs, self._pending, self._syncing):
            known = kind.pop(identifier, _ABSENT) is not _ABSENT or known
        return known

    async def news(self) -> AsyncIterator[str]:
        """Messages for what is new since the last turn."""
        if self._pending:
            for text in self._arrived():
                yield text
        if self._heads or self._logs:
            last = min(self._reader.tip(), self._next + HEADS_AT_ONCE - 1)
            for height in range(self._next, last + 1):
                for text in self._block(Height(height)):
                    yield text
                self._next = height + 1
        if self._syncing:
            if self._turn % SYNC_EVERY == 0:
                for text in self._progress():
                    yield text
            self._turn += 1

    def _arrived(self) -> Iterator[str]:
        hashes, self._next_arrival = self._view.arrivals(self._next_arrival)
        for transaction_hash in hashes:
            for identifier, whole in sorted(self._pending.items()):
                if not whole:
                    yield _message(identifier, data(transaction_hash))
                    continue
                waiting = self._view.pending_transaction(transaction_hash)
                if waiting is not None:
                    yield _message(identifier, transaction_shape(waiting))

    def _block(self, height: Height) -> Iterator[str]:
        block = self._view.block(height)
        if block is None:
            return
        for identifier in sorted(self._heads):
            shown = header_shape(block.header, block.hash, block_bloom(block))
            yield _message(identifier, shown)
        for identifier, question in sorted(self._logs.items()):
            try:
                places = self._view.logs(
                    height, height, question.addresses, question.topics, self._reader.max_logs
                )
            except TooMany as error:
                raise RpcError(LIMIT_EXCEEDED, "a block with too many logs") from error
            for place in places:
                yield _message(identifier, log_shape(place))

    def _progress(self) -> Iterator[str]:
        shown = syncing_shape(self._service, self._reader.tip())
        for identifier, told in sorted(self._syncing.items()):
            if told is None or (told is False) != (shown is False):
                self._syncing[identifier] = shown
                yield _message(identifier, _progress_form(shown))


_ABSENT: Final = object()


def _progress_form(shown: Json) -> Json:
    """geth's message: false, or that it began and how far it is."""
    return {"syncing": True, "status": shown} if isinstance(shown, dict) else False


def _message(identifier: str, result: Json) -> str:
    params = {"subscription": identifier, "result": result}
    document = {"jsonrpc": "2.0", "method": "eth_subscription", "params": params}
    return orjson.dumps(document).decode("utf-8")
