"""Disputes: who contests which record on what ground, until when it should be ruled on, and how.

Rules: a person's reference code is not shown: whoever holds it may ask about that dispute.
"""

from __future__ import annotations

import re
from typing import Final

from api.console.source import STAFF, WRITERS, Source
from api.console.visit import View, Visit
from api.console.wording import reason_text
from api.problems import refused
from api.query import word
from bulwark.ledger.lifecycle import Operation
from node.disputes.port import DisputesService, Whose

DISPUTES: Final = 50
"""Disputes of one page."""
_CURSOR: Final = re.compile(r"[0-9a-f]{2,128}\Z")


class DisputePages:
    """Handler of /console/disputes."""

    def __init__(self, source: Source, disputes: DisputesService) -> None:
        self._source = source
        self._disputes = disputes

    async def every(self, visit: Visit) -> View:
        """GET /console/disputes."""
        query = visit.exchange.query("state", "cursor", "whose")
        usual = Whose.INBOX if visit.role in STAFF else Whose.ALL
        whose = word(query, "whose", [each.value for each in Whose], usual.value)
        state, cursor = word(query, "state", ("all", "open")), query.get("cursor")
        if cursor is not None and (_CURSOR.match(cursor) is None or len(cursor) % 2):
            raise refused("cursor", "hexadecimal digits of the page before")
        page = await self._disputes.disputes(
            Whose(whose),
            open_only=state == "open",
            cursor=None if cursor is None else bytes.fromhex(cursor),
            most=DISPUTES,
        )
        values = {
            "rows": [(view, reason_text(Operation.DISPUTE, view.ground)) for view in page.disputes],
            "only_open": state == "open",
            "state": state,
            "whose": whose,
            "can_rule": visit.role in WRITERS,
            "next": None if page.next is None else page.next.hex(),
        }
        return View("disputes.html", "Disputes", values)
