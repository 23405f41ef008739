"""Subscriptions of a WebSocket: what each kind is told, their bound, clients that do not read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

import api.rpc as rpc_module
from api.eth_filters import LogReader
from api.eth_subscriptions import MAX_SUBSCRIPTIONS, SYNC_EVERY, Subscriptions
from api.jsonrpc import RpcError
from node.service import Role
from tests.unit.api.fake_chain import CONTRACT, signed
from tests.unit.api.world import World

WHO: Any = None


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def following(world: World) -> Subscriptions:
    reader = LogReader(world.chain, 100, 100)
    return Subscriptions(world.chain, world.node, reader, world.random)


async def heard(following: Subscriptions) -> list[dict[str, Any]]:
    return [json.loads(text)["params"] async for text in following.news()]


async def test_waiting_transactions_are_told_once_by_hash_or_whole(
    world: World, following: Subscriptions
) -> None:
    await world.result("eth_sendRawTransaction", "0x" + signed(5).raw.hex())
    hashes = await following.subscribe(["newPendingTransactions"], WHO)
    whole = await following.subscribe(["newPendingTransactions", True], WHO)
    assert await heard(following) == []
    name = await world.result(
        "eth_sendRawTransaction", "0x" + signed(6, to=bytes(CONTRACT)).raw.hex()
    )
    told = {item["subscription"]: item["result"] for item in await heard(following)}
    assert told[hashes] == name
    assert told[whole]["hash"] == name and told[whole]["blockNumber"] is None
    assert await heard(following) == []


async def test_catching_up_is_told_when_it_begins_and_ends(
    world: World, following: Subscriptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    identifier = await following.subscribe(["syncing"], WHO)
    assert await heard(following) == [{"subscription": identifier, "result": False}]
    state: dict[str, object] = {"sync_target": world.chain.tip + 90}
    monkeypatch.setattr(world.node, "status", lambda: state)
    news = [item for _ in range(2 * SYNC_EVERY) for item in await heard(following)]
    assert [item["result"]["syncing"] for item in news] == [True]
    assert news[0]["result"]["status"]["highestBlock"] == hex(world.chain.tip + 90)
    assert (await world.result("eth_syncing"))["highestBlock"] == hex(world.chain.tip + 90)
    state["sync_target"] = None
    news = [item for _ in range(2 * SYNC_EVERY) for item in await heard(following)]
    assert [item["result"] for item in news] == [False]
    assert await world.result("eth_syncing") is False


async def test_subscriptions_of_all_kinds_share_one_bound(following: Subscriptions) -> None:
    kinds = [["newHeads"], ["logs", {}], ["newPendingTransactions"], ["syncing"]]
    made = [await following.subscribe(list(kinds[at % 4]), WHO) for at in range(MAX_SUBSCRIPTIONS)]
    assert len(set(made)) == len(following) == MAX_SUBSCRIPTIONS
    with pytest.raises(RpcError, match="at most 16"):
        await following.subscribe(["syncing"], WHO)
    for identifier in made:
        assert await following.unsubscribe([identifier], WHO) is True
        assert await following.unsubscribe([identifier], WHO) is False
    assert len(following) == 0 and await heard(following) == []


@pytest.mark.parametrize(
    "params", [["heads"], [None], [7], [["newHeads"]], ["newPendingTransactions", 1]]
)
async def test_what_is_no_subscription_is_refused(
    following: Subscriptions, params: list[object]
) -> None:
    with pytest.raises(RpcError) as caught:
        await following.subscribe(params, WHO)
    assert caught.value.code == -32602 and len(following) == 0


async def test_a_client_that_does_not_read_is_dropped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc_module, "SEND_TIMEOUT_S", 0.05)
    subscribe = {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}
    incoming: Iterator[dict[str, Any]] = iter(
        [
            {"type": "websocket.connect"},
            {"type": "websocket.receive", "text": json.dumps(subscribe)},
        ]
    )
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        message = next(incoming, None)
        if message is None:
            await asyncio.Event().wait()
        assert message is not None
        return message

    async def send(message: Any) -> None:
        sent.append(message["type"])
        if len(sent) == 2:  # the answer went out; from here on nobody reads
            world.chain.add([])
        if len(sent) > 2 and message["type"] == "websocket.send":
            await asyncio.Event().wait()

    key = world.headers(Role.OPERATOR)["authorization"].encode()
    scope = {
        "type": "websocket",
        "path": "/rpc",
        "headers": [(b"authorization", key)],
        "client": ("192.0.2.1", 4),
    }
    await asyncio.wait_for(world.app(scope, receive, send), 5)
    assert sent == ["websocket.accept", "websocket.send", "websocket.send", "websocket.close"]


async def test_a_batch_hears_the_ids_of_its_subscriptions_before_what_they_tell(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc_module, "POLL_S", 0.0)
    at_once = world.chain.call

    async def later(*what: Any) -> Any:
        for _ in range(100):  # turns of the loop, in which the subscription has its news
            await asyncio.sleep(0)
        return await at_once(*what)

    monkeypatch.setattr(world.chain, "call", later)
    call = {"to": f"0x{CONTRACT.hex()}", "data": "0x"}
    asked = [("eth_subscribe", ["syncing"]), ("eth_call", [call, "latest"])]
    batch = [
        {"jsonrpc": "2.0", "id": at, "method": method, "params": params}
        for at, (method, params) in enumerate(asked)
    ]
    incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    incoming.put_nowait({"type": "websocket.connect"})
    incoming.put_nowait({"type": "websocket.receive", "text": json.dumps(batch)})
    said: list[Any] = []

    async def send(message: Any) -> None:
        if message["type"] != "websocket.send":
            return
        said.append(json.loads(message["text"]))
        if len(said) == 2:
            incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})

    key = world.headers(Role.OPERATOR)["authorization"].encode()
    scope = {
        "type": "websocket",
        "path": "/rpc",
        "headers": [(b"authorization", key)],
        "client": ("192.0.2.1", 4),
    }
    await asyncio.wait_for(world.app(scope, incoming.get, send), 30)
    answers, told = said
    assert answers[0]["result"] == told["params"]["subscription"]
    assert told["params"]["result"] is False
