"""Faults: the proposer killed under load, and all nodes killed at once.

Rules: killed means SIGKILL; the load goes on all the time, through all nodes; a kill counts only if
the view changed after it, which tells that it hit the proposer; what was acknowledged has to be on
all nodes at the end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import orjson

from bench.alliance import HEIGHT, VIEW, Alliance, BenchFailed, Node
from bench.blockwatch import BlockWatch, Gap, find_gap
from bench.client import Connection, RequestFailed, request
from bench.figures import Figure, percentile
from bench.writes import Writes
from node.devnet.layout import HOST

ROTATION: Final = 16
"""Blocks of one proposer, as the devnet's genesis has it."""
CALLERS: Final = 4
"""Callers a node: some hundred records a second, so that restarts are not starved."""
_KNOWN: Final = 500
_RECOVERY_S: Final = 40.0
_CHECKED: Final = 200
"""Acknowledged records that are looked up at the end."""
_RETRY_S: Final = 0.1
_SETTLE_S: Final = 20.0
_POLL_S: Final = 0.02


class Faults:
    """The measurements of faults."""

    def __init__(self, alliance: Alliance, writes: Writes, rounds: int) -> None:
        self._alliance = alliance
        self._writes = writes
        self._rounds = rounds
        self._acknowledged: list[str] = []
        self._fresh_from = 1
        """First height that the active view proposes, as far as it shows from outside."""
        self._slack = 0
        """How many blocks later it may be: those that the new view proposed again."""

    async def proposer(self) -> list[Figure]:
        """Kill the proposer, some rounds; medians."""
        await self._prepare()
        gaps: list[tuple[Gap, float]] = []
        back: list[float] = []
        notes: list[str] = []
        async with self._load():
            for _ in range(self._rounds):
                victim, observer = await self._at_proposer()
                view = (await observer.metrics())[VIEW]
                async with BlockWatch(observer) as watch:
                    if not await watch.moved(time.perf_counter(), 1, _RECOVERY_S):
                        raise BenchFailed(f"no block before the kill; {await self._places()}")
                    killed_at = time.perf_counter()
                    await asyncio.to_thread(self._alliance.devnet.kill, victim.name)
                    gap = await self._gap(watch, killed_at)
                    changed = (await observer.metrics())[VIEW] > view
                    if changed:
                        gaps.append((gap, await _ledger_gap(observer, gap)))
                        self._fresh_from, self._slack = gap.before.height + 1, 4
                    else:
                        notes.append(f"{victim.name} did not propose")
                    back.append(await self._restart(victim, observer))
        return _proposer_figures(gaps, back, notes)

    async def all_nodes(self) -> list[Figure]:
        """Kill all nodes, start them all again, wait for a block."""
        await self._prepare()
        async with self._load():
            observer = self._alliance.members[0]
            height = await observer.height()
            for node in self._alliance.nodes:
                await asyncio.to_thread(self._alliance.devnet.kill, node.name)
            begin = time.perf_counter()
            async with BlockWatch(observer) as watch:
                for node in self._alliance.nodes:
                    await self._start(node)
                spawned = time.perf_counter() - begin
                while watch.height <= height + 1:
                    if time.perf_counter() - begin > _RECOVERY_S:
                        return [Figure("all.next_block", None, f"none in {_RECOVERY_S:.0f} s")]
                    await asyncio.sleep(_POLL_S)
                seconds = time.perf_counter() - begin
        note = f"height {height} to {watch.height}; spawning took {spawned:.1f} s"
        return [Figure("all.next_block", seconds, note)]

    async def lost(self) -> list[Figure]:
        """Acknowledged records that some node does not have, of a sample."""
        sample = self._acknowledged[:: max(1, len(self._acknowledged) // _CHECKED)]
        deadline = time.perf_counter() + _SETTLE_S
        missing = sum(
            [await self._missing(node, sample, deadline) for node in self._alliance.nodes]
        )
        total = len(self._acknowledged)
        note = f"{len(sample)} of {total} acknowledged ones looked up on every node"
        return [Figure("faults.lost", float(missing), note)]

    async def _missing(self, node: Node, sample: Sequence[str], deadline: float) -> int:
        """How many of them a node does not have, also after a while: some are on their way."""
        missing = 0
        for record in sample:
            raw = request("GET", f"/v1/indicators/{record}", node.keys["auditor"])
            while (await node.ask(raw)).status != 200:
                if time.perf_counter() > deadline:
                    missing += 1
                    break
                await asyncio.sleep(_RETRY_S)
        return missing

    async def _prepare(self) -> None:
        for node in self._alliance.members:
            await self._writes.known(node, _KNOWN)

    async def _at_proposer(self) -> tuple[Node, Node]:
        """The node that proposes now, in the middle of its turn, and one that does not."""
        members = self._alliance.members
        deadline = time.perf_counter() + _RECOVERY_S
        while time.perf_counter() < deadline:
            metrics = await members[0].metrics()
            place = await members[0].height() - self._fresh_from
            if place >= 0 and 1 + self._slack <= place % ROTATION <= 5 + self._slack:
                index = (int(metrics[VIEW]) + place // ROTATION) % len(members)
                return members[index], members[(index + 2) % len(members)]
            await asyncio.sleep(_POLL_S / 2)
        raise BenchFailed("blocks do not go on, so the proposer can not be found")

    async def _gap(self, watch: BlockWatch, killed_at: float) -> Gap:
        """Wait until the view has gone on for a while; raises BenchFailed."""
        deadline = time.perf_counter() + _RECOVERY_S
        await asyncio.sleep(1.0)
        while time.perf_counter() < deadline:
            last = watch.seen[-1].at
            gap = find_gap(watch.seen, killed_at)
            if gap is not None and time.perf_counter() - last < 0.5 and last - killed_at > 0.5:
                return gap
            await asyncio.sleep(_POLL_S)
        places = await self._places()
        raise BenchFailed(f"no block in {_RECOVERY_S:.0f} s after the proposer's end; {places}")

    async def _places(self) -> str:
        """View and height of every node that answers, for whoever looks into a stall."""
        found = []
        for node in self._alliance.members:
            try:
                metrics = await node.metrics()
            except RequestFailed:
                found.append(f"{node.name} does not answer")
                continue
            found.append(f"{node.name} view {metrics[VIEW]:.0f} height {metrics[HEIGHT]:.0f}")
        return ", ".join(found)

    async def _start(self, node: Node) -> None:
        await asyncio.to_thread(self._alliance.devnet.start_node, node.name, wait=False)

    async def _restart(self, victim: Node, observer: Node) -> float:
        """Seconds until a restarted node has the others' height; raises BenchFailed."""
        begin = time.perf_counter()
        await self._start(victim)
        while time.perf_counter() - begin < _RECOVERY_S:
            if await victim.ready() and await victim.height() >= await observer.height() - 1:
                return time.perf_counter() - begin
            await asyncio.sleep(_POLL_S)
        raise BenchFailed(f"{victim.name} not back in step in {_RECOVERY_S:.0f} s")

    @asynccontextmanager
    async def _load(self) -> AsyncIterator[None]:
        """Single reports through all nodes that answer, until the block is left."""
        stop = asyncio.Event()
        tasks = [
            asyncio.get_running_loop().create_task(self._report(node, stop))
            for node in self._alliance.members
            for _ in range(CALLERS)
        ]
        try:
            yield
        finally:
            stop.set()
            _, late = await asyncio.wait(tasks, timeout=30)
            for task in late:
                task.cancel()

    async def _report(self, node: Node, stop: asyncio.Event) -> None:
        connection = Connection(HOST, node.at.http_port)
        rows = _endless(node)
        while not stop.is_set():
            try:
                answer = await connection.ask(node.report(next(rows), "executed"))
            except RequestFailed:
                await asyncio.sleep(_RETRY_S)
                continue
            if answer.status in (201, 202):
                self._acknowledged.append(orjson.loads(answer.body)["record_id"])
            elif answer.status >= 400:
                # After a restart the member has no tags in memory and needs the others first.
                await asyncio.sleep(_RETRY_S)
        connection.close()


def _endless(node: Node) -> Iterator[bytes]:
    while True:
        for row in node.known.rows(20):
            yield row.encode()


async def _ledger_gap(observer: Node, gap: Gap) -> float:
    """Seconds between the timestamps of the blocks around the gap."""
    before = await observer.document(f"/v1/blocks/{gap.before.height}")
    after = await observer.document(f"/v1/blocks/{gap.before.height + 1}")
    times = [datetime.fromisoformat(block["timestamp"]) for block in (before, after)]
    return (times[1] - times[0]).total_seconds()


def _proposer_figures(
    gaps: list[tuple[Gap, float]], back: list[float], notes: list[str]
) -> list[Figure]:
    returned = Figure("proposer.back", percentile(back, 0.5), f"longest {max(back):.2f} s")
    if not gaps:
        return [Figure("proposer.next_block", None, "; ".join(notes)), returned]
    after = [gap.since_fault for gap, _ in gaps]
    note = f"{len(gaps)} kills, median; longest {max(after):.2f} s"
    return [
        Figure("proposer.next_block", percentile(after, 0.5), "; ".join([note, *notes])),
        Figure("proposer.gap", percentile([gap.seconds for gap, _ in gaps], 0.5)),
        Figure("proposer.ledger_gap", percentile([ledger for _, ledger in gaps], 0.5)),
        returned,
    ]
