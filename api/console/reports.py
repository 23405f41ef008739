"""Reports: the audit desk's tables as pages with links, and the same cells as files and for paper.

Rules: every page of one report rests on one final block, which the links to the next page name; a
file holds all rows up to a bound, and beyond it is refused rather than cut off.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from api.console.source import AUDITORS, Source
from api.console.visit import View, Visit
from api.exchange import CSV_TYPE, JSON_TYPE, Reply
from api.problems import Problem, refused
from bulwark.audit.report import Cell, Column, Report, join_pages
from bulwark.ledger.ids import Height, MemberId
from node.audit.port import MAX_ROWS, AuditService, ReportWish

ROWS: Final = 100
"""Rows of one page."""
MAX_FILE_ROWS: Final = 20_000
"""Rows of one file; more are read page by page over REST."""
PARAMETERS: Final = ("member", "from_height", "to_height", "after")
MEMBERS: Final = frozenset({"member", "reporter", "disputer", "evaluator", "issuer", "regulator"})
BLOCKS: Final = frozenset({"height", "restricted_from"})
_NUMBER: Final = re.compile(r"(?:0|[1-9][0-9]{0,17})\Z")
_MEMBER: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,30}\Z")


@dataclass(frozen=True, slots=True)
class ShownCell:
    """One cell: its value, how it looks and where it leads."""

    value: Cell
    form: str
    """`number`, `digest`, `time` or `text`."""
    path: str | None = None


class ReportPages:
    """Handlers of /console/reports."""

    def __init__(self, source: Source, audit: AuditService) -> None:
        self._source = source
        self._audit = audit

    async def every(self, visit: Visit) -> View:
        """GET /console/reports."""
        visit.exchange.query()
        return View("reports.html", "Reports", {"reports": self._audit.reports()})

    async def show(self, visit: Visit) -> View:
        """GET /console/reports/{report}."""
        query = _query(visit)
        report = await self._audit.report(visit.name("report"), _wish(query, ROWS))
        fixed = {**query, "to_height": str(report.generated_from.height)}
        fixed.pop("after", None)
        following = None if report.next is None else {**fixed, "after": str(report.next)}
        values = {
            "report": report,
            "rows": _shown_rows(report, may_read_records=visit.role in AUDITORS),
            "member": query.get("member", ""),
            "from_height": query.get("from_height", ""),
            "to_height": query.get("to_height", ""),
            "is_later_page": "after" in query,
            "query": urlencode(fixed),
            "following": None if following is None else urlencode(following),
            "ids": [member.id for member in self._source.service.members()],
        }
        return View("report.html", report.title, values, (("Reports", "/console/reports"),))

    async def print(self, visit: Visit) -> View:
        """GET /console/reports/{report}/print."""
        report = await self._whole(visit)
        rows = _shown_rows(report, may_read_records=visit.role in AUDITORS)
        name = f"/console/reports/{report.name}"
        crumbs = (("Reports", "/console/reports"), (report.title, name))
        return View("print.html", report.title, {"report": report, "rows": rows}, crumbs)

    async def csv(self, visit: Visit) -> Reply:
        """GET /console/reports/{report}/csv."""
        report = await self._whole(visit)
        return _file(report, "csv", report.to_csv(), CSV_TYPE + b"; charset=utf-8")

    async def json(self, visit: Visit) -> Reply:
        """GET /console/reports/{report}/json."""
        report = await self._whole(visit)
        return _file(report, "json", report.to_json_text(), JSON_TYPE)

    async def _whole(self, visit: Visit) -> Report:
        """All rows of a report on one block. Raises Problem 413 past the bound."""
        query, name = _query(visit), visit.name("report")
        query.pop("after", None)
        pages: list[Report] = []
        while not pages or pages[-1].next is not None:
            if len(pages) * MAX_ROWS >= MAX_FILE_ROWS:
                detail = f"over {MAX_FILE_ROWS:,} rows; name a member or fewer blocks, or use REST"
                raise Problem(413, "too-large", detail)
            page = await self._audit.report(name, _wish(query, MAX_ROWS))
            pages.append(page)
            query |= {"after": str(page.next), "to_height": str(page.generated_from.height)}
        return join_pages(pages)


def _query(visit: Visit) -> dict[str, str]:
    """The parameters that were given; an empty field of the form is none. Raises Problem 400."""
    given = {k: v.strip() for k, v in visit.exchange.query(*PARAMETERS).items() if v.strip()}
    for name, text in given.items():
        form, allowed = (_MEMBER, "a member id") if name == "member" else (_NUMBER, "a number")
        if form.match(text) is None:
            raise refused(name, allowed)
    return given


def _wish(query: Mapping[str, str], most: int) -> ReportWish:
    to_height, member = query.get("to_height"), query.get("member")
    return ReportWish(
        from_height=int(query.get("from_height", "0")),
        to_height=None if to_height is None else Height(int(to_height)),
        member=None if member is None else MemberId(member),
        after=int(query.get("after", "0")),
        most=most,
    )


def _shown_rows(report: Report, *, may_read_records: bool) -> list[list[ShownCell]]:
    return [
        [
            _shown(cell, column, may_read_records)
            for cell, column in zip(row, report.columns, strict=True)
        ]
        for row in report.rows
    ]


def _shown(cell: Cell, column: Column, may_read_records: bool) -> ShownCell:
    if cell is None or cell == "":
        return ShownCell(None, "text")
    if isinstance(cell, int):
        path = f"/console/blocks/{cell}" if column.key in BLOCKS else None
        return ShownCell(cell, "number", path)
    if column.key in MEMBERS and _MEMBER.match(cell):
        return ShownCell(cell, "text", f"/console/members/{cell}")
    if "hex" in column.unit:
        path = None
        if column.unit.startswith("record id") and may_read_records:
            path = f"/console/records/{cell}"
        elif column.key == "policy":
            path = f"/console/policies/{cell}"
        elif column.key == "case":
            path = f"/console/openings/{cell}"
        return ShownCell(cell, "digest", path)
    return ShownCell(cell, "time" if column.unit == "UTC" else "text")


def _file(report: Report, ending: str, text: str, kind: bytes) -> Reply:
    name = f'attachment; filename="{report.name}-{report.generated_from.height}.{ending}"'
    header = (b"content-disposition", name.encode("ascii"))
    return Reply(200, text.encode(), kind, (header,))
