"""Consents: giving, renewing, ending, erasing, finding and exporting consent receipts.

Rules: the receipt's content is the node's to judge; here only its size and form are bounded. A
person is named in a body and never in a URL, which logs and proxies keep. A withdrawal may come
without a body. The list is in the order of the ids, which are random: it says nothing of time.
"""

from __future__ import annotations

import re
from typing import Final

from api import consents_schemas as schemas
from api import documentation as doc
from api.exchange import JSON_TYPE, Exchange, Handler, Reply, Route, json_reply
from api.indicators import read_object
from api.problems import FieldProblem, Problem, invalid, refused
from api.query import number
from api.schemas import ProofOut
from api.settings import ApiSettings
from api.views import stage_name
from api.writes import BodyDigest, write_status
from bulwark.consents.ending import Ending
from bulwark.consents.faults import DocumentRefused
from node.consents.port import ConsentDetail, ConsentService, PersonName
from node.service import Idempotency, Role, Stage

MAX_PAGE: Final = 100
WRITERS: Final = frozenset({Role.REPORTER})
READERS: Final = frozenset({Role.REPORTER, Role.ANALYST, Role.AUDITOR})
KEEPERS: Final = frozenset({Role.REPORTER, Role.AUDITOR})
"""Who sees the receipts of people."""
REASONS: Final = tuple(each.label for each in Ending)
"""Why a consent ends; the first is what a withdrawal without a body says."""
_CONSENT_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}\Z")
_PHONE: Final = re.compile(r"\+[1-9][0-9]{4,14}\Z")
_AFTER: Final = {
    "name": "after",
    "in": "query",
    "description": "Id behind which the page begins",
    "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
}
_MOST: Final = {
    "name": "most",
    "in": "query",
    "description": "Length of the page",
    "schema": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": MAX_PAGE},
}


def consent_id_of(exchange: Exchange) -> str:
    """The consent id of the path; Problem 400 for text that can be none."""
    text = exchange.params["consent_id"]
    if _CONSENT_ID.match(text) is None:
        allowed = "1 to 128 letters, digits and . _ : -"
        raise refused("consent_id", allowed)
    return text


def consent_document(view: ConsentDetail) -> dict[str, object]:
    """A consent."""
    return {
        "consent_id": view.consent_id,
        "status": view.status,
        "receipt": view.receipt,
        "version": view.version,
        "anchor_id": view.anchor_id.hex(),
        "commitment": view.commitment.hex(),
        "stage": stage_name(view.stage),
        "height": view.height,
        "withdrawn_height": view.withdrawn_height,
        "records": [each.hex() for each in view.records],
    }


