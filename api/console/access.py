"""Access log: who asked what kind of thing and why at this member, and whether the log is whole."""

from __future__ import annotations

from typing import Final

from api.console.source import Source
from api.console.visit import View, Visit
from node.guarded.accessport import AccessService

ENTRIES: Final = 50
"""Entries of one page."""


class AccessPages:
    """Handlers of /console/access-log."""

    def __init__(self, source: Source, access: AccessService) -> None:
        self._source = source
        self._access = access

    async def every(self, visit: Visit) -> View:
        """GET /console/access-log."""
        wanted = visit.page_number("after")
        newest = self._access.page(0, 1).head.count
        after = max(0, newest - ENTRIES) if wanted is None else wanted
        page = self._access.page(after, ENTRIES)
        last = page.entries[-1].number if page.entries else None
        values = {
            "page": page,
            "entries": page.entries,
            "newer": last if last is not None and last < page.head.count else None,
            "older": max(page.start.count, after - ENTRIES) if after > page.start.count else None,
        }
        return View("access.html", "Access log", values)

    async def check(self, visit: Visit) -> View:
        """GET /console/access-log/check."""
        visit.exchange.query()
        check = await self._access.check()
        crumbs = (("Access log", "/console/access-log"),)
        return View("access_check.html", "Check of the access log", {"check": check}, crumbs)
