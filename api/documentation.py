"""Documentation: what the OpenAPI document says of each route.

Rules: a body is read by our own strict readers, so its schema is named here and not in a handler's
signature; every route lists the problems it can answer. It holds no behaviour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import orjson
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api import (
    access_schemas,
    advice_schemas,
    audit_schemas,
    consents_schemas,
    diagnosis_schemas,
    dispute_schemas,
    erasure_schemas,
    governance_schemas,
    identity_schemas,
    interaction_schemas,
    job_schemas,
    misp_schemas,
    openings_schemas,
    pack_schemas,
    policies_schemas,
    protection_schemas,
    push_schemas,
    rpc_schemas,
    schemas,
    screening_schemas,
    stix_schemas,
    taxii_schemas,
    upload_schemas,
)
from bulwark.indicators.model import REPORT_FIELDS, SCREENING_FIELDS

TEMPLATE: Final = "#/components/schemas/{model}"
MODELS: Final[tuple[type[BaseModel], ...]] = (
    schemas.IndicatorIn,
    schemas.ReportOut,
    schemas.ReportBatchOut,
    *screening_schemas.MODELS,
    schemas.RecordOut,
    *consents_schemas.MODELS,
    schemas.BlockOut,
    schemas.MembersOut,
    schemas.NodeOut,
    schemas.HealthOut,
    schemas.ReadinessOut,
    schemas.ProofOut,
    diagnosis_schemas.DiagnosisOut,
    diagnosis_schemas.EvidenceListOut,
    diagnosis_schemas.EvidenceSummaryOut,
    diagnosis_schemas.EvidenceOut,
    diagnosis_schemas.EvidencePostIn,
    *governance_schemas.MODELS,
    *identity_schemas.MODELS,
    *openings_schemas.MODELS,
    *access_schemas.MODELS,
    *advice_schemas.MODELS,
    *audit_schemas.MODELS,
    *dispute_schemas.MODELS,
    *erasure_schemas.MODELS,
    *job_schemas.MODELS,
    *misp_schemas.MODELS,
    *interaction_schemas.MODELS,
    *protection_schemas.MODELS,
    *pack_schemas.MODELS,
    *policies_schemas.MODELS,
    *push_schemas.MODELS,
    *stix_schemas.MODELS,
    *taxii_schemas.MODELS,
    *upload_schemas.MODELS,
    rpc_schemas.RpcRequests,
    rpc_schemas.RpcAnswers,
    schemas.ProblemOut,
)
ROWS: Final[tuple[type[BaseModel], ...]] = (
    schemas.IndicatorIn,
    screening_schemas.ScreeningIn,
    screening_schemas.ScreeningAtIn,
    misp_schemas.MispOptionsIn,
)
CELLS: Final = REPORT_FIELDS | SCREENING_FIELDS | {"red_as"}
"""Fields that are read as cells of a sheet, in JSON too."""
PROBLEMS: Final[dict[int, str]] = {
    400: "The request can not be read",
    401: "No key, or an unknown one",
    403: "The key's role or the member's may not do this",
    404: "There is no such thing",
    405: "This path does not know that method",
    408: "The body did not arrive in time",
    409: "The request contradicts what is there",
    410: "It is on the ledger, and pruned on this node",
    413: "The body is too large; nothing was taken",
    415: "Another content type is wanted",
    422: "A field does not hold an allowed value",
    429: "Too many requests or wrong keys; Retry-After says when to come back",
    500: "The node failed",
    503: "The node can not serve this now",
    504: "The node did not finish in time",
}
_ALWAYS: Final = (400, 401, 403, 405, 429, 500, 503, 504)
WAIT: Final[dict[str, Any]] = {
    "name": "wait",
    "in": "query",
    "description": "Answer once the write got this far",
    "schema": {
        "type": "string",
        "enum": ["accepted", "ordered", "executed", "finalized"],
        "default": "executed",
    },
}
REMEMBER: Final[dict[str, Any]] = {
    "name": "remember",
    "in": "query",
    "description": "Whether the retro-hunt may tell of the questions later",
    "schema": {"type": "string", "enum": ["true", "false"], "default": "true"},
}
IDEMPOTENCY: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key and body is one wish; with another body it is refused",
    "schema": {"type": "string", "pattern": "^[!-~]{1,128}$", "minLength": 1, "maxLength": 128},
}
_DIGEST: Final = {"type": "string", "pattern": "^(0x)?[0-9a-fA-F]{64}$"}
_CONSENT: Final = {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,128}$"}
_AT: Final = {"type": "string", "pattern": "^(latest|finalized|0|[1-9][0-9]{0,17})$"}
_IDENTITY: Final = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_RETRY: Final = {
    "description": "Seconds until it is worth asking again",
    "schema": {"type": "string", "pattern": "^[1-9][0-9]{0,9}$"},
}
HEADERS: Final[dict[str, dict[str, Any]]] = {
    "x-correlator": {
        "description": "The request's name in the node's log: the client's own, or a random one",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:/-]{1,128}$"},
    },
    "www-authenticate": {
        "description": "How to show who asks",
        "required": True,
        "schema": {"type": "string", "pattern": "^(Basic|Bearer) realm="},
    },
    "allow": {
        "description": "Methods that the path knows",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Z]+(, [A-Z]+)*$"},
    },
    "retry-after": _RETRY | {"required": True},
    "retry-later": _RETRY,
}
"""Headers of answers by their name in the document's components."""
_HEADERS_OF: Final = {
    "401": {"www-authenticate": "www-authenticate"},
    "405": {"allow": "allow"},
    "429": {"retry-after": "retry-after"},
    "503": {"retry-after": "retry-later"},
}
PATH_SCHEMAS: Final[dict[str, dict[str, str]]] = {
    "key_id": {"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,62}$"},
    "record_id": _DIGEST,
    "evidence_id": _DIGEST,
    "case_id": _DIGEST,
    "batch": _DIGEST,
    "reference": {"type": "string", "pattern": "^[0-9A-Za-z-]{16,66}$"},
    "member": {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,30}$"},
    "consent_id": _CONSENT,
    "correlator": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,128}$"},
    "at": _AT,
    "customer_report_id": _IDENTITY,
    "cooling_off_id": _IDENTITY,
    "protection_id": _IDENTITY,
    "report": {"type": "string", "pattern": "^[a-z]{1,32}$"},
    "ring_key": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    "feed_file": {
        "type": "string",
        "pattern": "^(manifest\\.json|hashes\\.csv|[0-9a-f-]{36}\\.json)$",
    },
    "source": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$"},
    "policy_id": {
        "type": "string",
        "pattern": "^((0x)?[0-9a-fA-F]{64}|[a-z0-9][a-z0-9.-]{0,62})$",
    },
    "job_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    "webhook_id": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
    "proposal_id": {"type": "string", "pattern": "^[1-9][0-9]{0,17}$"},
}


