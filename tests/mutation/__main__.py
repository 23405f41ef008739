"""`python -m tests.mutation`: mutate the files that decide safety and say which mutants survive."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click

from tests.mutation.operators import Mutant, mutants_of
from tests.mutation.report import Progress, Score, table, write
from tests.mutation.running import (
    ROOT,
    Outcome,
    run_in_functions,
    run_in_modules,
    settle_hypothesis,
)
from tests.mutation.targets import SUITE, TARGETS, Target


def sample(mutants: Sequence[Mutant], count: int) -> list[Mutant]:
    """`count` of them, evenly spread, the same every time."""
    return [mutants[i * len(mutants) // count] for i in range(min(count, len(mutants)))]


def run(targets: Sequence[Target], count: int, width: int) -> list[Outcome]:
    """Mutate these files; a sample meets only the files' own tests."""
    mutants = [
        mutant
        for target in targets
        for mutant in mutants_of(target.file, (ROOT / target.file).read_text(), target.functions)
    ]
    if count:
        mutants = sample([m for m in mutants if m.function], count)
    suite = SUITE if not count else tuple(test for target in targets for test in target.tests)
    settle_hypothesis()
    progress = Progress(len(mutants))
    outcomes: list[Outcome] = []

    def done(outcome: Outcome) -> None:
        progress.add(outcome)
        outcomes.append(outcome)

    run_in_modules([m for m in mutants if not m.function], targets, width, done)
    run_in_functions([m for m in mutants if m.function], targets, suite, width, done)
    progress.end()
    places = {id(mutant): place for place, mutant in enumerate(mutants)}
    return sorted(outcomes, key=lambda outcome: places[id(outcome.mutant)])


@click.command()
@click.option("--file", "files", multiple=True, help="Only files whose path ends so.")
@click.option("--sample", "count", default=0, help="Only so many mutants, spread evenly.")
@click.option("--jobs", default=2, help="Processes at once.")
@click.option("--report", type=click.Path(path_type=Path), help="Page to write the table into.")
@click.option("--at-least", default=90.0, help="Score below which the command fails, in percent.")
@click.option("--verbose", is_flag=True, help="Also say which test killed each mutant.")
def main(
    files: tuple[str, ...],
    count: int,
    jobs: int,
    report: Path | None,
    at_least: float,
    verbose: bool,
) -> None:
    """Change the core in small ways; every change must fail a test."""
    targets = [t for t in TARGETS if not files or t.file.endswith(files)]
    began = time.monotonic()
    outcomes = run(targets, count, jobs)
    if verbose:
        for outcome in outcomes:
            click.echo(f"{outcome.state:9} {outcome.mutant.name} {outcome.test}")
    text = table(outcomes)
    click.echo(text)
    click.echo(f"\n{len(outcomes)} mutants in {time.monotonic() - began:.0f} s")
    if report is not None:
        write(report, text)
    if Score(outcomes).percent < at_least:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
