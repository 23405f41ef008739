"""`bulwark stix import` and `report`: STIX files in, and what would become of them.

Rules: `report` needs no node and sends nothing anywhere; `import` sends documents to the member's
own node. A file that is no STIX document is one refused item, and the others go on; the exit code
is 1 then.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from bulwark.interop.carried import Carried
from bulwark.interop.misp.options import ImportOptions
from bulwark.interop.misp.warninglists import Warninglist
from bulwark.interop.stix.document import DocumentRefused, read_json, split_document
from bulwark.interop.stix.reading import convert
from node.cli.exchange_in import FileReport, Intake, Unreadable, report_options, take_options


@click.command(name="report")
@report_options
def report(sources: tuple[Path, ...], made: FileReport) -> None:
    """Say what an import of files or folders would take, leave and refuse, without any node.

    \b
    Example:
      bulwark stix report bundles/ --fraud-type phishing --json
    """
    made.run(sources, _converted)


@click.command(name="import")
@take_options
def take(sources: tuple[Path, ...], intake: Intake) -> None:
    """Take STIX files or folders in, each object once, however often it is done.

    \b
    Example:
      bulwark stix import bundles/ --fraud-type phishing --dry-run --home alliance/northbank
    """
    intake.take_files(sources, "exchange/stix", _read)


def _converted(
    raw: bytes, options: ImportOptions, now_ms: int, lists: Sequence[Warninglist]
) -> Carried:
    carried = convert(raw, options, now_ms=now_ms, lists=lists)
    if len(carried.items) == 1 and carried.items[0].what == "document":
        raise Unreadable(carried.items[0].detail, carried)
    return carried


def _read(raw: bytes) -> Any:
    try:
        document = read_json(raw)
        split_document(document)
    except DocumentRefused as refusal:
        # What can not be read is refused here as the node would refuse it.
        raise Unreadable(str(refusal), convert(raw, ImportOptions(), now_ms=0)) from None
    return document
