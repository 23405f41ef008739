"""The HTTP listener of a node: uvicorn on a socket of ours, in the node's own event loop.

The socket is bound before anything is served, so that a taken port is one precise error. TLS is
replaced without a pause: a second listener on the same kernel socket takes new connections with the
new context before the first one stops to, and connections that are open stay. The certificate that
a client showed in the handshake is in the state of each of its requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from node.identity.certificates import make_tls
from node.identity.principal import IdentityInvalid
from node.logs import Log
from node.sections import HttpConfig

BACKLOG = 512
MAX_CONNECTIONS = 2_048
"""Connections and requests at a time; more are answered 503 by the server itself."""
MAX_FRAME_BYTES = 2 * 1024 * 1024
"""One WebSocket message, as one JSON-RPC body."""
GRACE_S = 3
"""How long open requests may finish at a stop."""

PEER_CERTIFICATE: Final = "peer_certificate"
"""Name in an ASGI scope's state: DER bytes of the client's certificate, checked by TLS."""

log = Log("http")


class _Protocol(HttpToolsProtocol):
    """One connection; hands on who is at its other end, to WebSockets on it too."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note the certificate once for all requests of the connection."""
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            certificate = tls.getpeercert(binary_form=True)
            if certificate:
                self.app_state = {**self.app_state, PEER_CERTIFICATE: certificate}
        super().connection_made(transport)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, and with a sign that it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as uvicorn does, then say so."""
        await super().startup(sockets)
        self.ready.set()

    async def relisten(self, bound: socket.socket, context: ssl.SSLContext | None) -> None:
        """Take new connections with another context; `bound` is a copy of the kernel socket."""
        loop = asyncio.get_running_loop()

        def make() -> asyncio.Protocol:
            return _Protocol(
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state,
                _loop=loop,
            )  # fmt: skip

        fresh = await loop.create_server(make, sock=bound, ssl=context, backlog=BACKLOG)
        before, self.servers = self.servers, [fresh]
        for server in before:
            server.close()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


class HttpServer:
    """Serves one ASGI application."""

    def __init__(self, app: ASGIApp, home: Path, http: HttpConfig) -> None:
        self._host = http.host
        self._wanted = http.port
        self._home = home
        self._http = http
        self._app = app
        self._server: _Server | None = None
        self._socket: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None

    def _made(self) -> _Server:
        """uvicorn with TLS as configured; raises OSError naming what can not be read."""
        try:
            tls = make_tls(self._home, self._http)
        except IdentityInvalid as error:
            raise OSError(errno.EINVAL, f"HTTP server: {error}") from error
        config = uvicorn.Config(
            self._app,
            http=_Protocol,
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=GRACE_S,
            limit_concurrency=MAX_CONNECTIONS,
            ws_max_size=MAX_FRAME_BYTES,
            ssl_context_factory=None if tls is None else lambda *_: tls.context,
        )
        return _Server(config)

    async def relisten(self, context: ssl.SSLContext | None) -> None:
        """Serve new connections with another TLS context, None for plain HTTP. Raises OSError."""
        if self._server is None or self._socket is None:
            return
        await self._server.relisten(self._socket.dup(), context)

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
        try:
            server = self._server = self._made()
        except OSError:
            await self.stop()
            raise
        self._task = asyncio.get_running_loop().create_task(server.serve([bound.dup()]))
        ready = asyncio.ensure_future(server.ready.wait())
        await asyncio.wait((ready, self._task), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if not server.ready.is_set():
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
        if self._socket is not None:
            self._socket.close()  # uvicorn closes the copies that it serves
            self._socket = None
        if self._task is None or self._server is None:
            return
        self._server.should_exit = True
        for result in await asyncio.gather(self._task, return_exceptions=True):
            if isinstance(result, Exception):
                log.error("HTTP server failed", reason=repr(result))
