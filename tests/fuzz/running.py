"""A whole node that runs alone in its alliance, in the caller's event loop, for targets to reach.

Everything is the product's: genesis, keys, tagging, reporting, consensus of one, execution; only
the database is in memory. It is reached through what is handed to its HTTP server and its network.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from api.auth import generate_api_keys
from genesis.generator import generate
from genesis.home import CLEAR_API_KEYS_FILE
from node.app import Node
from node.assembly import Home, open_home
from node.devnet.layout import devnet_alliance
from node.devnet.ports import free_ports
from node.network.network import Network
from node.server import HttpServer
from node.storage.memory import MemoryStore
from tests.fuzz.asgi import request

NOW_MS = 1_790_000_000_000


class Running:
    """One node from its start to its stop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
        made = generate(
            devnet_alliance(1, 0, free_ports(2)),
            self._folder / "alliance",
            random_bytes=Random(5).randbytes,
            now_ms=NOW_MS,
            passphrase_of=lambda name: b"fuzz",
            new_api_keys=generate_api_keys,
            unattended=True,
        )
        self.home: Home = open_home(made.homes[0].home)
        self.clear: dict[str, str] = json.loads((self.home.path / CLEAR_API_KEYS_FILE).read_bytes())
        with noted(HttpServer) as servers, noted(Network) as networks:
            self._node = Node(self.home, MemoryStore())
            self.app: Any = None
            loop.run_until_complete(self._start(servers))
        self.network: Any = networks[0][0]

    async def _start(self, servers: list[tuple[Any, ...]]) -> None:
        self._task = asyncio.get_running_loop().create_task(self._node.run())
        async with asyncio.timeout(30):
            while not servers or await self._ready(servers[0][1]) != 200:
                if self._task.done():
                    raise RuntimeError("the node stopped") from self._task.exception()
                await asyncio.sleep(0.01)
        self.app = servers[0][1]

    @staticmethod
    async def _ready(app: Any) -> int:
        return (await request(app, "GET", "/readyz", b"", [], [])).status

    @property
    def halted(self) -> bool:
        """Whether the node ended by itself."""
        return self._task.done()

    def stop(self) -> None:
        """Stop the node and remove its home."""
        self._node.stop()
        self._loop.run_until_complete(self._task)
        shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def noted(made: type) -> Iterator[list[tuple[Any, ...]]]:
    """Objects of a class made meanwhile: each with the positional arguments it was made from."""
    found: list[tuple[Any, ...]] = []
    original = made.__init__  # type: ignore[misc]

    def noting(self: Any, *args: Any, **named: Any) -> None:
        found.append((self, *args))
        original(self, *args, **named)

    setattr(made, "__init__", noting)  # noqa: B010
    try:
        yield found
    finally:
        setattr(made, "__init__", original)  # noqa: B010
