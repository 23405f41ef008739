"""A soak: steady load, then nothing, for a while each, and what memory and disk did meanwhile.

Rules: every node's resident memory and folder are looked at every PERIOD_S; the slope of a phase is
the least-squares line through its second half, when caches are full; a node that ends fails the
run. It judges the process's own memory by MAX_GROWTH an hour and TABLE_SHARE of what the disk grew.
Shown beside it, not judged: disk, and
mapped files. The latter are program code and LevelDB's tables, clean pages that the kernel takes
back when anybody needs them; they follow the disk up to `node.storage.level.OPEN_TABLES` tables.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.alliance import Alliance, BenchFailed, Node
from bench.client import RequestFailed
from bench.process import folder_bytes, own_bytes, resident_bytes
from bench.values import Values, first_rows, question

PERIOD_S: Final = 15.0
MINUTE: Final = int(60 / PERIOD_S)
"""Looks in a minute: the file has one figure for each, so that a step is told from a slope."""
CALL_PAUSE_S: Final = 0.25
"""Between two calls of one member's client: with four members about 15 records/s."""
MAX_GROWTH: Final = 0.05
"""Growth of own memory in one hour that is called flat, as a share of it."""
TABLE_SHARE: Final = 0.015
"""Own memory that a byte on disk costs: LevelDB holds index and filter of every open table,
measured at 1.2 to 1.6 % of their size. Bounded by its open tables: 1,000 of 2 MiB, so 30 MiB."""
MEBI: Final = 1 << 20
SETTINGS: Final = {"BULWARK_TAGGING__CACHE_ENTRIES": "1000"}
"""Environment of the soaked nodes: the tag cache, bounded at a million entries of 270 bytes by
default, is full within the first half, so that its filling (3 MiB an hour) hides no leak."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at one node."""

    at_s: float
    memory: int
    """Its own."""
    mapped: int
    """Resident pages of mapped files."""
    disk: int


@dataclass(slots=True)
class Phase:
    """One part of a soak."""

    name: str
    seconds: float
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    """By node."""
    records: int = 0
    questions: int = 0
    failed: int = 0

    def memory_slope(self, name: str) -> float:
        """Bytes an hour of a node's own memory in the second half."""
        return slope([(s.at_s, s.memory) for s in self._late(name)]) * 3600

    def disk_slope(self, name: str) -> float:
        """Bytes an hour of a node's folder in the second half."""
        return slope([(s.at_s, s.disk) for s in self._late(name)]) * 3600

    def _late(self, name: str) -> list[Sample]:
        samples = self.samples[name]
        return samples[len(samples) // 2 :]

    def flat(self, name: str) -> bool:
        """Whether own memory grew by no more than MAX_GROWTH an hour and what new tables take."""
        allowed = MAX_GROWTH * self.samples[name][-1].memory
        return self.memory_slope(name) <= allowed + TABLE_SHARE * max(0.0, self.disk_slope(name))

    def document(self) -> dict[str, object]:
        """For the JSON file and the table."""
        return {
            "phase": self.name,
            "seconds": round(self.seconds),
            "records": self.records,
            "questions": self.questions,
            "failed": self.failed,
            "nodes": [
                {
                    "node": name,
                    "memory_first_mib": round(samples[0].memory / MEBI, 1),
                    "memory_last_mib": round(samples[-1].memory / MEBI, 1),
                    "memory_slope_mib_per_hour": round(self.memory_slope(name) / MEBI, 2),
                    "memory_flat": self.flat(name),
                    "memory_peak_mib": round(max(s.memory for s in samples) / MEBI, 1),
                    "memory_mib": [round(s.memory / MEBI, 1) for s in samples[::MINUTE]],
                    "mapped_first_mib": round(samples[0].mapped / MEBI, 1),
                    "mapped_last_mib": round(samples[-1].mapped / MEBI, 1),
                    "disk_first_mib": round(samples[0].disk / MEBI, 1),
                    "disk_last_mib": round(samples[-1].disk / MEBI, 1),
                    "disk_slope_mib_per_hour": round(self.disk_slope(name) / MEBI, 2),
                }
                for name, samples in self.samples.items()
            ],
        }


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Least-squares slope; 0 for fewer than two moments."""
    if len(points) < 2:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


class Soak:
    """Runs the two phases over one alliance."""

    def __init__(self, alliance: Alliance, seed: int, say: Callable[[str], None]) -> None:
        self._alliance = alliance
        self._fresh = Values(seed)
        self._say = say

    async def run(self, load_s: float, idle_s: float) -> list[Phase]:
        """Load, then idle; raises BenchFailed when a node ends."""
        phases = []
        for name, seconds in (("load", load_s), ("idle", idle_s)):
            if seconds > 0:
                phases.append(await self._phase(Phase(name, seconds)))
        return phases

    async def _phase(self, phase: Phase) -> Phase:
        tasks = []
        if phase.name == "load":
            tasks = [
                asyncio.create_task(self._client(node, phase)) for node in self._alliance.members
            ]
        try:
            begin = time.monotonic()
            while (passed := time.monotonic() - begin) < phase.seconds:
                self._look(phase, passed)
                self._say(self._line(phase, passed))
                await asyncio.sleep(min(PERIOD_S, max(0.1, phase.seconds - passed)))
            self._look(phase, time.monotonic() - begin)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return phase

    def _look(self, phase: Phase, at_s: float) -> None:
        pids = self._alliance.pids()
        for node in self._alliance.nodes:
            pid = pids.get(node.name)
            if pid is None:
                raise BenchFailed(f"{node.name} ended after {at_s:.0f} s of {phase.name}")
            own = own_bytes(pid)
            mapped = max(0, resident_bytes(pid) - own)
            sample = Sample(at_s, own, mapped, folder_bytes(node.at.home))
            phase.samples.setdefault(node.name, []).append(sample)

    def _line(self, phase: Phase, passed: float) -> str:
        last = [samples[-1] for samples in phase.samples.values()]
        memory = sum(s.memory for s in last) / len(last) / MEBI
        mapped = sum(s.mapped for s in last) / len(last) / MEBI
        disk = sum(s.disk for s in last) / len(last) / MEBI
        return (
            f"{phase.name} {passed:5.0f} of {phase.seconds:.0f} s  memory {memory:6.1f} "
            f"+ {mapped:5.1f} MiB mapped  disk {disk:7.1f} MiB a node  "
            f"{phase.records} records  {phase.failed} failed"
        )

    async def _client(self, node: Node, phase: Phase) -> None:
        """One report and one question, over and over."""
        while True:
            value = self._fresh.take(1)[0]
            try:
                answer = await node.ask(node.report(first_rows([value])[0].encode(), "executed"))
                phase.records += answer.status == 201
                phase.failed += answer.status != 201
                asked = await node.ask(node.screen(question(value)))
                phase.questions += asked.status == 200
                phase.failed += asked.status != 200
            except RequestFailed:
                phase.failed += 1
            await asyncio.sleep(CALL_PAUSE_S)
