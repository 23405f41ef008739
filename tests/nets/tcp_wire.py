"""A wire of TCP relays on loopback, one for each ordered pair of nodes: delays and cuts, no root.

Rules: a cut holds what was sent until it heals, as TCP does for a short partition; connections
stay open meanwhile and new ones are held without an answer. A lost chunk is one that arrives a
retransmission later. Run as `python -m tests.nets.tcp_wire source:target:port:to_port ...`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from collections import deque

from tests.nets.rules import FREE, Rule, Rules, follow_rules

HOST = "127.0.0.1"
RETRANSMISSION_S = 0.2
_CHUNK = 64 * 1024
_HELD_BYTES = 4 * 1024 * 1024
_POLL_S = 0.02


class Relay:
    """Listens where `source` thinks `target` is."""

    def __init__(self, source: int, target: int, to_port: int, rules: Rules) -> None:
        self._source, self._target, self._to_port = source, target, to_port
        self._rules = rules

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, both directions, until either end closes."""
        try:
            await self._until_open(self._source, self._target)
            far_reader, far_writer = await asyncio.open_connection(HOST, self._to_port)
        except OSError:
            writer.close()
            return
        there = self._pass(reader, far_writer, self._source, self._target)
        back = self._pass(far_reader, writer, self._target, self._source)
        ways = [asyncio.ensure_future(there), asyncio.ensure_future(back)]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for end in (writer, far_writer):
            end.close()

    def _rule(self, source: int, target: int) -> Rule:
        return self._rules.get((source, target), FREE)

    async def _until_open(self, source: int, target: int) -> None:
        while True:
            if not self._rule(source, target).cut:
                return
            await asyncio.sleep(_POLL_S)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, source: int, target: int
    ) -> None:
        """Read as the sender sends and deliver when it is due."""
        loop = asyncio.get_running_loop()
        held: deque[tuple[float, bytes]] = deque()
        more = asyncio.Event()
        deliver = asyncio.ensure_future(self._deliver(held, more, writer, source, target))
        size = 0
        try:
            while chunk := await reader.read(_CHUNK):
                rule = self._rule(source, target)
                late = RETRANSMISSION_S if random.random() < rule.loss else 0.0
                held.append((loop.time() + rule.latency_s + late, chunk))
                more.set()
                size = sum(len(data) for _, data in held)
                while size > _HELD_BYTES:
                    await asyncio.sleep(_POLL_S)
                    size = sum(len(data) for _, data in held)
            held.append((loop.time(), b""))
            more.set()
            await deliver
        except ConnectionError:
            return
        finally:
            deliver.cancel()

    async def _deliver(
        self,
        held: deque[tuple[float, bytes]],
        more: asyncio.Event,
        writer: asyncio.StreamWriter,
        source: int,
        target: int,
    ) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            while True:
                while not held:
                    more.clear()
                    await more.wait()
                due, chunk = held[0]
                if due > loop.time():
                    await asyncio.sleep(due - loop.time())
                await self._until_open(source, target)
                held.popleft()
                if not chunk:
                    return
                writer.write(chunk)
                await writer.drain()


async def run(pairs: list[str]) -> None:
    """Serve all pairs until the owner is gone."""
    rules: Rules = {}
    for pair in pairs:
        source, target, port, to_port = (int(word) for word in pair.split(":"))
        await asyncio.start_server(Relay(source, target, to_port, rules).accept, HOST, port)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await follow_rules(rules)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1:]))
