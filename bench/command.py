"""The command: `python -m bench` measures, `python -m bench profile` shows where the time goes."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import uvloop
from rich.console import Console

from bench import report
from bench.alliance import Alliance, BenchFailed
from bench.figures import Figure
from bench.machine import describe
from bench.profiler import LOADS, profile_load, show_profile
from bench.soak import SETTINGS, Soak
from bench.suite import NAMES, PLANS, Plan, Suite
from node.devnet.devnet import Devnet
from node.devnet.errors import DevnetError

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "var"
SEED = 20_260
WIDTH = 170
"""Columns of the table in a log file."""


def _console() -> Console:
    """The terminal; wide enough for the notes where there is none."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(width=WIDTH, highlight=False)


@contextmanager
def running(members: int, observers: int, keep: bool, console: Console) -> Iterator[Alliance]:
    """A started alliance below `var/`; its folder goes afterwards unless it is to be kept."""
    OUTPUT.mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="bench-", dir=OUTPUT))
    try:
        with Devnet.create(home, members, observers) as devnet:
            begin = time.monotonic()
            devnet.start()
            names = ", ".join(node.name for node in devnet.nodes)
            seconds = time.monotonic() - begin
            console.print(f"{names} serve after {seconds:.1f} s")
            yield Alliance(devnet, seconds)
    finally:
        if keep:
            console.print(f"kept {home.relative_to(ROOT)}")
        else:
            shutil.rmtree(home, ignore_errors=True)


@click.group(invoke_without_command=True)
@click.option("--quick", is_flag=True, help="Smaller loads: under 90 seconds instead of minutes.")
@click.option("--smoke", is_flag=True, help="Tiny loads that only show that everything runs.")
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(NAMES),
    help="Only this measurement; may be given again.",
)
@click.option(
    "--json",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=OUTPUT / "bench.json",
    help="Where the JSON document goes; var/bench.json if not given.",
)
@click.option(
    "--members", type=click.IntRange(4, 16), default=4, help="Validators; 4 is the reference."
)
@click.option("--observers", type=click.IntRange(0, 4), default=0, help="Observers beside them.")
@click.option("--seed", type=int, default=SEED, help="Of the values that are reported.")
@click.option("--keep", is_flag=True, help="Leave the alliance's folder in var/.")
@click.pass_context
def main(
    context: click.Context,
    quick: bool,
    smoke: bool,
    only: tuple[str, ...],
    path: Path,
    members: int,
    observers: int,
    seed: int,
    keep: bool,
) -> None:
    """Start an alliance, load it, print a table and write a JSON file.

    \b
    Example:
      python -m bench --quick
      python -m bench --only single --only bulk --json var/writes.json
      python -m bench profile --load bulk --node bank-a --seconds 10
    """
    if context.invoked_subcommand is not None:
        return
    plan = PLANS["smoke" if smoke else "quick" if quick else "full"]
    console = _console()
    begin = time.monotonic()
    try:
        with running(members, observers, keep, console) as alliance:
            figures, machine = measure(alliance, plan, only, seed, begin, console)
    except DevnetError as error:
        raise click.ClickException(str(error)) from error
    run = {
        "plan": plan.name,
        "members": members,
        "observers": observers,
        "seed": seed,
        "seconds": round(time.monotonic() - begin, 1),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    report.show(console, figures, machine)
    report.write(path, report.document(figures, machine, run))
    console.print(f"{run['seconds']} s in all; written to {path}")


@main.command(name="profile")
@click.option("--load", type=click.Choice(LOADS), default="single", help="What is done meanwhile.")
@click.option("--node", "name", default="bank-a", help="The node that is sampled.")
@click.option("--seconds", type=click.IntRange(1, 120), default=10, help="How long.")
@click.option("--gil", is_flag=True, help="Only threads that run Python: no waiting for the disk.")
@click.option("--native", is_flag=True, help="Show frames of compiled code, too.")
@click.option("--seed", type=int, default=SEED, help="Of the values that are reported.")
def profile(load: str, name: str, seconds: int, gil: bool, native: bool, seed: int) -> None:
    """Sample one node under load; the stacks go to var/ for speedscope.

    \b
    Example:
      python -m bench profile --load fresh --node telco-b --seconds 10
    """
    console = _console()
    target = OUTPUT / f"profile-{load}-{name}.txt"
    options = [word for word, wanted in (("--gil", gil), ("--native", native)) if wanted]
    try:
        with running(4, 0, False, console) as alliance:
            done = uvloop.run(
                profile_load(alliance, load, name, seconds, target, options=options, seed=seed)
            )
    except (DevnetError, BenchFailed, LookupError) as error:
        raise click.ClickException(str(error)) from error
    console.print(f"{done.good} good answers in {done.seconds:.1f} s; {done.trouble()}")
    show_profile(console, target, ROOT)
    console.print(f"written to {target.relative_to(ROOT)}")


@main.command(name="soak")
@click.option("--load-minutes", type=click.FloatRange(0, 10_000), default=30.0, show_default=True)
@click.option("--idle-minutes", type=click.FloatRange(0, 10_000), default=30.0, show_default=True)
@click.option("--members", type=click.IntRange(4, 16), default=4, show_default=True)
@click.option("--seed", type=int, default=SEED, help="Of the values that are reported.")
@click.option(
    "--json",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=OUTPUT / "soak.json",
    help="Where the JSON document goes; var/soak.json if not given.",
)
def soak(load_minutes: float, idle_minutes: float, members: int, seed: int, path: Path) -> None:
    """Load the alliance for a while, leave it idle for a while, print what memory and disk did.

    \b
    Example:
      python -m bench soak --load-minutes 30 --idle-minutes 30
      python -m bench soak --load-minutes 720 --idle-minutes 720
    """
    console = _console()
    os.environ.update(SETTINGS)
    console.print(f"nodes run with {', '.join(f'{k}={v}' for k, v in SETTINGS.items())}")
    try:
        with running(members, 0, False, console) as alliance:
            phases = uvloop.run(
                Soak(alliance, seed, lambda text: console.print(f"  {text}")).run(
                    load_minutes * 60, idle_minutes * 60
                )
            )
    except (DevnetError, BenchFailed) as error:
        raise click.ClickException(str(error)) from error
    document = [phase.document() for phase in phases]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n")
    console.print_json(data=document)
    console.print(f"written to {path}")
    if not all(phase.flat(name) for phase in phases for name in phase.samples):
        raise click.ClickException("memory grew")


def measure(
    alliance: Alliance,
    plan: Plan,
    only: tuple[str, ...],
    seed: int,
    begin: float,
    console: Console,
) -> tuple[list[Figure], dict[str, object]]:
    """Run the plan; figures and machine."""
    machine = describe(OUTPUT, ROOT)

    async def work() -> list[Figure]:
        suite = Suite(alliance, plan, seed)
        try:
            return await suite.run(only, begin + plan.total_s, lambda t: console.print(f"  {t}"))
        finally:
            alliance.close()

    return uvloop.run(work()), machine
