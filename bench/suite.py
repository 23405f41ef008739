"""The suite: which measurements there are, in which order, how large and how long at most.

Rules: every measurement has a time limit and one that fails leaves a row that says why; those that
need an untouched alliance come first, those that kill nodes last.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bench.alliance import Alliance, BenchFailed
from bench.ceremony import ceremony_figures
from bench.client import RequestFailed
from bench.faults import Faults
from bench.figures import Figure
from bench.goals import GOALS
from bench.oprf import oprf_figures
from bench.reads import Reads
from bench.ring import MEMBERS as RING_MEMBERS
from bench.ring import ring_figures
from bench.values import Values
from bench.writes import Sizes, Writes

OFFERED_RATE: Final = 10_000
Run = Callable[[], Awaitable[list[Figure]]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How large a run is."""

    name: str
    sizes: Sizes
    screening_s: float
    idle_s: float
    rounds: int
    """Kills of a proposer."""
    crypto_runs: int
    """Runs of which a median of pure computing is taken."""
    total_s: float
    """The whole run, starting and stopping nodes included, is meant to stay below this."""
    faults_s: float
    """How much of it is left to the faults at the end."""


PLANS: Final = {
    "full": Plan(
        "full", Sizes(8.0, 256, 10_000, 2, 8_000, 6.0, 4_000), 6.0, 4.0, 3, 11, 345.0, 120.0
    ),
    "quick": Plan("quick", Sizes(2.0, 256, 5_000, 2, 1_000, 2.0, 600), 1.5, 1.5, 1, 3, 89.0, 32.0),
    "smoke": Plan("smoke", Sizes(0.5, 16, 100, 1, 40, 0.5, 60), 0.5, 0.5, 1, 1, 115.0, 50.0),
}


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement and the longest it may take."""

    name: str
    prefix: str
    """Of the keys of its figures, the first of which carries a failure."""
    limit_s: float
    fault: bool = False
    """It kills nodes."""


MEASUREMENTS: Final = (
    Measurement("start", "start.", 5),
    Measurement("idle", "idle.", 30),
    Measurement("fresh-one", "fresh.one.", 60),
    Measurement("fresh", "fresh.all.", 60),
    Measurement("single", "single.executed.", 60),
    Measurement("accepted", "single.accepted.", 60),
    Measurement("bulk-one", "bulk.one.", 60),
    Measurement("bulk", "bulk.all.", 80),
    Measurement("offered", "offered.", 60),
    Measurement("hit-200", "hit.200.", 40),
    Measurement("hit-1000", "hit.1000.", 40),
    Measurement("ask-fresh", "ask.fresh.", 40),
    Measurement("memory", "memory.", 10),
    Measurement("oprf", "oprf.", 30),
    Measurement("ring", "ring.", 60),
    Measurement("ceremony", "ceremony.", 30),
    Measurement("proposer", "proposer.", 120, fault=True),
    Measurement("all-killed", "all.", 90, fault=True),
    Measurement("lost", "faults.", 30, fault=True),
)
NAMES: Final = tuple(measurement.name for measurement in MEASUREMENTS)


class Suite:
    """The measurements over one alliance."""

    def __init__(self, alliance: Alliance, plan: Plan, seed: int) -> None:
        values = Values(seed)
        self._alliance = alliance
        self._plan = plan
        self._writes = writes = Writes(alliance, values, plan.sizes)
        self._reads = reads = Reads(alliance, values, plan.screening_s)
        faults = Faults(alliance, writes, plan.rounds)
        first, members = alliance.members[:1], alliance.members
        self._runs: dict[str, Run] = {
            "start": self._start,
            "idle": lambda: writes.idle(plan.idle_s),
            "fresh-one": lambda: writes.fresh(first, "one"),
            "fresh": lambda: writes.fresh(members, "all"),
            "single": lambda: writes.single("executed"),
            "accepted": lambda: writes.single("accepted"),
            "bulk-one": lambda: writes.bulk(first, "one"),
            "bulk": lambda: writes.bulk(members, "all"),
            "offered": lambda: writes.offered(OFFERED_RATE),
            "hit-200": lambda: reads.hit(200),
            "hit-1000": lambda: reads.hit(1_000),
            "ask-fresh": lambda: reads.fresh(20),
            "memory": self._memory,
            "oprf": lambda: asyncio.to_thread(oprf_figures, plan.crypto_runs),
            "ring": lambda: asyncio.to_thread(ring_figures, RING_MEMBERS, plan.crypto_runs),
            "ceremony": lambda: asyncio.to_thread(ceremony_figures),
            "proposer": faults.proposer,
            "all-killed": faults.all_nodes,
            "lost": faults.lost,
        }

    async def run(
        self, only: Sequence[str], deadline: float, tell: Callable[[str], None]
    ) -> list[Figure]:
        """All, or those named; `deadline` is a time.monotonic() after which none begins."""
        figures: list[Figure] = []
        wanted = [m for m in MEASUREMENTS if not only or m.name in only]
        kept_s = self._plan.faults_s if any(m.fault for m in wanted) else 0.0
        for measurement in wanted:
            left = deadline - time.monotonic() - (0.0 if measurement.fault else kept_s)
            if left <= 0:
                figures.append(_failed(measurement, "the run's time was over"))
                continue
            begin = time.monotonic()
            limit = min(measurement.limit_s, left)
            figures += await _bounded(measurement, self._runs[measurement.name], limit)
            tell(f"{measurement.name} ({time.monotonic() - begin:.1f} s)")
        share = max(self._writes.loader_share, self._reads.loader_share)
        if share:
            figures.append(Figure("loader.cpu", share * 100))
        return figures

    async def _start(self) -> list[Figure]:
        return [Figure("start.ready", self._alliance.start_s, "all nodes at once")]

    async def _memory(self) -> list[Figure]:
        used = [size / 1e6 for size in self._alliance.memory()]
        if not used:
            raise BenchFailed("no node runs")
        mean = Figure("memory.mean", sum(used) / len(used))
        return [Figure("memory.max", max(used)), mean]


async def _bounded(measurement: Measurement, run: Run, limit_s: float) -> list[Figure]:
    try:
        async with asyncio.timeout(limit_s):
            return await run()
    except TimeoutError:
        return [_failed(measurement, f"not done in {limit_s:.0f} s")]
    except (BenchFailed, RequestFailed) as error:
        return [_failed(measurement, str(error))]


def _failed(measurement: Measurement, reason: str) -> Figure:
    keys = [g.key for g in GOALS if g.key.startswith(measurement.prefix)]
    return Figure(keys[0], None, reason)
