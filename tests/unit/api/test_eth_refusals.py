"""What the Ethereum methods refuse, and how: reverts, caps, roles, filters of others."""

from __future__ import annotations

import pytest

from api.eth_reverts import revert_reason
from api.settings import ApiSettings
from node.service import Role, Unavailable
from tests.unit.api.fake_chain import (
    BURNER,
    CONTRACT,
    ERROR_NO,
    PANIC_17,
    PANICKER,
    REVERTER,
    SENDER,
    signed,
)
from tests.unit.api.world import World

WHO = "0x" + SENDER.hex()


@pytest.mark.parametrize("method", ["eth_call", "eth_estimateGas"])
async def test_a_revert_is_error_3_with_its_reason_and_data(world: World, method: str) -> None:
    error = await world.error(method, {"to": "0x" + REVERTER.hex()}, "latest")
    assert error == {
        "code": 3,
        "message": "execution reverted: no",
        "data": "0x" + ERROR_NO.hex(),
    }
    error = await world.error(method, {"to": "0x" + PANICKER.hex()}, "latest")
    assert error["message"] == "execution reverted: panic code 0x11"
    error = await world.error(method, {"to": "0x" + BURNER.hex()}, "latest")
    assert error == {"code": -32000, "message": "out of gas"}


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (ERROR_NO, "no"),
        (PANIC_17, "panic code 0x11"),
        (b"", None),
        (b"\x08\xc3\x79\xa0", None),
        (ERROR_NO[:69], None),
        (ERROR_NO[:36] + b"\xff" * 32, None),
        (b"\x01" * 100, None),
    ],
)
def test_a_reason_is_read_only_from_well_formed_data(output: bytes, reason: str | None) -> None:
    assert revert_reason(output) == reason


@pytest.mark.parametrize("role", [Role.REPORTER, Role.ANALYST, Role.AUDITOR])
async def test_only_the_operator_sends_transactions(world: World, role: Role) -> None:
    raw = "0x" + signed(5).raw.hex()
    error = await world.error("eth_sendRawTransaction", raw, role=role)
    assert error["code"] == -32006 and role.value in error["message"]
    assert world.chain.pool == []
    assert await world.result("eth_chainId", role=role) == "0x66a44"


async def test_a_transaction_that_breaks_a_rule_is_rejected_by_name(world: World) -> None:
    other = signed(5, chainId=1)
    error = await world.error("eth_sendRawTransaction", "0x" + other.raw.hex())
    assert error["code"] == -32003 and "chain id" in error["message"]
    assert (await world.error("eth_sendRawTransaction", "0x03" + "00" * 40))["code"] == -32003
    assert (await world.error("eth_sendRawTransaction", "0x" + "00" * 140_000))["code"] == -32602
    world.chain.full = True
    busy = await world.error("eth_sendRawTransaction", "0x" + signed(6).raw.hex())
    assert busy == {"code": -32005, "message": "the mempool is full"}


async def test_a_node_that_can_not_serve_answers_32002(world: World) -> None:
    def closed(*_: object) -> None:
        raise Unavailable("the state is not open")

    def pruned(*_: object) -> None:
        raise LookupError("no block 3")

    world.chain.code = closed
    assert (await world.error("eth_getCode", WHO))["code"] == -32002
    world.chain.balance = pruned
    assert (await world.error("eth_getBalance", WHO))["message"] == "header not found"


@pytest.mark.parametrize(
    "message",
    [
        [],
        "0x",
        {"to": "0x12"},
        {"data": "0xf"},
        {"data": "0x01", "input": "0x02"},
        {"value": "0x01"},
        {"value": "0x" + "f" * 65},
        {"gas": 5},
        {"gasPrice": "x"},
    ],
)
async def test_a_malformed_message_is_32602(world: World, message: object) -> None:
    assert (await world.error("eth_call", message, "latest"))["code"] == -32602


