"""Customers' reports over REST: intake, triage, reporting, ending, erasure, export.

Rules: reporters and analysts take and triage; a reporter's key alone sends to the ledger. What a
person says is in answers about one report and in no list. A refusal by the state of a report is
409 with a rule id. What the ledger's rules refuse of a choice stands at its identifier, with 200.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from api import documentation as doc
from api import interaction_schemas as schemas
from api.bodies import known
from api.exchange import Exchange, Reply, Route, json_reply
from api.interaction_bounds import CURSOR
from api.interaction_reading import (
    choice_in,
    choices_of,
    cursor_of,
    day_text,
    id_of,
    json_body,
    note_of,
    report_of,
    word_of,
)
from api.problems import refused
from api.settings import ApiSettings
from api.views import timestamp
from api.writes import BodyDigest
from node.interaction.reportport import (
    CustomerReports,
    DeclineReason,
    IdentifierView,
    ReportState,
    ReportView,
)
from node.service import Role

STAFF: Final = frozenset({Role.REPORTER, Role.ANALYST})
WRITERS: Final = frozenset({Role.REPORTER})
TWO: Final = 2
_BASE: Final = "/v1/customer-reports"
_ONE: Final = f"{_BASE}/{{customer_report_id}}"
CURSOR_PARAMETER: Final = {
    "name": "cursor",
    "in": "query",
    "description": "What the page before gave as `next`",
    "schema": {"type": "string", "pattern": CURSOR},
}


class CustomerReportRoutes:
    """Handlers of /v1/customer-reports."""

    def __init__(
        self, service: CustomerReports, settings: ApiSettings, now_ms: Callable[[], int]
    ) -> None:
        self._service = service
        self._settings = settings
        self._now_ms = now_ms

    async def take(self, exchange: Exchange) -> Reply:
        """POST /v1/customer-reports."""
        exchange.query()
        raw, body = await json_body(exchange, self._settings)
        report = report_of(body, self._now_ms(), self._settings.language)
        promise = BodyDigest(exchange).idempotency(raw)
        return self._reply(201, await self._service.take(report, promise))

    async def list(self, exchange: Exchange) -> Reply:
        """GET /v1/customer-reports."""
        query = exchange.query("state", "cursor")
        state = state_in(ReportState, query.get("state"))
        page = await self._service.page(state, cursor_of(query.get("cursor")))
        shown = [report_document(view, self._now_ms()) for view in page.reports]
        after = None if page.next is None else page.next.hex()
        return json_reply(200, {"customer_reports": shown, "next": after})

    async def show(self, exchange: Exchange) -> Reply:
        """GET /v1/customer-reports/{customer_report_id}."""
        exchange.query()
        return self._reply(200, self._service.show(_id(exchange)))

    async def triage(self, exchange: Exchange) -> Reply:
        """POST /v1/customer-reports/{customer_report_id}/triage."""
        exchange.query()
        _, body = await json_body(exchange, self._settings)
        known(body, "identifiers", "note")
        choices, note = choices_of(body.get("identifiers")), note_of(body)
        found = await self._service.triage(_id(exchange), choices, note, exchange.caller)
        return self._reply(200, found)

    async def report(self, exchange: Exchange) -> Reply:
        """POST /v1/customer-reports/{customer_report_id}/report."""
        wait = exchange.wait()
        _, body = await json_body(exchange, self._settings, optional=True)
        known(body)
        found = await self._service.report(_id(exchange), by=exchange.caller, wait=wait)
        return self._reply(200, found)

    async def decline(self, exchange: Exchange) -> Reply:
        """POST /v1/customer-reports/{customer_report_id}/decline."""
        exchange.query()
        _, body = await json_body(exchange, self._settings)
        known(body, "reason", "note")
        reason = choice_in(DeclineReason, body.get("reason"), "reason")
        return self._reply(200, await self._service.decline(_id(exchange), reason, note_of(body)))

    async def merge(self, exchange: Exchange) -> Reply:
        """POST /v1/customer-reports/{customer_report_id}/merge."""
        exchange.query()
        _, body = await json_body(exchange, self._settings)
        known(body, "into")
        return self._reply(200, await self._service.merge(_id(exchange), word_of(body, "into", 32)))

    async def erase(self, exchange: Exchange) -> Reply:
        """POST /v1/customer-reports/{customer_report_id}/erasure."""
        exchange.query()
        _, body = await json_body(exchange, self._settings, optional=True)
        known(body)
        return self._reply(200, await self._service.erase(_id(exchange)))

    async def export(self, exchange: Exchange) -> Reply:
        """GET /v1/customer-reports/{customer_report_id}/export."""
        exchange.query()
        return json_reply(200, self._service.export(_id(exchange)))

    def _reply(self, status: int, view: ReportView) -> Reply:
        return json_reply(status, report_document(view, self._now_ms()))


def _id(exchange: Exchange) -> str:
    return id_of(exchange, "customer_report_id")


def state_in(enum: Any, given: str | None) -> Any:
    """A state that a query names, None for all; Problem 400 otherwise."""
    if given is None or given == "all":
        return None
    words = [state.value for state in enum]
    if given not in words:
        allowed = f"one of all, {', '.join(words)}"
        raise refused("state", allowed)
    return enum(given)


def state_parameter(enum: Any) -> dict[str, Any]:
    """The query parameter that names a state."""
    words = ["all", *(state.value for state in enum)]
    schema = {"type": "string", "enum": words, "default": "all"}
    return {"name": "state", "in": "query", "description": "Which of them", "schema": schema}


def report_document(view: ReportView, now_ms: int) -> dict[str, object]:
    """A customer's report."""
    is_open = view.state in (ReportState.RECEIVED, ReportState.TRIAGED)
    return {
        "id": view.report_id,
        "code": view.code,
        "state": view.state.value,
        "received": timestamp(view.received_ms),
        "changed": timestamp(view.changed_ms),
        "due": timestamp(view.due_ms),
        "overdue": is_open and now_ms > view.due_ms,
        "reported": None if view.reported_ms is None else timestamp(view.reported_ms),
        "kept_until": timestamp(view.kept_until_ms),
        "channel": view.channel,
        "language": view.language,
        "happened": None if view.happened_day is None else day_text(view.happened_day),
        "loss_band": view.loss_band,
        "fraud_types": list(view.fraud_types),
        "text": view.text,
        "case_ref": view.case_ref,
        "identifiers": [_identifier_document(each) for each in view.identifiers],
        "note": view.note,
        "decline_reason": view.decline_reason,
        "merged_into": view.merged_into,
    }


