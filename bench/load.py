"""Load: requests sent by a fixed number of callers, or at a fixed rate whatever the nodes do.

Rules: the closed loop measures throughput: each caller sends its next request when it has an
answer. The open loop measures latency: a request counts from the moment it was due, so a node that
stands still is not flattered by a loader that waits for it (coordinated omission).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.client import TIMEOUT_S, Answer, Connection, RequestFailed

Check = Callable[[Answer], str | None]
"""Why an answer is not the one wanted, None if it is."""
MAX_BACKLOG: Final = 20_000
"""Requests of an open loop under way at a time; one more is counted as not sent."""


@dataclass(slots=True)
class Load:
    """What became of the requests of one load."""

    latencies: list[float] = field(default_factory=list)
    """Seconds to each wanted answer."""
    failures: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    """From the first request to the last answer."""
    loader_cpu_s: float = 0.0

    @property
    def good(self) -> int:
        """Wanted answers."""
        return len(self.latencies)

    @property
    def loader_share(self) -> float:
        """Share of one core that the loader needed."""
        return self.loader_cpu_s / self.seconds if self.seconds else 0.0

    def trouble(self) -> str:
        """Failures in words, the most frequent first; empty when there were none."""
        return ", ".join(f"{count} x {what}" for what, count in self.failures.most_common(3))


class _Stopwatch:
    """Fills in the times of a load."""

    def __init__(self, load: Load) -> None:
        self._load = load

    def __enter__(self) -> Load:
        self._begin = time.perf_counter()
        self._cpu = time.process_time()
        return self._load

    def __exit__(self, *_: object) -> None:
        self._load.seconds = time.perf_counter() - self._begin
        self._load.loader_cpu_s = time.process_time() - self._cpu


async def closed_loop(
    callers: Sequence[tuple[Connection, Iterator[bytes]]],
    check: Check,
    seconds: float,
    timeout_s: float = TIMEOUT_S,
) -> Load:
    """Every caller sends its requests one after another until the time or the requests are over."""
    stop_at = time.perf_counter() + seconds

    async def work(connection: Connection, requests: Iterator[bytes], load: Load) -> None:
        for raw in requests:
            await _one(connection, raw, check, load, time.perf_counter(), timeout_s)
            if time.perf_counter() >= stop_at:
                return

    with _Stopwatch(Load()) as load:
        await asyncio.gather(*(work(c, requests, load) for c, requests in callers))
    return load


async def open_loop(
    pools: Sequence[ConnectionPool], requests: Iterable[bytes], rate: float, check: Check
) -> Load:
    """Send the requests `rate` a second, the pools in turn; latency counts from the due time."""
    loop = asyncio.get_running_loop()
    under_way: set[asyncio.Task[None]] = set()
    with _Stopwatch(Load()) as load:
        begin = time.perf_counter()
        for number, raw in enumerate(requests):
            due = begin + number / rate
            wait = due - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            elif number % 8 == 0:
                await asyncio.sleep(0)
            if len(under_way) >= MAX_BACKLOG:
                load.failures["not sent, too many under way"] += 1
                continue
            pool = pools[number % len(pools)]
            task = loop.create_task(pool.one(raw, check, load, due))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        while under_way:
            await asyncio.wait(set(under_way))
    return load


class ConnectionPool:
    """Connections to one node, opened as they are needed."""

    def __init__(self, host: str, port: int, most: int = 256) -> None:
        self._host = host
        self._port = port
        self._idle: list[Connection] = []
        self._left = asyncio.Semaphore(most)

    async def one(self, raw: bytes, check: Check, load: Load, since: float) -> None:
        """One request on an idle connection."""
        async with self._left:
            idle = self._idle
            connection = idle.pop() if idle else Connection(self._host, self._port)
            await _one(connection, raw, check, load, since)
            idle.append(connection)

    async def ask(self, raw: bytes, timeout_s: float) -> Answer:
        """One request on an idle connection; raises RequestFailed."""
        async with self._left:
            connection = self._idle.pop() if self._idle else Connection(self._host, self._port)
            try:
                return await connection.ask(raw, timeout_s)
            finally:
                self._idle.append(connection)

    def close(self) -> None:
        """Close idle connections."""
        for connection in self._idle:
            connection.close()


async def _one(
    connection: Connection,
    raw: bytes,
    check: Check,
    load: Load,
    since: float,
    timeout_s: float = TIMEOUT_S,
) -> None:
    try:
        answer = await connection.ask(raw, timeout_s)
    except RequestFailed as error:
        load.failures[str(error)] += 1
        return
    trouble = check(answer)
    if trouble is None:
        load.latencies.append(time.perf_counter() - since)
    else:
        load.failures[trouble] += 1
