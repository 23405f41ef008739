"""Openings: cases, requests, votes and results over REST.

Rules: an admin's key asks, votes and finishes for this member, auditors and operators read; a write
answers 201 once it is executed and 202 before; what the ledger or this node refuses is told with
its reason. Who asked is told to an admin alone, and by the regulator's own node alone.
"""

from __future__ import annotations

import re
from typing import Final

from api import documentation as doc
from api import openings_schemas as schemas
from api.bodies import known
from api.exchange import JSON_TYPE, Exchange, Reply, Route, json_reply
from api.indicators import read_object
from api.problems import FieldProblem, invalid, refused
from api.query import word
from api.settings import ApiSettings
from api.views import timestamp
from api.writes import BodyDigest, write_status
from node.openings.port import (
    CaseOutcome,
    CaseView,
    Finished,
    OpeningsService,
    StatementPage,
)
from node.service import Role

ADMINS: Final = frozenset({Role.ADMIN})
READERS: Final = frozenset({Role.ADMIN, Role.OPERATOR, Role.AUDITOR})
_DIGEST: Final = re.compile(r"(?:0x)?[0-9a-fA-F]{64}\Z")
_CURSOR_FORM: Final = re.compile(r"[0-9a-f]{88}\Z")
_MEMBER_FORM: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,30}\Z")
STATEMENTS: Final = 16
"""Statements of one page."""
_WRITE: Final = (doc.WAIT, doc.IDEMPOTENCY)
_BASE: Final = "/v1/openings"
_ONE: Final = f"{_BASE}/{{case_id}}"
_STATE: Final = {
    "name": "state",
    "in": "query",
    "description": "Which cases",
    "schema": {"type": "string", "enum": ["open", "all"], "default": "all"},
}
_OUTCOME: Final = {201: schemas.CaseOutcomeOut, 202: schemas.CaseOutcomeOut}
_CURSOR: Final = {
    "name": "cursor",
    "in": "query",
    "description": "What the page before gave as `next`",
    "schema": {"type": "string", "pattern": "^[0-9a-f]{88}$"},
}
_LOG: Final = doc.operation(
    "readQueryLog",
    "openings",
    "Read and verify an evaluator's log of served statements, page by page",
    {200: schemas.StatementsOut},
    parameters=(_CURSOR,),
    path=["member"],
    problems=(503,),
)
_LIST: Final = doc.operation(
    "listOpenings",
    "openings",
    "List cases of openings, newest first",
    {200: schemas.CasesOut},
    parameters=(_STATE,),
)
_SHOW: Final = doc.operation(
    "showOpening",
    "openings",
    "Show a case with its votes",
    {200: schemas.CaseOut},
    path=["case_id"],
    problems=(404,),
)
_REQUEST: Final = doc.operation(
    "requestOpening",
    "openings",
    "Ask the alliance to open a statement (a regulator's node)",
    _OUTCOME,
    body=doc.json_body(schemas.CaseIn),
    parameters=_WRITE,
    problems=(404, 409),
)
_VOTE: Final = doc.operation(
    "voteOpening",
    "openings",
    "Vote on a case for this member, once",
    _OUTCOME,
    body=doc.json_body(schemas.CaseVoteIn),
    parameters=_WRITE,
    path=["case_id"],
    problems=(404, 409),
)
_FINISH: Final = doc.operation(
    "finishOpening",
    "openings",
    "Combine the parts of an approved case and close it (a regulator's node)",
    {201: schemas.FinishedOut, 202: schemas.FinishedOut},
    body=doc.json_body(schemas.FinishIn, required=False),
    parameters=(doc.WAIT,),
    path=["case_id"],
    problems=(404, 409),
)
_RECORD: Final = doc.operation(
    "showOpeningRecord",
    "openings",
    "The court's file of a case that this regulator closed",
    {200: schemas.OpeningRecordOut},
    path=["case_id"],
    problems=(404, 409),
)

_EXCULPATION: Final = doc.operation(
    "makeExculpation",
    "openings",
    "The proof that this member's key did not make a case's question; costs its nullifier",
    {200: schemas.ExculpationOut},
    path=["case_id"],
    problems=(404, 409, 503),
)


