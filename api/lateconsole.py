"""Late console: the console beside the API's edge, put together when somebody first opens it.

Rules: a node that comes back loads what votes and answers need, and pages are not among that
(ADR-0014). They are loaded in a thread: who opens the first page must not hold up a vote.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from api.edge import Edge
from api.exchange import Route

PREFIX: Final = "/console"


class LateConsole:
    """An ASGI application: the console under its prefix, the edge for everything else."""

    def __init__(self, edge: Edge, make: Callable[[], ASGIApp]) -> None:
        """`make` puts the console together; it is called in a thread, once."""
        self._edge = edge
        self._make = make
        self._console: ASGIApp | None = None
        self._making = asyncio.Lock()

    @property
    def routes(self) -> Sequence[Route]:
        """The API's routes."""
        return self._edge.routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        path = scope.get("path", "")
        own = path == PREFIX or path.startswith(f"{PREFIX}/")
        if own and scope["type"] == "http":
            await (self._console or await self._made())(scope, receive, send)
        else:
            await self._edge(scope, receive, send)

    async def _made(self) -> ASGIApp:
        async with self._making:
            if self._console is None:
                self._console = await asyncio.to_thread(self._make)
            return self._console
