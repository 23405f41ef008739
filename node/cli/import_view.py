"""How an import is shown: a progress bar while it runs, a table when it is over."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from node.importing.plan import FilePlan
from node.importing.summary import FileSummary, Refused, totals

_WIDE: Final = 100


class ProgressBar:
    """A bar on standard error; nothing where `quiet`."""

    def __init__(self, files: int, *, quiet: bool) -> None:
        self._files = files
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[counts]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True, quiet=quiet),
            disable=quiet,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> ProgressBar:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def show(self, plan: FilePlan, done: int, size: int, summary: FileSummary) -> None:
        """Move on after a batch."""
        rate = summary.rows / summary.seconds if summary.seconds else 0
        counts = f"{summary.rows:,} rows, {summary.taken:,} taken, {rate:,.0f} rows/s"
        task = self._tasks.get(plan.name)
        if task is None:
            task = self._bar.add_task(plan.name, total=max(size, 1), counts=counts)
            self._tasks[plan.name] = task
        self._bar.update(task, completed=done, counts=counts)


def tell(summaries: Sequence[FileSummary]) -> None:
    """Print the counts of every file and the reasons of what was not taken."""
    table = Table(box=None, pad_edge=False)
    table.add_column("file", overflow="fold")
    for name in ("rows", "indicators", "taken", "duplicate", "refused", "failed", "seconds"):
        table.add_column(name, justify="right")
    for summary in summaries:
        if summary.skipped:
            continue
        numbers = (
            summary.rows,
            summary.indicators,
            summary.taken,
            summary.duplicates,
            summary.refused_count,
            summary.failed_count,
        )
        mark = "" if summary.complete else "  (not complete)"
        cells = [f"{number:,}" for number in numbers]
        table.add_row(summary.file + mark, *cells, f"{summary.seconds:.1f}")
    found = totals(summaries)
    names = ("rows", "indicators", "taken", "duplicates", "refused", "failed")
    if found["files"] > 1:
        table.add_section()
        table.add_row("together", *[f"{found[name]:,}" for name in names], "")
    Console(width=None if sys.stdout.isatty() else _WIDE + 20).print(table)
    for summary in summaries:
        _tell_more(summary)


def _tell_more(summary: FileSummary) -> None:
    if summary.skipped:
        click.echo(f"{summary.file}: left out, {summary.skipped}")
    if summary.problem:
        click.echo(f"{summary.file}: {summary.problem}")
    for word, groups in (("refused", summary.refused), ("failed", summary.failed)):
        for rule, group in sorted(groups.items(), key=lambda entry: -entry[1].count):
            click.echo(f"{summary.file}: {group.count:,} {word} by {rule} ({_lines(group)})")


def _lines(group: Refused) -> str:
    more = ", ..." if group.count > len(group.first_lines) else ""
    word = "line" if group.count == 1 else "lines"
    return f"{word} {', '.join(map(str, group.first_lines))}{more}"
