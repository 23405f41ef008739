"""MISP over REST: documents in with a report out, events, the feed and search sets.

Rules: a reporter's key imports, exports clear values and makes search sets; readers see the feed
and tokens. A document is read whole, within a bound of its own, before anything of it is taken. A
report names items by their place in the document and never repeats a value.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from api import documentation as doc
from api import misp_schemas as schemas
from api.exchange import JSON_TYPE, Exchange, Reply, Route, json_reply
from api.indicators import read_object
from api.problems import FieldProblem, Problem, invalid, malformed, too_large
from api.settings import ApiSettings
from bulwark.indicators.errors import FieldError
from bulwark.indicators.vocabulary import Kind
from bulwark.interop.carried import Item
from bulwark.interop.misp.forms import DOCUMENT_BYTES_MAX
from bulwark.interop.misp.options import ImportOptions
from bulwark.interop.misp.pss import ALGORITHMS, CAPACITY_MAX, FP_MAX, FP_MIN, KEY_MIN, PssWish
from node.exchange.port import ExchangeService, ExportWish, ImportReport, ImportWish
from node.service import Forbidden, Role

WRITERS: Final = frozenset({Role.REPORTER})
READERS: Final = frozenset({Role.REPORTER, Role.ANALYST, Role.AUDITOR})
ENVELOPE_BYTES: Final = 64 * 1024
MOST: Final = 50_000
_SOURCE: Final = re.compile(schemas.SOURCE)
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_FILE: Final = re.compile(r"manifest\.json|hashes\.csv|[0-9a-f-]{36}\.json")
_KEY: Final = re.compile(r"(?:[0-9a-fA-F]{2}){16,64}")
_SECONDS_MAX: Final = 10**11
_BASE: Final = "/v1/exchange/misp"


class MispRoutes:
    """Handlers of /v1/exchange/misp."""

    def __init__(self, service: ExchangeService, settings: ApiSettings) -> None:
        self._service = service
        self._settings = settings

    async def take(self, exchange: Exchange) -> Reply:
        """POST /v1/exchange/misp."""
        exchange.query()
        exchange.content_type(JSON_TYPE)
        raw = await exchange.body(DOCUMENT_BYTES_MAX + ENVELOPE_BYTES)
        body = _envelope(raw)
        _known(body, "document", "options", "dry_run", "keep_clear", "source", "cursor")
        document, options = body.get("document"), body.get("options", {})
        if not isinstance(document, dict | list):
            raise invalid(FieldProblem("document", "a JSON object or list"))
        if not isinstance(options, dict):
            raise invalid(FieldProblem("options", "a JSON object"))
        source, cursor = _text(body, "source", 64), _text(body, "cursor", 64)
        if source and _SOURCE.fullmatch(source) is None:
            raise invalid(FieldProblem("source", "1 to 64 of A-Z a-z 0-9 . _ : -"))
        wish = ImportWish(
            document=document,
            options=ImportOptions.from_mapping(options),
            dry_run=_flag(body, "dry_run"),
            keep_clear=_flag(body, "keep_clear"),
            source=source,
            cursor=cursor,
        )
        report = await self._service.import_misp(wish, by=exchange.caller)
        return json_reply(200, report_document(report))

    async def export(self, exchange: Exchange) -> Reply:
        """POST /v1/exchange/misp/export."""
        exchange.query()
        exchange.content_type(JSON_TYPE)
        body = read_object(await exchange.body(self._settings.max_body_bytes))
        _known(body, "since", "most", "own_only", "clear")
        wish = ExportWish(
            since_ms=_number(body, "since", 0, 0, _SECONDS_MAX) * 1000,
            most=_number(body, "most", 10_000, 1, MOST),
            own_only=_flag(body, "own_only"),
            clear=_flag(body, "clear"),
        )
        if wish.clear and exchange.caller.role is not Role.REPORTER:
            raise Forbidden("clear values are for a reporter's key")
        events = await self._service.export_misp(wish, by=exchange.caller)
        return json_reply(200, {"response": list(events)})

    async def feed(self, exchange: Exchange) -> Reply:
        """GET /v1/exchange/misp/feed/{feed_file}."""
        exchange.query()
        name = exchange.params["feed_file"]
        if _FILE.fullmatch(name) is None:
            raise _bad("feed_file", "manifest.json, hashes.csv or UUID.json")
        content = await self._service.feed_file(name, by=exchange.caller)
        is_csv = name.endswith(".csv")
        return Reply(200, content, b"text/csv" if is_csv else JSON_TYPE)

    async def search_set(self, exchange: Exchange) -> Reply:
        """POST /v1/exchange/misp/search-set."""
        exchange.query()
        exchange.content_type(JSON_TYPE)
        body = read_object(await exchange.body(self._settings.max_body_bytes))
        _known(body, "name", "key", "key_id", "algorithm", "probability", "capacity", "kinds")
        files = await self._service.search_set(_wish(body), _kinds(body), by=exchange.caller)
        shown = {name: base64.b64encode(content).decode() for name, content in files.items()}
        return json_reply(200, {"files": shown})

    async def source(self, exchange: Exchange) -> Reply:
        """GET /v1/exchange/misp/sources/{source}."""
        exchange.query()
        name = exchange.params["source"]
        if _SOURCE.fullmatch(name) is None:
            raise _bad("source", "1 to 64 of A-Z a-z 0-9 . _ : -")
        view = self._service.source(name)
        return json_reply(200, {"name": view.name, "cursor": view.cursor})

    async def forget(self, exchange: Exchange) -> Reply:
        """POST /v1/exchange/misp/forget."""
        exchange.query()
        exchange.content_type(JSON_TYPE)
        _known(read_object(await exchange.body(self._settings.max_body_bytes)))
        gone = await self._service.forget(by=exchange.caller)
        return json_reply(200, {"forgotten": gone})


def report_document(report: ImportReport) -> dict[str, object]:
    """An import's report as JSON."""
    return {
        "dry_run": report.dry_run,
        "statements": report.statements,
        "new": report.new,
        "known": report.known,
        "replaced": report.replaced,
        "ended": report.ended,
        "disputed": report.disputed,
        "kept": report.kept,
        "counts": {fate: dict(reasons) for fate, reasons in report.counts.items()},
        "items": [item_document(item) for item in report.items],
    }


