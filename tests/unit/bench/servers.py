"""A small HTTP server with scripted answers, for the loader's tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

Script = Callable[[bytes], bytes | None]
"""What to send for a request; None closes the connection, nothing leaves the client waiting."""


def answer(body: bytes, status: int = 200) -> bytes:
    """An answer as the nodes send it."""
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nx: y\r\n\r\n"
    return head.encode() + body


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[int]:
    """Serve on a free port of the loopback."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                found = script(head + await reader.readexactly(length))
                if found is None:
                    return
                # In two pieces, so that the client has to put them together.
                writer.write(found[:20])
                await writer.drain()
                await asyncio.sleep(0)
                writer.write(found[20:])
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
