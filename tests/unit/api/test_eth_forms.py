"""Every served method answers in the form that the Ethereum execution APIs publish."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft201909Validator

from tests.unit.api.fake_chain import CONTRACT, SENDER, signed
from tests.unit.api.world import World

VECTORS = Path(__file__).parents[2] / "vectors" / "ethereum" / "rpc"
SCHEMA = json.loads((VECTORS / "results.schema.json").read_text())
REFUSALS = json.loads((VECTORS / "refusals.json").read_text())
WHO = "0x" + SENDER.hex()
CODE = "0x" + CONTRACT.hex()
CALLS: list[tuple[str, list[Any]]] = [
    ("eth_accounts", []),
    ("eth_blobBaseFee", []),
    ("eth_blockNumber", []),
    ("eth_call", [{"to": CODE, "data": "0xff01"}, "latest"]),
    ("eth_chainId", []),
    ("eth_estimateGas", [{"from": WHO, "to": CODE}]),
    ("eth_fillTransaction", [{"from": WHO, "to": CODE, "gas": "0x5208", "type": "0x1"}]),
    ("eth_fillTransaction", [{"from": WHO, "to": CODE, "gasPrice": "0x0"}]),
    ("eth_fillTransaction", [{"from": WHO, "data": "0x00"}]),
    ("txpool_status", []),
    ("txpool_content", []),
    ("txpool_contentFrom", [WHO]),
    ("eth_feeHistory", ["0x3", "latest", [5, 95.5]]),
    ("eth_feeHistory", ["0x400", "finalized", []]),
    ("eth_gasPrice", []),
    ("eth_getBalance", [WHO, "latest"]),
    ("eth_getBlockByNumber", ["earliest", True]),
    ("eth_getBlockByNumber", ["0x1", True]),
    ("eth_getBlockByNumber", ["0x2", True]),
    ("eth_getBlockByNumber", ["0x2", False]),
    ("eth_getBlockByNumber", ["pending", False]),
    ("eth_getBlockReceipts", ["0x2"]),
    ("eth_getBlockTransactionCountByNumber", ["0x2"]),
    ("eth_getCode", [CODE, "latest"]),
    ("eth_getLogs", [{"fromBlock": "earliest", "toBlock": "latest"}]),
    ("eth_getProof", [WHO, ["0x0", "0x" + "00" * 31 + "07"], "latest"]),
    ("eth_getStorageAt", [CODE, "0x0", "latest"]),
    ("eth_getStorageValues", [{CODE: ["0x1"]}, "latest"]),
    ("eth_getTransactionByBlockNumberAndIndex", ["0x2", "0x0"]),
    ("eth_getTransactionByBlockNumberAndIndex", ["0x2", "0x1"]),
    ("eth_getTransactionByBlockNumberAndIndex", ["0x2", "0x2"]),
    ("eth_getTransactionCount", [WHO, "pending"]),
    ("eth_maxPriorityFeePerGas", []),
    ("eth_newBlockFilter", []),
    ("eth_newFilter", [{"fromBlock": "0x1", "address": CODE}]),
    ("eth_newPendingTransactionFilter", []),
    ("eth_sendRawTransaction", ["0x" + signed(5, to=bytes(CONTRACT)).raw.hex()]),
    ("eth_syncing", []),
    ("net_version", []),
]


def check_form(method: str, result: object) -> None:
    schema = {"$schema": SCHEMA["$schema"], "$defs": SCHEMA["$defs"]}
    Draft201909Validator(schema | {"allOf": [SCHEMA["results"][method]]}).validate(result)


@pytest.mark.parametrize(("method", "params"), CALLS)
async def test_a_result_has_the_published_form(
    world: World, method: str, params: list[Any]
) -> None:
    result = await world.result(method, *params)
    assert result is not None
    check_form(method, result)


async def test_what_is_found_by_hash_has_the_published_form(world: World) -> None:
    block = world.chain.blocks[2]
    block_hash = "0x" + block.hash.hex()
    calls: list[tuple[str, list[Any]]] = [
        ("eth_getBlockByHash", [block_hash, True]),
        ("eth_getBlockReceipts", [block_hash]),
        ("eth_getBlockTransactionCountByHash", [block_hash]),
        ("eth_getTransactionByBlockHashAndIndex", [block_hash, "0x0"]),
        ("eth_getLogs", [{"blockHash": block_hash}]),
    ]
    for body in world.chain.blocks:
        for transaction in body.transactions:
            name = "0x" + transaction.hash.hex()
            calls += [("eth_getTransactionByHash", [name]), ("eth_getTransactionReceipt", [name])]
    for method, params in calls:
        result = await world.result(method, *params)
        assert result is not None
        check_form(method, result)


async def test_filters_answer_in_the_published_form(world: World) -> None:
    for method in ("eth_newBlockFilter", "eth_newFilter", "eth_newPendingTransactionFilter"):
        identifier = await world.result(method, *([{}] if method == "eth_newFilter" else []))
        new = signed(5 + len(world.chain.blocks), to=bytes(CONTRACT))
        world.chain.add([new])
        world.chain.pool.append(new)
        changes = await world.result("eth_getFilterChanges", identifier)
        assert changes
        check_form("eth_getFilterChanges", changes)
        check_form("eth_uninstallFilter", await world.result("eth_uninstallFilter", identifier))


def test_every_method_with_a_published_form_is_tested() -> None:
    by_hash = {
        "eth_getBlockByHash",
        "eth_getBlockTransactionCountByHash",
        "eth_getTransactionByBlockHashAndIndex",
        "eth_getTransactionByHash",
        "eth_getTransactionReceipt",
        "eth_getFilterChanges",
        "eth_getFilterLogs",
        "eth_uninstallFilter",
        "eth_createAccessList",  # on a real chain: test_eth_traces.py
    }
    assert {method for method, _ in CALLS} | by_hash == set(SCHEMA["results"])


@pytest.mark.parametrize("case", REFUSALS, ids=[case["case"] for case in REFUSALS])
async def test_a_published_case_that_needs_no_chain_of_its_own_replays(
    world: World, case: dict[str, Any]
) -> None:
    while world.chain.tip < 0x32:
        world.chain.add([])
    request = case["request"]
    answer = await world.rpc(request["method"], *request.get("params", []))
    if "code" in case:
        assert answer["error"]["code"] == case["code"]
        assert answer["error"]["message"] == case["message"]
    else:
        assert answer["result"] == case["result"]
