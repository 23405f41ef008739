"""`python -m tests.nets`: run a manifest, a random one, or a measurement; clean up after a kill."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import click

from tests.nets import ceremonies, ceremony_report, clocks, manifest, measure, runner, state_sync
from tests.nets.checks import CheckFailed
from tests.nets.fabric import clean as clean_up
from tests.nets.liar import Lie
from tests.nets.net import NetFailed
from tests.nets.randomly import random_manifest

LIES = click.Choice([lie.value for lie in Lie if lie is not Lie.NONE])
BACKENDS = click.Choice(["loopback", "netns"])


@click.group()
def main() -> None:
    """Nets of real node processes.

    \b
    Example:
      python -m tests.nets run tests/nets/manifests/two_against_two.toml --backend netns
      python -m tests.nets random --seed 7
      python -m tests.nets measure proposer-kill --times 20
      python -m tests.nets ceremonies --n 4,7,10 --markdown ceremonies.md
    """


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--backend", type=BACKENDS, default="loopback", show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), help="New folder that stays, with logs.")
def run(file: Path, backend: str, keep: Path | None) -> None:
    """Run the net of a manifest and check it."""
    try:
        chosen = manifest.load(file)
    except manifest.ManifestInvalid as error:
        raise click.ClickException(str(error)) from error
    _run(chosen, backend, keep)


@main.command(name="random")
@click.option("--seed", type=int, default=None, help="Same seed, same net; random if not given.")
@click.option("--times", type=click.IntRange(min=1), default=1, help="Seeds in a row.")
@click.option("--backend", type=BACKENDS, default="loopback", show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), help="New folder that stays, with logs.")
@click.option("--show", is_flag=True, help="Print the manifest only.")
def random_net(seed: int | None, times: int, backend: str, keep: Path | None, show: bool) -> None:
    """Run random nets; each manifest goes to standard output, to be kept if it fails."""
    first = time.time_ns() % 1_000_000 if seed is None else seed
    for number in range(first, first + times):
        chosen = random_manifest(number, clocks=not clocks.why_not())
        click.echo(manifest.dump(chosen))
        if not show:
            _run(chosen, backend, None if keep is None else keep / str(number))


@main.command(name="measure")
@click.argument("what", type=click.Choice(["proposer-kill", "all-kill", "state-sync"]))
@click.option("--times", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--blocks", type=click.IntRange(min=300), default=5_000, show_default=True)
@click.option("--records", type=click.IntRange(min=1_000), default=100_000, show_default=True)
@click.option("--lie-to-wiped", type=LIES, default=Lie.STATE.value, show_default=True)
@click.option("--lie-to-new", type=LIES, default=Lie.ANY.value, show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), help="New folder that stays, with logs.")
def measure_times(
    what: str,
    times: int,
    blocks: int,
    records: int,
    lie_to_wiped: str,
    lie_to_new: str,
    keep: Path | None,
) -> None:
    """Measure how long a recovery takes; sizes and lies are those of state-sync."""
    with tempfile.TemporaryDirectory(prefix="bulwark-net-") as place:
        folder = Path(place) / "net" if keep is None else keep
        if what == "state-sync":
            plan = state_sync.Plan(
                blocks=blocks,
                records=records,
                lie_to_wiped=Lie(lie_to_wiped),
                lie_to_new=Lie(lie_to_new),
            )
            _measure_state_sync(folder, plan)
            return
        take = measure.proposer_kill if what == "proposer-kill" else measure.all_kill
        click.echo(take(folder, times, _tell).line())


def _measure_state_sync(folder: Path, plan: state_sync.Plan) -> None:
    try:
        result = state_sync.run(folder, plan, _tell)
    except (CheckFailed, NetFailed) as error:
        click.echo(f"FAILED state-sync: {error}", err=True)
        sys.exit(1)
    for line in result.lines():
        click.echo(line)


@main.command(name="ceremonies")
@click.option("--n", "sizes", default="4,7,10", show_default=True, help="Sizes, with commas.")
@click.option("--values", type=click.IntRange(min=10), default=200, show_default=True)
@click.option("--json", "as_json", type=click.Path(path_type=Path), help="Summary for machines.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Summary for people.")
@click.option("--keep", type=click.Path(path_type=Path), help="New folder that stays, with logs.")
def run_ceremonies(
    sizes: str, values: int, as_json: Path | None, markdown: Path | None, keep: Path | None
) -> None:
    """Keys made, refreshed and handed on with f dishonest members: 4, 7, 10 validators."""
    reports: list[ceremony_report.Report] = []
    for size in (int(one) for one in sizes.split(",")):
        if size not in ceremony_report.SIZES:
            raise click.ClickException(f"{size} validators: there are plans for 4, 7 and 10")
        with tempfile.TemporaryDirectory(prefix="bulwark-net-") as place:
            folder = Path(place) / "net" if keep is None else keep / str(size)
            reports.append(_ceremonies(folder, size, values))
        if as_json is not None:
            as_json.write_text(ceremony_report.as_json(reports), "utf-8")
        if markdown is not None:
            text = "\n".join(line for report in reports for line in (*report.lines(), ""))
            markdown.write_text(text, "utf-8")
    for report in reports:
        for line in report.lines():
            click.echo(line)


def _ceremonies(folder: Path, size: int, values: int) -> ceremony_report.Report:
    plan = ceremony_report.plan_for(size, values)
    began = time.monotonic()
    try:
        with ceremonies.Run(folder, plan, _tell) as run:
            steps = run.all()
    except (CheckFailed, NetFailed) as error:
        click.echo(f"FAILED ceremonies of {size}: {error}", err=True)
        sys.exit(1)
    return ceremony_report.Report(size, plan.phase_seconds, steps, time.monotonic() - began)


@main.command(name="clean")
def clean() -> None:
    """Remove network namespaces of runs whose owner is gone."""
    for name in clean_up():
        click.echo(f"removed {name}")


def _run(chosen: manifest.Manifest, backend: str, keep: Path | None) -> None:
    reason = runner.why_not(chosen, backend)
    if reason:
        raise click.ClickException(f"can not run here: {reason}")
    try:
        outcome = runner.run(chosen, backend=backend, folder=keep, tell=_tell)
    except (CheckFailed, NetFailed) as error:
        click.echo(f"FAILED {chosen.name}: {error}", err=True)
        sys.exit(1)
    click.echo(
        f"ok {chosen.name}: height {outcome.height}, recovered in {outcome.recovered_s:.2f} s, "
        f"{outcome.acknowledged} records, {outcome.memory_mb:.0f} MB"
    )


def _tell(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    main()
