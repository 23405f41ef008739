"""The alliance under test: its nodes as the loader sees them, and what they used.

Rules: what a node executed is read from its own counter, and a record counts only when it is
executed on all nodes. Restarting a node sets its counter back, so faults are measured by heights.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from bench.client import NDJSON, Answer, RequestFailed, request
from bench.load import ConnectionPool
from bench.process import Usage, resident_bytes, usage
from bench.values import KnownValues
from node.devnet.devnet import Devnet
from node.devnet.layout import HOST, DevnetNode

RECORDS: Final = "bulwark_records_total"
VIEW: Final = "bulwark_consensus_view"
HEIGHT: Final = "bulwark_height_executed"
_POLL_S: Final = 0.02
_ASK_S: Final = 10.0
_BLOCK_NUMBER: Final = b'{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}'


class BenchFailed(Exception):
    """The alliance did not do what the measurement needs."""


@dataclass(slots=True)
class Node:
    """One node with the keys of its API."""

    at: DevnetNode
    keys: Mapping[str, str]
    pool: ConnectionPool
    known: KnownValues = field(default_factory=KnownValues)
    """Values whose tags it holds in memory."""

    @property
    def name(self) -> str:
        """Its member."""
        return self.at.name

    def report(self, body: bytes, wait: str) -> bytes:
        """Request: report one."""
        return request("POST", f"/v1/indicators?wait={wait}", self.keys["reporter"], body)

    def upload(self, body: bytes, wait: str) -> bytes:
        """Request: report many."""
        path = f"/v1/indicators/batches?wait={wait}"
        return request("POST", path, self.keys["reporter"], body, NDJSON)

    def screen(self, body: bytes) -> bytes:
        """Request: ask about one value."""
        return request("POST", "/v1/screenings", self.keys["analyst"], body)

    async def ask(self, raw: bytes, timeout_s: float = _ASK_S) -> Answer:
        """Any request; raises RequestFailed."""
        return await self.pool.ask(raw, timeout_s)

    async def document(self, path: str, role: str = "auditor") -> dict[str, Any]:
        """GET a JSON document; raises BenchFailed, RequestFailed."""
        answer = await self.ask(request("GET", path, self.keys[role]))
        if answer.status != 200:
            raise BenchFailed(f"{self.name} answered {path} with {answer.status}")
        found: dict[str, Any] = orjson.loads(answer.body)
        return found

    async def height(self) -> int:
        """Number of its last executed block; raises RequestFailed."""
        answer = await self.ask(request("POST", "/rpc", self.keys["auditor"], _BLOCK_NUMBER))
        return int(orjson.loads(answer.body)["result"], 16)

    async def ready(self) -> bool:
        """Whether it serves."""
        try:
            return (await self.ask(request("GET", "/readyz", "none"))).status == 200
        except RequestFailed:
            return False

    async def metrics(self) -> dict[str, float]:
        """Its metrics without labels; raises RequestFailed."""
        answer = await self.ask(request("GET", "/metrics", self.keys["operator"]))
        return parse_metrics(answer.body.decode())


def parse_metrics(text: str) -> dict[str, float]:
    """Samples without labels of a Prometheus exposition."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if value and not line.startswith("#") and "{" not in name:
            found[name] = float(value)
    return found


class Alliance:
    """Running nodes."""

    def __init__(self, devnet: Devnet, start_s: float = 0.0) -> None:
        self.devnet = devnet
        self.start_s = start_s
        """Seconds from starting the nodes until all served."""
        self.nodes = tuple(
            Node(
                at,
                json.loads(Path(str(at.document()["api_keys_file"])).read_text()),
                ConnectionPool(HOST, at.http_port),
            )
            for at in devnet.nodes
        )
        self.members = tuple(node for node in self.nodes if node.at.role == "validator")

    def pids(self) -> dict[str, int]:
        """Process of every node that runs."""
        return {node.name: node.pid for node in self.devnet.nodes if node.pid is not None}

    def usage(self) -> Usage:
        """What all nodes used since they started."""
        return usage(self.pids().values(), [node.at.home for node in self.nodes])

    def memory(self) -> list[int]:
        """Bytes in use by each node."""
        return [resident_bytes(pid) for pid in self.pids().values()]

    async def executed(self) -> list[int]:
        """Records that each node executed since it started."""
        found = await asyncio.gather(*(node.metrics() for node in self.nodes))
        return [int(metrics[RECORDS]) for metrics in found]

    async def wait_executed(self, before: list[int], count: int, seconds: float) -> float:
        """Wait until every node executed `count` more; perf_counter then. Raises BenchFailed."""
        deadline = time.perf_counter() + seconds
        while True:
            now = await self.executed()
            more = min(n - b for n, b in zip(now, before, strict=True))
            if more >= count:
                return time.perf_counter()
            if time.perf_counter() > deadline:
                raise BenchFailed(f"{more} of {count} records executed everywhere in time")
            await asyncio.sleep(_POLL_S)

    def close(self) -> None:
        """Close the loader's connections."""
        for node in self.nodes:
            node.pool.close()
