"""`bulwark screen-file`: ask about every row of a CSV or NDJSON file, with progress, over restarts.

Rules: a row is settled once it was answered in full or refused; what could not be asked in full is
asked again a few times and else named by line, never shown as clean; answers are appended to the
output as they come, and the same command goes on with the rows that are not settled there. The
output holds no value of a row, only its line: it is for its owner's eyes all the same (mode 0600).
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, TextIO

import click
import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bulwark.client import BulwarkClient, ClientError
from bulwark.client.results import ScreeningBatch
from bulwark.indicators.model import SCREENING_FIELDS
from bulwark.indicators.vocabulary import Kind
from node.cli.connection import ASK_ROLES, Target, connection_options, run
from node.cli.faults import BadSetup, Failed
from node.cli.options import emit_json, emit_pairs, json_option
from node.cli.values import case_option, reason_options, region_option, stated, words
from node.importing.errors import SourceInvalid
from node.importing.source import Source

BLOCK: Final = 5_000
PASSES: Final = 3
"""How often rows are asked that could not be asked in full."""
PAUSE_S: Final = 2.0
POLL_S: Final = 0.5
TIMEOUT_S: Final = 900.0
_SHOWN: Final = 20
"""Lines that are named at the end."""
Row = tuple[int, dict[str, Any]]


@click.command(name="screen-file")
@click.argument("source", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Answers, NDJSON.")
@click.option("--kind", type=words(Kind), help="Sort of identifier of rows that name none.")
@reason_options("rows that name none")
@case_option
@region_option
@connection_options(*ASK_ROLES)
@json_option
def command(source: Path, out: Path, target: Target, as_json: bool, **fields: object) -> None:
    """Ask about every row of a CSV or NDJSON file with the columns kind and value.

    The same command goes on where it was interrupted, and asks again what was not answered.

    \b
    Example:
      bulwark screen-file customers.csv --out answers.ndjson --kind phone --devnet /tmp/alliance
    """
    try:
        rows = list(_rows(source, stated(**fields)))
    except SourceInvalid as error:
        raise BadSetup(str(error)) from error
    settled = _settled(out)
    before = len(settled)
    run(_ask(target, rows, settled, out, quiet=as_json or not sys.stderr.isatty()))
    open_lines = [line for line, _ in rows if line not in settled]
    counts = Counter(settled.values())
    facts = {name: counts[name] for name in ("hit", "no hit", "refused")}
    if as_json:
        emit_json({"rows": len(rows), "before": before, **facts, "unanswered": open_lines})
    else:
        numbers = {"rows": len(rows), "settled before": before, **facts}
        emit_pairs([(name, f"{number:,}") for name, number in numbers.items()])
    if open_lines:
        named = ", ".join(map(str, open_lines[:_SHOWN]))
        more = ", ..." if len(open_lines) > _SHOWN else ""
        hint = "give the same command again to ask them"
        raise Failed(f"{len(open_lines)} rows have no full answer: lines {named}{more}; {hint}")


def _rows(path: Path, defaults: dict[str, object]) -> Iterator[Row]:
    """Rows as questions with their lines; one that can not be read is left for the node."""
    with Source(path) as source:
        for row in source:
            cells = {name: cell for name, cell in (row.cells or {}).items() if cell != ""}
            unknown = sorted(cells.keys() - SCREENING_FIELDS)
            if unknown:
                allowed = ", ".join(sorted(SCREENING_FIELDS))
                raise BadSetup(f"{path}: column {unknown[0][:64]} is unknown, allowed: {allowed}")
            yield row.line, {**defaults, **cells}


def _settled(out: Path) -> dict[int, str]:
    """What earlier runs settled: line to `hit`, `no hit` or `refused`."""
    found: dict[int, str] = {}
    if not out.exists():
        out.touch(mode=0o600)
        return found
    try:
        with out.open("rb") as stream:
            for line in stream:
                row = orjson.loads(line)
                verdict = _verdict(row["answer"], row["problem"])
                if verdict is not None:
                    found[int(row["line"])] = verdict
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadSetup(f"{out}: is no output of this command: {type(error).__name__}") from error
    return found


def _verdict(answer: Any, problem: Any) -> str | None:
    if answer is None:
        return None if problem is None else "refused"
    if not answer["complete"]:
        return None
    return "hit" if answer["hit"] else "no hit"


async def _ask(
    target: Target, rows: list[Row], settled: dict[int, str], out: Path, *, quiet: bool
) -> None:
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} rows, {task.fields[rate]} rows/s"),
        TimeElapsedColumn(),
        console=Console(stderr=True, quiet=quiet),
        disable=quiet,
        transient=True,
    )
    with bar, out.open("a", encoding="utf-8") as stream:
        task = bar.add_task("screening", total=len(rows), completed=len(settled), rate="-")
        async with target.client(timeout_s=TIMEOUT_S) as client:
            for turn in range(PASSES):
                left = [row for row in rows if row[0] not in settled]
                if turn and left:
                    await asyncio.sleep(PAUSE_S)
                for start in range(0, len(left), BLOCK):
                    block = left[start : start + BLOCK]
                    batch = await _block(client, block, bar, task, len(settled))
                    _keep(batch, block, settled, stream)
                    bar.update(task, completed=len(settled))


async def _block(
    client: BulwarkClient, block: list[Row], bar: Progress, task: TaskID, before: int
) -> ScreeningBatch:
    """Ask about some rows, and show meanwhile how far the node is."""
    correlator = f"screen-file-{secrets.token_hex(12)}"
    rows = [orjson.dumps(question) for _, question in block]
    asking = asyncio.ensure_future(client.screen_many(rows, correlator=correlator))
    try:
        while not (await asyncio.wait((asking,), timeout=POLL_S))[0]:
            try:
                seen = await client.look(f"uploads/{correlator}")
            except ClientError:  # the body is still on its way
                continue
            done = int(str(seen.get("done")))
            bar.update(task, completed=before + done, rate=str(seen.get("rows_per_second")))
        return await asking
    finally:
        asking.cancel()


def _keep(batch: ScreeningBatch, block: list[Row], settled: dict[int, str], stream: TextIO) -> None:
    """Append the answers under the lines of the source, and note what is settled."""
    for row in batch.rows:
        line = block[row.line - 1][0]
        answer = None if row.answer is None else asdict(row.answer)
        problem = None if row.problem is None else asdict(row.problem)
        entry = {"line": line, "answer": answer, "problem": problem}
        stream.write(json.dumps(entry, ensure_ascii=False) + "\n")
        verdict = _verdict(answer, problem)
        if verdict is not None:
            settled[line] = verdict
    stream.flush()