def _identifier_document(view: IdentifierView) -> dict[str, object]:
    return {
        "number": view.number,
        "kind": view.kind,
        "value": view.value,
        "customers": view.customers,
        "two_customers": view.customers >= TWO,
        "chosen": view.chosen,
        "record_id": view.record_id,
        "duplicate": view.duplicate,
        "rule": view.rule,
        "detail": view.detail,
    }


def _write(
    name: str, summary: str, body: Any, *, required: bool = True, parameters: tuple[Any, ...] = ()
) -> Any:
    one = name == "takeCustomerReport"
    return doc.operation(
        name,
        "customer reports",
        summary,
        {201 if one else 200: schemas.CustomerReportOut},
        body=doc.json_body(body, required=required),
        parameters=parameters,
        path=() if one else ("customer_report_id",),
        problems=() if one else (404, 409),
    )


def _read(name: str, summary: str, answer: Any, **how: Any) -> Any:
    return doc.operation(name, "customer reports", summary, {200: answer}, **how)


def customer_report_routes(at: CustomerReportRoutes, settings: ApiSettings) -> list[Route]:
    """The routes with who may use them and what the documentation says."""
    limit = settings.request_timeout_ms
    path = ("customer_report_id",)
    listed = (state_parameter(ReportState), CURSOR_PARAMETER)
    take = _write(
        "takeCustomerReport",
        "Take what a customer says",
        schemas.CustomerReportIn,
        parameters=(doc.IDEMPOTENCY,),
    )
    triage = _write("triageCustomerReport", "Choose what to report of it", schemas.TriageIn)
    send = _write(
        "sendCustomerReport",
        "Report what was chosen to the alliance",
        schemas.EmptyIn,
        required=False,
        parameters=(doc.WAIT,),
    )
    decline = _write("declineCustomerReport", "End it without a record", schemas.DeclineIn)
    merge = _write("mergeCustomerReport", "Join it with another", schemas.MergeIn)
    erase = _write("eraseCustomerReport", "Destroy what was said", schemas.EmptyIn, required=False)
    every = _read(
        "listCustomerReports",
        "List customers' reports, newest first",
        schemas.CustomerReportsOut,
        parameters=listed,
    )
    one = _read(
        "showCustomerReport",
        "Show a report",
        schemas.CustomerReportOut,
        path=path,
        problems=(404,),
    )
    export = _read(
        "exportCustomerReport",
        "A report as an alert for case tools",
        schemas.AlertOut,
        path=path,
        problems=(404,),
    )
    return [
        Route("POST", _BASE, at.take, STAFF, take, limit, audit=True),
        Route("GET", _BASE, at.list, STAFF, every, limit, audit=True),
        Route("GET", _ONE, at.show, STAFF, one, limit, audit=True),
        Route("POST", f"{_ONE}/triage", at.triage, STAFF, triage, limit, audit=True),
        Route("POST", f"{_ONE}/report", at.report, WRITERS, send, limit, audit=True),
        Route("POST", f"{_ONE}/decline", at.decline, STAFF, decline, limit, audit=True),
        Route("POST", f"{_ONE}/merge", at.merge, STAFF, merge, limit, audit=True),
        Route("POST", f"{_ONE}/erasure", at.erase, STAFF, erase, limit, audit=True),
        Route("GET", f"{_ONE}/export", at.export, STAFF, export, limit, audit=True),
    ]
