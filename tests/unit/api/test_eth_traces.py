"""Traces, the explorer's methods and access lists, over a real chain with its EVM."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import api.eth_explorer as explorer
import api.eth_traceforms as traceforms
from bulwark.ledger.ids import Address
from node.service import Role
from tests.unit.api.fake_chain import ERROR_NO
from tests.unit.api.realchain import RealWorld, real_world
from tests.unit.api.test_eth_forms import check_form
from tests.unit.node.chain.test_tracer import calling, init, node, placed
from tests.unit.node.execution.alliance import ACCOUNTS, NOWHERE, Node, call

__all__ = ["node"]
pytestmark = pytest.mark.filterwarnings("ignore:SELFDESTRUCT opcode present")

ALPHA = ACCOUNTS[0]
WHO = "0x" + ALPHA.address.hex()
STORES, REVERTS, CALLER = ("0x" + placed(n).hex() for n in range(3))
CALLS = {"tracer": "callTracer"}
NOWHERE_TEXT = "0x" + NOWHERE.hex()


@pytest.fixture
def world(node: Node) -> Iterator[RealWorld]:
    with real_world(node) as made:
        yield made


async def hashes(world: RealWorld, at: str = "0x2") -> list[str]:
    return list((await world.result("eth_getBlockByNumber", at))["transactions"])


async def test_a_transaction_is_traced_in_geths_form(world: RealWorld) -> None:
    name = (await hashes(world))[1]
    receipt = await world.result("eth_getTransactionReceipt", name)
    trace = await world.result(
        "debug_traceTransaction", name, {**CALLS, "tracerConfig": {"withLog": True}}
    )
    assert (trace["type"], trace["from"], trace["to"], trace["value"]) == (
        "CALL",
        WHO,
        CALLER,
        "0x9",
    )
    assert trace["gasUsed"] == receipt["gasUsed"] and trace["input"] == "0x0102"
    assert [inner["type"] for inner in trace["calls"]] == [
        "CALL", "STATICCALL", "DELEGATECALL", "CALLCODE", "CALL", "CREATE", "CALL",
    ]  # fmt: skip
    failed = trace["calls"][4]
    assert (failed["error"], failed["revertReason"]) == ("execution reverted", "no")
    assert failed["output"] == "0x" + ERROR_NO.hex() and failed["logs"] == []
    assert "value" not in trace["calls"][1]
    assert trace["calls"][6]["calls"][0]["type"] == "SELFDESTRUCT"
    logs = [log for frame in [trace, *trace["calls"]] for log in frame["logs"]]
    kept = [(log["address"], log["topics"], log["data"]) for log in logs]
    told = [(log["address"], log["topics"], log["data"]) for log in receipt["logs"]]
    assert sorted(kept) == sorted(told)
    top = {**CALLS, "tracerConfig": {"onlyTopCall": True}}
    assert "calls" not in await world.result("debug_traceTransaction", name, top)


async def test_a_block_is_traced_by_number_and_hash(world: RealWorld) -> None:
    block = await world.result("eth_getBlockByNumber", "0x2")
    traces = await world.result("debug_traceBlockByNumber", "0x2", CALLS)
    assert [trace["txHash"] for trace in traces] == block["transactions"]
    assert [trace["result"].get("error") for trace in traces] == [
        None, None, "execution reverted", None, "invalid opcode",
    ]  # fmt: skip
    assert await world.result("debug_traceBlockByHash", block["hash"], CALLS) == traces
    assert await world.result("debug_traceBlockByNumber", "0x0", CALLS) == []
    assert (await world.error("debug_traceBlockByNumber", "0x99", CALLS))["code"] == -32000
    unknown = "0x" + "ee" * 32
    assert (await world.error("debug_traceTransaction", unknown))[
        "message"
    ] == "transaction not found"


async def test_instructions_and_accounts_are_traced_on_demand(world: RealWorld) -> None:
    name = (await hashes(world))[1]
    steps = await world.result("debug_traceTransaction", name)
    receipt = await world.result("eth_getTransactionReceipt", name)
    assert (steps["failed"], steps["gas"]) == (False, int(receipt["gasUsed"], 16))
    assert steps["structLogs"][0] == {
        "pc": 0, "op": "PUSH0", "gas": steps["structLogs"][0]["gas"], "gasCost": 2, "depth": 1,
        "stack": [],
    }  # fmt: skip
    stored = next(step for step in steps["structLogs"] if step["op"] == "SSTORE")
    assert stored["storage"] == {"0x" + "00" * 31 + "01": "0x" + "00" * 31 + "07"}
    options = {"disableStack": True, "disableStorage": True, "enableMemory": True, "limit": 4}
    short = await world.result("debug_traceTransaction", name, options)
    assert len(short["structLogs"]) == 4 and "stack" not in short["structLogs"][0]
    before = await world.result("debug_traceTransaction", name, {"tracer": "prestateTracer"})
    assert before[WHO]["nonce"] == 3 and before[CALLER]["storage"]
    assert before[CALLER]["balance"] == "0x0" and before[CALLER]["code"].startswith("0x")
    diff = {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}}
    changed = await world.result("debug_traceTransaction", name, diff)
    assert changed["post"][WHO]["nonce"] == 4
    assert changed["post"][CALLER]["balance"] == "0x9"
    assert list(changed["post"][CALLER]["storage"].values()) == ["0x" + "00" * 31 + "07"]


async def test_a_call_is_traced_before_anybody_sends_it(world: RealWorld) -> None:
    asked = {"from": WHO, "to": REVERTS}
    trace = await world.result("debug_traceCall", asked, "latest", CALLS)
    assert (trace["error"], trace["revertReason"]) == ("execution reverted", "no")
    creation = await world.result("debug_traceCall", {"from": WHO, "data": "0x00"}, "0x1", CALLS)
    assert creation["type"] == "CREATE" and "error" not in creation
    poor = {"from": NOWHERE_TEXT, "to": STORES, "value": "0xffffffffff"}
    assert "insufficient funds" in (await world.error("debug_traceCall", poor, "latest"))["message"]


@pytest.mark.parametrize(
    "options",
    [
        {"tracer": "{step: function() {}}"},
        {"tracer": "4byteTracer"},
        {"tracer": "callTracer", "tracerConfig": {"withLogs": True}},
        {"tracer": "callTracer", "tracerConfig": []},
        {"stateOverrides": {}},
        {"limit": "7"},
        {"limit": -1},
        [],
    ],
)
async def test_tracers_and_options_that_are_not_offered_are_refused(
    world: RealWorld, options: object
) -> None:
    name = (await hashes(world))[0]
    assert (await world.error("debug_traceTransaction", name, options))["code"] == -32602


async def test_a_trace_that_nests_too_deep_is_refused_by_name() -> None:
    """It became a JSON text that no encoder here could write."""
    node = Node()
    me = placed(0)
    runtime = calling("f1", me, size=0) + "00"
    node.block(call(ALPHA, 0, None, init(runtime)))
    node.block(call(ALPHA, 1, me, gas=3_000_000))
    with real_world(node) as world:
        (name,) = await hashes(world)
        error = await world.error("debug_traceTransaction", name, CALLS)
        assert error["code"] == -32005 and str(traceforms.MAX_NESTED) in error["message"]
        (one,) = await world.result("debug_traceBlockByNumber", "0x2", CALLS)
        assert "onlyTopCall" in one["error"]
        flat = await world.result("ots_traceTransaction", name)
        assert len(flat) > traceforms.MAX_NESTED and flat[-1]["depth"] == len(flat) - 1
        top = {**CALLS, "tracerConfig": {"onlyTopCall": True}}
        assert (await world.result("debug_traceTransaction", name, top))["to"] == "0x" + me.hex()


async def test_an_access_list_is_made_and_has_the_published_form(world: RealWorld) -> None:
    asked = {"from": WHO, "to": CALLER, "value": "0x3"}
    made = await world.result("eth_createAccessList", asked, "0x1")
    check_form("eth_createAccessList", made)
    named = {entry["address"]: entry["storageKeys"] for entry in made["accessList"]}
    assert named[STORES] == named[CALLER] == ["0x" + "00" * 31 + "01"]
    failed = await world.result("eth_createAccessList", {"from": WHO, "to": REVERTS}, "latest")
    assert failed["error"] == "execution reverted" and int(failed["gasUsed"], 16) > 21_000


async def test_otterscan_reads_blocks_and_transactions(world: RealWorld) -> None:
    assert await world.result("ots_getApiLevel") == 8
    assert await world.result("ots_hasCode", STORES, "latest") is True
    assert await world.result("ots_hasCode", NOWHERE_TEXT, 1) is False
    details = await world.result("ots_getBlockDetails", 2)
    block = await world.result("eth_getBlockByNumber", "0x2", True)
    assert details["block"]["hash"] == block["hash"] and "transactions" not in details["block"]
    assert details["block"]["transactionCount"] == "0x5" and details["totalFees"] == "0x0"
    assert await world.result("ots_getBlockDetailsByHash", block["hash"]) == details
    assert await world.result("ots_getBlockDetails", 77) is None
    last = await world.result("ots_getBlockTransactions", 2, 0, 2)
    names = [t["hash"] for t in last["fullblock"]["transactions"]]
    assert names == [t["hash"] for t in block["transactions"][3:]]
    assert all(len(t["input"]) <= 10 for t in last["fullblock"]["transactions"])
    assert [r["transactionHash"] for r in last["receipts"]] == names
    assert last["receipts"][0]["logs"] is None
    first = await world.result("ots_getBlockTransactions", "0x2", 2, 2)
    assert [t["hash"] for t in first["fullblock"]["transactions"]] == [
        block["transactions"][0]["hash"]
    ]
    header = await world.result("erigon_getHeaderByNumber", 2)
    assert header["hash"] == block["hash"] and "transactions" not in header
    assert await world.result("erigon_getHeaderByNumber", "0x77") is None


async def test_otterscan_reads_what_a_transaction_did(world: RealWorld) -> None:
    _, caller, reverted, paid, broken = await hashes(world)
    operations = await world.result("ots_getInternalOperations", caller)
    assert [(o["type"], o["from"], o["value"]) for o in operations] == [
        (2, CALLER, "0x3"), (1, operations[0]["to"], "0x3"),
    ]  # fmt: skip
    assert operations[1]["to"] == CALLER
    flat = await world.result("ots_traceTransaction", caller)
    assert [(f["type"], f["depth"]) for f in flat[:3]] == [
        ("CALL", 0),
        ("CALL", 1),
        ("STATICCALL", 1),
    ]
    assert flat[2]["value"] is None
    assert await world.result("ots_getTransactionError", paid) == "0x"
    assert await world.result("ots_getTransactionError", reverted) == "0x" + ERROR_NO.hex()
    assert await world.result("ots_getTransactionError", broken) == "0x"
    for method in ("ots_getInternalOperations", "ots_traceTransaction", "ots_getTransactionError"):
        assert await world.result(method, "0x" + "ee" * 32) is None


async def test_otterscan_finds_creators_senders_and_pages(
    world: RealWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await hashes(world, "0x1")
    assert await world.result("ots_getContractCreator", STORES) == {"hash": made[0], "creator": WHO}
    assert await world.result("ots_getContractCreator", NOWHERE_TEXT) is None
    registry = (await world.result("eth_getTransactionByHash", (await hashes(world))[0]))["to"]
    assert await world.result("ots_getContractCreator", registry) is None  # of genesis
    assert await world.result("ots_getTransactionBySenderAndNonce", WHO, 1) == made[1]
    assert await world.result("ots_getTransactionBySenderAndNonce", WHO, 99) is None
    everything = await world.result("ots_searchTransactionsBefore", WHO, 0, 25)
    assert (everything["firstPage"], everything["lastPage"]) == (True, True)
    assert [t["nonce"] for t in everything["txs"]] == [hex(n) for n in (6, 5, 4, 3, 2, 1, 0)]
    assert everything["receipts"][0]["timestamp"]
    below = await world.result("ots_searchTransactionsBefore", WHO, 2, 25)
    assert [t["hash"] for t in below["txs"]] == made[::-1] and below["firstPage"] is False
    above = await world.result("ots_searchTransactionsAfter", STORES, 0, 1)
    assert [t["hash"] for t in above["txs"]] == [made[0]]
    assert (above["firstPage"], above["lastPage"]) == (False, True)
    events = await world.result("ots_searchTransactionsBefore", STORES, 0, 25)
    assert [t["to"] for t in events["txs"]] == [CALLER, None]
    monkeypatch.setattr(explorer, "MAX_SEARCHED", 1)
    error = await world.error("ots_searchTransactionsBefore", "0x" + "77" * 20, 0, 25)
    assert error["code"] == -32005 and "1 blocks" in error["message"]
    for size in (0, 101, "x"):
        assert (await world.error("ots_searchTransactionsAfter", WHO, 0, size))["code"] == -32602


async def test_a_state_that_is_not_kept_is_named(
    world: RealWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> object:
        raise LookupError("the state of block 1 is not kept here, that of 2 is")

    monkeypatch.setattr(world.reader, "_with_state", gone)
    monkeypatch.setattr(world.reader.traces, "_state_at", gone)
    name = (await hashes(world))[1]
    calls = [
        ("debug_traceTransaction", [name, CALLS]),
        ("debug_traceCall", [{"to": STORES}, "0x1", CALLS]),
        ("ots_getContractCreator", [STORES]),
        ("ots_getTransactionBySenderAndNonce", [WHO, 1]),
        ("eth_createAccessList", [{"to": STORES}, "0x1"]),
        ("eth_call", [{"to": STORES}, "0x1"]),
    ]
    for method, params in calls:
        error = await world.error(method, *params)
        assert error["code"] == -32001 and "not kept here" in error["message"], method


async def test_each_namespace_wants_its_roles(world: RealWorld) -> None:
    wanted = {
        "eth_sendRawTransaction": {Role.OPERATOR},
        "debug_traceBlockByNumber": {Role.OPERATOR, Role.AUDITOR},
        "txpool_status": {Role.OPERATOR, Role.AUDITOR},
        "ots_getApiLevel": {Role.OPERATOR, Role.AUDITOR, Role.ANALYST},
        "eth_blockNumber": set(Role),
    }
    for method, roles in wanted.items():
        for role in Role:
            answer = await world.ask(method, role=role)
            refused = answer.get("error", {}).get("code") == -32006
            assert refused == (role not in roles), (method, role)
            assert not refused or "roles that may: " in answer["error"]["message"]


async def test_the_mempool_is_shown_by_sender_and_nonce(world: RealWorld) -> None:
    ready, gapped = call(ALPHA, 7, NOWHERE), call(ALPHA, 9, Address(b"\x05" * 20), value=2)
    for transaction in (ready, gapped):
        await world.result("eth_sendRawTransaction", "0x" + transaction.raw.hex())
    assert await world.result("txpool_status") == {"pending": "0x1", "queued": "0x1"}
    content = await world.result("txpool_content")
    check_form("txpool_content", content)
    assert content["pending"][WHO]["7"]["hash"] == "0x" + ready.hash.hex()
    assert list(content["queued"][WHO]) == ["9"]
    own = await world.result("txpool_contentFrom", WHO)
    check_form("txpool_contentFrom", own)
    assert own == {kind: content[kind][WHO] for kind in ("pending", "queued")}
    assert await world.result("txpool_contentFrom", NOWHERE_TEXT) == {"pending": {}, "queued": {}}
    lines = await world.result("txpool_inspect")
    assert lines["queued"][WHO]["9"] == "0x" + "05" * 20 + ": 2 wei + 400000 gas × 0 wei"
    filled = await world.result("eth_fillTransaction", {"from": WHO, "to": STORES})
    check_form("eth_fillTransaction", filled)
    assert filled["tx"]["nonce"] == "0x8" and int(filled["tx"]["gas"], 16) > 21_000


async def test_the_mempool_is_not_shown_in_part(
    world: RealWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.eth_pool.MAX_SHOWN", 0)
    await world.result("eth_sendRawTransaction", "0x" + call(ALPHA, 7, NOWHERE).raw.hex())
    for method in ("txpool_content", "txpool_inspect"):
        assert (await world.error(method))["code"] == -32005
    assert (await world.result("txpool_status"))["pending"] == "0x1"
