from __future__ import annotations

import itertools
import time

from bench.client import Answer, Connection, request
from bench.load import ConnectionPool, Load, closed_loop, open_loop
from tests.unit.bench.servers import answer, serving

RAW = request("POST", "/", "k", b"body")


def accept(found: Answer) -> str | None:
    return None if found.status == 200 else f"status {found.status}"


async def test_closed_loop_sends_all_requests_of_all_callers() -> None:
    async with serving(lambda raw: answer(b"ok")) as port:
        callers = [(Connection("127.0.0.1", port), iter([RAW] * 5)) for _ in range(3)]
        load = await closed_loop(callers, accept, 30)
        for connection, _ in callers:
            connection.close()
    assert (load.good, load.failures) == (15, {})
    assert load.seconds >= max(load.latencies)


async def test_closed_loop_ends_when_the_time_is_over() -> None:
    async with serving(lambda raw: answer(b"ok")) as port:
        connection = Connection("127.0.0.1", port)
        load = await closed_loop([(connection, itertools.repeat(RAW))], accept, 0.05)
        connection.close()
    assert load.good > 0


async def test_answers_that_were_not_wanted_are_no_latencies() -> None:
    answers = itertools.cycle([answer(b"", 503), answer(b"ok"), None])
    async with serving(lambda raw: next(answers)) as port:
        connection = Connection("127.0.0.1", port)
        load = await closed_loop([(connection, iter([RAW] * 6))], accept, 30)
        connection.close()
    assert load.good == 2
    assert load.failures == {"status 503": 2, "closed before the answer": 2}
    assert "2 x status 503" in load.trouble()


async def test_open_loop_counts_from_the_moment_a_request_was_due() -> None:
    """A server that stands still for 0.2 s delays the requests that were due meanwhile, too."""
    numbers = itertools.count()

    def script(raw: bytes) -> bytes:
        if next(numbers) == 0:
            end = time.perf_counter() + 0.2
            while time.perf_counter() < end:
                pass
        return answer(b"ok")

    async with serving(script) as port:
        pool = ConnectionPool("127.0.0.1", port)
        load = await open_loop([pool], [RAW] * 20, 200, accept)
        pool.close()
    assert load.good == 20
    assert sorted(load.latencies)[10] > 0.1


async def test_open_loop_takes_its_time() -> None:
    async with serving(lambda raw: answer(b"ok")) as port:
        pools = [ConnectionPool("127.0.0.1", port) for _ in range(2)]
        load = await open_loop(pools, [RAW] * 10, 50, accept)
        for pool in pools:
            pool.close()
    assert load.seconds >= 9 / 50


def test_a_load_without_time_needed_no_loader() -> None:
    assert Load().loader_share == 0
    assert Load(seconds=2.0, loader_cpu_s=0.5).loader_share == 0.25
