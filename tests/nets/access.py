"""What an operator's tools see of a node: REST with its keys, nothing of its inside."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from genesis.home import CLEAR_API_KEYS_FILE

TIMEOUT_S = 3.0


class Unreachable(Exception):
    """The node does not answer, or not in time."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A node's own account of itself at one moment."""

    executed: int
    finalized: int
    tip: str
    view: int | None
    """None on an observer."""
    phase: str
    halted: str | None


class Access:
    """One node's REST."""

    def __init__(self, name: str, home: Path, url: str) -> None:
        self.name = name
        self.url = url
        self._keys: dict[str, str] = json.loads((home / CLEAR_API_KEYS_FILE).read_bytes())
        limits = httpx.Limits(max_keepalive_connections=4)
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT_S, limits=limits)

    def get(
        self, path: str, role: str = "operator", timeout_s: float = TIMEOUT_S
    ) -> httpx.Response:
        """GET with a role's key; raises Unreachable."""
        return self._send("GET", path, role, timeout_s, None)

    def post(
        self, path: str, role: str, body: Mapping[str, object], timeout_s: float
    ) -> httpx.Response:
        """POST of JSON with a role's key; raises Unreachable."""
        return self._send("POST", path, role, timeout_s, body)

    def upload(
        self, path: str, rows: str, timeout_s: float, role: str = "reporter"
    ) -> httpx.Response:
        """POST of NDJSON with a role's key; raises Unreachable."""
        headers = {
            "Authorization": f"Bearer {self._keys[role]}",
            "content-type": "application/x-ndjson",
        }
        try:
            return self._client.post(path, headers=headers, content=rows, timeout=timeout_s)
        except httpx.HTTPError as error:
            raise Unreachable(f"{self.name}: {type(error).__name__}") from error

    def _send(
        self, method: str, path: str, role: str, timeout_s: float, body: object
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._keys[role]}"}
        try:
            return self._client.request(method, path, headers=headers, timeout=timeout_s, json=body)
        except httpx.HTTPError as error:
            raise Unreachable(f"{self.name}: {type(error).__name__}") from error

    def seen(self, timeout_s: float = TIMEOUT_S) -> Seen:
        """GET /v1/node; raises Unreachable."""
        answer = self.get("/v1/node", timeout_s=timeout_s)
        if answer.status_code != 200:
            raise Unreachable(f"{self.name}: {answer.status_code}")
        body = answer.json()
        consensus = body["consensus"] or {}
        return Seen(
            executed=int(body["height"]["executed"]),
            finalized=int(body["height"]["finalized"]),
            tip=str(body["tip"]["hash"]),
            view=consensus.get("view"),
            phase=str(consensus.get("status", "observer")),
            halted=body["halted"],
        )

    def is_ready(self) -> bool:
        """GET /readyz."""
        try:
            return self.get("/readyz", timeout_s=1.0).status_code == 200
        except Unreachable:
            return False

    def status(self) -> Mapping[str, Any]:
        """GET /v1/node; raises Unreachable."""
        answer = self.get("/v1/node")
        if answer.status_code != 200:
            raise Unreachable(f"{self.name}: {answer.status_code}")
        return dict(answer.json())

    def diagnosis(self) -> Sequence[Mapping[str, Any]]:
        """Findings of GET /v1/node/diagnosis; raises Unreachable."""
        answer = self.get("/v1/node/diagnosis")
        if answer.status_code != 200:
            raise Unreachable(f"{self.name}: no diagnosis, {answer.status_code}")
        return list(answer.json()["findings"])

    def findings(self) -> set[str]:
        """Codes of what the diagnosis finds; raises Unreachable."""
        return {str(finding["code"]) for finding in self.diagnosis()}

    def block(self, height: int) -> Mapping[str, Any] | None:
        """GET /v1/blocks/{height}; None if the node has none. Raises Unreachable."""
        answer = self.get(f"/v1/blocks/{height}", "auditor")
        if answer.status_code == 404:
            return None
        return dict(answer.raise_for_status().json())

    def has_record(self, record_id: str) -> bool:
        """Whether the node shows a record; raises Unreachable."""
        return self.get(f"/v1/indicators/{record_id}", "auditor").status_code == 200

    def rpc_block_hash(self, height: int) -> str | None:
        """Hash of a block by JSON-RPC; None if the node has none. Raises Unreachable."""
        body = {"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber"}
        answer = self.post("/rpc", "operator", {**body, "params": [hex(height), False]}, TIMEOUT_S)
        found = answer.json().get("result")
        return None if found is None else str(found["hash"])

    def rpc(self, method: str, *params: object, timeout_s: float = TIMEOUT_S) -> Any:
        """The result of one JSON-RPC call; raises Unreachable, also for an error."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer = self.post("/rpc", "operator", body, timeout_s)
        document = answer.json() if answer.status_code == 200 else {}
        if "result" not in document:
            raise Unreachable(f"{self.name}: {method}: {answer.status_code} {answer.text[:200]}")
        return document["result"]

    def metrics(self) -> dict[str, float]:
        """Every sample of GET /metrics by name and labels as written; raises Unreachable."""
        lines = self.get("/metrics").text.splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def memory_mb(self) -> float:
        """Resident memory by the node's own metrics; raises Unreachable."""
        found = self.metrics().get("process_resident_memory_bytes")
        if found is None:
            raise Unreachable(f"{self.name}: no memory metric")
        return found / 1e6

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
