"""Reports and samples over REST, for auditors.

Rules: an auditor's or admin's key reads them; a report has three forms of the same cells: JSON, CSV
and a page to print; pages are bounded and name where the next one begins. A sample whose seed is
still being made answers 202 with how far it is.
"""

from __future__ import annotations

import re
from typing import Final

from api import audit_schemas as schemas
from api import documentation as doc
from api.access import READERS
from api.audit_page import POLICY, report_page
from api.exchange import CSV_TYPE, Exchange, Reply, Route, json_reply
from api.indicators import record_id_of
from api.problems import refused
from api.query import documented, number, number_given, word
from api.settings import ApiSettings
from bulwark.audit.report import Report
from bulwark.audit.sampling import POPULATIONS
from bulwark.ledger.ids import Height, MemberId
from node.audit.port import (
    MAX_ROWS,
    MAX_SAMPLE,
    AuditService,
    Drawing,
    ReportWish,
    SampleWish,
)

FORMATS: Final = ("json", "csv", "html")
_MEMBER: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,30}\Z")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}\Z")
_BASE: Final = "/v1/audit/reports"
_KEY: Final = "/v1/audit/ring-keys/{ring_key}"
_CASE: Final = "/v1/audit/case-keys/{record_id}"


def _parameter(name: str, description: str, schema: dict[str, object]) -> dict[str, object]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


_WHOSE: Final = _parameter(
    "member",
    "Only what this member did",
    {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,30}$"},
)
_LIST: Final = doc.operation(
    "listReports", "audit", "List the reports that there are", {200: schemas.ReportsOut}
)
_REPORT: Final = doc.operation(
    "readReport",
    "audit",
    "Make one page of a report from this node's own replica",
    {200: schemas.AuditReportOut},
    parameters=(
        _parameter("format", "JSON, CSV, or a page to print", {"type": "string", "enum": FORMATS}),
        documented("from_height", "First block of the events that are listed"),
        documented("to_height", "Final block that the report rests on, the last if not given"),
        _WHOSE,
        documented("after", "`next` of the page before"),
        documented("most", "Rows of the page", least=1, most=MAX_ROWS),
    ),
    path=["report"],
    problems=(404, 409),
)
_REPORT["responses"]["200"]["content"] |= {
    kind: {"schema": {"type": "string"}} for kind in ("text/csv", "text/html")
}
_OWNER: Final = doc.operation(
    "readRingKeyOwner",
    "audit",
    "Read which member uses or ever used a ring key",
    {200: schemas.RingKeyOut},
    path=["ring_key"],
)
_OPENS: Final = doc.operation(
    "readCaseKey",
    "audit",
    "Read the key that opens the case commitment of one record of this member",
    {200: schemas.CaseKeyOut},
    path=["record_id"],
    problems=(404, 409),
)
_SAMPLE: Final = doc.operation(
    "drawSample",
    "audit",
    "Draw a sample that nobody chose",
    {200: schemas.SampleOut, 202: schemas.SampleOut},
    parameters=(
        _parameter("population", "What is drawn", {"type": "string", "enum": POPULATIONS}),
        documented("to_height", "Final block up to which the population goes") | {"required": True},
        documented("size", "How many, of each member with `by_member`", least=1, most=MAX_SAMPLE),
        _WHOSE,
        _parameter("by_member", "Draw from every member's part", {"type": "boolean"}),
    ),
    problems=(404, 409),
)


class AuditRoutes:
    """Handlers of /v1/audit."""

    def __init__(self, service: AuditService) -> None:
        self._service = service

    async def list(self, exchange: Exchange) -> Reply:
        """GET /v1/audit/reports."""
        exchange.query()
        found = [{"name": each.name, "title": each.title} for each in self._service.reports()]
        return json_reply(200, {"reports": found})

    async def report(self, exchange: Exchange) -> Reply:
        """GET /v1/audit/reports/{report}."""
        query = exchange.query("format", "from_height", "to_height", "member", "after", "most")
        form = word(query, "format", FORMATS)
        to_height = number_given(query, "to_height")
        wish = ReportWish(
            from_height=number(query, "from_height", 0),
            to_height=None if to_height is None else Height(to_height),
            member=_member(query),
            after=number(query, "after", 0),
            most=number(query, "most", MAX_ROWS, 1, MAX_ROWS),
        )
        report = await self._service.report(exchange.params["report"], wish)
        return reply_of(report, form)

    async def ring_key(self, exchange: Exchange) -> Reply:
        """GET /v1/audit/ring-keys/{ring_key}."""
        exchange.query()
        text = exchange.params["ring_key"]
        if _DIGEST.match(text) is None:
            raise refused("ring_key", "64 hexadecimal digits")
        owner = self._service.ring_key_owner(bytes.fromhex(text))
        return json_reply(200, {"ring_key": text, "member": owner})

    async def case_key(self, exchange: Exchange) -> Reply:
        """GET /v1/audit/case-keys/{record_id}."""
        exchange.query()
        record_id = record_id_of(exchange)
        key = self._service.case_key(record_id)
        return json_reply(200, {"record_id": record_id.hex(), "key": key.hex()})

    async def sample(self, exchange: Exchange) -> Reply:
        """GET /v1/audit/sample."""
        query = exchange.query("population", "to_height", "size", "member", "by_member")
        to_height = number_given(query, "to_height")
        if to_height is None:
            raise refused("to_height", "a final block is needed")
        wish = SampleWish(
            population=word(query, "population", POPULATIONS),
            to_height=Height(to_height),
            size=number(query, "size", 20, 1, MAX_SAMPLE),
            member=_member(query),
            by_member=word(query, "by_member", ("false", "true")) == "true",
        )
        found = await self._service.sample(wish)
        if isinstance(found, Drawing):
            document = {"state": "drawing", "done": found.done, "stages": found.stages}
            return json_reply(202, document | {"seed_block": found.seed_block})
        whole = {"state": "drawn", **found.to_json(), "open_request": found.to_open()}
        return json_reply(200, whole)


def audit_routes(at: AuditRoutes, settings: ApiSettings) -> list[Route]:
    """The routes with who may use them and what the documentation says."""
    long = settings.batch_timeout_ms
    return [
        Route("GET", _BASE, at.list, READERS, _LIST, settings.request_timeout_ms),
        Route("GET", f"{_BASE}/{{report}}", at.report, READERS, _REPORT, long),
        Route("GET", _KEY, at.ring_key, READERS, _OWNER, settings.request_timeout_ms),
        Route("GET", _CASE, at.case_key, READERS, _OPENS, settings.request_timeout_ms),
        Route("GET", "/v1/audit/sample", at.sample, READERS, _SAMPLE, long),
    ]


def reply_of(report: Report, form: str) -> Reply:
    """A report in one of FORMATS."""
    if form == "csv":
        name = f'attachment; filename="{report.name}-{report.generated_from.height}.csv"'
        more = b"" if report.next is None else str(report.next).encode()
        headers = [(b"content-disposition", name.encode("ascii"))]
        headers += [(b"x-next", more)] if more else []
        return Reply(200, report.to_csv().encode(), CSV_TYPE + b"; charset=utf-8", tuple(headers))
    if form == "html":
        body = report_page(report).encode()
        kind = b"text/html; charset=utf-8"
        return Reply(200, body, kind, ((b"content-security-policy", POLICY),))
    return json_reply(200, report.to_json())


def _member(query: dict[str, str]) -> MemberId | None:
    member = query.get("member")
    if member is None:
        return None
    if _MEMBER.match(member) is None:
        raise refused("member", "not of its form")
    return MemberId(member)