def reference(model: type[BaseModel]) -> dict[str, str]:
    """Reference to a model's schema."""
    return {"$ref": TEMPLATE.format(model=model.__name__)}


def json_body(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """Request body: one JSON document."""
    return {"required": required, "content": {"application/json": {"schema": reference(model)}}}


def upload(model: type[BaseModel]) -> dict[str, Any]:
    """Request body: NDJSON with one `model` a line, or CSV with its names as columns."""
    name = model.__name__
    lines, table = f"One {name} a line, at most 100,000 lines", f"Header with names of {name}, rows"
    text = {"type": "string", "pattern": "[!-~]"}
    (row,) = cast("dict[str, Any]", model.model_config["json_schema_extra"])["examples"]
    sheet = f"{','.join(row)}\n{','.join(str(cell) for cell in row.values())}\n"
    return {
        "required": True,
        "content": {
            "application/x-ndjson": {
                "schema": text | {"description": lines},
                "example": orjson.dumps(row).decode() + "\n",
            },
            "text/csv": {"schema": text | {"description": table}, "example": sheet},
        },
    }


def operation(
    name: str,
    tag: str,
    summary: str,
    answers: Mapping[int, type[BaseModel] | str],
    *,
    body: Mapping[str, Any] | None = None,
    parameters: Sequence[Mapping[str, Any]] = (),
    problems: Sequence[int] = (),
    path: Sequence[str] = (),
    open_to_all: bool = False,
) -> dict[str, Any]:
    """One OpenAPI operation; a string as answer is the content type of a text."""
    responses: dict[str, Any] = {}
    for status, answer in answers.items():
        responses[str(status)] = _response(answer)
    extra = (408, 413, 415, 422) if body is not None else ()
    codes = {405, 429, 500} if open_to_all else {*_ALWAYS, *extra, *problems}
    if 404 in codes or tag == "audit":
        codes.add(410)  # what is old may be on the ledger and not on this node any more
    for status in sorted(codes - set(answers)):
        problem = {"schema": reference(schemas.ProblemOut)}
        content = {"application/problem+json": problem}
        responses[str(status)] = {"description": PROBLEMS[status], "content": content}
    shown: dict[str, Any] = {
        "operationId": name,
        "tags": [tag],
        "summary": summary,
        "parameters": [
            *({"name": p, "in": "path", "required": True, "schema": PATH_SCHEMAS[p]} for p in path),
            *parameters,
        ],
        "responses": responses,
        "security": [] if open_to_all else [{"key": []}],
    }
    if body is not None:
        shown["requestBody"] = dict(body)
    return shown


def with_headers(responses: Mapping[str, Any]) -> dict[str, Any]:
    """Responses by their status, each with the headers that come with that status."""
    shown = {}
    for status, response in responses.items():
        names = {"x-correlator": "x-correlator"} | _HEADERS_OF.get(status, {})
        headers = {name: {"$ref": f"#/components/headers/{at}"} for name, at in names.items()}
        shown[status] = {**response, "headers": headers}
    return shown


def _response(answer: type[BaseModel] | str) -> dict[str, Any]:
    if isinstance(answer, str):
        content = {answer: {"schema": {"type": "string"}}} if answer else None
        return {"description": "Done"} | ({"content": content} if content else {})
    description = (answer.__doc__ or answer.__name__).strip().splitlines()[0]
    return {
        "description": description,
        "content": {"application/json": {"schema": reference(answer)}},
    }


def component_schemas() -> dict[str, Any]:
    """Schemas of all models that operations refer to."""
    _, document = models_json_schema(
        [(model, "validation") for model in MODELS], ref_template=TEMPLATE
    )
    found: dict[str, Any] = document["$defs"]
    for model in ROWS:
        shown = found[model.__name__]
        optional = shown["properties"].keys() - set(shown.get("required", ()))
        for name in optional & CELLS:
            shown["properties"][name] = _cell(shown["properties"][name])
    return found


def _cell(stated: Mapping[str, Any]) -> dict[str, Any]:
    """A field of a row, which may come from a sheet: null and '' are one that is not given."""
    known = dict(stated)
    if known.get("type") == "integer":
        bounds = {"type": known.pop("type")}
        bounds |= {name: known.pop(name) for name in ("minimum", "maximum") if name in known}
        digits = {"type": "string", "pattern": "^ {0,4}[0-9]{0,8} {0,4}$"}
        return known | {"anyOf": [bounds, digits, {"type": "null"}]}
    if known.get("type") == "string":
        known["type"] = ["string", "null"]
        if "enum" in known:
            known["enum"] = [*known["enum"], "", None]
    return known
