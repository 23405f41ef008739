"""The real application over the fake node, with one key a role, asked through httpx."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
from starlette.types import ASGIApp

from api.auth import ApiKeys, generate_api_keys
from api.server import create_app
from api.settings import ApiSettings
from node.audit.port import AuditService
from node.guarded.accessport import AccessService
from node.service import Role
from tests.unit.api.fake_chain import START_MS, FakeChain
from tests.unit.api.fake_consents import FakeConsents
from tests.unit.api.fake_node import FakeNode

NOW_MS = START_MS + 60_000
PHONE = {"kind": "phone", "value": "+44 20 7946 0958", "fraud_type": "imp_bank", "confidence": 80}
QUESTION = {
    "kind": "phone",
    "value": "+442079460958",
    "purpose": "fraud_prevention",
    "lawful_basis": "legitimate_interests",
}


class Counter:
    """Deterministic stand-in for randomness."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, size: int) -> bytes:
        self.calls += 1
        return self.calls.to_bytes(size, "big")


@dataclass
class World:
    """The application, its fake node and its keys."""

    settings: ApiSettings = field(default_factory=ApiSettings)
    chain: FakeChain = field(default_factory=FakeChain)
    access: AccessService | None = None
    audit: AuditService | None = None

    def __post_init__(self) -> None:
        self.node = FakeNode(self.chain)
        self.consents = FakeConsents(self.node)
        self.clear, hashed = generate_api_keys(Counter())
        self.keys = ApiKeys.from_json(json.dumps(hashed).encode())
        self.random = Counter()
        self.now_ms = NOW_MS
        self.app: ASGIApp = create_app(
            self.node,
            self.chain,
            self.keys,
            self.settings,
            access=self.access,
            consents=self.consents,
            audit=self.audit,
            random_bytes=self.random,
            clock=lambda: self.now_ms,
        )

    def headers(self, role: Role | None) -> dict[str, str]:
        """Authorization of a role, nothing for None."""
        return {"authorization": f"Bearer {self.clear[role]}"} if role is not None else {}

    @asynccontextmanager
    async def client(self, role: Role | None = Role.REPORTER) -> AsyncIterator[httpx.AsyncClient]:
        """A client that shows the key of a role."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://node", headers=self.headers(role)
        ) as client:
            yield client

    async def ask(
        self, method: str, path: str, role: Role | None = Role.REPORTER, **how: Any
    ) -> httpx.Response:
        """One request."""
        async with self.client(role) as client:
            return await client.request(method, path, **how)

    async def rpc(self, method: str, *params: Any, role: Role = Role.OPERATOR) -> Any:
        """The whole JSON-RPC answer to one call."""
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer = await self.ask("POST", "/rpc", role, json=call)
        assert answer.status_code == 200
        return answer.json()

    async def result(self, method: str, *params: Any, role: Role = Role.OPERATOR) -> Any:
        """The result of one JSON-RPC call that works."""
        answer = await self.rpc(method, *params, role=role)
        assert "error" not in answer, answer
        return answer["result"]

    async def error(self, method: str, *params: Any, role: Role = Role.OPERATOR) -> Any:
        """The error object of one JSON-RPC call that fails."""
        answer = await self.rpc(method, *params, role=role)
        assert "result" not in answer, answer
        return answer["error"]

    async def upload(
        self, path: str, body: bytes | str, media: str = "application/x-ndjson", **how: Any
    ) -> httpx.Response:
        """An upload by the reporter."""
        content = body.encode() if isinstance(body, str) else body
        return await self.ask("POST", path, content=content, headers={"content-type": media}, **how)


def ndjson(rows: Iterable[object]) -> bytes:
    """NDJSON text of rows."""
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def problem_of(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of a refusal, after checking its form."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["type"] == f"urn:bulwark:problem:{code}"
    assert document["status"] == status
    assert document["title"] and document["detail"]
    assert document["instance"] == f"urn:bulwark:request:{response.headers['x-correlator']}"
    return document
