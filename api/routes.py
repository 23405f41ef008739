"""Routes: the table of all paths with who may use them and what the documentation says.

Rules: this table is the contract's list; the edge serves from it, the router goes by it and the
OpenAPI document shows it. Roles: a reporter writes, screens and reads; an analyst screens and
reads; an operator sees the node and its metrics and sends transactions; an auditor reads records,
proofs, blocks and members. Blocks, members, evidence and JSON-RPC reads are for every key.
"""

from __future__ import annotations

from typing import Any, Final

from api import diagnosis_schemas, rpc_schemas, schemas, screening_schemas
from api import documentation as doc
from api.diagnosis import DiagnosisRoutes
from api.evidence import EvidenceRoutes
from api.exchange import ALL_ROLES, Route
from api.indicators import IndicatorRoutes
from api.rpc import RpcRoute
from api.screenings import ScreeningRoutes
from api.settings import ApiSettings
from api.state import StateRoutes
from node.service import Role

WRITERS: Final = frozenset({Role.REPORTER})
SCREENERS: Final = frozenset({Role.REPORTER, Role.ANALYST})
READERS: Final = frozenset({Role.REPORTER, Role.ANALYST, Role.AUDITOR})
OPERATORS: Final = frozenset({Role.OPERATOR})
ADMINS: Final = frozenset({Role.ADMIN})
_WRITE: Final = [doc.WAIT, doc.IDEMPOTENCY]


def indicator_routes(at: IndicatorRoutes, settings: ApiSettings) -> list[Route]:
    """Reporting and reading indicators."""
    one = doc.operation(
        "reportIndicator",
        "indicators",
        "Report one indicator",
        {200: schemas.ReportOut, 201: schemas.ReportOut, 202: schemas.ReportOut},
        body=doc.json_body(schemas.IndicatorIn),
        parameters=_WRITE,
        problems=(409,),
    )
    many = doc.operation(
        "reportIndicators",
        "indicators",
        "Report up to 100,000 indicators as NDJSON or CSV",
        {200: schemas.ReportBatchOut, 202: schemas.ReportBatchOut},
        body=doc.upload(schemas.IndicatorIn),
        parameters=_WRITE,
        problems=(409,),
    )
    record = doc.operation(
        "showRecord",
        "indicators",
        "Show a record",
        {200: schemas.RecordOut},
        path=["record_id"],
        problems=(404,),
    )
    proof = doc.operation(
        "proveRecord",
        "records",
        "Offline proof of a finalized record",
        {200: schemas.ProofOut},
        path=["record_id"],
        problems=(404, 409),
    )
    single, batch = settings.request_timeout_ms, settings.batch_timeout_ms
    return [
        Route("POST", "/v1/indicators", at.report, WRITERS, one, single, fast=True),
        Route("POST", "/v1/indicators/batches", at.report_batch, WRITERS, many, batch),
        Route("GET", "/v1/indicators/{record_id}", at.record, READERS, record, single),
        Route("GET", "/v1/records/{record_id}/proof", at.proof, READERS, proof, single),
    ]


def screening_routes(at: ScreeningRoutes, settings: ApiSettings) -> list[Route]:
    """Asking."""
    one = doc.operation(
        "screen",
        "screenings",
        "Ask about one identifier, now or as of a block",
        {200: screening_schemas.ScreeningOut},
        body=doc.json_body(screening_schemas.ScreeningAtIn),
        parameters=[doc.REMEMBER],
        problems=(404,),
    )
    many = doc.operation(
        "screenBatch",
        "screenings",
        "Ask about up to 100,000 identifiers as NDJSON or CSV",
        {200: screening_schemas.ScreeningBatchOut},
        body=doc.upload(screening_schemas.ScreeningIn),
        parameters=[doc.REMEMBER],
    )
    single, batch = settings.request_timeout_ms, settings.batch_timeout_ms
    return [
        Route("POST", "/v1/screenings", at.screen, SCREENERS, one, single, fast=True),
        Route("POST", "/v1/screenings/batches", at.screen_batch, SCREENERS, many, batch),
    ]


