"""Runs many seeds on several processes, keeps going when one fails, and remembers the failures.

Seed s runs with n = the list's entry s mod its length, so a range of seeds covers every size. A
failing seed goes to `failed.txt` with the commit it failed at; the tests run that file for ever.
"""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.simulation.options import Options
from tests.simulation.world import World

FAILED_FILE = Path(__file__).parent / "failed.txt"
PROGRESS_S = 10.0


@dataclass(frozen=True)
class Job:
    """One world to run."""

    seed: int
    n: int
    blocks: int


@dataclass(frozen=True)
class Outcome:
    """What one world did."""

    job: Job
    failure: str
    """Empty if it passed."""
    simulated_ms: int
    cpu_s: float
    steps: int
    messages: int
    blocks: int
    faults: dict[str, int]
    adversaries: tuple[str, ...]


@dataclass
class Summary:
    """What many worlds did."""

    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[Outcome] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    adversaries: Counter[str] = field(default_factory=Counter)
    by_n: dict[int, Counter[str]] = field(default_factory=dict)
    first: int = -1
    last: int = -1
    wall_s: float = 0.0

    def add(self, outcome: Outcome) -> None:
        """Count one world."""
        seed = outcome.job.seed
        self.first = seed if self.first < 0 else min(self.first, seed)
        self.last = max(self.last, seed)
        row = self.by_n.setdefault(outcome.job.n, Counter())
        row.update(
            seeds=1,
            simulated_ms=outcome.simulated_ms,
            cpu_us=int(outcome.cpu_s * 1e6),
            steps=outcome.steps,
            messages=outcome.messages,
            blocks=outcome.blocks,
            failures=int(bool(outcome.failure)),
        )
        self.faults.update(outcome.faults)
        self.adversaries.update(outcome.adversaries)
        if outcome.failure:
            self.failures.append(outcome)

    def total(self, name: str) -> int:
        """A column over all n."""
        return sum(row[name] for row in self.by_n.values())


def run_job(job: Job) -> Outcome:
    """One world from start to end; a failure is an outcome, not an exception."""
    world = World(Options.from_seed(job.seed, job.n, job.blocks))
    began = time.process_time()
    failure = ""
    try:
        world.run()
    except Exception as error:  # whatever goes wrong in a world is a finding
        failure = f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-3)}"
    return Outcome(
        job,
        failure,
        world.now - world.began,
        time.process_time() - began,
        world.steps,
        world.sent,
        max(node.ledger.height for node in world.honest),
        dict(world.faults),
        tuple(adversary.KIND for adversary in world.byzantine.values()),
    )


def commit() -> str:
    """The commit of the working tree, with a mark if it was changed since."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True, text=True, check=True, timeout=10, cwd=Path(__file__).parent,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()


def replay_command(job: Job) -> str:
    """The command that runs one world again with its log."""
    return (
        f"python -m tests.simulation replay --seed {job.seed} --n {job.n} "
        f"--blocks {job.blocks} --log"
    )


class Keeper(Protocol):
    """Remembers outcomes over several runs (`keeping.Kept`)."""

    earlier: dict[Job, Outcome]

    def add(self, outcome: Outcome) -> None:
        """Keep one."""


def run(
    jobs_to_run: Iterable[Job], seconds: float, processes: int, keeper: Keeper | None = None
) -> Summary:
    """Run worlds until the list or the time is over; prints progress and failures."""
    summary = Summary()
    began = shown = time.monotonic()
    at = commit()

    def todo() -> Iterator[Job]:
        for job in jobs_to_run:
            if seconds and time.monotonic() - began > seconds:
                return
            if keeper is not None and job in keeper.earlier:
                summary.add(keeper.earlier[job])
            else:
                yield job

    for outcome in _outcomes(todo(), processes):
        summary.add(outcome)
        summary.wall_s = time.monotonic() - began
        if keeper is not None:
            keeper.add(outcome)
        if outcome.failure:
            _remember(outcome, at)
        if time.monotonic() - shown > PROGRESS_S:
            shown = time.monotonic()
            sys.stdout.write(progress(summary) + "\n")
            sys.stdout.flush()
    sys.stdout.write(progress(summary) + "\n")
    return summary


def _outcomes(todo: Iterator[Job], jobs: int) -> Iterator[Outcome]:
    if jobs <= 1:
        yield from map(run_job, todo)
        return
    running: set[multiprocessing.pool.AsyncResult[Outcome]] = set()
    with multiprocessing.get_context("fork").Pool(jobs, maxtasksperchild=500) as pool:
        more = True
        while more or running:
            while more and len(running) < 2 * jobs:
                job = next(todo, None)
                if job is None:
                    more = False
                else:
                    running.add(pool.apply_async(run_job, (job,)))
            ready = {result for result in running if result.ready()}
            for result in ready:
                yield result.get()
            running -= ready
            if not ready and running:
                next(iter(running)).wait(0.05)


def progress(summary: Summary) -> str:
    """One line."""
    seeds = summary.total("seeds")
    simulated = summary.total("simulated_ms") / 1000
    cpu = summary.total("cpu_us") / 1e6 or 1e-9
    return (
        f"{summary.wall_s:8.0f} s  {seeds} seeds to {summary.last}  {simulated:.0f} s simulated "
        f"({simulated / cpu:.0f} x real time of one core)  {summary.total('blocks')} blocks  "
        f"{len(summary.failures)} failures"
    )


def _remember(outcome: Outcome, at: str) -> None:
    job = outcome.job
    sys.stdout.write(
        f"FAILED seed {job.seed} n {job.n} blocks {job.blocks} at commit {at}\n"
        f"  {outcome.failure.strip()}\n  replay: {replay_command(job)}\n"
    )
    sys.stdout.flush()
    what = outcome.failure.splitlines()[0][:160]
    with FAILED_FILE.open("a", encoding="utf-8") as file:
        file.write(f"{job.seed} {job.n} {job.blocks} {at} {what}\n")


def failed_jobs() -> list[Job]:
    """The seeds that failed once."""
    if not FAILED_FILE.exists():
        return []
    rows = FAILED_FILE.read_text(encoding="utf-8").splitlines()
    parts = [row.split() for row in rows if row and not row.startswith("#")]
    return [Job(int(p[0]), int(p[1]), int(p[2])) for p in parts]
