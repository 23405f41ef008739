"""The JSON-RPC envelope, over the real application."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.eth import ChainMethods
from api.settings import ApiSettings
from node.service import Role
from tests.fuzz import smallchain
from tests.unit.api.realchain import RealWorld
from tests.unit.api.world import NOW_MS, World, problem_of

CALL = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
MEDIA = {"content-type": "application/json"}


async def post(world: World, body: bytes | object) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await world.ask("POST", "/rpc", Role.AUDITOR, content=content, headers=MEDIA)


@pytest.mark.parametrize("identifier", [1, 0, -5, "x", "", None, 1.5, 2**63])
async def test_the_id_comes_back_as_it_was(world: World, identifier: object) -> None:
    answer = await post(world, CALL | {"id": identifier})
    assert answer.json() == {"jsonrpc": "2.0", "id": identifier, "result": "0x66a44"}
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("body", [b"", b"{", b'"\xff"', b"[" * 5000, b"nan", b'{"a":1}x'])
async def test_text_that_is_no_json_is_32700(world: World, body: bytes) -> None:
    answer = await post(world, body)
    assert answer.status_code == 200
    assert answer.json()["error"]["code"] == -32700 and answer.json()["id"] is None


@pytest.mark.parametrize(
    "call",
    [
        1,
        "x",
        None,
        {},
        CALL | {"jsonrpc": "1.0"},
        CALL | {"jsonrpc": 2.0},
        CALL | {"method": 5},
        CALL | {"id": {}},
        CALL | {"id": True},
        CALL | {"id": "x" * 300},
        CALL | {"id": 2**80},
        CALL | {"params": "x"},
        {"jsonrpc": "2.0", "method": 5},
    ],
)
async def test_what_is_no_request_is_32600(world: World, call: object) -> None:
    assert (await post(world, call)).json()["error"]["code"] == -32600
    (single,) = (await post(world, [call])).json()
    assert single["error"]["code"] == -32600


@pytest.mark.parametrize(
    "name", ["eth_sendTransaction", "anvil_nodeInfo", "", "x" * 500, "__init__"]
)
async def test_an_unknown_method_is_exactly_32601(world: World, name: str) -> None:
    error = (await post(world, CALL | {"method": name})).json()["error"]
    assert error["code"] == -32601 and len(error["message"]) < 130


async def test_named_parameters_are_32602(world: World) -> None:
    assert (await post(world, CALL | {"params": {"a": 1}})).json()["error"]["code"] == -32602


async def test_a_notification_gets_no_answer(world: World) -> None:
    call = {"jsonrpc": "2.0", "method": "eth_chainId"}
    for body in (call, [call, call], call | {"method": "unknown"}):
        answer = await post(world, body)
        assert (answer.status_code, answer.content) == (204, b"")


async def test_a_batch_is_answered_in_order_without_its_notifications(world: World) -> None:
    batch = [CALL | {"id": 3}, {"jsonrpc": "2.0", "method": "eth_chainId"}, CALL | {"id": 1}, 5]
    assert [answer["id"] for answer in (await post(world, batch)).json()] == [3, 1, None]


async def test_a_batch_has_one_to_a_hundred_calls(world: World) -> None:
    assert (await post(world, [])).json()["error"]["code"] == -32600
    assert len((await post(world, [CALL] * 100)).json()) == 100
    assert (await post(world, [CALL] * 101)).json()["error"]["code"] == -32600


async def test_the_answers_of_a_batch_are_bounded_together() -> None:
    world = World(ApiSettings(max_rpc_answer_bytes=100))
    answers = (await post(world, [CALL] * 5)).json()
    assert len(answers) == 5
    assert answers[0]["result"] == "0x66a44" and answers[4]["error"]["code"] == -32005


async def test_http_level_faults_are_problems(world: World) -> None:
    text = await world.ask("POST", "/rpc", content=b"{}", headers={"content-type": "text/plain"})
    problem_of(text, 415, "unsupported-media-type")
    problem_of(await post(world, b" " * 3_000_000), 413, "too-large")


async def test_an_unforeseen_failure_is_32603_and_tells_nothing(world: World) -> None:
    def broken(*_: object) -> None:
        raise KeyError("secret")

    world.chain.balance = broken
    error = await world.error("eth_getBalance", "0x" + "00" * 20, "latest")
    assert error == {"code": -32603, "message": "internal error"}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["0x", "0x0", "0x1", "latest", "pending"])
    | st.sampled_from(["0x" + "00" * 20, "0x" + "ab" * 32]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["fromBlock", "toBlock", "blockHash", "blockNumber", "address", "topics", "to",
                 "from", "data", "input", "gas", "value", "x"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=10,
)  # fmt: skip
SHARED = World()
REAL = RealWorld(smallchain.build())
METHODS = sorted(
    ChainMethods(REAL.reader, SHARED.node, ApiSettings(), SHARED.random, lambda: NOW_MS).table()
)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(METHODS), st.lists(JSON, max_size=4))
def test_no_parameters_lead_to_an_internal_error(method: str, params: list[object]) -> None:
    body = json.dumps(CALL | {"method": method, "params": params}).encode()
    answer = asyncio.run(REAL.post(body))
    assert answer.status_code == 200
    document = answer.json()
    assert ("result" in document) != ("error" in document)
    if "error" in document:
        assert document["error"]["code"] not in (-32603, -32601, -32700), document


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_lead_to_a_server_error(body: bytes) -> None:
    answer = asyncio.run(post(SHARED, body))
    assert answer.status_code in (200, 204)
