"""Erasures over REST: orders, offers, who confirmed what, and the receipts of all members.

Rules: a reporter's or admin's key orders, every key that reads records reads the rest; what the
lifecycle refuses is told record by record with its rule; a write answers 201 once it is executed
and 202 before.
"""

from __future__ import annotations

import re
from typing import Final

from api import documentation as doc
from api import erasure_schemas as schemas
from api.exchange import JSON_TYPE, Exchange, Reply, Route, json_reply
from api.indicators import read_object
from api.problems import FieldProblem, invalid, refused
from api.settings import ApiSettings
from api.views import stage_name, timestamp
from api.writes import BodyDigest, write_status
from bulwark.ledger.ids import Digest, RecordId
from node.erasure.port import (
    MAX_ORDERS,
    BatchView,
    ErasureService,
    ErasureView,
    Ground,
    OrderOutcome,
    OrderView,
)
from node.service import Role

WRITERS: Final = frozenset({Role.REPORTER, Role.ADMIN})
READERS: Final = frozenset({Role.REPORTER, Role.ANALYST, Role.AUDITOR, Role.OPERATOR, Role.ADMIN})
MAX_OFFERED: Final = 10_000
_DIGEST: Final = re.compile(r"(?:0x)?[0-9a-fA-F]{64}\Z")
_GROUNDS: Final = {ground.label: ground for ground in Ground}
_BASE: Final = "/v1/erasures"
_ORDER: Final = doc.operation(
    "orderErasure",
    "erasures",
    "Order records to be erased at every member",
    {200: schemas.ErasureOut, 201: schemas.ErasureOut, 202: schemas.ErasureOut},
    body=doc.json_body(schemas.ErasureIn),
    parameters=(doc.WAIT, doc.IDEMPOTENCY),
    problems=(409,),
)
_OFFERS: Final = doc.operation(
    "listErasureOffers",
    "erasures",
    "List this member's records whose consent ended",
    {200: schemas.OffersOut},
)
_BATCH: Final = doc.operation(
    "showErasureBatch",
    "erasures",
    "Show who confirmed a batch of orders",
    {200: schemas.BatchOut},
    path=["batch"],
    problems=(404,),
)
_RECORD: Final = doc.operation(
    "showErasure",
    "erasures",
    "Show the orders to erase a record and who confirmed them",
    {200: schemas.RecordErasureOut},
    path=["record_id"],
    problems=(404,),
)
_RECEIPTS: Final = doc.operation(
    "readErasureReceipts",
    "erasures",
    "Signed receipts of all members for one erased record",
    {200: schemas.ReceiptsOut},
    path=["record_id"],
    problems=(404, 409),
)


class ErasureRoutes:
    """Handlers of erasures."""

    def __init__(self, service: ErasureService, settings: ApiSettings) -> None:
        self._service = service
        self._settings = settings

    async def order(self, exchange: Exchange) -> Reply:
        """POST /v1/erasures."""
        exchange.content_type(JSON_TYPE)
        wait, digest = exchange.wait(), BodyDigest(exchange)
        raw = await exchange.body(self._settings.max_body_bytes)
        body = read_object(raw)
        unknown = body.keys() - {"records", "ground"}
        if unknown:
            raise invalid(FieldProblem(min(unknown)[:64], "allowed: records, ground"))
        ground = _GROUNDS.get(str(body.get("ground", "request")))
        if ground is None:
            raise invalid(FieldProblem("ground", f"one of {', '.join(_GROUNDS)}"))
        outcome = await self._service.order(
            _records(body.get("records")), ground, wait=wait, idempotency=digest.idempotency(raw)
        )
        status = 200 if outcome.root is None else write_status(outcome.stage)
        return json_reply(status, outcome_document(outcome))

    async def offers(self, exchange: Exchange) -> Reply:
        """GET /v1/erasures/offers."""
        exchange.query()
        offers = [
            {"consent": offer.anchor_id.hex(), "records": [r.hex() for r in offer.records]}
            for offer in await self._service.offers(MAX_OFFERED)
        ]
        return json_reply(200, {"offers": offers})

    async def batch(self, exchange: Exchange) -> Reply:
        """GET /v1/erasures/{batch}."""
        exchange.query()
        return json_reply(
            200, batch_document(await self._service.batch(Digest(_id(exchange, "batch"))))
        )

    async def record(self, exchange: Exchange) -> Reply:
        """GET /v1/records/{record_id}/erasure."""
        exchange.query()
        view = await self._service.erasure(RecordId(_id(exchange, "record_id")))
        return json_reply(200, erasure_document(view))

    async def receipts(self, exchange: Exchange) -> Reply:
        """GET /v1/records/{record_id}/erasure/receipts."""
        exchange.query()
        found = await self._service.receipts(RecordId(_id(exchange, "record_id")))
        return json_reply(200, dict(found))


