"""Files: the console's style sheet and icon, the only things that a browser may keep."""

from __future__ import annotations

from typing import Final

from api.console.render import Renderer
from api.console.visit import Visit
from api.exchange import Reply

CACHE: Final = (b"cache-control", b"public, max-age=3600")


class Files:
    """Handlers of /console/static."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    async def style(self, visit: Visit) -> Reply:
        """GET /console/static/style.css."""
        return Reply(200, self._renderer.style, b"text/css; charset=utf-8", (CACHE,))

    async def icon(self, visit: Visit) -> Reply:
        """GET /console/static/icon.svg."""
        return Reply(200, self._renderer.icon, b"image/svg+xml", (CACHE,))