class ConsentRoutes:
    """Handlers of /v1/consents."""

    def __init__(self, service: ConsentService, settings: ApiSettings) -> None:
        self._service = service
        self._settings = settings

    async def give(self, exchange: Exchange) -> Reply:
        """POST /v1/consents."""
        wait = exchange.wait()
        document, promise = await self._document(exchange)
        try:
            view = await self._service.give(document, wait=wait, idempotency=promise)
        except DocumentRefused as error:
            raise faults(error) from None
        place = f"/v1/consents/{view.consent_id}".encode("ascii", "replace")
        return json_reply(write_status(view.stage), consent_document(view), (b"location", place))

    async def renew(self, exchange: Exchange) -> Reply:
        """POST /v1/consents/{consent_id}/renewal."""
        consent_id, wait = consent_id_of(exchange), exchange.wait()
        document, promise = await self._document(exchange)
        try:
            view = await self._service.renew(consent_id, document, wait=wait, idempotency=promise)
        except DocumentRefused as error:
            raise faults(error) from None
        return json_reply(_status_of(view), consent_document(view))

    async def withdraw(self, exchange: Exchange) -> Reply:
        """POST /v1/consents/{consent_id}/withdrawal."""
        consent_id, wait = consent_id_of(exchange), exchange.wait()
        document, promise = await self._document(exchange, needed=False)
        view = await self._service.withdraw(
            consent_id, _reason(document), wait=wait, idempotency=promise
        )
        return json_reply(_status_of(view), consent_document(view))

    async def erase(self, exchange: Exchange) -> Reply:
        """POST /v1/consents/{consent_id}/erasure."""
        consent_id = consent_id_of(exchange)
        exchange.query()
        document, _ = await self._document(exchange, needed=False)
        if document:
            raise invalid(FieldProblem(min(document)[:64], "an unknown field, none is known"))
        return json_reply(200, consent_document(await self._service.erase(consent_id)))

    async def show(self, exchange: Exchange) -> Reply:
        """GET /v1/consents/{consent_id}."""
        exchange.query()
        return json_reply(200, consent_document(self._service.show(consent_id_of(exchange))))

    async def list(self, exchange: Exchange) -> Reply:
        """GET /v1/consents."""
        given = exchange.query("after", "most")
        most = number(given, "most", MAX_PAGE, 1, MAX_PAGE)
        after = given.get("after", "")
        if "after" in given and re.fullmatch(r"[0-9a-f]{64}", after) is None:
            raise refused("after", "64 lower-case hex digits")
        found = self._service.page(after, most)
        following = found[-1].consent_id if len(found) == most else None
        return json_reply(
            200, {"consents": [consent_document(each) for each in found], "next": following}
        )

    async def search(self, exchange: Exchange) -> Reply:
        """POST /v1/consents/search."""
        found = self._service.search(await self._person(exchange))
        consents = [consent_document(each) for each in found]
        return json_reply(200, {"consents": consents, "next": None})

    async def export(self, exchange: Exchange) -> Reply:
        """POST /v1/consents/export."""
        return json_reply(200, dict(self._service.export(await self._person(exchange))))

    async def kantara(self, exchange: Exchange) -> Reply:
        """GET /v1/consents/{consent_id}/kantara."""
        exchange.query()
        return json_reply(200, dict(self._service.kantara(consent_id_of(exchange))))

    async def proof(self, exchange: Exchange) -> Reply:
        """GET /v1/consents/{consent_id}/proof."""
        exchange.query()
        return Reply(200, self._service.proof(consent_id_of(exchange)).to_json())

    async def _document(
        self, exchange: Exchange, *, needed: bool = True
    ) -> tuple[dict[str, object], Idempotency | None]:
        """The body's object and what the client promises of it."""
        if needed:
            exchange.content_type(JSON_TYPE)
        digest = BodyDigest(exchange)
        body = await exchange.body(self._settings.max_body_bytes)
        if body and not needed:
            exchange.content_type(JSON_TYPE)
        document = read_object(body) if body or needed else {}
        return document, digest.idempotency(body)

    async def _person(self, exchange: Exchange) -> PersonName:
        exchange.query()
        document, _ = await self._document(exchange)
        subject, phone = document.get("subject", ""), document.get("phone", "")
        if document.keys() - {"subject", "phone"} or bool(subject) == bool(phone):
            raise invalid(FieldProblem("subject", "exactly one of subject and phone"))
        if not isinstance(subject, str) or len(subject) > 256:
            raise invalid(FieldProblem("subject", "1 to 256 characters"))
        if not isinstance(phone, str) or (phone and _PHONE.match(phone) is None):
            raise invalid(FieldProblem("phone", "E.164, as + and 5 to 15 digits"))
        return PersonName(subject.strip(), phone)


def consent_routes(at: ConsentRoutes, settings: ApiSettings) -> list[Route]:
    """The table of /v1/consents."""
    limit = settings.request_timeout_ms
    base = "/v1/consents"
    one = f"{base}/{{consent_id}}"
    return [
        Route("POST", base, at.give, WRITERS, _operation("giveConsent"), limit),
        _reading("GET", base, at.list, KEEPERS, "listConsents", limit),
        _reading("POST", f"{base}/search", at.search, KEEPERS, "findConsents", limit),
        _reading("POST", f"{base}/export", at.export, KEEPERS, "exportConsents", limit),
        Route(
            "POST", f"{one}/withdrawal", at.withdraw, WRITERS, _operation("withdrawConsent"), limit
        ),
        Route("POST", f"{one}/renewal", at.renew, WRITERS, _operation("renewConsent"), limit),
        Route("POST", f"{one}/erasure", at.erase, WRITERS, _operation("eraseConsent"), limit),
        _reading("GET", one, at.show, READERS, "showConsent", limit),
        _reading("GET", f"{one}/kantara", at.kantara, KEEPERS, "showKantaraReceipt", limit),
        Route("GET", f"{one}/proof", at.proof, READERS, _operation("proveConsent"), limit),
    ]


