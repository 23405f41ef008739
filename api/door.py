"""Door: the outermost layer while a node is not to be asked, which answers how the node is.

Rules: while the door is shut everything but the paths of health and state is answered 503 with the
reason, before anybody is authenticated: nothing behind it is touched. Readiness is not among the
open paths, so who waits for a node waits. An open door costs one call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import PROBLEM_TYPE, Problem

OPEN: Final = frozenset(("/healthz", "/metrics", "/v1/node", "/v1/node/diagnosis"))
RETRY_S: Final = b"2"

Closed = Callable[[], str | None]
"""Why the door is shut, None while it is open."""


class Door:
    """An ASGI application before another one."""

    def __init__(self, app: ASGIApp, closed: Closed) -> None:
        self.behind = app
        self._closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one connection."""
        kind = scope["type"]
        reason = None if kind == "lifespan" else self._closed()
        if reason is None or scope.get("path") in OPEN:
            await self.behind(scope, receive, send)
        elif kind == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1013, "reason": reason[:120]})
        else:
            await _refuse(reason, send)


async def _refuse(reason: str, send: Send) -> None:
    body = Problem(503, "unavailable", reason).encode("door")
    headers = [
        (b"content-type", PROBLEM_TYPE),
        (b"content-length", str(len(body)).encode("ascii")),
        (b"retry-after", RETRY_S),
        (b"cache-control", b"no-store"),
        (b"x-correlator", b"door"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})
