"""Alerts: recalls and hits of the retro-hunt: what changed about questions that were asked before.

Rules: a recall names own questions by their case reference and key and never what was asked; both
lists go on behind a number, so nothing is missed between two looks.
"""

from __future__ import annotations

from typing import Final

from api.console.source import READERS
from api.console.visit import View, Visit
from node.push.port import EventType, PushService
from node.recall.port import RecallService

MOST: Final = 50
"""Recalls and hits of one page."""


class AlertPages:
    """Handlers of /console/recalls and /console/retro-hits."""

    def __init__(self, recalls: RecallService | None, push: PushService | None) -> None:
        self._recalls = recalls
        self._push = push

    async def recalls(self, visit: Visit) -> View:
        """GET /console/recalls."""
        after = visit.page_number("after") or 0
        found = [] if self._recalls is None else list(self._recalls.recalls(after, MOST))
        values = {
            "recalls": found,
            "after": after,
            "can_open": visit.role in READERS,
            "next": found[-1].number if len(found) == MOST else None,
        }
        return View("recalls.html", "Recalls", values)

    async def hits(self, visit: Visit) -> View:
        """GET /console/retro-hits."""
        after = visit.page_number("after") or 0
        events, following = [], None
        if self._push is not None:
            page = self._push.events(after, MOST, (EventType.RETRO_HIT,))
            events, following = [event for _, event in page.events], page.next
        values = {"events": events, "after": after, "next": following}
        return View("retro_hits.html", "Retro-hunt", values)
