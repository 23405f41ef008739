"""The application over a real small chain with its EVM, asked in JSON-RPC."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from api.auth import ApiKeys, generate_api_keys
from api.server import create_app
from api.settings import ApiSettings
from bulwark.ledger.ids import Address, Digest
from bulwark.ledger.transaction import Transaction
from node.arrivals import Arrivals
from node.chain.reader import EthereumReader
from node.ethereum import WaitingTransaction
from node.service import Role
from tests.unit.api.fake_node import FakeNode
from tests.unit.api.world import Counter
from tests.unit.node.execution.alliance import Node


class Pool:
    """Waiting transactions, taken as they come; those above the next nonce are not ready."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._waiting: dict[Digest, Transaction] = {}
        self._arrivals = Arrivals()

    def transaction(self, transaction_hash: Digest) -> Transaction | None:
        return self._waiting.get(transaction_hash)

    def next_nonce(self, sender: Address) -> int:
        nonce = self._node.executor.nonce(sender)
        own = {t.nonce for t in self._waiting.values() if t.sender == sender}
        while nonce in own:
            nonce += 1
        return nonce

    def all(self) -> list[WaitingTransaction]:
        return [
            WaitingTransaction(t, t.nonce < self.next_nonce(t.sender))
            for t in self._waiting.values()
        ]

    def arrivals(self, since: int) -> tuple[list[Digest], int]:
        return self._arrivals.since(since)

    async def submit(self, raw: bytes) -> Digest:
        transaction = Transaction.decode(raw)
        self._node.executor.check(transaction)
        self._waiting[transaction.hash] = transaction
        self._arrivals.note(transaction.hash)
        return transaction.hash


class RealWorld:
    """One node's application and its keys."""

    def __init__(self, node: Node, settings: ApiSettings | None = None) -> None:
        self.node = node
        self.pool = Pool(node)
        self.reader = EthereumReader(
            store=node.store,
            chain=node.chain,
            executor=node.executor,
            genesis=node.genesis,
            waiting=self.pool,
        )
        self.clear, hashed = generate_api_keys(Counter())
        self.now_ms = 1
        self.app = create_app(
            FakeNode(),
            self.reader,
            ApiKeys.from_json(json.dumps(hashed).encode()),
            settings or ApiSettings(),
            clock=lambda: self.now_ms,
        )

    async def post(self, body: bytes, role: Role = Role.OPERATOR) -> httpx.Response:
        """POST /rpc with any bytes."""
        headers = {
            "authorization": f"Bearer {self.clear[role]}",
            "content-type": "application/json",
        }
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://node", headers=headers
        ) as client:
            return await client.post("/rpc", content=body)

    async def ask(self, method: str, *params: Any, role: Role = Role.OPERATOR) -> dict[str, Any]:
        """The whole answer of one call."""
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer = await self.post(json.dumps(call).encode(), role)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def result(self, method: str, *params: Any, role: Role = Role.OPERATOR) -> Any:
        """The result of a call that succeeds."""
        answer = await self.ask(method, *params, role=role)
        assert "result" in answer, answer
        return answer["result"]

    async def error(self, method: str, *params: Any, role: Role = Role.OPERATOR) -> Any:
        """The error object of a call that fails."""
        answer = await self.ask(method, *params, role=role)
        assert "error" in answer, answer
        return answer["error"]


@contextmanager
def real_world(node: Node, settings: ApiSettings | None = None) -> Iterator[RealWorld]:
    """The application over a chain, closed afterwards."""
    world = RealWorld(node, settings)
    try:
        yield world
    finally:
        world.reader.close()
