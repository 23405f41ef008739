"""MISP over REST: documents in with a report out, events, the feed and search sets.

Rules: those of `exchange_reading`; a reporter's key makes search sets, readers see the feed.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from api import documentation as doc
from api import misp_schemas as schemas
from api.bodies import number, text
from api.exchange import JSON_TYPE, Exchange, Reply, Route, json_reply
from api.exchange_reading import (
    ENVELOPE_BYTES,
    READERS,
    WRITERS,
    body_of,
    export_wish,
    import_wish,
    object_of,
    report_reply,
    source_of,
    source_reply,
)
from api.problems import FieldProblem, invalid, malformed, refused
from api.settings import ApiSettings
from bulwark.indicators.errors import FieldError
from bulwark.indicators.vocabulary import Kind
from bulwark.interop.misp.forms import DOCUMENT_BYTES_MAX
from bulwark.interop.misp.pss import ALGORITHMS, CAPACITY_MAX, FP_MAX, FP_MIN, KEY_MIN, PssWish
from node.exchange.port import ExchangeService, Form

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_FILE: Final = re.compile(r"manifest\.json|hashes\.csv|[0-9a-f-]{36}\.json")
_KEY: Final = re.compile(r"(?:[0-9a-fA-F]{2}){16,64}")
_BASE: Final = "/v1/exchange/misp"


class MispRoutes:
    """Handlers of /v1/exchange/misp."""

    def __init__(self, service: ExchangeService) -> None:
        self._service = service

    async def take(self, exchange: Exchange) -> Reply:
        """POST /v1/exchange/misp."""
        body = _envelope(await body_of(exchange, DOCUMENT_BYTES_MAX + ENVELOPE_BYTES))
        wish = import_wish(body, Form.MISP, "a JSON object or list", dict, list)
        return report_reply(await self._service.import_misp(wish, by=exchange.caller))

    async def export(self, exchange: Exchange) -> Reply:
        """POST /v1/exchange/misp/export."""
        wish = await export_wish(exchange)
        events = await self._service.export_misp(wish, by=exchange.caller)
        return json_reply(200, {"response": list(events)})

    async def feed(self, exchange: Exchange) -> Reply:
        """GET /v1/exchange/misp/feed/{feed_file}."""
        exchange.query()
        name = exchange.params["feed_file"]
        if _FILE.fullmatch(name) is None:
            raise refused("feed_file", "manifest.json, hashes.csv or UUID.json")
        content = await self._service.feed_file(name, by=exchange.caller)
        is_csv = name.endswith(".csv")
        return Reply(200, content, b"text/csv" if is_csv else JSON_TYPE)

    async def search_set(self, exchange: Exchange) -> Reply:
        """POST /v1/exchange/misp/search-set."""
        names = ("name", "key", "key_id", "algorithm", "probability", "capacity", "kinds")
        body = await object_of(exchange, *names)
        files = await self._service.search_set(_wish(body), _kinds(body), by=exchange.caller)
        shown = {name: base64.b64encode(content).decode() for name, content in files.items()}
        return json_reply(200, {"files": shown})

    async def source(self, exchange: Exchange) -> Reply:
        """GET /v1/exchange/misp/sources/{source}."""
        return source_reply(self._service.source(source_of(exchange)))

    async def forget(self, exchange: Exchange) -> Reply:
        """POST /v1/exchange/misp/forget."""
        await object_of(exchange)
        gone = await self._service.forget(by=exchange.caller)
        return json_reply(200, {"forgotten": gone})


def _envelope(raw: bytes) -> dict[str, Any]:
    """The body of an import: the document inside may have any depth that JSON readers take."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise malformed(f"no JSON at line {error.lineno}, column {error.colno}") from None
    if not isinstance(body, dict):
        raise malformed("a JSON object is wanted")
    return body


