"""Writes: how many records a second the alliance executes, and what a record costs it.

Rules: a rate is records executed on all nodes over the time from the first request to the moment
the last node has executed the last of them; every load is preceded by a small one of its kind that
is not counted.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from bench.alliance import Alliance, BenchFailed, Node
from bench.client import NDJSON, Answer, Connection, request
from bench.figures import Figure, latency_figures
from bench.load import ConnectionPool, Load, closed_loop, open_loop
from bench.process import Usage
from bench.values import Row, Value, Values, first_rows, ndjson, questions
from node.devnet.layout import HOST

DRAIN_S: Final = 30.0
"""How long the nodes may take to execute what was reported when the load is over."""
PRIME_ROWS: Final = 2_000
PRIME_ATTEMPTS: Final = 5
"""Of asking for the same tags: under load evaluators may answer too late."""
BULK_TIMEOUT_S: Final = 60.0
UPLOADS_AT_A_TIME: Final = 2
"""Of one member."""
_SINGLE_GOOD: Final = frozenset((200, 201, 202))
_EXECUTED: Final = frozenset(("executed", "finalized"))


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything one run does."""

    single_s: float
    callers: int
    """Callers of single reports together."""
    bulk_rows: int
    """Rows of one upload."""
    uploads: int
    """Uploads that one member gets in a bulk measurement."""
    fresh_rows: int
    """Fresh values of a measurement, all members together."""
    offered_s: float
    known: int
    """Known values that a member has to hold before it is measured."""


class Measured:
    """One load with what the nodes used for it."""

    def __init__(self, load: Load, records: int, seconds: float, used: Usage, blocks: int) -> None:
        self.load = load
        self.records = records
        self.blocks = blocks
        self.seconds = seconds
        self.used = used

    @property
    def rate(self) -> float:
        """Records a second, executed everywhere."""
        return self.records / self.seconds

    def note(self) -> str:
        """What a reader should know beside the number."""
        text = f"{self.records:,} in {self.seconds:.1f} s, {self.blocks} blocks"
        text = f"{text}, {self.used.cpu_s:.1f} CPU s"
        trouble = self.load.trouble()
        return f"{text}; failed: {trouble}" if trouble else text

    def per_thousand(self, name: str) -> list[Figure]:
        """CPU seconds, disk and written kilobytes of a thousand records."""
        thousands = self.records / 1000
        return [
            Figure(f"{name}.cpu", self.used.cpu_s / thousands),
            Figure(f"{name}.disk", self.used.disk / thousands / 1000),
            Figure(f"{name}.written", self.used.written / thousands / 1000),
        ]