def item_document(item: Item) -> dict[str, str]:
    """An item as JSON."""
    return {
        "where": item.where,
        "ref": item.ref,
        "what": item.what,
        "fate": item.fate.value,
        "reason": item.reason,
        "detail": item.detail,
    }


def _envelope(raw: bytes) -> dict[str, Any]:
    """The body of an import: the document inside may have any depth that JSON readers take."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise malformed(f"no JSON at line {error.lineno}, column {error.colno}") from None
    if not isinstance(body, dict):
        raise malformed("a JSON object is wanted")
    if len(raw) > DOCUMENT_BYTES_MAX + ENVELOPE_BYTES:
        raise too_large(f"at most {DOCUMENT_BYTES_MAX} bytes are read of a document")
    return body


def _wish(body: Mapping[str, object]) -> PssWish:
    key, algorithm = _text(body, "key", 128), _text(body, "algorithm", 16) or "HMAC-SHA-256"
    name, key_id = _text(body, "name", 64), _text(body, "key_id", 64)
    problems: list[FieldProblem] = []
    if _KEY.fullmatch(key) is None:
        problems.append(FieldProblem("key", f"{KEY_MIN} to 64 bytes in hexadecimal"))
    if algorithm not in ALGORITHMS:
        problems.append(FieldProblem("algorithm", f"one of {', '.join(ALGORITHMS)}"))
    for field, text in (("name", name), ("key_id", key_id)):
        if _NAME.fullmatch(text) is None:
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
        capacity=_number(body, "capacity", 0, 0, CAPACITY_MAX),
    )


def _kinds(body: Mapping[str, object]) -> list[str]:
    kinds = body.get("kinds", [])
    if not isinstance(kinds, list) or len(kinds) > len(Kind):
        raise invalid(FieldProblem("kinds", f"a list of at most {len(Kind)} kinds"))
    try:
        return [Kind.parse(kind, "kinds").label for kind in kinds]
    except FieldError as error:
        raise invalid(FieldProblem("kinds", error.allowed)) from error


def _known(body: Mapping[str, object], *names: str) -> None:
    unknown = body.keys() - set(names)
    if unknown:
        allowed = ", ".join(names) or "none"
        raise invalid(FieldProblem(min(unknown)[:64], f"an unknown field, allowed: {allowed}"))


def _flag(body: Mapping[str, object], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise invalid(FieldProblem(name, "true or false"))
    return value


def _text(body: Mapping[str, object], name: str, longest: int) -> str:
    value = body.get(name, "")
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise invalid(FieldProblem(name, f"printable text of at most {longest} characters"))
    return value


def _number(body: Mapping[str, object], name: str, default: int, least: int, most: int) -> int:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise invalid(FieldProblem(name, f"a whole number from {least} to {most}"))
    return value


def _bad(name: str, allowed: str) -> Problem:
    return Problem(400, "invalid", f"{name}: {allowed}", errors=(FieldProblem(name, allowed),))


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
