"""The keeper: prunes a running node by the clock, a little at a time, and never beside a sync.

Rules: after each step it rests four times as long as the step took, so a fifth of the time is the
most that votes ever share with it; a sync or a halt of the node ends a run at any step, and the
next one goes on where it was. Compaction runs on a thread, slice by slice. What the disk got back
is measured and logged.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import asdict

from node.diagnosis.facts import PruningFacts
from node.logs import Log
from node.pruning.run import (
    ROUNDS,
    Figures,
    PruningRun,
    is_worth_it,
    mark_ends,
    ranges_of,
    size_on_disk,
)
from node.pruning.settings import PruningConfig
from node.storage import blocks, schema
from node.storage.durability import Durability
from node.storage.port import KeyValueStore

if TYPE_CHECKING:
    from prometheus_client.core import Metric

REST: Final = 4
"""Times as long as a step took: the rest behind it."""
LEAST_REST_S: Final = 0.002
FIRST_S: Final = 5.0
"""From the start of the node to the first look."""

log = Log("pruning")


class Keeper:
    """Pruning of one running node."""

    def __init__(
        self,
        store: KeyValueStore,
        durability: Durability,
        folder: Path,
        config: PruningConfig,
        may_prune: Callable[[], bool],
        now_ms: Callable[[], int],
    ) -> None:
        """`may_prune`: not while the node syncs or comes home; asked before each step."""
        self._store = store
        self._durability = durability
        self._folder = folder
        self._config = config
        self._may_prune = may_prune
        self._now_ms = now_ms
        self._thread = ThreadPoolExecutor(1, "bulwark-prune")
        self._since_ms: int | None = None
        self._phase = ""
        self.given_back = 0
        """Bytes of disk since start."""
        self.runs = 0
        """Runs since start that had something to do."""

    async def run(self) -> None:
        """Prune by the clock until cancelled. Raises StoreDamaged, StoreWriteFailed."""
        if not self._config.is_on and self._store.get(schema.META_STATE_SWEEP) is None:
            return
        await asyncio.sleep(FIRST_S)
        while True:
            if self._may_prune():
                await self.prune()
            await asyncio.sleep(self._config.every_seconds)

    async def prune(self) -> Figures | None:
        """One run; None for one that a sync ended. Raises StoreDamaged, StoreWriteFailed."""
        # Looking for open disputes reads the follow-ups of all time: not on the event loop.
        run = await asyncio.get_running_loop().run_in_executor(
            self._thread,
            lambda: PruningRun(self._store, self._config, self._now_ms(), is_dry=False),
        )
        floors = run.figures.body_floor, run.figures.state_floor
        if not is_worth_it(self._store, *floors):
            return run.figures
        self._phase, self._since_ms = "sweeping", self._now_ms()
        try:
            return await self._prune(run)
        finally:
            self._phase, self._since_ms = "", None

    async def _prune(self, run: PruningRun) -> Figures | None:
        floors = run.figures.body_floor, run.figures.state_floor
        began = time.perf_counter()
        for _ in run.steps():
            took = time.perf_counter() - began
            await asyncio.sleep(max(LEAST_REST_S, REST * took))
            if not self._may_prune():
                log.info("pruning waits for a sync")
                return None
            began = time.perf_counter()
        figures = run.figures
        if figures.is_nothing:
            return figures
        self._phase = "compacting"
        before = size_on_disk(self._folder)
        await self._compact(figures)
        freed = before - size_on_disk(self._folder)
        self.given_back += max(0, freed)
        self.runs += 1
        log.info(
            "pruned",
            blocks=figures.blocks,
            states_below=floors[1].height,
            bodies_below=floors[0].height,
            nodes=figures.states,
            logical_bytes=sum(figures.bytes.values()),
            disk_bytes=freed,
        )
        return figures

    def facts(self) -> PruningFacts | None:
        """How pruning stands; None for an archive that never pruned. Raises StoreDamaged."""
        bodies = blocks.read_pruned_from(self._store)
        states = blocks.read_swept_from(self._store)
        if not (self._config.is_on or bodies or states):
            return None
        is_stopped = self._store.get(schema.META_STATE_SWEEP) is not None
        return PruningFacts(
            bodies_below=bodies,
            states_below=states,
            phase=self._phase,
            since_ms=self._since_ms,
            waits=is_stopped and not self._phase,
            runs=self.runs,
            freed_bytes=self.given_back,
        )

    def document(self) -> dict[str, object]:
        """For `GET /v1/node`."""
        found = self.facts()
        if found is None:
            return {"archive": True}
        return {"archive": False, **asdict(found)}

    def families(self) -> Iterable[Metric]:
        """Metrics."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        found = self.facts() or PruningFacts()
        for name, text, value in (
            ("bulwark_pruning_running", "1 while a run is under way", bool(found.phase)),
            ("bulwark_pruned_bodies_below", "Bodies below may be gone", found.bodies_below),
            ("bulwark_pruned_states_below", "States below are gone", found.states_below),
        ):
            yield GaugeMetricFamily(name, text, value=float(value))
        yield CounterMetricFamily(
            "bulwark_pruning_runs", "Runs since start that removed something", float(found.runs)
        )
        yield CounterMetricFamily(
            "bulwark_pruning_freed_bytes", "Disk given back since start", float(found.freed_bytes)
        )

    async def _compact(self, figures: Figures) -> None:
        loop = asyncio.get_running_loop()
        await self._durability.barrier()
        for _ in range(ROUNDS):
            mark_ends(self._store)
            for first, last in ranges_of(frozenset(figures.bytes)):
                await loop.run_in_executor(self._thread, self._store.compact, first, last)

    def close(self) -> None:
        """Finish the compaction under way."""
        self._thread.shutdown(wait=True, cancel_futures=True)
