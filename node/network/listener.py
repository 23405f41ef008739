"""Accepts connections: admission first, then TLS and hello under one deadline.

Rules: a refused address costs one accept and one close; a handshake holds one of a bounded number
of places until it is accepted or ended. A peer without a certificate of a member gets nothing.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Final

from node.network.admission import Admission
from node.network.counters import Refusals, log
from node.network.errors import Reason
from node.network.limits import Limits
from node.network.peer import Link

_BACKLOG: Final = 128
_ACCEPT_PAUSE_S: Final = 0.5
"""Pause after a failed accept, as when file descriptors have run out."""


class Listener:
    """The listening socket and the handshakes it started."""

    def __init__(
        self,
        address: tuple[str, int],
        context: ssl.SSLContext,
        make_link: Callable[[str], Link],
        refusals: Refusals,
        limits: Limits,
        clock_ms: Callable[[], int],
    ) -> None:
        """`make_link(remote)` gives a fresh connection object for an accepted socket."""
        self._address = address
        self._context = context
        self._make_link = make_link
        self._refusals = refusals
        self._limits = limits
        self._clock_ms = clock_ms
        self._admission = Admission(limits)
        self._socket: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        """The bound port."""

    def renew(self, context: ssl.SSLContext) -> None:
        """Show another certificate from the next connection on."""
        self._context = context

    @property
    def half_open(self) -> int:
        """Handshakes under way."""
        return self._admission.half_open

    async def start(self) -> None:
        """Bind and accept; raises OSError when the address can not be bound."""
        host, port = self._address
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, _, _, _, place = found[0]
        server = socket.create_server(place[:2], family=family, backlog=_BACKLOG)
        server.setblocking(False)
        self._socket = server
        self.port = server.getsockname()[1]
        self._start(self._accept_all(server))

    async def stop(self) -> None:
        """Stop accepting and end the handshakes under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept_all(self, server: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, place = await loop.sock_accept(server)
            except OSError as error:
                log.error("accept failed", extra={"detail": error.strerror})
                await asyncio.sleep(_ACCEPT_PAUSE_S)
                continue
            source = str(place[0])
            remote = f"{source}:{place[1]}"
            refused = self._admission.enter(source, self._clock_ms())
            if refused is not None:
                accepted.close()
                self._refusals.note(refused, f"from {source}", None, remote)
                continue
            self._start(self._welcome(accepted, source, remote))

    async def _welcome(self, accepted: socket.socket, source: str, remote: str) -> None:
        link = self._make_link(remote)
        patience = self._limits.handshake_ms / 1000
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: link,
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=patience,
                ssl_shutdown_timeout=self._limits.shutdown_ms / 1000,
            )
            await link.settled
        except ssl.SSLError as error:
            self._refusals.note(Reason.TLS, tls_detail(error), None, remote)
        except OSError as error:
            slow = "SSL handshake is taking longer" in str(error)
            reason = Reason.HANDSHAKE_TIMEOUT if slow else Reason.TLS
            self._refusals.note(reason, str(error) or type(error).__name__, None, remote)
        finally:
            link.abandon()
            self._admission.leave(source)


def tls_detail(error: ssl.SSLError) -> str:
    """OpenSSL's name of what went wrong, and the certificate error if it was one."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    return error.reason or str(error)
