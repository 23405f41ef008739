"""ASGI without a server: one HTTP request or one WebSocket against an application."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.types import ASGIApp, Message

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Answer:
    """An HTTP response."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


async def request(
    app: ASGIApp, method: str, path: str, query: bytes, headers: Headers, body: Sequence[bytes]
) -> Answer:
    """One request whose body comes in the given pieces."""
    pieces = [*body] or [b""]
    sent: list[Message] = []

    async def receive() -> Message:
        if not pieces:
            return {"type": "http.disconnect"}
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": path, "raw_path": path.encode("utf-8", "surrogatepass"),
        "query_string": query, "root_path": "", "headers": headers,
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "state": {},
    }  # fmt: skip
    await app(scope, receive, send)
    start = next(m for m in sent if m["type"] == "http.response.start")
    content = b"".join(m.get("body", b"") for m in sent if m["type"] == "http.response.body")
    return Answer(start["status"], dict(start["headers"]), content)


async def websocket(
    app: ASGIApp, path: str, headers: Headers, said: Sequence[str | bytes]
) -> list[Message]:
    """One connection that says these things, hears all answers and leaves; what it was sent."""
    waiting: list[Message] = [{"type": "websocket.connect"}]
    for text in said:
        part = {"text": text} if isinstance(text, str) else {"bytes": text}
        waiting.append({"type": "websocket.receive", **part})
    waiting.append({"type": "websocket.disconnect", "code": 1000})
    heard: list[Message] = []

    async def receive() -> Message:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def send(message: Message) -> None:
        heard.append(message)

    scope = {
        "type": "websocket", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "ws",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
        "subprotocols": [], "state": {},
    }  # fmt: skip
    await app(scope, receive, send)
    return heard
