"""What the Ethereum methods say about a known chain."""

from __future__ import annotations

import asyncio

import rlp
from sha3 import keccak_256

from api.eth import HOLD_S
from node.service import Role
from tests.unit.api.fake_chain import CONTRACT, SENDER, START_MS, TOPIC, signed
from tests.unit.api.world import World

WHO = "0x" + SENDER.hex()
CODE = "0x" + CONTRACT.hex()
UNKNOWN = "0x" + "ee" * 32


async def test_a_block_is_ethereum_shaped_with_our_hash(world: World) -> None:
    body = world.chain.blocks[2]
    block = await world.result("eth_getBlockByNumber", "0x2", False)
    assert block["hash"] == "0x" + body.hash.hex()
    assert block["parentHash"] == "0x" + world.chain.blocks[1].hash.hex()
    assert block["mixHash"] == "0x" + body.header.batch_digest.hex()
    assert block["timestamp"] == hex((START_MS + 3000) // 1000)
    assert block["baseFeePerGas"] == block["difficulty"] == "0x0"
    assert block["sha3Uncles"] == "0x" + keccak_256(rlp.encode([])).hexdigest()
    assert block["transactions"] == ["0x" + t.hash.hex() for t in body.transactions]
    assert int(block["logsBloom"], 16) != 0 and len(block["extraData"]) <= 66
    assert "withdrawals" not in block and block["uncles"] == []


async def test_tags_name_the_executed_and_the_final_tip(world: World) -> None:
    numbers = {}
    for tag in ("earliest", "safe", "finalized", "latest", "pending"):
        numbers[tag] = (await world.result("eth_getBlockByNumber", tag))["number"]
    assert numbers == {
        "earliest": "0x0", "safe": "0x3", "finalized": "0x3", "latest": "0x4", "pending": "0x4",
    }  # fmt: skip


async def test_what_is_not_there_is_null(world: World) -> None:
    block_hash = "0x" + world.chain.blocks[2].hash.hex()
    for method, params in [
        ("eth_getBlockByHash", [UNKNOWN, True]),
        ("eth_getBlockByNumber", ["0x99", True]),
        ("eth_getBlockReceipts", ["0x99"]),
        ("eth_getBlockReceipts", [UNKNOWN]),
        ("eth_getTransactionByHash", [UNKNOWN]),
        ("eth_getTransactionReceipt", [UNKNOWN]),
        ("eth_getTransactionByBlockHashAndIndex", [UNKNOWN, "0x0"]),
        ("eth_getTransactionByBlockHashAndIndex", [block_hash, "0x3"]),
        ("eth_getTransactionByBlockNumberAndIndex", ["0x2", "0xffffffff"]),
        ("eth_getBlockTransactionCountByHash", [UNKNOWN]),
        ("eth_getBlockTransactionCountByNumber", ["0x99"]),
        ("eth_getUncleByBlockHashAndIndex", [block_hash, "0x0"]),
    ]:
        assert await world.result(method, *params) is None, method


async def test_receipts_count_gas_and_logs_through_the_block(world: World) -> None:
    receipts = await world.result("eth_getBlockReceipts", "0x2")
    assert [int(receipt["gasUsed"], 16) for receipt in receipts] == [21_000, 21_001, 21_002]
    assert [log["logIndex"] for r in receipts for log in r["logs"]] == [hex(at) for at in range(6)]
    for receipt in receipts:
        single = await world.result("eth_getTransactionReceipt", receipt["transactionHash"])
        assert single == receipt and receipt["effectiveGasPrice"] == "0x0"
    failed = (await world.result("eth_getBlockReceipts", "0x4"))[0]
    assert failed["status"] == "0x0" and failed["logs"] == []


async def test_a_creation_names_its_contract(world: World) -> None:
    (receipt,) = await world.result("eth_getBlockReceipts", "0x1")
    created = keccak_256(rlp.encode([SENDER, b""])).digest()[12:]
    assert receipt["contractAddress"] == "0x" + created.hex() and receipt["to"] is None


async def test_each_type_of_transaction_keeps_its_fields(world: World) -> None:
    legacy, listed, dynamic = (await world.result("eth_getBlockByNumber", "0x2", True))[
        "transactions"
    ]
    assert (legacy["type"], legacy["value"]) == ("0x0", "0x5")
    assert int(legacy["v"], 16) in (35 + 2 * 420_420, 36 + 2 * 420_420) and "yParity" not in legacy
    assert listed["type"] == "0x1" and listed["yParity"] == listed["v"]
    assert listed["accessList"] == [{"address": CODE, "storageKeys": ["0x" + "00" * 31 + "05"]}]
    assert (dynamic["maxFeePerGas"], dynamic["maxPriorityFeePerGas"]) == ("0x7", "0x3")
    assert dynamic["gasPrice"] == "0x0" and dynamic["input"] == "0xff00"
    assert all(t["from"] == WHO and t["blockNumber"] == "0x2" for t in (legacy, listed, dynamic))


async def test_a_sent_transaction_waits_without_a_place(world: World) -> None:
    raw = signed(5, to=bytes(CONTRACT))
    name = await world.result("eth_sendRawTransaction", "0x" + raw.raw.hex())
    assert name == "0x" + raw.hash.hex()
    waiting = await world.result("eth_getTransactionByHash", name)
    assert waiting["blockHash"] is waiting["blockNumber"] is waiting["transactionIndex"] is None
    assert await world.result("eth_getTransactionReceipt", name) is None
    assert await world.result("eth_getTransactionCount", WHO, "latest") == "0x5"
    assert await world.result("eth_getTransactionCount", WHO, "pending") == "0x6"


async def test_logs_are_found_by_address_topic_range_and_hash(world: World) -> None:
    everything = await world.result("eth_getLogs", {"fromBlock": "0x0"})
    assert len(everything) == 8
    assert everything[0]["removed"] is False
    topic = "0x" + TOPIC.hex()
    cases = [
        ({"fromBlock": "0x0", "address": [CODE]}, 8),
        ({"fromBlock": "0x0", "address": "0x" + "01" * 20}, 0),
        ({"fromBlock": "0x0", "topics": [topic]}, 4),
        ({"fromBlock": "0x0", "topics": [[topic, UNKNOWN]]}, 4),
        ({"fromBlock": "0x0", "topics": [None, "0x" + "00" * 31 + "01"]}, 1),
        ({"fromBlock": "0x0", "topics": []}, 8),
        ({"fromBlock": "0x2", "toBlock": "0x2"}, 6),
        ({"blockHash": "0x" + world.chain.blocks[1].hash.hex()}, 2),
        ({}, 0),
    ]
    for question, count in cases:
        assert len(await world.result("eth_getLogs", question)) == count, question


async def test_sha3_and_the_network_are_told(world: World) -> None:
    assert await world.result("web3_sha3", "0x") == "0x" + keccak_256(b"").hexdigest()
    assert await world.result("net_version") == "420420"
    assert await world.result("net_listening") is True
    assert await world.result("net_peerCount") == "0x1"
    assert (await world.result("web3_clientVersion")).startswith("bulwark/")


async def test_fee_history_has_zero_fees_and_true_ratios(world: World) -> None:
    history = await world.result("eth_feeHistory", "0x2", "0x2", [10, 90])
    assert history["oldestBlock"] == "0x1"
    assert history["baseFeePerGas"] == ["0x0"] * 3
    assert history["gasUsedRatio"] == [21_000 / 30_000_000, 63_003 / 30_000_000]
    assert history["reward"] == [["0x0", "0x0"]] * 2
    assert (await world.result("eth_feeHistory", 0, "latest"))["gasUsedRatio"] == []
    for params in (["0x1", "0x99"], ["0x1", "latest", [101]], ["0x1", "latest", [9, 8]]):
        assert "error" in await world.rpc("eth_feeHistory", *params)


async def test_the_state_of_a_block_is_read_by_every_way_to_name_it(world: World) -> None:
    block_hash = "0x" + world.chain.blocks[2].hash.hex()
    for at in ("0x2", block_hash, {"blockHash": block_hash}, {"blockNumber": "0x2"}):
        assert await world.result("eth_getBalance", WHO, at) == hex(10**18 + 2)
    assert (await world.error("eth_getBalance", WHO, "0x99"))["message"] == "header not found"
    assert (await world.error("eth_getBalance", WHO, UNKNOWN))["code"] == -32001
    both = {"blockHash": block_hash, "blockNumber": "0x2"}
    assert (await world.error("eth_getBalance", WHO, both))["code"] == -32602


async def test_the_receipt_of_a_waiting_transaction_is_held_until_it_is_executed(
    world: World,
) -> None:
    """ethers waited for ever on a null that came just before the last block."""
    raw = signed(5, to=bytes(CONTRACT))
    name = await world.result("eth_sendRawTransaction", "0x" + raw.raw.hex())
    held = asyncio.create_task(world.result("eth_getTransactionReceipt", name))
    await asyncio.sleep(0.1)
    assert not held.done()
    world.chain.add([raw])
    assert (await asyncio.wait_for(held, 0.3))["transactionHash"] == name
    began = asyncio.get_running_loop().time()
    assert await world.result("eth_getTransactionReceipt", UNKNOWN) is None
    assert asyncio.get_running_loop().time() - began < 0.25


async def test_a_batch_holds_its_receipts_together(world: World) -> None:
    names = [
        await world.result(
            "eth_sendRawTransaction", "0x" + signed(5 + at, to=bytes(CONTRACT)).raw.hex()
        )
        for at in range(10)
    ]
    calls = [
        {"jsonrpc": "2.0", "id": at, "method": "eth_getTransactionReceipt", "params": [name]}
        for at, name in enumerate(names)
    ]
    began = asyncio.get_running_loop().time()
    answer = await world.ask("POST", "/rpc", role=Role.OPERATOR, json=calls)
    assert [each["result"] for each in answer.json()] == [None] * 10
    assert HOLD_S <= asyncio.get_running_loop().time() - began < 4 * HOLD_S
