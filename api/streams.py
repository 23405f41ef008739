"""Streams: server-sent events, bounded in number before anything is awaited, slow readers dropped.

Rules: a place is taken when the reply is made and given back when its stream is closed, once, so a
burst can not pass the bound; a stream ends by itself after STREAM_S and the client comes again with
Last-Event-ID (HTML living standard, section 9.2). A reader that takes nothing for SLOW_S is let go:
the log says so, and what it missed it gets when it comes again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Final, TypeVar

from api.exchange import Exchange, Reply
from node.service import Busy

STREAM_S: Final = 55.0
"""Life of a stream: under what proxies and the edge allow."""
SLOW_S = 10.0
MAX_STREAMS: Final = 16
EVENTS: Final = b"text/event-stream"
ALIVE: Final = b": nothing new\n\n"
T = TypeVar("T")


class Streams:
    """The streams of one route that are open."""

    def __init__(self, most: int = MAX_STREAMS) -> None:
        self._most = most
        self.open = 0

    def reply(
        self,
        exchange: Exchange,
        source: AsyncIterator[T | None],
        encode: Callable[[T], bytes],
        seconds: float = STREAM_S,
    ) -> Reply:
        """A reply that shows what comes. Raises Busy, before anything is begun."""
        if self.open >= self._most:
            raise Busy(f"{self._most} streams are open, the most; come back when one has ended")
        self.open += 1
        stream = _Stream(self, _pieces(exchange, source, encode, seconds))
        return Reply(200, content_type=EVENTS, stream=stream, slow_s=SLOW_S)

    def closed(self) -> None:
        """A stream gave its place back."""
        self.open -= 1


class _Stream:
    """A stream of events as an Outgoing."""

    def __init__(self, streams: Streams, pieces: AsyncGenerator[bytes, None]) -> None:
        self._streams: Streams | None = streams
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    async def aclose(self) -> None:
        """Give the place back, also of a stream that nobody began to read."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams.closed()
        await self._pieces.aclose()


async def _pieces(
    exchange: Exchange,
    source: AsyncIterator[T | None],
    encode: Callable[[T], bytes],
    seconds: float,
) -> AsyncGenerator[bytes, None]:
    """Events until the stream's time is over or the client is gone."""
    gone = asyncio.ensure_future(_gone(exchange))
    until = time.monotonic() + seconds
    try:
        yield b"retry: 1000\n\n"
        while not gone.done() and (left := until - time.monotonic()) > 0:
            coming = asyncio.ensure_future(anext(source))
            try:
                await asyncio.wait(
                    (coming, gone), timeout=left, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                if not coming.done():
                    coming.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await coming
            if coming.cancelled():
                return
            found = coming.result()
            yield ALIVE if found is None else encode(found)
    finally:
        gone.cancel()
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()


async def _gone(exchange: Exchange) -> None:
    """Until the client closed its connection."""
    while (await exchange.receive())["type"] != "http.disconnect":
        pass


def frame(identity: str, name: str, data: bytes) -> bytes:
    """One event of the wire form; `data` has no line break."""
    return f"id: {identity}\nevent: {name}\ndata: ".encode() + data + b"\n\n"