class Writes:
    """The measurements of writes."""

    def __init__(self, alliance: Alliance, values: Values, sizes: Sizes) -> None:
        self._alliance = alliance
        self._values = values
        self._sizes = sizes
        self.loader_share = 0.0
        """The largest share of a core that the loader needed so far."""

    async def known(self, node: Node, count: int) -> None:
        """Let a member ask for values until it holds `count` tags."""
        while len(node.known) < count:
            values = self._values.take(min(PRIME_ROWS, count - len(node.known)))
            raw = request(
                "POST", "/v1/screenings/batches", node.keys["analyst"], questions(values), NDJSON
            )
            for _ in range(PRIME_ATTEMPTS):
                answer = await node.ask(raw, BULK_TIMEOUT_S)
                if answer.status == 200 and not orjson.loads(answer.body)["incomplete"]:
                    break
            else:
                raise BenchFailed(f"{node.name} could not get tags ({answer.status})")
            node.known.add(values)

    async def single(self, wait: str) -> list[Figure]:
        """One REST call a record, through all members."""
        members = self._alliance.members
        for node in members:
            await self.known(node, self._sizes.known)
        await self._single_load(wait, self._sizes.single_s / 4)
        measured = await self._single_load(wait, self._sizes.single_s)
        name = f"single.{wait}"
        figures = [Figure(f"{name}.rate", measured.rate, measured.note())]
        figures += latency_figures(name, measured.load.latencies)[:2]
        return figures + (measured.per_thousand("single") if wait == "executed" else [])

    async def _single_load(self, wait: str, seconds: float) -> Measured:
        callers: list[tuple[Connection, Iterator[bytes]]] = []
        members = self._alliance.members
        for node in members:
            requests = _singles(node, wait)
            for _ in range(self._sizes.callers // len(members)):
                callers.append((Connection(HOST, node.at.http_port), requests))
        try:
            return await self._measure(closed_loop(callers, check_single, seconds), None)
        finally:
            for connection, _ in callers:
                connection.close()

    async def bulk(self, nodes: Sequence[Node], name: str) -> list[Figure]:
        """Uploads of known values."""
        for node in nodes:
            await self.known(node, self._sizes.known)
        rows = self._sizes.bulk_rows
        await self._uploads([(node, node.known.rows(rows // 10)) for node in nodes])
        wanted = [
            (node, node.known.rows(rows)) for node in nodes for _ in range(self._sizes.uploads)
        ]
        measured = await self._uploads(wanted)
        figures = [Figure(f"bulk.{name}.rate", measured.rate, measured.note())]
        return figures + (measured.per_thousand("bulk") if name == "all" else [])

    async def fresh(self, nodes: Sequence[Node], name: str) -> list[Figure]:
        """Uploads of values whose tags nobody has."""
        await self._fresh_load(nodes, 64)
        measured = await self._fresh_load(nodes, self._sizes.fresh_rows // len(nodes))
        figures = [Figure(f"fresh.{name}.rate", measured.rate, measured.note())]
        return figures + (measured.per_thousand("fresh")[:1] if name == "all" else [])

    async def _fresh_load(self, nodes: Sequence[Node], count: int) -> Measured:
        taken: list[tuple[Node, list[Value]]] = [(n, self._values.take(count)) for n in nodes]
        measured = await self._uploads([(node, first_rows(values)) for node, values in taken])
        for node, values in taken:
            node.known.add(values)
        return measured

    async def _uploads(self, wanted: Sequence[tuple[Node, list[Row]]]) -> Measured:
        """Few uploads at a time a member, executed everywhere."""
        queues: dict[str, list[bytes]] = {}
        for node, rows in wanted:
            queues.setdefault(node.name, []).append(node.upload(ndjson(rows), "executed"))
        callers: list[tuple[Connection, Iterator[bytes]]] = []
        for node in {node.name: node for node, _ in wanted}.values():
            requests = iter(queues[node.name])
            for _ in range(UPLOADS_AT_A_TIME):
                callers.append((Connection(HOST, node.at.http_port), requests))
        try:
            total = sum(len(rows) for _, rows in wanted)
            load = closed_loop(callers, check_upload, BULK_TIMEOUT_S, BULK_TIMEOUT_S)
            return await self._measure(load, total)
        finally:
            for connection, _ in callers:
                connection.close()

    async def offered(self, rate: int) -> list[Figure]:
        """CPU share of all nodes while bulk records come in at a fixed rate."""
        members = self._alliance.members
        rows, beats = rate // 10, int(self._sizes.offered_s * 10)
        for node in members:
            await self.known(node, self._sizes.known)
        turns = [node for node, _ in zip(itertools.cycle(members), range(beats), strict=False)]
        requests = [node.upload(ndjson(node.known.rows(rows)), "executed") for node in turns]
        # A node takes few uploads at a time, so those beyond wait here and not there.
        pools = [ConnectionPool(HOST, node.at.http_port, UPLOADS_AT_A_TIME) for node in members]
        load = open_loop(pools, requests, 10, check_upload)
        measured = await self._measure(load, rows * beats)
        for pool in pools:
            pool.close()
        cores = len(os.sched_getaffinity(0))
        share = measured.used.cpu_s / measured.seconds / cores
        return [
            Figure("offered.cpu", share * 100, measured.note()),
            Figure("offered.rate", measured.rate),
        ]

    async def idle(self, seconds: float) -> list[Figure]:
        """CPU share of all nodes without any load."""
        before = self._alliance.usage()
        await asyncio.sleep(seconds)
        used = self._alliance.usage() - before
        cores = len(os.sched_getaffinity(0))
        return [Figure("idle.cpu", used.cpu_s / seconds / cores * 100, f"over {seconds:.0f} s")]

    async def _measure(self, running: Awaitable[Load], count: int | None) -> Measured:
        """Run a load; wait until its records (`count`, or one an answer) are executed."""
        before, executed = self._alliance.usage(), await self._alliance.executed()
        height = await self._alliance.members[0].height()
        begin = time.perf_counter()
        load = await running
        records = load.good if count is None else count
        if not load.good:
            raise BenchFailed(f"nothing was taken: {load.trouble()}")
        if count is not None and load.failures:
            raise BenchFailed(f"uploads failed: {load.trouble()}")
        end = await self._alliance.wait_executed(executed, records, DRAIN_S)
        self.loader_share = max(self.loader_share, load.loader_share)
        used = self._alliance.usage() - before
        blocks = await self._alliance.members[0].height() - height
        return Measured(load, records, end - begin, used, blocks)


def _singles(node: Node, wait: str) -> Iterator[bytes]:
    """Requests to report one known value each, as long as there are some."""
    while True:
        for row in node.known.rows(100):
            yield node.report(row.encode(), wait)


def check_single(answer: Answer) -> str | None:
    """A single report has to be a new record."""
    if answer.status not in _SINGLE_GOOD:
        return f"status {answer.status}"
    return "duplicate" if b'"duplicate":true' in answer.body else None


def check_upload(answer: Answer) -> str | None:
    """Every row of an upload has to be a new record."""
    if answer.status not in _SINGLE_GOOD:
        return f"status {answer.status}"
    head = orjson.loads(answer.body)
    bad = int(head["refused"]) + int(head["duplicates"])
    if bad:
        return f"{bad} rows not taken"
    return None if head["stage"] in _EXECUTED else f"only {head['stage']} when the wait was over"