def erasure_routes(at: ErasureRoutes, settings: ApiSettings) -> list[Route]:
    """The routes with who may use them and what the documentation says."""
    limit, long = settings.request_timeout_ms, settings.batch_timeout_ms
    one = "/v1/records/{record_id}/erasure"
    return [
        Route("POST", _BASE, at.order, WRITERS, _ORDER, long),
        Route("GET", f"{_BASE}/offers", at.offers, WRITERS, _OFFERS, long),
        Route("GET", f"{_BASE}/{{batch}}", at.batch, READERS, _BATCH, limit),
        Route("GET", one, at.record, READERS, _RECORD, limit),
        Route("GET", f"{one}/receipts", at.receipts, READERS, _RECEIPTS, limit),
    ]


def outcome_document(outcome: OrderOutcome) -> dict[str, object]:
    """What became of a request."""
    is_sent = outcome.root is not None
    return {
        "batch": None if outcome.root is None else outcome.root.hex(),
        "transaction": None if outcome.transaction is None else f"0x{outcome.transaction.hex()}",
        "stage": stage_name(outcome.stage) if is_sent else None,
        "height": outcome.height,
        "ordered": [record_id.hex() for record_id in outcome.ordered],
        "refused": [
            {"record_id": record_id.hex(), "rule": refusal.rule, "detail": refusal.detail}
            for record_id, refusal in outcome.refused
        ],
    }


def batch_document(view: BatchView) -> dict[str, object]:
    """A batch and who confirmed it."""
    return {
        "batch": view.root.hex(),
        "height": view.height,
        "at": timestamp(view.timestamp_ms),
        "confirmations": [
            {
                "member": each.member,
                "record_id": each.record_id.hex(),
                "recalled": each.recalled,
                "destroyed": each.destroyed,
                "height": each.height,
                "at": timestamp(each.timestamp_ms),
            }
            for each in view.confirmations
        ],
        "missing": list(view.missing),
    }


def erasure_document(view: ErasureView) -> dict[str, object]:
    """How the erasure of a record stands."""
    return {
        "record_id": view.record_id.hex(),
        "erased_here": view.erased_here,
        "orders": [_order(order) for order in view.orders],
    }


def _order(order: OrderView) -> dict[str, object]:
    names = {ground.value: label for label, ground in _GROUNDS.items()}
    return {
        "record_id": order.record_id.hex(),
        "member": order.member,
        "ground": names.get(order.ground, f"unknown {order.ground}"),
        "height": order.height,
        "at": timestamp(order.timestamp_ms),
        "refused": order.refused,
        "batch": None if order.batch is None else batch_document(order.batch),
    }


def _records(value: object) -> list[RecordId]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_ORDERS:
        raise invalid(FieldProblem("records", f"a list of 1 to {MAX_ORDERS} record ids"))
    for number, each in enumerate(value):
        if not isinstance(each, str) or _DIGEST.match(each) is None:
            raise invalid(FieldProblem(f"records[{number}]", "64 hexadecimal digits"))
    return [RecordId(bytes.fromhex(each.removeprefix("0x"))) for each in value]


def _id(exchange: Exchange, name: str) -> bytes:
    text = exchange.params[name]
    if _DIGEST.match(text) is None:
        raise refused(name, "64 hexadecimal digits")
    return bytes.fromhex(text.removeprefix("0x"))
