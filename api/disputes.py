"""Disputes over REST: contesting records, ruling, retracting, expiring, erasing, and histories.

Rules: a reporter's key writes; reporters, analysts and auditors read. What the lifecycle refuses is
409 with the rule's id under `errors`. A write answers 201 once it is executed and 202 before;
whether the ledger took it then is in the answer. Nothing of a person is read or kept here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from api import dispute_schemas as schemas
from api import documentation as doc
from api.bodies import known
from api.dispute_views import dispute_document, history_document, outcome_document
from api.exchange import JSON_TYPE, Exchange, Reply, Route, json_reply
from api.indicators import read_object, record_id_of
from api.problems import FieldProblem, invalid, refused
from api.query import word
from api.settings import ApiSettings
from api.writes import BodyDigest, write_status
from bulwark.indicators.errors import FieldError
from bulwark.indicators.model import CASE_REF_MAX
from bulwark.indicators.vocabulary import DisputeGround, Ruling
from bulwark.ledger.ids import RecordId
from bulwark.ledger.lifecycle import Operation
from node.disputes.port import DisputesService, Whose, Wish
from node.erasure.port import Ground
from node.service import Role

WRITERS: Final = frozenset({Role.REPORTER})
READERS: Final = frozenset({Role.REPORTER, Role.ANALYST, Role.AUDITOR})
PAGE: Final = 50
_DIGEST: Final = re.compile(r"(?:0x)?[0-9a-fA-F]{64}\Z")
_REFERENCE: Final = re.compile(r"[0-9A-Za-z-]{16,66}\Z")
_CURSOR: Final = re.compile(r"[0-9a-f]{32}\Z")
_WRITE: Final = (doc.WAIT, doc.IDEMPOTENCY)
_BASE: Final = "/v1/disputes"
_RECORD: Final = "/v1/records/{record_id}"
_OUTCOME: Final = {201: schemas.FollowUpOut, 202: schemas.FollowUpOut}


def _choice(name: str, what: str, choices: list[str], default: str) -> dict[str, Any]:
    schema = {"type": "string", "enum": choices, "default": default}
    return {"name": name, "in": "query", "description": what, "schema": schema}


_LISTED: Final = (
    _choice("whose", "Of this member's records, by it, or all", [w.value for w in Whose], "inbox"),
    _choice("state", "Which disputes", ["open", "all"], "open"),
    {
        "name": "cursor",
        "in": "query",
        "description": "What the page before gave as `next`",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    },
)


class DisputeRoutes:
    """Handlers of /v1/disputes and of what follows a record."""

    def __init__(
        self, service: DisputesService, settings: ApiSettings, now_ms: Callable[[], int]
    ) -> None:
        self._service = service
        self._settings = settings
        self._now_ms = now_ms

    async def open(self, exchange: Exchange) -> Reply:
        """POST /v1/disputes."""
        exchange.content_type(JSON_TYPE)
        raw = await exchange.body(self._settings.max_body_bytes)
        body = read_object(raw)
        known(body, "record_id", "ground", "for_person", "case_ref")
        is_for_person = body.get("for_person", False)
        if not isinstance(is_for_person, bool):
            raise invalid(FieldProblem("for_person", "true or false"))
        wish = Wish(
            _digest(body, "record_id"),
            Operation.DISPUTE,
            _stated(DisputeGround.parse(body.get("ground"), "ground"), "ground"),
            is_for_person,
            _case_ref(body),
        )
        return await self._follow(exchange, raw, wish)

    async def rule(self, exchange: Exchange) -> Reply:
        """POST /v1/records/{record_id}/rulings."""
        exchange.content_type(JSON_TYPE)
        raw = await exchange.body(self._settings.max_body_bytes)
        body = read_object(raw)
        known(body, "ruling", "case_ref")
        ruling = _stated(Ruling.parse(body.get("ruling"), "ruling"), "ruling")
        wish = Wish(record_id_of(exchange), Operation.RULE, ruling, case_ref=_case_ref(body))
        return await self._follow(exchange, raw, wish)

    async def erase(self, exchange: Exchange) -> Reply:
        """POST /v1/records/{record_id}/erasure."""
        raw, body = await self._optional(exchange)
        known(body, "ground", "case_ref")
        names = {ground.label: ground for ground in Ground}
        given = body.get("ground", Ground.REQUEST.label)
        if not isinstance(given, str) or given not in names:
            raise invalid(FieldProblem("ground", f"one of {', '.join(names)}"))
        wish = Wish(record_id_of(exchange), Operation.ERASE, names[given], case_ref=_case_ref(body))
        return await self._follow(exchange, raw, wish)

    async def retract(self, exchange: Exchange) -> Reply:
        """POST /v1/records/{record_id}/retraction."""
        return await self._end(exchange, Operation.RETRACT)

    async def expire(self, exchange: Exchange) -> Reply:
        """POST /v1/records/{record_id}/expiry."""
        return await self._end(exchange, Operation.EXPIRE)

    async def _end(self, exchange: Exchange, operation: Operation) -> Reply:
        raw, body = await self._optional(exchange)
        known(body, "case_ref")
        wish = Wish(record_id_of(exchange), operation, case_ref=_case_ref(body))
        return await self._follow(exchange, raw, wish)

    async def _optional(self, exchange: Exchange) -> tuple[bytes, dict[str, object]]:
        """A body that may be left out."""
        raw = await exchange.body(self._settings.max_body_bytes)
        if raw:
            exchange.content_type(JSON_TYPE)
        return raw, read_object(raw) if raw else {}

    async def _follow(self, exchange: Exchange, raw: bytes, wish: Wish) -> Reply:
        wait = exchange.wait()
        promise = BodyDigest(exchange).idempotency(raw)
        outcome = await self._service.follow(
            wish, by=exchange.caller, wait=wait, idempotency=promise
        )
        return json_reply(write_status(outcome.stage), outcome_document(outcome))

    async def list(self, exchange: Exchange) -> Reply:
        """GET /v1/disputes."""
        query = exchange.query("whose", "state", "cursor")
        whose = word(query, "whose", [w.value for w in Whose], Whose.INBOX)
        state = word(query, "state", ["open", "all"], "open")
        cursor = query.get("cursor")
        if cursor is not None and _CURSOR.match(cursor) is None:
            raise refused("cursor", "32 hexadecimal digits")
        page = await self._service.disputes(
            Whose(whose),
            open_only=state == "open",
            cursor=None if cursor is None else bytes.fromhex(cursor),
            most=PAGE,
        )
        shown = [dispute_document(view) for view in page.disputes]
        after = None if page.next is None else page.next.hex()
        return json_reply(200, {"disputes": shown, "next": after})

    async def show(self, exchange: Exchange) -> Reply:
        """GET /v1/disputes/{reference}."""
        exchange.query()
        reference = exchange.params["reference"]
        if _REFERENCE.match(reference) is None:
            raise refused("reference", "a reference code or 64 hexadecimal digits")
        return json_reply(200, dispute_document(await self._service.dispute(reference)))

    async def history(self, exchange: Exchange) -> Reply:
        """GET /v1/records/{record_id}/history."""
        exchange.query()
        view = await self._service.history(record_id_of(exchange))
        return json_reply(200, history_document(view, self._now_ms()))


def _digest(body: dict[str, object], name: str) -> RecordId:
    text = body.get(name)
    if not isinstance(text, str) or _DIGEST.match(text) is None:
        raise invalid(FieldProblem(name, "64 hexadecimal digits"))
    return RecordId(bytes.fromhex(text[-64:]))


def _stated(term: DisputeGround | Ruling, field: str) -> int:
    if term == 0:
        words = ", ".join(entry.label for entry in type(term) if entry != 0)
        raise FieldError(field, term.label, f"one of {words}")
    return int(term)


def _case_ref(body: dict[str, object]) -> str:
    text = body.get("case_ref", "")
    if not isinstance(text, str) or len(text) > CASE_REF_MAX:
        raise invalid(FieldProblem("case_ref", f"text of at most {CASE_REF_MAX} characters"))
    return text


def _write(name: str, summary: str, body: type[Any] | None, *, required: bool = False) -> Any:
    return doc.operation(
        name,
        "disputes",
        summary,
        _OUTCOME,
        body=None if body is None else doc.json_body(body, required=required),
        parameters=_WRITE,
        path=() if name == "openDispute" else ("record_id",),
        problems=(404, 409),
    )


def _read(name: str, summary: str, answer: type[Any], path: tuple[str, ...], **how: Any) -> Any:
    return doc.operation(name, "disputes", summary, {200: answer}, path=path, **how)


def dispute_routes(at: DisputeRoutes, settings: ApiSettings) -> list[Route]:
    """The routes with who may use them and what the documentation says."""
    limit = settings.request_timeout_ms
    contest = _write("openDispute", "Dispute a record", schemas.DisputeIn, required=True)
    rule = _write("ruleRecord", "Rule on a record's disputes", schemas.RulingIn, required=True)
    retract = _write("retractRecord", "Take an own record back", schemas.RecordCaseIn)
    expire = _write("expireRecord", "End an own record's time", schemas.RecordCaseIn)
    erase = _write("eraseRecord", "Order that a record is destroyed", schemas.RecordErasureIn)
    every = _read(
        "listDisputes", "List disputes, newest first", schemas.DisputesOut, (), parameters=_LISTED
    )
    one = _read(
        "showDispute", "Show a dispute", schemas.DisputeOut, ("reference",), problems=(404,)
    )
    past = _read(
        "showHistory", "A record's history", schemas.HistoryOut, ("record_id",), problems=(404,)
    )
    return [
        Route("POST", _BASE, at.open, WRITERS, contest, limit),
        Route("GET", _BASE, at.list, READERS, every, limit),
        Route("GET", f"{_BASE}/{{reference}}", at.show, READERS, one, limit),
        Route("POST", f"{_RECORD}/rulings", at.rule, WRITERS, rule, limit),
        Route("POST", f"{_RECORD}/retraction", at.retract, WRITERS, retract, limit),
        Route("POST", f"{_RECORD}/expiry", at.expire, WRITERS, expire, limit),
        Route("POST", f"{_RECORD}/erasure", at.erase, WRITERS, erase, limit),
        Route("GET", f"{_RECORD}/history", at.history, READERS, past, limit),
    ]
