"""Openings: cases in which a regulator asked who made a question, as the ledger has them."""

from __future__ import annotations

from api.console.source import Source
from api.console.visit import View, Visit
from api.query import word
from node.openings.port import CaseView, OpeningsService


class OpeningPages:
    """Handlers of /console/openings."""

    def __init__(self, source: Source, openings: OpeningsService) -> None:
        self._source = source
        self._openings = openings

    async def every(self, visit: Visit) -> View:
        """GET /console/openings."""
        state = word(visit.exchange.query("state"), "state", ("all", "open"))
        found = self._openings.cases(open_only=state == "open")
        values = {"cases": found, "only_open": state == "open"}
        return View("openings.html", "Openings", values)

    async def show(self, visit: Visit) -> View:
        """GET /console/openings/{case}."""
        visit.exchange.query()
        view = self._openings.case(visit.digest("case"))
        crumbs = (("Openings", "/console/openings"),)
        values = {"case": view, "rows": _rows(view)}
        return View("opening.html", f"Opening, {view.state}", values, crumbs)


def _rows(view: CaseView) -> list[tuple[str, bool | None, str]]:
    """Every member that did something in a case: (member, its vote if any, its part in words)."""
    votes = {vote.member: vote.approve for vote in view.votes}
    rows: list[tuple[str, bool | None, str]] = []
    for member in dict.fromkeys((*votes, *view.posted, *view.stale)):
        part = "posted" if member in view.posted else "not posted"
        if member in view.stale:
            part = "of an earlier key, made anew"
        rows.append((member, votes.get(member), part))
    return rows
