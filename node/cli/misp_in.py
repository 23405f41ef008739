"""`bulwark misp import` and `report`: MISP files in, and what would become of them.

Rules: `report` needs no node and sends nothing anywhere; `import` sends documents to the member's
own node. Files that are no JSON are named and the others go on; the exit code is 1 then.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import orjson

from bulwark.interop.carried import Carried
from bulwark.interop.misp.forms import DocumentInvalid, read_document
from bulwark.interop.misp.importer import convert
from bulwark.interop.misp.options import ImportOptions
from bulwark.interop.misp.warninglists import Warninglist
from node.cli.exchange_in import FileReport, Intake, Unreadable, report_options, take_options


@click.command(name="report")
@report_options
def report(sources: tuple[Path, ...], made: FileReport) -> None:
    """Say what an import of files or folders would take, leave and refuse, without any node.

    \b
    Example:
      bulwark misp report events/ --fraud-type phishing --warninglists lists/ --json
    """
    made.run(sources, _converted)


@click.command(name="import")
@take_options
def take(sources: tuple[Path, ...], intake: Intake) -> None:
    """Take MISP files or folders in, each item once, however often it is done.

    \b
    Example:
      bulwark misp import events/ --fraud-type phishing --dry-run --home alliance/northbank
    """
    intake.take_files(sources, "exchange/misp", _read)


def _converted(
    raw: bytes, options: ImportOptions, now_ms: int, lists: Sequence[Warninglist]
) -> Carried:
    try:
        return convert(read_document(raw), options, now_ms=now_ms, lists=lists)
    except DocumentInvalid as error:
        raise Unreadable(str(error)) from None


def _read(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"no JSON at line {error.lineno}, column {error.colno}") from None