def _reading(
    method: str, path: str, handler: Handler, roles: frozenset[Role], name: str, limit: int
) -> Route:
    """A route that shows what this member keeps of persons: each request is in the access log."""
    return Route(method, path, handler, roles, _operation(name), limit, audit=True)


def faults(error: DocumentRefused) -> Problem:
    """422 with every fault by its path."""
    return invalid(
        *(
            FieldProblem(fault.path, f"found {fault.found}, allowed: {fault.allowed}")
            for fault in error.faults
        )
    )


_OUT: Final = {200: schemas.ConsentOut, 202: schemas.ConsentOut}
_WRITE: Final = [doc.WAIT, doc.IDEMPOTENCY]
_ID: Final = ["consent_id"]
_OPERATIONS: Final[dict[str, dict[str, object]]] = {
    "giveConsent": doc.operation(
        "giveConsent",
        "consents",
        "Record a consent and anchor its receipt",
        {201: schemas.ConsentOut, 202: schemas.ConsentOut},
        body=doc.json_body(schemas.ConsentIn),
        parameters=_WRITE,
        problems=(409,),
    ),
    "renewConsent": doc.operation(
        "renewConsent",
        "consents",
        "Anchor the next version of a receipt, with another last day",
        _OUT,
        body=doc.json_body(schemas.RenewalIn),
        parameters=_WRITE,
        path=_ID,
        problems=(404, 409),
    ),
    "withdrawConsent": doc.operation(
        "withdrawConsent",
        "consents",
        "End a consent; its records are restricted everywhere from that block on",
        _OUT,
        body=doc.json_body(schemas.WithdrawalIn, required=False),
        parameters=_WRITE,
        path=_ID,
        problems=(404, 409),
    ),
    "eraseConsent": doc.operation(
        "eraseConsent",
        "consents",
        "Destroy the receipt of a consent that ended; a tombstone stays",
        {200: schemas.ConsentOut},
        body=doc.json_body(schemas.ReceiptErasureIn, required=False),
        path=_ID,
        problems=(404, 409),
    ),
    "showConsent": doc.operation(
        "showConsent",
        "consents",
        "Show a consent",
        {200: schemas.ConsentOut},
        path=_ID,
        problems=(404,),
    ),
    "listConsents": doc.operation(
        "listConsents",
        "consents",
        "List this member's consents",
        {200: schemas.ConsentsOut},
        parameters=(_AFTER, _MOST),
    ),
    "findConsents": doc.operation(
        "findConsents",
        "consents",
        "Find the consents of a person",
        {200: schemas.ConsentsOut},
        body=doc.json_body(schemas.PersonIn),
    ),
    "exportConsents": doc.operation(
        "exportConsents",
        "consents",
        "Export a person's receipts with salts and proofs",
        {200: schemas.ConsentBundleOut},
        body=doc.json_body(schemas.PersonIn),
        problems=(404, 409),
    ),
    "showKantaraReceipt": doc.operation(
        "showKantaraReceipt",
        "consents",
        "Show a receipt as a Kantara consent receipt v1.1",
        {200: schemas.KantaraOut},
        path=_ID,
        problems=(404,),
    ),
    "proveConsent": doc.operation(
        "proveConsent",
        "consents",
        "Offline proof of a finalized consent anchor",
        {200: ProofOut},
        path=_ID,
        problems=(404, 409),
    ),
}


def _operation(name: str) -> dict[str, object]:
    return _OPERATIONS[name]


def _status_of(view: ConsentDetail) -> int:
    return 200 if view.stage >= Stage.EXECUTED else 202


def _reason(document: dict[str, object]) -> str:
    unknown = document.keys() - {"reason"}
    if unknown:
        raise invalid(FieldProblem(min(unknown)[:64], "an unknown field, allowed: reason"))
    reason = document.get("reason", REASONS[0])
    if not isinstance(reason, str) or reason not in REASONS:
        raise invalid(FieldProblem("reason", f"one of {', '.join(REASONS)}"))
    return reason
