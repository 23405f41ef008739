"""RPC endpoint: JSON-RPC over HTTP POST and over WebSocket at /rpc.

Rules: HTTP carries the JSON-RPC answer with status 200, or 204 where nothing is to be said; only
what is wrong with the HTTP request itself is a problem document. A WebSocket takes the same calls
and eth_subscribe to newHeads and logs; connections and subscriptions are bounded, and a client that
does not read is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import orjson
from starlette.types import Receive, Scope, Send

from api.auth import Principal, RandomBytes
from api.eth_filters import LogReader
from api.eth_params import ANY_LOG, LogQuestion, log_question, take
from api.eth_shapes import block_bloom, header_shape, log_shape
from api.exchange import JSON_TYPE, Exchange, Reply
from api.hexadecimal import parse_quantity, quantity
from api.jsonrpc import Dispatcher, Json, RpcError, invalid_params
from api.problems import Problem
from api.settings import ApiSettings
from bulwark.ledger.ids import Height
from node.ethereum import EthereumView

MAX_SUBSCRIPTIONS: Final = 16
"""Subscriptions of one connection."""
HEADS_AT_ONCE: Final = 64
"""Heads sent in one turn to a client that fell behind."""
POLL_S: Final = 0.1
SEND_TIMEOUT_S: Final = 10.0
POLICY_VIOLATION: Final = 1008
TOO_BIG: Final = 1009
TRY_LATER: Final = 1013


class RpcRoute:
    """Handler of POST /rpc."""

    def __init__(self, dispatcher: Dispatcher, settings: ApiSettings) -> None:
        self._dispatcher = dispatcher
        self._settings = settings

    async def post(self, exchange: Exchange) -> Reply:
        """POST /rpc."""
        exchange.content_type(JSON_TYPE)
        body = await exchange.body(self._settings.max_rpc_bytes)
        principal = exchange.principal
        if principal is None:
            raise Problem(401, "unauthenticated", "send Authorization: Bearer KEY")
        answer = await self._dispatcher.answer(body, principal)
        return Reply(204) if answer is None else Reply(200, answer)


class RpcSockets:
    """WebSocket connections of JSON-RPC."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        view: EthereumView,
        settings: ApiSettings,
        random_bytes: RandomBytes,
    ) -> None:
        self._dispatcher = dispatcher
        self._view = view
        self._settings = settings
        self._random = random_bytes
        self._open = 0

    async def serve(self, scope: Scope, receive: Receive, send: Send, who: Principal) -> None:
        """Serve one connection until it ends."""
        if self._open >= self._settings.max_sockets:
            await send({"type": "websocket.close", "code": TRY_LATER})
            return
        self._open += 1
        try:
            await send({"type": "websocket.accept"})
            reader = LogReader(self._view, self._settings.max_log_blocks, self._settings.max_logs)
            socket = _Socket(self._dispatcher, self._view, reader, self._random, send)
            await socket.run(receive, who, self._settings.max_rpc_bytes)
        finally:
            self._open -= 1


class _Socket:
    """One connection with its subscriptions."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        view: EthereumView,
        reader: LogReader,
        random_bytes: RandomBytes,
        send: Send,
    ) -> None:
        self._dispatcher = dispatcher
        self._view = view
        self._reader = reader
        self._random = random_bytes
        self._send = send
        self._sending = asyncio.Lock()
        self._heads: set[str] = set()
        self._logs: dict[str, LogQuestion] = {}
        self._next = 0

    async def run(self, receive: Receive, who: Principal, most: int) -> None:
        follower = asyncio.create_task(self._follow())
        answers = asyncio.create_task(self._answer(receive, who, most))
        tasks = (follower, answers)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            # TimeoutError: the client does not read. RpcError: the chain could not be read.
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(RuntimeError, OSError, TimeoutError):
                await self._say({"type": "websocket.close", "code": 1000})

    async def _answer(self, receive: Receive, who: Principal, most: int) -> None:
        extra = {"eth_subscribe": self._subscribe, "eth_unsubscribe": self._unsubscribe}
        while True:
            message = await receive()
            if message["type"] != "websocket.receive":
                return
            text, binary = message.get("text"), message.get("bytes")
            raw = text.encode("utf-8", "surrogatepass") if text is not None else binary or b""
            if len(raw) > most:
                await self._say({"type": "websocket.close", "code": TOO_BIG})
                return
            answer = await self._dispatcher.answer(raw, who, extra)
            if answer is not None:
                await self._say({"type": "websocket.send", "text": answer.decode("utf-8")})

    async def _say(self, message: dict[str, object]) -> None:
        async with self._sending, asyncio.timeout(SEND_TIMEOUT_S):
            await self._send(message)

    async def _subscribe(self, params: list[object], _: Principal) -> Json:
        """eth_subscribe [newHeads] or [logs, filter]."""
        name, given = take(params, 1, 2)
        if len(self._heads) + len(self._logs) >= MAX_SUBSCRIPTIONS:
            raise RpcError(-32005, f"at most {MAX_SUBSCRIPTIONS} subscriptions a connection")
        identifier = quantity(int.from_bytes(self._random(16), "big"))
        if not self._heads and not self._logs:
            self._next = self._reader.tip() + 1
        if name == "newHeads":
            self._heads.add(identifier)
        elif name == "logs":
            self._logs[identifier] = log_question(given, "1") if given is not None else ANY_LOG
        else:
            raise invalid_params("a subscription is to newHeads or logs")
        return identifier

    async def _unsubscribe(self, params: list[object], _: Principal) -> Json:
        """eth_unsubscribe [id]."""
        (given,) = take(params, 1, 1)
        identifier = quantity(parse_quantity(given, "0", 128))
        known = identifier in self._heads or identifier in self._logs
        self._heads.discard(identifier)
        self._logs.pop(identifier, None)
        return known

    async def _follow(self) -> None:
        """Tell the subscriptions what new blocks bring."""
        while True:
            await asyncio.sleep(POLL_S)
            if not self._heads and not self._logs:
                continue
            last = min(self._reader.tip(), self._next + HEADS_AT_ONCE - 1)
            for height in range(self._next, last + 1):
                await self._tell(Height(height))
                self._next = height + 1

    async def _tell(self, height: Height) -> None:
        block = self._view.block(height)
        if block is None:
            return
        for identifier in sorted(self._heads):
            shown = header_shape(block.header, block.hash, block_bloom(block))
            await self._notify(identifier, shown)
        for identifier, question in sorted(self._logs.items()):
            places = self._view.logs(
                height, height, question.addresses, question.topics, self._reader.max_logs
            )
            for place in places:
                await self._notify(identifier, log_shape(place))

    async def _notify(self, identifier: str, result: Json) -> None:
        params = {"subscription": identifier, "result": result}
        document = {"jsonrpc": "2.0", "method": "eth_subscription", "params": params}
        text = orjson.dumps(document).decode("utf-8")
        await self._say({"type": "websocket.send", "text": text})
