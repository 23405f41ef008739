"""`bulwark stix import` and `report`: STIX files in, and what would become of them.

Rules: `report` needs no node and sends nothing anywhere; `import` sends documents to the member's
own node. A file that is no STIX document is one refused item, and the others go on; the exit code
is 1 then.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from bulwark.client import BulwarkClient, ClientError
from bulwark.indicators.errors import RowError
from bulwark.interop.carried import Action, Carried
from bulwark.interop.misp.options import ImportOptions
from bulwark.interop.misp.warninglists import WarninglistInvalid
from bulwark.interop.stix.document import DocumentRefused, read_json, split_document
from bulwark.interop.stix.reading import convert
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
Report = dict[str, Any]


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
      bulwark stix report bundles/ --fraud-type phishing --json
    """
    try:
        options = ImportOptions.from_mapping(chosen(given))
    except RowError as error:
        raise BadSetup(str(error)) from error
    with faults(setup=(WarninglistInvalid, OSError)):
        lists = load_lists(warninglists)
    now_ms = time.time_ns() // 1_000_000
    reports = [
        (name, shown(convert(raw, options, now_ms=now_ms, lists=lists)))
        for name, raw in documents(sources)
    ]
    emit(reports, items=items, as_json=as_json)


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
    """Take STIX files or folders in, each object once, however often it is done.

    \b
    Example:
      bulwark stix import bundles/ --fraud-type phishing --dry-run --home alliance/northbank
    """
    wish = {"options": chosen(given), "dry_run": dry_run, "keep_clear": keep_clear}
    reports: list[tuple[str, Report]] = []

    async def send(client: BulwarkClient) -> None:
        for name, raw in documents(sources):
            try:
                document = read_json(raw)
                split_document(document)
            except DocumentRefused:
                # What can not be read is refused here as the node would refuse it.
                reports.append((name, shown(convert(raw, ImportOptions(), now_ms=0))))
                continue
            try:
                body = {"document": document, **wish}
                reports.append((name, dict(await client.ask("exchange/stix", body))))
            except ClientError as error:
                raise Failed(f"{name}: {error}") from error

    run(with_client(target, send, timeout_s=TIMEOUT_S))
    emit(reports, items=items, as_json=as_json)


def shown(carried: Carried) -> Report:
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


def emit(reports: list[tuple[str, Report]], *, items: bool, as_json: bool) -> None:
    """Print reports; documents that could not be read at all end the command with 1."""
    if as_json:
        emit_json({"files": [{"file": name, **one} for name, one in reports]})
    else:
        emit_reports(reports, items=items)
    unread = [f"{name}: {told}" for name, one in reports if (told := _unread(one))]
    if unread:
        raise Failed("; ".join(unread))


def _unread(one: Mapping[str, Any]) -> str:
    items = one["items"]
    if len(items) == 1 and items[0]["what"] == "document":
        return str(items[0]["detail"])
    return ""