async def test_the_number_of_parameters_is_checked(world: World) -> None:
    assert (await world.error("eth_getBalance"))["code"] == -32602
    assert (await world.error("eth_getBalance", WHO, "latest", 1))["code"] == -32602
    assert (await world.error("eth_blockNumber", 1))["code"] == -32602


async def test_log_questions_are_capped_with_a_clear_error() -> None:
    world = World(ApiSettings(max_logs=7, max_log_blocks=4))
    error = await world.error("eth_getLogs", {"fromBlock": "0x0"})
    assert error["code"] == -32005 and "4 blocks" in error["message"]
    assert len(await world.result("eth_getLogs", {"fromBlock": "0x2"})) == 6
    error = await world.error("eth_getLogs", {"fromBlock": "0x1", "toBlock": "0x2"})
    assert error["code"] == -32005 and "7 logs" in error["message"]


@pytest.mark.parametrize(
    "question",
    [
        5,
        {"topics": "x"},
        {"topics": ["0x12"]},
        {"topics": [None] * 5},
        {"topics": [["0x" + "00" * 32] * 300]},
        {"address": ["0x" + "00" * 20] * 300},
        {"address": {}},
        {"fromBlock": "newest"},
        {"blockHash": "0x00"},
        {"blockHash": "0x" + "ee" * 32},
    ],
)
async def test_a_malformed_log_question_is_refused(world: World, question: object) -> None:
    assert (await world.error("eth_getLogs", question))["code"] in (-32602, -32005, -32000)


async def test_a_filter_reports_what_came_since_it_was_asked(world: World) -> None:
    logs = await world.result("eth_newFilter", {"address": "0x" + CONTRACT.hex()})
    blocks = await world.result("eth_newBlockFilter")
    hashes = await world.result("eth_newPendingTransactionFilter")
    for identifier in (logs, blocks, hashes):
        assert await world.result("eth_getFilterChanges", identifier) == []
    body = world.chain.add([signed(5, to=bytes(CONTRACT))])
    assert len(await world.result("eth_getFilterChanges", logs)) == 2
    assert await world.result("eth_getFilterChanges", blocks) == ["0x" + body.hash.hex()]
    name = await world.result(
        "eth_sendRawTransaction", "0x" + signed(6, to=bytes(CONTRACT)).raw.hex()
    )
    assert await world.result("eth_getFilterChanges", hashes) == [name]
    assert await world.result("eth_getFilterChanges", hashes) == []
    assert await world.result("eth_getFilterChanges", logs) == []
    assert len(await world.result("eth_getFilterLogs", logs)) == 2
    assert (await world.error("eth_getFilterLogs", blocks))["message"] == "filter not found"
    assert await world.result("eth_uninstallFilter", logs) is True
    assert await world.result("eth_uninstallFilter", logs) is False


async def test_a_poll_that_is_too_large_is_told_in_parts() -> None:
    world = World(ApiSettings(max_logs=4))
    identifier = await world.result("eth_newFilter", {})
    for nonce in range(5, 10):
        world.chain.add([signed(nonce, to=bytes(CONTRACT))])
    counts = [len(await world.result("eth_getFilterChanges", identifier)) for _ in range(5)]
    assert sum(counts) == 10 and max(counts) <= 4


async def test_a_filter_expires_and_belongs_to_its_key() -> None:
    world = World(ApiSettings(filter_expiry_ms=1000, max_filters=3))
    first = await world.result("eth_newBlockFilter")
    stranger = await world.error("eth_getFilterChanges", first, role=Role.AUDITOR)
    assert stranger["message"] == "filter not found"
    assert await world.result("eth_uninstallFilter", first, role=Role.AUDITOR) is False
    world.now_ms += 999
    assert await world.result("eth_getFilterChanges", first) == []
    world.now_ms += 1000
    assert "error" in await world.rpc("eth_getFilterChanges", first)
    kept = [await world.result("eth_newBlockFilter") for _ in range(4)]
    assert "error" in await world.rpc("eth_getFilterChanges", kept[0])
    assert await world.result("eth_getFilterChanges", kept[3]) == []
