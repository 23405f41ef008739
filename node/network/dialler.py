"""Keeps dialling the configured members that have no connection, with pauses that grow to a cap.

Rules: pauses double from the first to the longest and carry jitter, so that nodes which lost each
other together do not come back in step; a connection that lived long sets them back. The member
with the larger id waits a little more, so that both ends seldom dial at once (the tie-break in
`links` settles the rest).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Final

from bulwark.ledger.ids import MemberId
from node.network.counters import Refusals, log
from node.network.errors import Reason
from node.network.limits import Limits
from node.network.listener import tls_detail
from node.network.peer import Link

_HOSTNAME_MISMATCH: Final = 62
"""X509_V_ERR_HOSTNAME_MISMATCH of OpenSSL."""


class Backoff:
    """Pauses between attempts: 0, then first, doubled up to the longest; half of it is jitter."""

    def __init__(self, first_ms: int, most_ms: int, jitter: Callable[[], float]) -> None:
        """`jitter` gives floats in [0, 1)."""
        self._first_ms = first_ms
        self._most_ms = most_ms
        self._jitter = jitter
        self._attempts = 0

    def next_ms(self) -> int:
        """The pause before the next attempt, ms."""
        attempts, self._attempts = self._attempts, self._attempts + 1
        if attempts == 0:
            return 0
        pause = min(self._most_ms, self._first_ms << min(attempts - 1, 20))
        return int(pause * (0.5 + self._jitter() / 2))

    def reset(self) -> None:
        """Start over."""
        self._attempts = 0


class Dialler:
    """One task that keeps one member connected."""

    def __init__(
        self,
        member: MemberId,
        address: tuple[str, int],
        *,
        context: ssl.SSLContext,
        make_link: Callable[[MemberId, str], Link],
        refusals: Refusals,
        limits: Limits,
        grace_ms: int,
        jitter: Callable[[], float],
    ) -> None:
        self._member = member
        self._address = address
        self._context = context
        self._make_link = make_link
        self._refusals = refusals
        self._limits = limits
        self._grace_ms = grace_ms
        self._backoff = Backoff(limits.redial_first_ms, limits.redial_most_ms, jitter)
        self._absent = asyncio.Event()
        self._absent.set()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def renew(self, context: ssl.SSLContext) -> None:
        """Show another certificate from the next connection on."""
        self._context = context

    def connected(self) -> None:
        """The member has a connection: rest."""
        self._absent.clear()

    def lost(self, lived_ms: float) -> None:
        """The member's connection ended after so long: dial again."""
        if lived_ms >= self._limits.stable_ms:
            self._backoff.reset()
        self._absent.set()

    def cancel(self) -> asyncio.Task[None]:
        """Stop dialling; gives the task to wait for."""
        self._task.cancel()
        return self._task

    async def _run(self) -> None:
        while True:
            await self._absent.wait()
            await asyncio.sleep((self._backoff.next_ms() + self._grace_ms) / 1000)
            if self._absent.is_set():
                await self._dial()

    async def _dial(self) -> None:
        host, port = self._address
        remote = f"{host}:{port}"
        link = self._make_link(self._member, remote)
        try:
            async with asyncio.timeout(self._limits.handshake_ms / 1000):
                await asyncio.get_running_loop().create_connection(
                    lambda: link,
                    host,
                    port,
                    ssl=self._context,
                    server_hostname=self._member,
                    ssl_handshake_timeout=self._limits.handshake_ms / 1000,
                    ssl_shutdown_timeout=self._limits.shutdown_ms / 1000,
                )
            await link.settled
        except ssl.SSLError as error:
            wrong_name = getattr(error, "verify_code", 0) == _HOSTNAME_MISMATCH
            reason = Reason.WRONG_NAME if wrong_name else Reason.TLS
            self._refusals.note(reason, tls_detail(error), self._member, remote)
        except OSError as error:  # refused, unreachable, too slow: the next attempt may do
            fields = {"member": self._member, "remote": remote, "detail": type(error).__name__}
            log.debug("dial failed", extra=fields)
        finally:
            link.abandon()