def state_routes(at: StateRoutes, settings: ApiSettings) -> list[Route]:
    """The chain and the node."""
    block = doc.operation(
        "showBlock", "ledger", "Show a block", {200: schemas.BlockOut}, path=["at"], problems=(404,)
    )
    members = doc.operation("showMembers", "ledger", "Show the members", {200: schemas.MembersOut})
    node = doc.operation("showNode", "node", "Show this node's state", {200: schemas.NodeOut})
    health = doc.operation(
        "health", "node", "Is the process alive?", {200: schemas.HealthOut}, open_to_all=True
    )
    both = {200: schemas.ReadinessOut, 503: schemas.ReadinessOut}
    ready = doc.operation("ready", "node", "Does the node serve?", both, open_to_all=True)
    text = {200: "text/plain"}
    metrics = doc.operation(
        "metrics", "node", "Prometheus metrics", text, open_to_all=settings.open_metrics
    )
    limit = settings.request_timeout_ms
    who = None if settings.open_metrics else OPERATORS
    return [
        Route("GET", "/v1/blocks/{at}", at.block, ALL_ROLES, block, limit),
        Route("GET", "/v1/members", at.members, ALL_ROLES, members, limit),
        Route("GET", "/v1/node", at.node, OPERATORS, node, limit),
        Route("GET", "/healthz", at.health, None, health, limit, fast=True),
        Route("GET", "/readyz", at.ready, None, ready, limit, fast=True),
        Route("GET", "/metrics", at.metrics, who, metrics, limit),
    ]


def oversight_routes(
    diagnosis: DiagnosisRoutes, evidence: EvidenceRoutes, settings: ApiSettings
) -> list[Route]:
    """Why there is no block, and who broke the protocol."""
    path = ["evidence_id"]
    why = doc.operation(
        "diagnose",
        "node",
        "Say why there is no block, or that all is well",
        {200: diagnosis_schemas.DiagnosisOut},
    )
    every = doc.operation(
        "listEvidence",
        "evidence",
        "List the evidence against validators",
        {200: diagnosis_schemas.EvidenceListOut},
    )
    one = doc.operation(
        "showEvidence",
        "evidence",
        "Show a piece of evidence with its signed messages",
        {200: diagnosis_schemas.EvidenceOut},
        path=path,
        problems=(404,),
    )
    post = doc.operation(
        "postEvidence",
        "evidence",
        "Post a piece of evidence to the ledger, once",
        {202: diagnosis_schemas.EvidenceSummaryOut},
        body=doc.json_body(diagnosis_schemas.EvidencePostIn, required=False),
        path=path,
        problems=(404, 409),
    )
    limit = settings.request_timeout_ms
    base = "/v1/evidence"
    return [
        Route("GET", "/v1/node/diagnosis", diagnosis.show, OPERATORS, why, limit),
        Route("GET", base, evidence.list, ALL_ROLES, every, limit),
        Route("GET", f"{base}/{{evidence_id}}", evidence.show, ALL_ROLES, one, limit),
        Route("POST", f"{base}/{{evidence_id}}/post", evidence.post, ADMINS, post, limit),
    ]


def rpc_route(at: RpcRoute, settings: ApiSettings) -> Route:
    """JSON-RPC."""
    answers: dict[int, Any] = {200: rpc_schemas.RpcAnswers, 204: ""}
    document = doc.operation(
        "rpc",
        "json-rpc",
        "Ethereum JSON-RPC 2.0",
        answers,
        body=doc.json_body(rpc_schemas.RpcRequests),
    )
    limit = settings.request_timeout_ms
    return Route("POST", "/rpc", at.post, ALL_ROLES, document, limit, fast=True)
