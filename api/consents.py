"""Consents: giving, withdrawing and showing consent receipts, and the proof of an anchor.

Rules: the receipt's content is the service's to judge; here only its size and form are bounded.
A withdrawal may come without a body.
"""

from __future__ import annotations

import re
from typing import Final

from api.exchange import JSON_TYPE, Exchange, Reply, json_reply
from api.indicators import read_object
from api.problems import FieldProblem, Problem, invalid
from api.settings import ApiSettings
from api.views import consent_document
from api.writes import BodyDigest, write_status
from node.service import NodeService, Stage

REASONS: Final = ("withdrawn", "expired", "invalidated", "objected")
"""Why a consent ends; the first is what a withdrawal without a body says."""
_CONSENT_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}\Z")


def consent_id_of(exchange: Exchange) -> str:
    """The consent id of the path; Problem 400 for text that can be none."""
    text = exchange.params["consent_id"]
    if _CONSENT_ID.match(text) is None:
        allowed = "1 to 128 letters, digits and . _ : -"
        error = FieldProblem("consent_id", allowed)
        raise Problem(400, "invalid", f"consent_id: {allowed}", errors=(error,))
    return text


class ConsentRoutes:
    """Handlers of /v1/consents."""

    def __init__(self, service: NodeService, settings: ApiSettings) -> None:
        self._service = service
        self._settings = settings

    async def give(self, exchange: Exchange) -> Reply:
        """POST /v1/consents."""
        exchange.content_type(JSON_TYPE)
        wait = exchange.wait()
        digest = BodyDigest(exchange)
        body = await exchange.body(self._settings.max_body_bytes)
        document = read_object(body)
        view = await self._service.give_consent(
            document, wait=wait, idempotency=digest.idempotency(body)
        )
        place = f"/v1/consents/{view.consent_id}".encode("ascii", "replace")
        return json_reply(write_status(view.stage), consent_document(view), (b"location", place))

    async def withdraw(self, exchange: Exchange) -> Reply:
        """POST /v1/consents/{consent_id}/withdrawal."""
        consent_id = consent_id_of(exchange)
        wait = exchange.wait()
        digest = BodyDigest(exchange)
        body = await exchange.body(self._settings.max_body_bytes)
        if body:
            exchange.content_type(JSON_TYPE)
        reason = _reason(read_object(body) if body else {})
        view = await self._service.withdraw_consent(
            consent_id, reason, wait=wait, idempotency=digest.idempotency(body)
        )
        status = 200 if view.stage >= Stage.EXECUTED else 202
        return json_reply(status, consent_document(view))

    async def show(self, exchange: Exchange) -> Reply:
        """GET /v1/consents/{consent_id}."""
        exchange.query()
        return json_reply(
            200, consent_document(await self._service.consent(consent_id_of(exchange)))
        )

    async def proof(self, exchange: Exchange) -> Reply:
        """GET /v1/consents/{consent_id}/proof."""
        exchange.query()
        proof = await self._service.consent_proof(consent_id_of(exchange))
        return Reply(200, proof.to_json())


def _reason(document: dict[str, object]) -> str:
    unknown = document.keys() - {"reason"}
    if unknown:
        raise invalid(FieldProblem(min(unknown)[:64], "an unknown field, allowed: reason"))
    reason = document.get("reason", REASONS[0])
    if not isinstance(reason, str) or reason not in REASONS:
        raise invalid(FieldProblem("reason", f"one of {', '.join(REASONS)}"))
    return reason
