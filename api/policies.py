"""Policies over REST: list, show, and put a document on the ledger.

Rules: every role reads; an admin's key publishes, with the policy's document itself as the body in
any spelling of its JSON: the canonical form goes on the ledger. A fault is answered 422 with its
JSON path. Putting a policy in force is a vote (`/v1/governance`).
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from api import documentation as doc
from api import policies_schemas as schemas
from api.exchange import ALL_ROLES, JSON_TYPE, Exchange, Reply, Route, json_reply
from api.problems import FieldProblem, invalid, refused
from api.settings import ApiSettings
from api.writes import BodyDigest, write_status
from bulwark.policies.document import MAX_POLICY_BYTES, PolicyInvalid
from node.governance.policyport import PolicyService, PolicyView, Publication
from node.service import Role

ADMINS: Final = frozenset({Role.ADMIN})
MAX_BODY_BYTES: Final = 4 * MAX_POLICY_BYTES
NAME: Final = re.compile(r"(?:0x)?[0-9a-fA-F]{64}\Z|[a-z0-9][a-z0-9.-]{0,62}\Z")
_LIST: Final = doc.operation(
    "listPolicies",
    "policies",
    "List the policies of the ledger, newest first",
    {200: schemas.PoliciesOut},
)
_SHOW: Final = doc.operation(
    "showPolicy",
    "policies",
    "Show a policy with its document, by id or title",
    {200: schemas.PolicyOut},
    path=["policy_id"],
    problems=(404,),
)
_PUBLISH: Final = doc.operation(
    "publishPolicy",
    "policies",
    "Put a policy document on the ledger; a vote puts it in force",
    {201: schemas.PublicationOut, 202: schemas.PublicationOut},
    body=doc.json_body(schemas.PolicyIn),
    parameters=(doc.WAIT, doc.IDEMPOTENCY),
    problems=(409,),
)


class PolicyRoutes:
    """Handlers of /v1/policies."""

    def __init__(self, service: PolicyService) -> None:
        self._service = service

    async def list(self, exchange: Exchange) -> Reply:
        """GET /v1/policies."""
        exchange.query()
        found = [summary(view) for view in self._service.policies()]
        return json_reply(200, {"policies": found})

    async def show(self, exchange: Exchange) -> Reply:
        """GET /v1/policies/{policy_id}."""
        exchange.query()
        name = exchange.params["policy_id"]
        if NAME.match(name) is None:
            allowed = "64 hexadecimal digits, or a title"
            raise refused("policy_id", allowed)
        return json_reply(200, policy_document(self._service.policy(name)))

    async def publish(self, exchange: Exchange) -> Reply:
        """POST /v1/policies."""
        exchange.content_type(JSON_TYPE)
        wait, digest = exchange.wait(), BodyDigest(exchange)
        body = await exchange.body(MAX_BODY_BYTES)
        try:
            outcome = await self._service.publish(
                body, wait=wait, idempotency=digest.idempotency(body)
            )
        except PolicyInvalid as error:
            raise invalid(FieldProblem(error.path, error.detail)) from None
        place = f"/v1/policies/{outcome.id.hex()}".encode("ascii")
        return json_reply(
            write_status(outcome.stage), publication_document(outcome), (b"location", place)
        )


def policy_routes(at: PolicyRoutes, settings: ApiSettings) -> list[Route]:
    """The routes with who may use them and what the documentation says."""
    limit = settings.request_timeout_ms
    base = "/v1/policies"
    return [
        Route("GET", base, at.list, ALL_ROLES, _LIST, limit),
        Route("GET", f"{base}/{{policy_id}}", at.show, ALL_ROLES, _SHOW, limit),
        Route("POST", base, at.publish, ADMINS, _PUBLISH, limit),
    ]


def summary(view: PolicyView) -> dict[str, Any]:
    """One line of the list."""
    policy = view.policy
    return {
        "id": view.id.hex(),
        "title": None if policy is None else policy.title,
        "version": None if policy is None else policy.version,
        "text": None if policy is None else policy.text,
        "state": view.state,
        "since": view.since,
        "until": view.until,
        "publisher": view.publisher or None,
        "default": view.is_default,
        "fault": view.fault or None,
    }


def policy_document(view: PolicyView) -> dict[str, Any]:
    """A policy with its document; the bytes whose SHA-256 is the id are its RFC 8785 form."""
    document = None if view.policy is None else orjson.loads(view.policy.document)
    return {**summary(view), "document": document}


def publication_document(outcome: Publication) -> dict[str, Any]:
    """What became of a publication."""
    return {
        "id": outcome.id.hex(),
        "transaction": f"0x{outcome.transaction.hex()}",
        "stage": outcome.stage.label,
        "height": outcome.height,
    }
