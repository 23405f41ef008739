"""RPC endpoint: JSON-RPC over HTTP POST and over WebSocket at /rpc.

Rules: HTTP carries the JSON-RPC answer with status 200, or 204 where nothing is to be said; only
what is wrong with the HTTP request itself is a problem document. A WebSocket takes the same calls
and subscriptions (`api.eth_subscriptions`); connections are bounded, and a client that does not
read is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from starlette.types import Receive, Scope, Send

from api.auth import Principal, RandomBytes
from api.eth_filters import LogReader
from api.eth_subscriptions import POLL_S, Subscriptions
from api.exchange import JSON_TYPE, Exchange, Reply
from api.jsonrpc import Dispatcher
from api.problems import Problem
from api.settings import ApiSettings
from node.ethereum import EthereumView
from node.service import NodeService

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
        service: NodeService,
        settings: ApiSettings,
        random_bytes: RandomBytes,
    ) -> None:
        self._dispatcher = dispatcher
        self._view = view
        self._service = service
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
            following = Subscriptions(self._view, self._service, reader, self._random)
            socket = _Socket(self._dispatcher, following, send)
            await socket.run(receive, who, self._settings.max_rpc_bytes)
        finally:
            self._open -= 1


class _Socket:
    """One connection with its subscriptions."""

    def __init__(self, dispatcher: Dispatcher, following: Subscriptions, send: Send) -> None:
        self._dispatcher = dispatcher
        self._following = following
        self._send = send
        self._sending = asyncio.Lock()

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
        extra = self._following.table()
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
            self._following.answered.set()

    async def _say(self, message: dict[str, object]) -> None:
        async with self._sending, asyncio.timeout(SEND_TIMEOUT_S):
            await self._send(message)

    async def _follow(self) -> None:
        """Tell the subscriptions what is new."""
        while True:
            await asyncio.sleep(POLL_S)
            async for text in self._following.news():
                await self._following.answered.wait()
                await self._say({"type": "websocket.send", "text": text})