def _wish(body: Mapping[str, object]) -> PssWish:
    key, algorithm = text(body, "key", 128), text(body, "algorithm", 16) or "HMAC-SHA-256"
    name, key_id = text(body, "name", 64), text(body, "key_id", 64)
    problems: list[FieldProblem] = []
    if _KEY.fullmatch(key) is None:
        problems.append(FieldProblem("key", f"{KEY_MIN} to 64 bytes in hexadecimal"))
    if algorithm not in ALGORITHMS:
        problems.append(FieldProblem("algorithm", f"one of {', '.join(ALGORITHMS)}"))
    for field, given in (("name", name), ("key_id", key_id)):
        if _NAME.fullmatch(given) is None:
            problems.append(FieldProblem(field, "1 to 64 of A-Z a-z 0-9 . _ -"))
    probability = body.get("probability", 0.0001)
    is_number = isinstance(probability, int | float) and not isinstance(probability, bool)
    if not is_number or not FP_MIN <= float(str(probability)) <= FP_MAX:
        problems.append(FieldProblem("probability", f"a number from {FP_MIN} to {FP_MAX}"))
    if problems:
        raise invalid(*problems)
    return PssWish(
        name=name,
        key=bytes.fromhex(key),
        key_id=key_id,
        algorithm=algorithm,
        probability=float(str(probability)),
        capacity=number(body, "capacity", 0, 0, CAPACITY_MAX),
    )


def _kinds(body: Mapping[str, object]) -> list[str]:
    kinds = body.get("kinds", [])
    if not isinstance(kinds, list) or len(kinds) > len(Kind):
        raise invalid(FieldProblem("kinds", f"a list of at most {len(Kind)} kinds"))
    try:
        return [Kind.parse(kind, "kinds").label for kind in kinds]
    except FieldError as error:
        raise invalid(FieldProblem("kinds", error.allowed)) from error


def misp_routes(at: MispRoutes, settings: ApiSettings) -> list[Route]:
    """The routes with who may use them and what the documentation says."""
    limit, long = settings.request_timeout_ms, settings.batch_timeout_ms
    tag = "exchange"
    take = doc.operation(
        "importMisp",
        tag,
        "Take a MISP document in, item by item",
        {200: schemas.MispImportOut},
        body=doc.json_body(schemas.MispImportIn),
        problems=(409,),
    )
    out = doc.operation(
        "exportMisp",
        tag,
        "Records as MISP events",
        {200: schemas.MispEventsOut},
        body=doc.json_body(schemas.MispExportIn),
    )
    feed = doc.operation(
        "mispFeed",
        tag,
        "A file of the MISP feed: manifest.json, hashes.csv, UUID.json",
        {200: "text/csv"},
        path=("feed_file",),
        problems=(404,),
    )
    any_json = {"application/json": {"schema": {"type": "object"}}}
    feed["responses"]["200"]["content"] |= any_json
    found = doc.operation(
        "makeSearchSet",
        tag,
        "A Private Search Set of kept values",
        {200: schemas.MispSearchSetOut},
        body=doc.json_body(schemas.MispSearchSetIn),
        problems=(409,),
    )
    source = doc.operation(
        "showMispSource",
        tag,
        "Where the next pull from a source begins",
        {200: schemas.MispSourceOut},
        path=("source",),
    )
    forget = doc.operation(
        "forgetKept",
        tag,
        "Forget all kept clear text",
        {200: schemas.MispForgottenOut},
        body=doc.json_body(schemas.MispForgetIn),
    )
    return [
        Route("POST", _BASE, at.take, WRITERS, take, long),
        Route("POST", f"{_BASE}/export", at.export, READERS, out, long),
        Route("POST", f"{_BASE}/search-set", at.search_set, WRITERS, found, long),
        Route("GET", f"{_BASE}/feed/{{feed_file}}", at.feed, READERS, feed, long),
        Route("GET", f"{_BASE}/sources/{{source}}", at.source, READERS, source, limit),
        Route("POST", f"{_BASE}/forget", at.forget, WRITERS, forget, long),
    ]
