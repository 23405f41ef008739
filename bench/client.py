"""A small HTTP/1.1 client for the loader: keep-alive, one request at a time a connection.

Rules: written for little CPU, so that the loader does not compete with the nodes it measures; it
reads only what the nodes send (a length, no chunks); a broken connection is opened again at the
next request; every request has a deadline.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, cast

TIMEOUT_S: Final = 30.0
JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "


class RequestFailed(Exception):
    """The node did not answer: refused, closed or too late."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer."""

    status: int
    body: bytes


def request(method: str, path: str, key: str, body: bytes = b"", kind: str = JSON) -> bytes:
    """The bytes of a request."""
    head = (
        f"{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\n"
        f"content-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body


class Connection(asyncio.Protocol):
    """One connection, used by one caller at a time."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._data = bytearray()
        self._body_at = -1
        self._total = 0

    async def ask(self, raw: bytes, timeout_s: float = TIMEOUT_S) -> Answer:
        """Send a request and wait for its answer; raises RequestFailed."""
        loop = asyncio.get_running_loop()
        if self._transport is None or self._transport.is_closing():
            try:
                await loop.create_connection(lambda: self, self._host, self._port)
            except OSError as error:
                raise RequestFailed(f"no connection: {error.strerror}") from error
        transport = self._transport
        if transport is None or self._waiting is not None:
            raise RequestFailed("the connection is gone or in use")
        self._data.clear()
        self._body_at = -1
        self._waiting = loop.create_future()
        late = loop.call_later(timeout_s, self._fail, "no answer in time")
        transport.write(raw)
        try:
            return await self._waiting
        finally:
            late.cancel()
            self._waiting = None

    def close(self) -> None:
        """Close it; a later request opens it again."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's callback."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's callback."""
        self._transport = None
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(RequestFailed("closed before the answer"))

    def data_received(self, data: bytes) -> None:
        """asyncio's callback."""
        self._data += data
        if self._body_at < 0 and not self._read_head():
            return
        if len(self._data) >= self._total and self._waiting and not self._waiting.done():
            status = int(self._data[9:12])
            body = bytes(self._data[self._body_at : self._total])
            self._waiting.set_result(Answer(status, body))

    def _read_head(self) -> bool:
        end = self._data.find(_END)
        if end < 0:
            return False
        head = bytes(self._data[:end]).lower() + b"\r\n"
        at = head.find(_LENGTH)
        length = int(head[at + len(_LENGTH) : head.index(b"\r\n", at)]) if at >= 0 else 0
        self._body_at = end + len(_END)
        self._total = self._body_at + length
        return True

    def _fail(self, reason: str) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(RequestFailed(reason))
        self.close()
