"""What the routes of MISP and STIX share: bodies read into wishes, sources, reports as JSON.

Rules: a reporter's key imports and exports clear values; readers see tokens. A document is read
whole, within a bound of its own, before anything of it is taken. A report names items by their
place in the document and never repeats a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from api.bodies import flag, known, number, text
from api.exchange import JSON_TYPE, Exchange, Reply, json_reply
from api.indicators import read_object
from api.misp_schemas import SOURCE
from api.problems import FieldProblem, invalid, refused
from bulwark.interop.misp.options import ImportOptions
from node.exchange.port import ExportWish, Form, ImportReport, ImportWish, SourceView
from node.service import Forbidden, Role

WRITERS: Final = frozenset({Role.REPORTER})
READERS: Final = frozenset({Role.REPORTER, Role.ANALYST, Role.AUDITOR})
ENVELOPE_BYTES: Final = 64 * 1024
"""Of an import around its document."""
MOST: Final = 50_000
"""Records of one export."""
_SECONDS_MAX: Final = 10**11
_SOURCE: Final = re.compile(SOURCE)
_SOURCE_ALLOWED: Final = "1 to 64 of A-Z a-z 0-9 . _ : -"


async def body_of(exchange: Exchange, most: int) -> bytes:
    """The JSON body of a request without a query, up to `most` bytes; Problem 400, 413, 415."""
    exchange.query()
    exchange.content_type(JSON_TYPE)
    return await exchange.body(most)


async def object_of(exchange: Exchange, *names: str) -> dict[str, object]:
    """A small JSON body with none but these fields; Problem 400, 413, 415, 422."""
    body = read_object(await body_of(exchange, exchange.settings.max_body_bytes))
    known(body, *names)
    return body


def import_wish(body: Mapping[str, Any], form: Form, wanted: str, *forms: type) -> ImportWish:
    """What is to be taken in, a document of one of `forms`; Problem 422 with `wanted` for others.

    Raises RowError for options that are none.
    """
    known(body, "document", "options", "dry_run", "keep_clear", "source", "cursor")
    document, options = body.get("document"), body.get("options", {})
    if not isinstance(document, forms):
        raise invalid(FieldProblem("document", wanted))
    if not isinstance(options, dict):
        raise invalid(FieldProblem("options", "a JSON object"))
    source = text(body, "source", 64)
    if source and _SOURCE.fullmatch(source) is None:
        raise invalid(FieldProblem("source", _SOURCE_ALLOWED))
    return ImportWish(
        document=document,
        form=form,
        options=ImportOptions.from_mapping(options),
        dry_run=flag(body, "dry_run"),
        keep_clear=flag(body, "keep_clear"),
        source=source,
        cursor=text(body, "cursor", 64),
    )


async def export_wish(exchange: Exchange) -> ExportWish:
    """What is to be written; Forbidden where the caller may not see clear values."""
    body = await object_of(exchange, "since", "most", "own_only", "clear")
    wish = ExportWish(
        since_ms=number(body, "since", 0, 0, _SECONDS_MAX) * 1000,
        most=number(body, "most", 10_000, 1, MOST),
        own_only=flag(body, "own_only"),
        clear=flag(body, "clear"),
    )
    if wish.clear and exchange.caller.role is not Role.REPORTER:
        raise Forbidden("clear values are for a reporter's key")
    return wish


def source_of(exchange: Exchange) -> str:
    """The name of a source in the path; Problem 400."""
    exchange.query()
    name = exchange.params["source"]
    if _SOURCE.fullmatch(name) is None:
        raise refused("source", _SOURCE_ALLOWED)
    return name


def source_reply(view: SourceView) -> Reply:
    """Where the next pull from a source begins."""
    return json_reply(200, {"name": view.name, "cursor": view.cursor})


def report_reply(report: ImportReport) -> Reply:
    """What became of an import."""
    document = {
        "dry_run": report.dry_run,
        "statements": report.statements,
        "new": report.new,
        "known": report.known,
        "replaced": report.replaced,
        "ended": report.ended,
        "disputed": report.disputed,
        "kept": report.kept,
        "counts": {fate: dict(reasons) for fate, reasons in report.counts.items()},
        "items": [item.document() for item in report.items],
    }
    return json_reply(200, document)
