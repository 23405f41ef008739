"""`bulwark import`: the indicators of CSV and NDJSON files through this member's node.

Rules: results go to standard output, progress to standard error and only on a terminal; exit code 0
when every row was taken, a duplicate, or refused for its content, else 1; after an interruption the
same command goes on where the last acknowledged batch ended.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import time
from pathlib import Path
from typing import Final

import click

from bulwark.client.policy import RetryPolicy
from node.cli.connection import WRITE_ROLES, Target, connection_options
from node.cli.faults import BadSetup, Failed, faults
from node.cli.import_view import ProgressBar, tell
from node.cli.options import emit_json, json_option
from node.importing.catalogue import Catalogue
from node.importing.check import LocalCheck
from node.importing.errors import (
    ImportingError,
    ImportStopped,
    JournalInvalid,
    MappingInvalid,
    MappingMissing,
    SourceInvalid,
)
from node.importing.importer import BATCH_ROWS, Importer, ReporterPort
from node.importing.journal import Journal, place_for
from node.importing.mapping import check_field, load_mapping
from node.importing.node_port import NodeReporter
from node.importing.plan import FilePlan, LeftOut, Wishes, plan_import
from node.importing.source import Format
from node.importing.summary import FileSummary, totals

INTERRUPTED: Final = 130
_PATIENT: Final = RetryPolicy(attempts=60, unreachable_attempts=10)
"""A loaded node says busy for minutes; one that restarts is away for some seconds."""
_LOCAL: Final = "nowhere: dry run"


@click.command(name="import")
@click.argument("source", metavar="FILE|DIR", type=click.Path(path_type=Path))
@click.option(
    "--map", "renamed", multiple=True, metavar="FIELD=COLUMN", help="Field from a column."
)
@click.option(
    "--set", "constants", multiple=True, metavar="FIELD=TEXT", help="Field as a constant."
)
@click.option("--mapping", type=click.Path(path_type=Path), help="Saved mapping file (TOML).")
@click.option("--format", "form", type=click.Choice(["csv", "ndjson"]), help="By extension if not.")
@click.option("--dry-run", is_flag=True, help="Check all rows by the same rules; report nothing.")
@click.option("--resume", is_flag=True, help="Only go on: fail where nothing was interrupted.")
@click.option("--restart", is_flag=True, help="Begin anew, whatever was interrupted.")
@click.option("--state", type=click.Path(path_type=Path), help="State file; beside SOURCE if not.")
@click.option("--batch-size", type=click.IntRange(1, 50_000), default=BATCH_ROWS, show_default=True)
@connection_options(*WRITE_ROLES, optional_with="dry_run")
@json_option
def command(
    source: Path,
    renamed: tuple[str, ...],
    constants: tuple[str, ...],
    mapping: Path | None,
    form: Format | None,
    dry_run: bool,
    resume: bool,
    restart: bool,
    state: Path | None,
    batch_size: int,
    target: Target | None,
    as_json: bool,
) -> None:
    """Report the indicators of a CSV or NDJSON file, or of all such files of a folder.

    Known public lists are recognised by name and columns; for others, columns named as the fields
    of a report are taken, and --map and --set say the rest. A run that was interrupted goes on
    when the same command is given again: nothing is lost, nothing is reported twice.

    \b
    Example:
      bulwark import numbers.csv --set kind=phone --map value=number --devnet /tmp/alliance
      bulwark import lists/ --devnet /tmp/alliance --node bank-a --json
      bulwark import lists/ --dry-run
    """
    if resume and restart:
        raise click.UsageError("--resume goes without --restart")
    with faults(setup=(MappingInvalid, MappingMissing, SourceInvalid, JournalInvalid)):
        wishes = Wishes(
            load_mapping(mapping) if mapping is not None else None,
            _pairs(renamed, "--map"),
            _pairs(constants, "--set"),
            form,
        )
        plans = plan_import(source, wishes, Catalogue.load())
        place = None if dry_run else state or place_for(source, _state_folder())
        journal = _journal(place, target, resume=resume, restart=restart)
    summaries, stopped = _run(plans, journal, target, batch_size, as_json)
    if stopped is None:
        journal.remove()
    settled = stopped is None and all(summary.settled for summary in summaries)
    if as_json:
        files = [summary.document() for summary in summaries]
        emit_json(
            {"complete": settled, "dry_run": dry_run, "files": files, "totals": totals(summaries)}
        )
    else:
        tell(summaries)
    if stopped is not None:
        hint = f"give the same command again to go on (state: {journal.path})"
        raise Failed(f"{stopped}; {hint}" if journal.path is not None else str(stopped))
    if not settled:
        names = ", ".join(summary.file for summary in summaries if not summary.settled)
        raise Failed(f"not every row was settled in: {names}")


def _run(
    plans: list[FilePlan | LeftOut],
    journal: Journal,
    target: Target | None,
    batch_size: int,
    as_json: bool,
) -> tuple[list[FileSummary], ImportingError | None]:
    """Summaries in the order of the plans, and what stopped the run, if anything did."""
    summaries: list[FileSummary] = []

    async def work(port: ReporterPort, bar: ProgressBar) -> None:
        importer = Importer(
            port,
            journal,
            now_ms=time.time_ns() // 1_000_000,
            sleep=asyncio.sleep,
            batch_rows=batch_size,
            progress=bar.show,
        )
        for plan in plans:
            if isinstance(plan, LeftOut):
                reason = plan.reason if plan.expected else ""
                problem = "" if plan.expected else plan.reason
                summaries.append(FileSummary(plan.name, skipped=reason, problem=problem))
                continue
            summary = FileSummary(plan.name, plan.mapping.name)
            summaries.append(summary)
            try:
                summaries[-1] = await importer.run(plan)
            except SourceInvalid as error:
                summary.problem = str(error)
            except ImportStopped as error:
                summary.problem = error.reason
                raise

    async def connected() -> None:
        with ProgressBar(len(plans), quiet=as_json or not sys.stderr.isatty()) as bar:
            if target is None:
                await work(LocalCheck(time.time_ns() // 1_000_000), bar)
                return
            async with target.client(_PATIENT) as client:
                await work(NodeReporter(client), bar)

    try:
        asyncio.run(connected())
    except (ImportStopped, JournalInvalid) as error:
        return summaries, error
    except KeyboardInterrupt:
        where = f" (state: {journal.path})" if journal.path is not None else ""
        click.echo(f"bulwark: interrupted; the same command goes on{where}", err=True)
        sys.exit(INTERRUPTED)
    return summaries, None


def _journal(place: Path | None, target: Target | None, *, resume: bool, restart: bool) -> Journal:
    name = _LOCAL if target is None else target.url
    if place is not None and place.is_file() and not restart:
        return Journal.load(place, name)
    if resume:
        raise BadSetup("nothing to resume: no import of this source was interrupted")
    if place is not None:
        with faults(setup=(OSError,)):
            place.parent.mkdir(parents=True, exist_ok=True)
    return Journal(place, secrets.token_hex(12), name)


def _state_folder() -> Path:
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "bulwark" / "imports"


def _pairs(given: tuple[str, ...], option: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not value:
            raise MappingInvalid(option, text[:64], "wants FIELD=TEXT")
        found[check_field(name.strip().replace("-", "_"), option)] = value
    return found
