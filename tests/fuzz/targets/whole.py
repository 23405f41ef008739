"""REST and JSON-RPC of a whole running node: alone in its alliance, so that it orders by itself.

Everything behind the requests is the product's: tagging, reporting, consensus of one, execution.
Inputs are those of `rest`. The node is a new one after some thousand inputs, so that its ledger
stays small; records of earlier inputs are there meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import orjson

from api.auth import generate_api_keys
from genesis.generator import generate
from genesis.home import CLEAR_API_KEYS_FILE
from node.app import Node
from node.assembly import open_home
from node.devnet.layout import devnet_alliance
from node.devnet.ports import free_ports
from node.server import HttpServer
from node.service import Role
from node.storage.memory import MemoryStore
from tests.fuzz.asgi import request
from tests.fuzz.targets.rest import KINDS, Rest
from tests.fuzz.targets.rpc import Gathered, calls
from tests.unit.api.world import PHONE

NOW_MS = 1_790_000_000_000
RENEWED_AFTER = 2_000
BODIES: dict[str, object] = {
    "/v1/indicators": PHONE,
    "/v1/consents": {
        "subject": "pairwise-17", "purpose": "fraud_prevention", "lawful_basis": "consent",
        "personal_data": ["pd:TelephoneNumber"],
    },
    "/v1/governance/proposals": {
        "action": "set_parameter", "name": "heartbeat_ms", "value": 60_000, "dry_run": True,
    },
}  # fmt: skip
WAITS = ("accepted", "durable", "executed", "finalized")


@contextmanager
def served() -> Iterator[list[Any]]:
    """The applications that are given to HTTP servers meanwhile, without asking where."""
    found: list[Any] = []
    original = HttpServer.__init__

    def noting(self: HttpServer, app: Any, *others: Any) -> None:
        found.append(app)
        original(self, app, *others)

    setattr(HttpServer, "__init__", noting)  # noqa: B010
    try:
        yield found
    finally:
        setattr(HttpServer, "__init__", original)  # noqa: B010


class Whole(Rest):
    """One request to a node that runs."""

    name: ClassVar = "whole"
    about: ClassVar = "REST and JSON-RPC of a whole running node with consensus of one"
    seconds: ClassVar = 8.0
    memory_mib: ClassVar = 400

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._gathered = Gathered()
        logging.getLogger("bulwark").addHandler(self._gathered)
        self._folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
        self._count = 0
        self._start()

    def _start(self) -> None:
        drawn = Random(5)
        made = generate(
            devnet_alliance(1, 0, free_ports(2)),
            self._folder / f"alliance-{self._count}",
            random_bytes=drawn.randbytes,
            now_ms=NOW_MS,
            passphrase_of=lambda name: b"fuzz",
            new_api_keys=generate_api_keys,
            unattended=True,
        )
        home = open_home(made.homes[0].home)
        self._clear = json.loads((home.path / CLEAR_API_KEYS_FILE).read_bytes())
        with served() as found:
            node = Node(home, MemoryStore())
            self._loop.run_until_complete(self._run(node, found))

    async def _run(self, node: Node, found: list[Any]) -> None:
        self._node = node
        self._task = asyncio.get_running_loop().create_task(node.run())
        async with asyncio.timeout(30):
            while not found or (await self._ready(found[0])) != 200:
                if self._task.done():
                    raise RuntimeError("the node stopped") from self._task.exception()
                await asyncio.sleep(0.01)
        self._app = found[0]

    @staticmethod
    async def _ready(app: Any) -> int:
        return (await request(app, "GET", "/readyz", b"", [], [])).status

    def _stop(self) -> None:
        self._node.stop()
        self._loop.run_until_complete(self._task)

    def seeds(self) -> list[bytes]:
        made: list[bytes] = []
        for route in self._app.routes:
            path = route.path.replace("{", "").replace("}", "")
            path = path.replace("record_id", "ab" * 32).replace("/at", "/latest")
            body = BODIES.get(route.path, {})
            role = "operator" if route.roles is None else min(r.value for r in route.roles)
            media = "json" if route.method == "POST" else "none"
            text = orjson.dumps(body) if media == "json" else b""
            made.append(f"{route.method} {path} {role} {media}\n".encode() + text)
        for number, (kind, values) in enumerate(sorted(KINDS.items())):
            report = orjson.dumps({"kind": kind, "value": values[0], "fraud_type": "vishing"})
            wait = WAITS[number % len(WAITS)]
            head = f"POST /v1/indicators?wait={wait} reporter json key-{number}\n"
            made.append(head.encode() + report)
        made += [b"POST /rpc operator json\n" + orjson.dumps(one) for one in calls()]
        return made

    def run(self, data: bytes) -> str:
        self._count += 1
        if self._count % RENEWED_AFTER == 0:
            self._stop()
            shutil.rmtree(self._folder / "alliance-0", ignore_errors=True)
            self._start()
        self._gathered.lines.clear()
        return self._judge(data, self._app)

    def _bearer(self, role: Role | None) -> dict[str, str]:
        return {} if role is None else {"authorization": f"Bearer {self._clear[role.value]}"}

    def close(self) -> None:
        self._stop()
        logging.getLogger("bulwark").removeHandler(self._gathered)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._loop.close()
