"""web3.py, ethers 6, viem, Hardhat 2 and 3 and cast, as they come, against a running alliance.

Each deploys, writes, reads, filters and subscribes; what it says is held against another node.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from web3 import AsyncWeb3, WebSocketProvider

from tests.process import clients
from tests.process.support import Alliance, rpc, until
from tests.process.test_ethereum import compiled

pytestmark = pytest.mark.process

COMMANDS = {
    "ethers": ["node", "ethers.mjs"],
    "viem": ["node", "viem.mjs"],
    "hardhat": [
        "node", "node_modules/.bin/hardhat", "run", "--no-compile", "--network", "bulwark",
        "hardhat.cjs",
    ],
}  # fmt: skip
REASON = "a step of zero counts nothing"


@pytest.fixture(scope="module")
def place() -> Path:
    why = clients.missing()
    if why is not None:
        pytest.skip(why)
    return clients.installed()


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clients") / "Counter.json"
    path.write_text(json.dumps(compiled()))
    return path


def check(alliance: Alliance, told: dict[str, Any], sender: str) -> None:
    """What a client says, held against what another node of the alliance says."""
    other = alliance.client(alliance.validators[-1], "auditor")
    transaction = told["transaction"]
    found = until(
        lambda: rpc(other, "eth_getTransactionReceipt", transaction)["result"],
        "another node has the transaction",
    )
    address = told["address"].lower()
    assert found["status"] == "0x1" and found["to"] == address
    assert found["from"] == sender.lower()
    (log,) = found["logs"]
    assert (log["address"], int(log["data"], 16)) == (address, 5)
    assert told["status"] == 1 and int(told["fee"]) == 0
    assert int(told["total"]) == 5
    assert [int(total) for total in told["filtered"]] == [5]
    assert int(told["polled"]) == 5
    subscribed = told["subscribed"]
    assert subscribed["by"].lower() == sender.lower() and int(subscribed["total"]) == 5
    assert subscribed["transaction"] == transaction
    assert told["reason"] == REASON
    if "pending" in told:
        assert told["pending"] == transaction and int(told["head"]) > 0


def environment_of(alliance: Alliance, account: Any, contract: Path) -> dict[str, str]:
    """What a client is told: the node, the key it shows, its account, what it deploys."""
    name = alliance.validators[0]
    return {
        "BULWARK_URL": f"{alliance.node(name).rest_url}/rpc",
        "BULWARK_KEY": alliance.key(name, "operator"),
        "ACCOUNT_KEY": account.key.to_0x_hex(),
        "CONTRACT": str(contract),
    }


@pytest.mark.parametrize("client", sorted(COMMANDS))
def test_a_client_deploys_writes_reads_filters_and_subscribes(
    shared: Alliance, place: Path, contract: Path, client: str
) -> None:
    account = Account.create()
    told = clients.run(COMMANDS[client], place, environment_of(shared, account, contract))
    check(shared, told, account.address)


def test_hardhat_3_deploys_writes_reads_filters_and_subscribes(
    shared: Alliance, place: Path, contract: Path
) -> None:
    node = clients.newer_node()
    if node is None:
        pytest.skip("npm has no Node.js 22 for this machine; only Linux on x64 and arm64 are taken")
    own = clients.installed(clients.HARDHAT_3, clients.BOTH_HARDHATS, node)
    words = [
        str(node), "node_modules/.bin/hardhat", "run", "--no-compile", "--network", "bulwark",
        "hardhat3.mjs",
    ]  # fmt: skip
    account = Account.create()
    told = clients.run(words, own, environment_of(shared, account, contract))
    check(shared, told, account.address)


def test_cast_deploys_writes_reads_and_traces(shared: Alliance, place: Path) -> None:
    binary = place / "node_modules" / "@foundry-rs" / "cast-linux-amd64" / "bin" / "cast"
    if not binary.exists():
        pytest.skip("npm has a cast for this machine under another name; only linux-amd64 is taken")
    name = shared.validators[2]
    account = Account.create()
    environment = {
        "ETH_RPC_URL": f"{shared.node(name).rest_url}/rpc",
        "ETH_RPC_HEADERS": f"Authorization: Bearer {shared.key(name, 'operator')}",
        "ETH_PRIVATE_KEY": account.key.to_0x_hex(),
    }

    def cast(*words: str) -> str:
        return clients.say([str(binary), *words], place, environment).strip()

    def send(*words: str) -> dict[str, Any]:
        return dict(json.loads(cast("send", "--json", "--private-key", key, *words)))

    key = environment["ETH_PRIVATE_KEY"]
    address = send("--create", compiled()["bytecode"])["contractAddress"]
    receipt = send(address, "count(uint256)", "5")
    assert receipt["status"] == "0x1" and int(receipt["effectiveGasPrice"], 16) == 0
    assert cast("call", address, "total()(uint256)") == "5"
    (log,) = json.loads(cast("logs", "--json", "--from-block", "0", "--address", address))
    assert int(log["data"], 16) == 5 and log["transactionHash"] == receipt["transactionHash"]
    listed = cast("access-list", address, "count(uint256)", "3")
    assert address.lower() in listed.lower()
    options = json.dumps({"tracer": "callTracer", "tracerConfig": {"withLog": True}})
    trace = json.loads(cast("rpc", "debug_traceTransaction", receipt["transactionHash"], options))
    assert trace["gasUsed"] == receipt["gasUsed"] and len(trace["logs"]) == 1
    assert json.loads(cast("rpc", "txpool_status")) == {"pending": "0x0", "queued": "0x0"}


def test_every_node_tells_the_same_trace_of_a_report_and_of_a_call(shared: Alliance) -> None:
    name = shared.validators[0]
    shared.report(name, kind="email", value="trace@scam-post.net")
    height = shared.height(name)
    shared.until_final(height)
    heights = range(max(1, height - 12), height + 1)  # others may have used the alliance before
    options = {"tracer": "callTracer", "tracerConfig": {"withLog": True}}
    told = []
    for node in shared.names:
        client = shared.client(node, "auditor")
        told.append(
            [rpc(client, "debug_traceBlockByNumber", hex(at), options)["result"] for at in heights]
        )
    assert all(traces == told[0] for traces in told)
    flat = [trace["result"] for block in told[0] for trace in block]
    receipts = [
        receipt
        for at in heights
        for receipt in rpc(shared.client(name, "auditor"), "eth_getBlockReceipts", hex(at))[
            "result"
        ]
    ]
    assert [trace["gasUsed"] for trace in flat] == [receipt["gasUsed"] for receipt in receipts]
    anchored = [trace for trace in flat if trace.get("logs")]
    assert anchored and all(trace["type"] == "CALL" for trace in anchored)
    analyst = rpc(shared.client(name, "analyst"), "debug_traceBlockByNumber", "0x1", options)
    assert analyst["error"]["code"] == -32006


def test_web3_py_subscribes_by_websocket(shared: Alliance) -> None:
    account = Account.create()
    told = asyncio.run(asyncio.wait_for(follow_with_web3(shared, account), 60))
    check(shared, told, account.address)


async def follow_with_web3(alliance: Alliance, account: Any) -> dict[str, Any]:
    name = alliance.validators[1]
    url = f"{alliance.node(name).rest_url}/rpc".replace("http", "ws", 1)
    key = {"Authorization": f"Bearer {alliance.key(name, 'operator')}"}
    provider = WebSocketProvider(url, websocket_kwargs={"additional_headers": key})
    async with AsyncWeb3(provider) as w3:
        factory = w3.eth.contract(abi=compiled()["abi"], bytecode=compiled()["bytecode"])
        made = await send(w3, account, await factory.constructor().build_transaction({"nonce": 0}))
        counter = w3.eth.contract(address=made["contractAddress"], abi=compiled()["abi"])
        logs = await w3.eth.subscribe("logs", {"address": counter.address})
        heads = await w3.eth.subscribe("newHeads")
        waiting = await w3.eth.subscribe("newPendingTransactions")
        call = await counter.functions.count(5).build_transaction(
            {"nonce": 1, "from": account.address}
        )
        receipt = await send(w3, account, call)
        heard: dict[str, Any] = {}
        async for message in w3.socket.process_subscriptions():
            heard.setdefault(message["subscription"], message["result"])
            if {logs, heads, waiting} <= heard.keys():
                break
        event = counter.events.Counted().process_log(heard[logs])
        window = {"from_block": receipt["blockNumber"], "to_block": receipt["blockNumber"]}
        found = await counter.events.Counted().get_logs(**window)
        asked = await w3.eth.filter({"address": counter.address, "fromBlock": "earliest"})
        stored = await asked.get_all_entries()
        reason = None
        try:
            await counter.functions.count(0).call({"from": account.address})
        except Exception as error:
            reason = REASON if REASON in str(error) else str(error)
        return {
            "address": counter.address,
            "transaction": receipt["transactionHash"].to_0x_hex(),
            "status": receipt["status"],
            "fee": receipt["effectiveGasPrice"],
            "total": await counter.functions.total().call(),
            "filtered": [log["args"]["total"] for log in found],
            "polled": int(stored[0]["data"].hex(), 16),
            "subscribed": {
                "by": event["args"]["by"],
                "total": event["args"]["total"],
                "transaction": event["transactionHash"].to_0x_hex(),
            },
            "head": heard[heads]["number"],
            "pending": heard[waiting].to_0x_hex(),
            "reason": reason,
        }


async def send(w3: Any, account: Any, transaction: dict[str, Any]) -> Any:
    signed = account.sign_transaction(transaction)
    sent = await w3.eth.send_raw_transaction(signed.raw_transaction)
    return await w3.eth.wait_for_transaction_receipt(sent, timeout=30)
