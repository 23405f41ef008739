"""The HTTP listener of a node: uvicorn on a socket of ours, in the node's own event loop.

The socket is bound before anything is served, so that a taken port is one precise error.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from node.logs import Log
from node.sections import HttpConfig

BACKLOG = 512
MAX_CONNECTIONS = 2_048
"""Connections and requests at a time; more are answered 503 by the server itself."""
MAX_FRAME_BYTES = 2 * 1024 * 1024
"""One WebSocket message, as one JSON-RPC body."""
GRACE_S = 3
"""How long open requests may finish at a stop."""

log = Log("http")


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, and with a sign that it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as uvicorn does, then say so."""
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


class HttpServer:
    """Serves one ASGI application."""

    def __init__(self, app: ASGIApp, home: Path, http: HttpConfig) -> None:
        self._host = http.host
        self._wanted = http.port
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=GRACE_S,
            limit_concurrency=MAX_CONNECTIONS,
            ws_max_size=MAX_FRAME_BYTES,
            ssl_certfile=None if http.certificate is None else str(home / http.certificate),
            ssl_keyfile=None if http.private_key is None else str(home / http.private_key),
        )
        self._server = _Server(config)
        self._socket: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The bound port, after start."""
        return 0 if self._socket is None else int(self._socket.getsockname()[1])

    async def start(self) -> None:
        """Bind and serve; raises OSError naming what can not be bound or read."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((self._host, self._wanted))
            bound.listen(BACKLOG)
        except OSError as error:
            bound.close()
            where = f"{self._host}:{self._wanted}"
            raise OSError(error.errno, error.strerror, where) from error
        bound.setblocking(False)
        self._socket = bound
        self._task = asyncio.get_running_loop().create_task(self._server.serve([bound]))
        ready = asyncio.ensure_future(self._server.ready.wait())
        await asyncio.wait((ready, self._task), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if not self._server.ready.is_set():
            await self._explain(self._task)

    async def _explain(self, task: asyncio.Task[None]) -> None:
        """Say why serving ended before it began: a node without its API must not look alive."""
        self._task = None
        try:
            await task
        except OSError as error:
            raise OSError(error.errno, f"HTTP server: {error.strerror or error}") from error
        raise OSError(errno.EIO, "the HTTP server ended while it started")

    async def stop(self) -> None:
        """Finish open requests for a moment, then close."""
        if self._task is None:
            return
        self._server.should_exit = True
        for result in await asyncio.gather(self._task, return_exceptions=True):
            if isinstance(result, Exception):
                log.error("HTTP server failed", reason=repr(result))
