"""STIX over REST: documents in with a report out, records as a bundle.

Rules: a reporter's key imports and exports clear values; readers see tokens. JSON is read strictly
and within the bounds of STIX documents, since a name that stands twice has two readings. A report
names items by their place in the document and never repeats a value.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final

from api import documentation as doc
from api import stix_schemas as schemas
from api.exchange import JSON_TYPE, Exchange, Reply, Route, json_reply
from api.indicators import read_object
from api.misp import report_document
from api.misp_schemas import SOURCE, MispImportOut, MispSourceOut
from api.problems import FieldProblem, Problem, invalid, malformed, too_large
from api.settings import ApiSettings
from bulwark.interop.misp.options import ImportOptions
from bulwark.interop.stix.document import MAX_BYTES, DocumentRefused, read_json
from node.exchange.port import ExportWish, Form, ImportWish
from node.service import Forbidden, Role
from node.taxii.stixport import StixService

WRITERS: Final = frozenset({Role.REPORTER})
READERS: Final = frozenset({Role.REPORTER, Role.ANALYST, Role.AUDITOR})
ENVELOPE_BYTES: Final = 64 * 1024
MOST: Final = 50_000
_SECONDS_MAX: Final = 10**11
_SOURCE: Final = re.compile(SOURCE)
_BASE: Final = "/v1/exchange/stix"


class StixRoutes:
    """Handlers of /v1/exchange/stix."""

    def __init__(self, service: StixService, settings: ApiSettings) -> None:
        self._service = service
        self._settings = settings

    async def take(self, exchange: Exchange) -> Reply:
        """POST /v1/exchange/stix."""
        exchange.query()
        exchange.content_type(JSON_TYPE)
        body = await _envelope(await exchange.body(MAX_BYTES + ENVELOPE_BYTES))
        _known(body, "document", "options", "dry_run", "keep_clear", "source", "cursor")
        document, options = body.get("document"), body.get("options", {})
        if not isinstance(document, dict):
            raise invalid(FieldProblem("document", "a STIX bundle, object or TAXII envelope"))
        if not isinstance(options, dict):
            raise invalid(FieldProblem("options", "a JSON object"))
        source = _text(body, "source")
        if source and _SOURCE.fullmatch(source) is None:
            raise invalid(FieldProblem("source", "1 to 64 of A-Z a-z 0-9 . _ : -"))
        wish = ImportWish(
            document=document,
            form=Form.STIX,
            options=ImportOptions.from_mapping(options),
            dry_run=_flag(body, "dry_run"),
            keep_clear=_flag(body, "keep_clear"),
            source=source,
            cursor=_text(body, "cursor"),
        )
        report = await self._service.import_stix(wish, by=exchange.caller)
        return json_reply(200, report_document(report))

    async def export(self, exchange: Exchange) -> Reply:
        """POST /v1/exchange/stix/export."""
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
        return json_reply(200, await self._service.export_stix(wish, by=exchange.caller))

    async def source(self, exchange: Exchange) -> Reply:
        """GET /v1/exchange/stix/sources/{source}."""
        exchange.query()
        name = exchange.params["source"]
        if _SOURCE.fullmatch(name) is None:
            allowed = "1 to 64 of A-Z a-z 0-9 . _ : -"
            problem = FieldProblem("source", allowed)
            raise Problem(400, "invalid", f"source: {allowed}", errors=(problem,))
        view = self._service.source(name)
        return json_reply(200, {"name": view.name, "cursor": view.cursor})


async def _envelope(raw: bytes) -> Mapping[str, Any]:
    try:
        body = await asyncio.to_thread(read_json, raw, MAX_BYTES + ENVELOPE_BYTES)
    except DocumentRefused as refusal:
        if refusal.found.endswith("bytes"):
            raise too_large(str(refusal)) from None
        raise malformed(str(refusal)) from None
    if not isinstance(body, dict):
        raise malformed("a JSON object is wanted")
    return body


def _known(body: Mapping[str, object], *names: str) -> None:
    unknown = body.keys() - set(names)
    if unknown:
        allowed = ", ".join(names)
        raise invalid(FieldProblem(min(unknown)[:64], f"an unknown field, allowed: {allowed}"))


def _flag(body: Mapping[str, object], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise invalid(FieldProblem(name, "true or false"))
    return value


def _text(body: Mapping[str, object], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str) or len(value) > 64 or not value.isprintable():
        raise invalid(FieldProblem(name, "printable text of at most 64 characters"))
    return value


def _number(body: Mapping[str, object], name: str, default: int, least: int, most: int) -> int:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise invalid(FieldProblem(name, f"a whole number from {least} to {most}"))
    return value


def stix_routes(at: StixRoutes, settings: ApiSettings) -> list[Route]:
    """The routes with who may use them and what the documentation says."""
    take = doc.operation(
        "importStix",
        "exchange",
        "Take a STIX document in, item by item",
        {200: MispImportOut},
        body=doc.json_body(schemas.StixImportIn),
        problems=(409,),
    )
    out = doc.operation(
        "exportStix",
        "exchange",
        "Records as a STIX bundle",
        {200: schemas.StixBundleOut},
        body=doc.json_body(schemas.StixExportIn),
    )
    source = doc.operation(
        "showStixSource",
        "exchange",
        "Where the next pull from a source begins",
        {200: MispSourceOut},
        path=("source",),
    )
    limit, long = settings.request_timeout_ms, settings.batch_timeout_ms
    return [
        Route("POST", _BASE, at.take, WRITERS, take, long),
        Route("POST", f"{_BASE}/export", at.export, READERS, out, long),
        Route("GET", f"{_BASE}/sources/{{source}}", at.source, READERS, source, limit),
    ]
