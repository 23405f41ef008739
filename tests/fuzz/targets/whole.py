"""REST and JSON-RPC of a whole running node; inputs are those of `rest`.

The node is a new one after some thousand inputs, so that its ledger stays small; what earlier
inputs wrote is there meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from typing import ClassVar

import orjson

from node.service import Role
from tests.consent_terms import TERMS
from tests.fuzz.running import Running
from tests.fuzz.target import Finding
from tests.fuzz.targets.rest import KINDS, Rest
from tests.fuzz.targets.rpc import Gathered, calls
from tests.unit.api.world import PHONE

RENEWED_AFTER = 2_000
BODIES: dict[str, object] = {
    "/v1/indicators": PHONE,
    "/v1/consents": TERMS,
    "/v1/governance/proposals": {
        "action": "set_parameter",
        "name": "heartbeat_ms",
        "value": 60_000,
        "dry_run": True,
    },
}
WAITS = ("accepted", "durable", "executed", "finalized")


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
        self._count = 0
        self._running = Running(self._loop)

    def seeds(self) -> list[bytes]:
        made: list[bytes] = []
        for route in self._running.app.behind.routes:
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
            self._running.stop()
            self._running = Running(self._loop)
        self._gathered.lines.clear()
        word = self._judge(data, self._running.app)
        if self._running.halted:
            raise Finding("the node stopped")
        return word

    def _bearer(self, role: Role | None) -> dict[str, str]:
        if role is None:
            return {}
        return {"authorization": f"Bearer {self._running.clear[role.value]}"}

    def close(self) -> None:
        self._running.stop()
        logging.getLogger("bulwark").removeHandler(self._gathered)
        self._loop.close()
