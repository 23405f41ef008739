"""CAMARA Consent Info 0.2.0: POST /consent-info/v0.2/retrieve, as telecom clients call it.

Rules: request, answer and errors are those of the API's OpenAPI document (camaraproject/ConsentInfo
r2.3); an API key of this node is a two-legged token, so the telephone number is needed. Consent is
not captured here: `captureUrl` is never in an answer, a `callbackUrl` is read and not used. A
wrong role and a deadline are told in the same form; who shows no key gets the problem document of
every path and learns nothing of this one.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec.structs import replace

from api import consents_schemas as schemas
from api import documentation as doc
from api.exchange import JSON_TYPE, Exchange, Reply, Route, json_reply
from api.json_text import JsonInvalid, decode_object
from api.problems import Problem
from api.settings import ApiSettings
from node.consents.port import ConsentService, PersonName
from node.service import Role

PATH: Final = "/consent-info/v0.2/retrieve"
ASKERS: Final = frozenset({Role.REPORTER, Role.ANALYST})
MAX_SCOPES: Final = 32
MAX_SCOPE: Final = 256
_PHONE: Final = re.compile(r"\+[1-9][0-9]{4,14}\Z")
_PURPOSE: Final = re.compile(r"dpv:[a-zA-Z0-9]{1,124}\Z")
_FIELDS: Final = ("phoneNumber", "scopes", "purpose", "requestCaptureUrl", "callbackUrl")


_CODES: Final = {
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "TOO_MANY_REQUESTS",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "TIMEOUT",
}
"""CAMARA's codes of what is refused outside the handler; anything else is INVALID_ARGUMENT."""


class ConsentInfoRoutes:
    """Handler of the status request."""

    def __init__(self, service: ConsentService, settings: ApiSettings) -> None:
        self._service = service
        self._settings = settings

    async def retrieve(self, exchange: Exchange) -> Reply:
        """POST /consent-info/v0.2/retrieve."""
        try:
            exchange.query()
            exchange.content_type(JSON_TYPE)
            body = decode_object(await exchange.body(self._settings.max_body_bytes))
        except (Problem, JsonInvalid) as error:
            return _error(400, "INVALID_ARGUMENT", error.detail)
        fault = _fault(body)
        if fault:
            return _error(400, "INVALID_ARGUMENT", fault)
        phone = body.get("phoneNumber")
        if phone is None:
            return _error(422, "MISSING_IDENTIFIER", "The phone number cannot be identified.")
        scopes = [str(scope) for scope in _listed(body["scopes"])]
        found = self._service.status(PersonName(phone=str(phone)), scopes, str(body["purpose"]))
        if found is None:
            return _error(404, "IDENTIFIER_NOT_FOUND", "Phone number not found.")
        return json_reply(200, dict(found))


def consent_info_routes(at: ConsentInfoRoutes, settings: ApiSettings) -> list[Route]:
    """The one route."""
    operation = doc.operation(
        "retrieveConsentStatus",
        "consents",
        "Tell whether data of a person may be processed (CAMARA Consent Info 0.2.0)",
        {200: schemas.StatusResponseOut},
        body=doc.json_body(schemas.StatusRequestIn),
        problems=(404,),
    )
    answers = operation["responses"]
    for answer in answers.values():
        if "application/problem+json" in answer.get("content", {}):
            form = {"schema": doc.reference(schemas.ErrorInfoOut)}
            answer["content"] = {**answer["content"], "application/json": form}
    limit = settings.request_timeout_ms
    return [Route("POST", PATH, at.retrieve, ASKERS, operation, limit, refuse=_refusal, audit=True)]


def _refusal(problem: Problem, correlator: str) -> Reply:
    """A refusal of the edge in CAMARA's form; the correlator is in its header already."""
    code = _CODES.get(problem.status, "INVALID_ARGUMENT")
    made = _error(problem.status, code, problem.detail)
    headers = tuple((k.encode(), v.encode("latin-1")) for k, v in problem.headers.items())
    return replace(made, headers=(*made.headers, *headers))


def _error(status: int, code: str, message: str) -> Reply:
    return json_reply(status, {"status": status, "code": code, "message": message})


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _fault(body: dict[str, object]) -> str:
    """What is wrong with a request, empty for nothing; never repeats a value."""
    for name in body:
        if name not in _FIELDS:
            return f"an unknown field; known are {', '.join(_FIELDS)}"
    for name in ("scopes", "purpose", "requestCaptureUrl"):
        if name not in body:
            return f"{name} is missing"
    scopes = _listed(body["scopes"])
    if not 1 <= len(scopes) <= MAX_SCOPES or not all(
        isinstance(scope, str) and 1 <= len(scope) <= MAX_SCOPE for scope in scopes
    ):
        return f"scopes: a list of 1 to {MAX_SCOPES} texts of at most {MAX_SCOPE} characters"
    purpose, phone = body["purpose"], body.get("phoneNumber")
    if not isinstance(purpose, str) or _PURPOSE.match(purpose) is None:
        return "purpose: dpv: and the name of a purpose"
    if not isinstance(body["requestCaptureUrl"], bool):
        return "requestCaptureUrl: true or false"
    if phone is not None and (not isinstance(phone, str) or _PHONE.match(phone) is None):
        return "phoneNumber: E.164, as + and 5 to 15 digits"
    url = body.get("callbackUrl", "")
    if not isinstance(url, str) or len(url) > 2048:
        return "callbackUrl: a text of at most 2048 characters"
    return ""
