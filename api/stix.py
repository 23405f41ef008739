"""STIX over REST: documents in with a report out, records as a bundle.

Rules: those of `exchange_reading`; JSON is read strictly and within the bounds of STIX documents,
since a name that stands twice has two readings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from api import documentation as doc
from api import stix_schemas as schemas
from api.exchange import Exchange, Reply, Route, json_reply
from api.exchange_reading import (
    ENVELOPE_BYTES,
    READERS,
    WRITERS,
    body_of,
    export_wish,
    import_wish,
    report_reply,
    source_of,
    source_reply,
)
from api.misp_schemas import MispImportOut, MispSourceOut
from api.problems import malformed, too_large
from api.settings import ApiSettings
from bulwark.interop.stix.document import MAX_BYTES, DocumentRefused, read_json
from node.exchange.port import Form
from node.taxii.stixport import StixService

_BASE: Final = "/v1/exchange/stix"


class StixRoutes:
    """Handlers of /v1/exchange/stix."""

    def __init__(self, service: StixService) -> None:
        self._service = service

    async def take(self, exchange: Exchange) -> Reply:
        """POST /v1/exchange/stix."""
        body = await _envelope(await body_of(exchange, MAX_BYTES + ENVELOPE_BYTES))
        wish = import_wish(body, Form.STIX, "a STIX bundle, object or TAXII envelope", dict)
        return report_reply(await self._service.import_stix(wish, by=exchange.caller))

    async def export(self, exchange: Exchange) -> Reply:
        """POST /v1/exchange/stix/export."""
        wish = await export_wish(exchange)
        return json_reply(200, await self._service.export_stix(wish, by=exchange.caller))

    async def source(self, exchange: Exchange) -> Reply:
        """GET /v1/exchange/stix/sources/{source}."""
        return source_reply(self._service.source(source_of(exchange)))


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
