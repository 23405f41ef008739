"""`bulwark misp import` and `report`: MISP files in, and what would become of them.

Rules: `report` needs no node and sends nothing anywhere; `import` sends documents to the member's
own node. Files that are no JSON are named and the others go on; the exit code is 1 then.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
import orjson

from bulwark.client import BulwarkClient, ClientError
from bulwark.indicators.errors import RowError
from bulwark.interop.carried import Action, Carried
from bulwark.interop.misp.forms import DocumentInvalid, read_document
from bulwark.interop.misp.importer import convert
from bulwark.interop.misp.options import ImportOptions
from bulwark.interop.misp.warninglists import WarninglistInvalid
from node.cli.connection import Target, connection_options, run, with_client
from node.cli.faults import BadSetup, Failed, faults
from node.cli.misp_options import (
    TIMEOUT_S,
    WRITE_ROLES,
    chosen,
    documents,
    emit_reports,
    import_options,
)
from node.cli.options import emit_json, json_option
from node.exchange.lists import load_lists

_SOURCES = click.argument(
    "sources", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True)
)
_ITEMS = click.option("--items", is_flag=True, help="Also every item with its place and reason.")


@click.command(name="report")
@_SOURCES
@import_options
@click.option(
    "--warninglists",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of MISP warninglists; what is on one is refused.",
)
@_ITEMS
@json_option
def report(
    sources: tuple[Path, ...], warninglists: Path | None, items: bool, as_json: bool, **given: Any
) -> None:
    """Say what an import of files or folders would take, leave and refuse, without any node.

    \b
    Example:
      bulwark misp report events/ --fraud-type phishing --warninglists lists/ --json
    """
    try:
        options = ImportOptions.from_mapping(chosen(given))
    except RowError as error:
        raise BadSetup(str(error)) from error
    with faults(setup=(WarninglistInvalid, OSError)):
        lists = load_lists(warninglists)
    now_ms = time.time_ns() // 1_000_000
    reports: list[tuple[str, dict[str, Any]]] = []
    broken: list[str] = []
    for name, raw in documents(sources):
        try:
            carried = convert(read_document(raw), options, now_ms=now_ms, lists=lists)
        except DocumentInvalid as error:
            broken.append(f"{name}: {error}")
            continue
        reports.append((name, _shown(carried)))
    _emit(reports, broken, items=items, as_json=as_json)


@click.command(name="import")
@_SOURCES
@import_options
@click.option("--dry-run", is_flag=True, help="Say what would happen, change nothing.")
@click.option("--keep-clear", is_flag=True, help="Keep clear values for own exports, encrypted.")
@_ITEMS
@connection_options(*WRITE_ROLES)
@json_option
def take(
    sources: tuple[Path, ...],
    dry_run: bool,
    keep_clear: bool,
    items: bool,
    target: Target,
    as_json: bool,
    **given: Any,
) -> None:
    """Take MISP files or folders in, each item once, however often it is done.

    \b
    Example:
      bulwark misp import events/ --fraud-type phishing --dry-run --home alliance/northbank
    """
    wish = {"options": chosen(given), "dry_run": dry_run, "keep_clear": keep_clear}
    reports: list[tuple[str, dict[str, Any]]] = []
    broken: list[str] = []

    async def send(client: BulwarkClient) -> None:
        for name, raw in documents(sources):
            try:
                body = {"document": orjson.loads(raw), **wish}
                reports.append((name, dict(await client.ask("exchange/misp", body))))
            except orjson.JSONDecodeError as error:
                broken.append(f"{name}: no JSON at line {error.lineno}, column {error.colno}")
            except ClientError as error:
                raise Failed(f"{name}: {error}") from error

    run(with_client(target, send, timeout_s=TIMEOUT_S))
    _emit(reports, broken, items=items, as_json=as_json)


def _shown(carried: Carried) -> dict[str, Any]:
    """A conversion as the report of a node that knows nothing yet."""
    made = sum(statement.action is Action.REPORT for statement in carried.statements)
    return {
        "statements": len(carried.statements),
        "new": made,
        "counts": carried.counts(),
        "items": [
            {
                "where": item.where,
                "ref": item.ref,
                "what": item.what,
                "fate": item.fate.value,
                "reason": item.reason,
                "detail": item.detail,
            }
            for item in carried.items
        ],
    }


def _emit(
    reports: list[tuple[str, dict[str, Any]]], broken: list[str], *, items: bool, as_json: bool
) -> None:
    if as_json:
        emit_json({"files": [{"file": name, **shown} for name, shown in reports]})
    elif reports:
        emit_reports(reports, items=items)
    if broken:
        raise Failed("; ".join(broken))