class OpeningRoutes:
    """Handlers of /v1/openings."""

    def __init__(self, service: OpeningsService, settings: ApiSettings) -> None:
        self._service = service
        self._settings = settings

    async def statements(self, exchange: Exchange) -> Reply:
        """GET /v1/query-logs/{member}."""
        cursor = exchange.query("cursor").get("cursor")
        member = exchange.params["member"]
        for name, text, form in (
            ("cursor", cursor, _CURSOR_FORM),
            ("member", member, _MEMBER_FORM),
        ):
            if text is not None and form.match(text) is None:
                raise refused(name, "not of its form")
        after = None if cursor is None else bytes.fromhex(cursor)
        page = await self._service.statements(member, after, STATEMENTS)
        return json_reply(200, page_document(page))

    async def list(self, exchange: Exchange) -> Reply:
        """GET /v1/openings."""
        state = word(exchange.query("state"), "state", ("all", "open"))
        found = self._service.cases(open_only=state == "open")
        return json_reply(200, {"cases": [case_document(view) for view in found]})

    async def show(self, exchange: Exchange) -> Reply:
        """GET /v1/openings/{case_id}."""
        exchange.query()
        return json_reply(200, case_document(self._service.case(_id(exchange))))

    async def request(self, exchange: Exchange) -> Reply:
        """POST /v1/openings."""
        exchange.content_type(JSON_TYPE)
        wait, digest = exchange.wait(), BodyDigest(exchange)
        raw = await exchange.body(self._settings.max_body_bytes)
        body = read_object(raw)
        known(body, "statement", "basis")
        outcome = await self._service.request(
            _digest(body, "statement"),
            _digest(body, "basis"),
            wait=wait,
            idempotency=digest.idempotency(raw),
        )
        headers: tuple[tuple[bytes, bytes], ...] = ()
        if outcome.case is not None:
            place = f"{_BASE}/{outcome.case.case_id.hex()}"
            headers = ((b"location", place.encode("ascii")),)
        return json_reply(write_status(outcome.stage), outcome_document(outcome), *headers)

    async def vote(self, exchange: Exchange) -> Reply:
        """POST /v1/openings/{case_id}/vote."""
        case_id = _id(exchange)
        exchange.content_type(JSON_TYPE)
        wait, digest = exchange.wait(), BodyDigest(exchange)
        raw = await exchange.body(self._settings.max_body_bytes)
        body = read_object(raw)
        known(body, "approve")
        approve = body.get("approve")
        if not isinstance(approve, bool):
            raise invalid(FieldProblem("approve", "true or false"))
        outcome = await self._service.vote(
            case_id, approve=approve, wait=wait, idempotency=digest.idempotency(raw)
        )
        return json_reply(write_status(outcome.stage), outcome_document(outcome))

    async def finish(self, exchange: Exchange) -> Reply:
        """POST /v1/openings/{case_id}/finish."""
        case_id, wait = _id(exchange), exchange.wait()
        raw = await exchange.body(self._settings.max_body_bytes)
        if raw:
            exchange.content_type(JSON_TYPE)
            known(read_object(raw))
        finished = await self._service.finish(case_id, wait=wait)
        return json_reply(write_status(finished.outcome.stage), finished_document(finished))

    async def record(self, exchange: Exchange) -> Reply:
        """GET /v1/openings/{case_id}/record."""
        exchange.query()
        return json_reply(200, dict(self._service.record(_id(exchange))))

    async def exculpation(self, exchange: Exchange) -> Reply:
        """GET /v1/openings/{case_id}/exculpation."""
        exchange.query()
        return json_reply(200, dict(await self._service.exculpation(_id(exchange))))


def opening_routes(at: OpeningRoutes, settings: ApiSettings) -> list[Route]:
    """The routes with who may use them and what the documentation says."""
    limit = settings.request_timeout_ms
    return [
        Route("GET", "/v1/query-logs/{member}", at.statements, READERS, _LOG, limit),
        Route("GET", _BASE, at.list, READERS, _LIST, limit),
        Route("GET", _ONE, at.show, READERS, _SHOW, limit),
        Route("POST", _BASE, at.request, ADMINS, _REQUEST, limit),
        Route("POST", f"{_ONE}/vote", at.vote, ADMINS, _VOTE, limit),
        Route("POST", f"{_ONE}/finish", at.finish, ADMINS, _FINISH, limit),
        Route("GET", f"{_ONE}/record", at.record, ADMINS, _RECORD, limit),
        Route("GET", f"{_ONE}/exculpation", at.exculpation, ADMINS, _EXCULPATION, limit),
    ]


def case_document(view: CaseView) -> dict[str, object]:
    """A case."""
    return {
        "id": view.case_id.hex(),
        "state": view.state,
        "regulator": view.regulator,
        "evaluator": view.evaluator,
        "statement": view.statement_hash.hex(),
        "basis": view.basis_hash.hex(),
        "needed": view.needed,
        "voters": view.voters,
        "approvals": view.approvals,
        "rejections": view.rejections,
        "partials": view.partials,
        "height": view.height,
        "deadline": timestamp(view.deadline_ms),
        "result": None if view.result_hash is None else view.result_hash.hex(),
        "votes": [{"member": vote.member, "approve": vote.approve} for vote in view.votes],
        "posted": list(view.posted),
        "stale": list(view.stale),
        "obstacle": view.obstacle,
    }


def page_document(page: StatementPage) -> dict[str, object]:
    """A page of an evaluator's log."""
    shown = [
        {
            "statement": view.statement_hash.hex(),
            "nullifier": view.nullifier.hex(),
            "epoch": view.epoch,
            "scope": view.scope,
            "slot": view.slot,
            "ring_size": view.ring_size,
            "interval": None if view.interval is None else list(view.interval),
            "obstacle": view.obstacle,
        }
        for view in page.statements
    ]
    return {"statements": shown, "next": None if page.next is None else page.next.hex()}


def outcome_document(outcome: CaseOutcome) -> dict[str, object]:
    """What became of a request or a vote."""
    return {
        "transaction": f"0x{outcome.transaction.hex()}",
        "stage": outcome.stage.label,
        "height": outcome.height,
        "case": None if outcome.case is None else case_document(outcome.case),
    }


def finished_document(finished: Finished) -> dict[str, object]:
    """A case that was opened."""
    return {
        **outcome_document(finished.outcome),
        "member": finished.member,
        "member_key": finished.member_key.hex(),
        "result": finished.result_hash.hex(),
        "bad": [{"member": member, "reason": reason} for member, reason in finished.bad],
    }


def _id(exchange: Exchange) -> bytes:
    text = exchange.params["case_id"]
    if _DIGEST.match(text) is None:
        raise refused("case_id", "64 hexadecimal digits")
    return bytes.fromhex(text.removeprefix("0x"))


def _digest(body: dict[str, object], name: str) -> bytes:
    value = body.get(name)
    if not isinstance(value, str) or _DIGEST.match(value) is None:
        raise invalid(FieldProblem(name, "64 hexadecimal digits"))
    found = bytes.fromhex(value.removeprefix("0x"))
    if not any(found):
        raise invalid(FieldProblem(name, "must not be zero"))
    return found
