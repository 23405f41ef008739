"""web3.py 8 as it comes, against the JSON-RPC of a running alliance."""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from typing import Any

import httpx
import pytest
import rlp
from eth_account import Account
from eth_account.signers.local import LocalAccount
from trie import HexaryTrie
from vyper import compile_code
from web3 import HTTPProvider, Web3
from web3.contract import Contract
from web3.exceptions import (
    BlockNotFound,
    ContractLogicError,
    TransactionNotFound,
    Web3RPCError,
)

from tests.process.support import Alliance, rpc, until

pytestmark = pytest.mark.process

SOURCE = """
# pragma version 0.4.3
event Counted:
    by: indexed(address)
    total: uint256

total: public(uint256)
by_account: public(HashMap[address, uint256])

@external
def count(step: uint256) -> uint256:
    assert step != 0, "a step of zero counts nothing"
    self.total += step
    self.by_account[msg.sender] += step
    log Counted(by=msg.sender, total=self.total)
    return self.total

@external
def spend():
    for i: uint256 in range(100000):
        self.total += 1
"""


@cache
def compiled() -> dict[str, Any]:
    return dict(compile_code(SOURCE, output_formats=["abi", "bytecode"]))


def connect(alliance: Alliance, name: str) -> Web3:
    url = f"{alliance.node(name).rest_url}/rpc"
    headers = {
        "Authorization": f"Bearer {alliance.key(name, 'operator')}",
        "Content-Type": "application/json",
    }
    return Web3(HTTPProvider(url, request_kwargs={"headers": headers, "timeout": 30}))


@pytest.fixture(scope="module")
def w3(shared: Alliance) -> Web3:
    return connect(shared, shared.validators[0])


@pytest.fixture(scope="module")
def sender() -> LocalAccount:
    return Account.create()


def send(w3: Web3, sender: LocalAccount, transaction: dict[str, Any]) -> Any:
    """Sign, send, wait for the receipt."""
    signed = sender.sign_transaction(transaction)
    return w3.eth.wait_for_transaction_receipt(
        w3.eth.send_raw_transaction(signed.raw_transaction), timeout=30
    )


def start_of(w3: Web3, sender: LocalAccount) -> dict[str, Any]:
    nonce = w3.eth.get_transaction_count(sender.address, "pending")
    return {"from": sender.address, "nonce": nonce}


@pytest.fixture(scope="module")
def counter(w3: Web3, sender: LocalAccount) -> Contract:
    factory = w3.eth.contract(abi=compiled()["abi"], bytecode=compiled()["bytecode"])
    receipt = send(w3, sender, factory.constructor().build_transaction(start_of(w3, sender)))
    assert receipt["status"] == 1
    return w3.eth.contract(address=receipt["contractAddress"], abi=compiled()["abi"])


def count(w3: Web3, sender: LocalAccount, counter: Contract, step: int) -> Any:
    return send(w3, sender, counter.functions.count(step).build_transaction(start_of(w3, sender)))


def test_chain_id_versions_and_block_number(w3: Web3, shared: Alliance) -> None:
    assert w3.is_connected()
    assert w3.eth.chain_id == shared.genesis.chain_id == int(w3.net.version)
    assert w3.client_version.lower().startswith("bulwark")
    assert w3.eth.block_number >= 0
    assert w3.eth.gas_price == 0
    assert w3.eth.syncing is False
    assert w3.eth.accounts == []


def test_accounts_start_empty_and_value_that_is_not_there_is_refused(w3: Web3) -> None:
    poor = Account.create()
    assert w3.eth.get_balance(poor.address) == 0
    assert w3.eth.get_transaction_count(poor.address) == 0
    assert w3.eth.get_code(poor.address) == b""
    transfer = {
        "nonce": 0,
        "to": poor.address,
        "value": 1,
        "gas": 21_000,
        "gasPrice": 0,
        "chainId": w3.eth.chain_id,
    }
    signed = poor.sign_transaction(transfer)
    with pytest.raises(Web3RPCError, match=r"(?i)balance"):
        w3.eth.send_raw_transaction(signed.raw_transaction)


@pytest.mark.parametrize("fees", [{"gasPrice": 0}, {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0}])
def test_a_transaction_of_each_fee_kind_is_executed(
    w3: Web3, sender: LocalAccount, fees: dict[str, int]
) -> None:
    transaction = {
        **start_of(w3, sender),
        **fees,
        "to": sender.address,
        "value": 0,
        "gas": 21_000,
        "chainId": w3.eth.chain_id,
    }
    receipt = send(w3, sender, transaction)
    assert receipt["status"] == 1 and receipt["gasUsed"] == 21_000
    assert receipt["effectiveGasPrice"] == 0
    found = w3.eth.get_transaction(receipt["transactionHash"])
    assert found["from"] == sender.address and found["blockNumber"] == receipt["blockNumber"]
    block = w3.eth.get_block(receipt["blockNumber"], full_transactions=True)
    assert found["hash"] in [t["hash"] for t in block["transactions"]]
    assert w3.eth.get_transaction_count(sender.address) == transaction["nonce"] + 1


def test_a_contract_is_deployed_called_and_logs_at_every_node(
    w3: Web3, sender: LocalAccount, counter: Contract, shared: Alliance
) -> None:
    before = counter.functions.total().call()
    receipt = count(w3, sender, counter, 5)
    assert counter.functions.total().call() == before + 5
    (event,) = counter.events.Counted().process_receipt(receipt)
    assert event["args"] == {"by": sender.address, "total": before + 5}
    elsewhere = connect(shared, shared.names[-1])
    until(lambda: elsewhere.eth.block_number >= receipt["blockNumber"], "the observer follows")
    there = elsewhere.eth.contract(address=counter.address, abi=compiled()["abi"])
    assert there.functions.total().call(block_identifier=receipt["blockNumber"]) == before + 5
    earlier = receipt["blockNumber"] - 1
    assert there.functions.total().call(block_identifier=earlier) == before
    assert elsewhere.eth.get_transaction_receipt(receipt["transactionHash"]) == receipt


def test_logs_are_read_by_filter(w3: Web3, sender: LocalAccount, counter: Contract) -> None:
    changes = w3.eth.filter({"address": counter.address})
    blocks = w3.eth.filter("latest")
    first = count(w3, sender, counter, 1)
    second = count(w3, sender, counter, 2)
    window = {"from_block": first["blockNumber"], "to_block": second["blockNumber"]}
    logs = counter.events.Counted().get_logs(**window, argument_filters={"by": sender.address})
    assert [log["transactionHash"] for log in logs] == [
        first["transactionHash"],
        second["transactionHash"],
    ]
    other = counter.events.Counted().get_logs(
        **window, argument_filters={"by": Account.create().address}
    )
    assert other == []
    plain = w3.eth.get_logs(
        {
            "address": counter.address,
            "fromBlock": first["blockNumber"],
            "toBlock": "latest",
            "topics": [w3.keccak(text="Counted(address,uint256)")],
        }
    )
    assert [log["logIndex"] for log in plain] == [log["logIndex"] for log in logs]
    assert [log["data"] for log in changes.get_new_entries()] == [log["data"] for log in plain]
    assert changes.get_new_entries() == []
    ranged = w3.eth.filter({"address": counter.address, "fromBlock": first["blockNumber"]})
    assert [log["data"] for log in ranged.get_all_entries()] == [log["data"] for log in plain]
    assert w3.eth.get_block(second["blockNumber"])["hash"] in blocks.get_new_entries()
    assert w3.eth.uninstall_filter(changes.filter_id) is True
    assert w3.eth.uninstall_filter(changes.filter_id) is False


def test_reverts_are_told_with_their_reason(
    w3: Web3, sender: LocalAccount, counter: Contract
) -> None:
    with pytest.raises(ContractLogicError, match="a step of zero counts nothing"):
        counter.functions.count(0).call({"from": sender.address})
    with pytest.raises(ContractLogicError, match="a step of zero counts nothing"):
        counter.functions.count(0).estimate_gas({"from": sender.address})
    start = start_of(w3, sender)
    failing = counter.functions.count(0).build_transaction({**start, "gas": 100_000})
    receipt = send(w3, sender, failing)
    assert receipt["status"] == 0 and receipt["logs"] == []


def test_an_estimate_is_enough_and_one_less_is_not(
    w3: Web3, sender: LocalAccount, counter: Contract
) -> None:
    gas = counter.functions.count(9).estimate_gas({"from": sender.address})
    call = counter.functions.count(9)
    tight = send(w3, sender, call.build_transaction({**start_of(w3, sender), "gas": gas}))
    assert tight["status"] == 1
    gas = counter.functions.count(9).estimate_gas({"from": sender.address})
    short = call.build_transaction({**start_of(w3, sender), "gas": gas - 1})
    assert send(w3, sender, short)["status"] == 0


def test_a_call_that_never_ends_is_stopped(
    w3: Web3, sender: LocalAccount, counter: Contract
) -> None:
    with pytest.raises((Web3RPCError, ContractLogicError)):
        counter.functions.spend().call({"from": sender.address})
    assert counter.functions.total().call() >= 0


def test_a_proof_verifies_against_the_state_root_of_the_header(
    w3: Web3, sender: LocalAccount, counter: Contract
) -> None:
    receipt = count(w3, sender, counter, 3)
    number = receipt["blockNumber"]
    root = w3.eth.get_block(number)["stateRoot"]
    proof = w3.eth.get_proof(counter.address, [0, 77], number)
    account = HexaryTrie.get_from_proof(
        root,
        w3.keccak(hexstr=counter.address),
        [rlp.decode(bytes(node)) for node in proof["accountProof"]],
    )
    nonce, balance, storage_root, code_hash = rlp.decode(account)
    assert storage_root == proof["storageHash"] and code_hash == proof["codeHash"]
    assert int.from_bytes(nonce, "big") == proof["nonce"]
    assert int.from_bytes(balance, "big") == proof["balance"] == 0
    total, absent = proof["storageProof"]
    stored = HexaryTrie.get_from_proof(
        storage_root,
        w3.keccak((0).to_bytes(32, "big")),
        [rlp.decode(bytes(n)) for n in total["proof"]],
    )
    value = int.from_bytes(rlp.decode(stored), "big")
    assert (
        value
        == int(total["value"].hex(), 16)
        == counter.functions.total().call(block_identifier=number)
    )
    missing = HexaryTrie.get_from_proof(
        storage_root,
        w3.keccak((77).to_bytes(32, "big")),
        [rlp.decode(bytes(n)) for n in absent["proof"]],
    )
    assert missing == b"" and int(absent["value"].hex() or "0", 16) == 0


def test_block_tags(w3: Web3, sender: LocalAccount, counter: Contract) -> None:
    number = count(w3, sender, counter, 1)["blockNumber"]
    until(lambda: w3.eth.get_block("finalized")["number"] >= number, "the block is final")
    final, safe, latest = (w3.eth.get_block(tag) for tag in ("finalized", "safe", "latest"))
    assert latest["number"] >= safe["number"] >= final["number"]
    assert w3.eth.get_block("earliest")["number"] == 0
    assert w3.eth.get_block("pending")["number"] >= latest["number"]
    chain = [w3.eth.get_block(height) for height in range(number + 1)]
    assert all(b["parentHash"] == a["hash"] for a, b in pairwise(chain))
    assert w3.eth.get_block(chain[1]["hash"]) == chain[1]
    assert counter.functions.total().call(block_identifier="finalized") > 0
    with pytest.raises(BlockNotFound):
        w3.eth.get_block(10**9)
    with pytest.raises(TransactionNotFound):
        w3.eth.get_transaction("0x" + "ab" * 32)


def test_a_replayed_transaction_and_a_wrong_one_are_refused(w3: Web3, sender: LocalAccount) -> None:
    right = {
        **start_of(w3, sender),
        "to": sender.address,
        "value": 0,
        "gas": 21_000,
        "gasPrice": 0,
        "chainId": w3.eth.chain_id,
    }
    signed = sender.sign_transaction(right)
    w3.eth.wait_for_transaction_receipt(w3.eth.send_raw_transaction(signed.raw_transaction))
    with pytest.raises(Web3RPCError, match=r"(?i)nonce|already"):
        w3.eth.send_raw_transaction(signed.raw_transaction)
    other_chain = sender.sign_transaction({**right, "nonce": right["nonce"] + 1, "chainId": 1})
    with pytest.raises(Web3RPCError, match=r"(?i)chain"):
        w3.eth.send_raw_transaction(other_chain.raw_transaction)
    over = sender.sign_transaction({**right, "nonce": right["nonce"] + 1, "gas": 10**9})
    with pytest.raises(Web3RPCError, match=r"(?i)gas"):
        w3.eth.send_raw_transaction(over.raw_transaction)
    with pytest.raises(Web3RPCError):
        w3.eth.send_raw_transaction(signed.raw_transaction[:-1])


def test_transactions_sent_out_of_order_wait_for_their_turn(w3: Web3) -> None:
    account = Account.create()
    base = {"to": account.address, "value": 0, "gas": 21_000, "gasPrice": 0}
    sent = []
    for nonce in (2, 1, 0):
        signed = account.sign_transaction({**base, "nonce": nonce, "chainId": w3.eth.chain_id})
        sent.append(w3.eth.send_raw_transaction(signed.raw_transaction))
        if nonce:
            assert w3.eth.get_transaction(sent[-1])["blockNumber"] is None
    for transaction_hash in sent:
        assert w3.eth.wait_for_transaction_receipt(transaction_hash, timeout=30)["status"] == 1


def test_wrong_calls_give_standard_errors(shared: Alliance) -> None:
    client = shared.client(shared.validators[0], "operator")
    unknown = rpc(client, "eth_noSuchMethod")
    assert unknown["error"]["code"] == -32601
    for wrong in (["latest", "x"], [1, 2, 3], ["0x12"], ["0x" + "11" * 20, "nonsense"], [None]):
        assert rpc(client, "eth_getBalance", *wrong)["error"]["code"] == -32602, wrong
    broken = client.post(
        "/rpc", content=b'{"jsonrpc": "2.0", "id"', headers={"Content-Type": "application/json"}
    )
    assert broken.json()["error"]["code"] == -32700 and broken.json()["id"] is None
    envelope = client.post("/rpc", json={"id": 1, "method": "eth_chainId"})
    assert envelope.json()["error"]["code"] == -32600
    assert client.post("/rpc", json=[]).json()["error"]["code"] == -32600


def test_a_batch_is_answered_call_by_call(shared: Alliance, w3: Web3) -> None:
    client = shared.client(shared.validators[0], "operator")
    calls = [
        {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []},
        {"jsonrpc": "2.0", "id": "two", "method": "eth_noSuchMethod", "params": []},
        {"jsonrpc": "2.0", "method": "eth_chainId", "params": []},
        {"jsonrpc": "2.0", "id": 3, "method": "eth_getBalance", "params": []},
    ]
    answers = {a["id"]: a for a in client.post("/rpc", json=calls).json()}
    assert set(answers) == {1, "two", 3}
    assert int(answers[1]["result"], 16) == shared.genesis.chain_id
    assert answers["two"]["error"]["code"] == -32601 and answers[3]["error"]["code"] == -32602
    with w3.batch_requests() as batch:
        batch.add(w3.eth.get_block("latest"))
        batch.add(w3.eth.get_balance(Account.create().address))
        block, balance = batch.execute()
    assert block["number"] >= 0 and balance == 0


def test_rpc_needs_a_key_and_writing_an_operators(shared: Alliance, w3: Web3) -> None:
    name = shared.validators[0]
    url = f"{shared.node(name).rest_url}/rpc"
    call = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
    assert httpx.post(url, json=call).status_code == 401
    stranger = httpx.post(url, json=call, headers={"Authorization": "Bearer " + "A" * 43})
    assert stranger.status_code == 401 and "result" not in stranger.text
    auditor = rpc(shared.client(name, "auditor"), "eth_sendRawTransaction", "0x00")
    assert auditor["error"]["code"] == -32006
    assert json.loads(json.dumps(rpc(shared.client(name, "auditor"), "eth_chainId")))["result"]


def test_a_transaction_that_execution_leaves_out_makes_no_endless_blocks(
    w3: Web3, shared: Alliance
) -> None:
    """It is refused at the door; had it come in, it would be proposed again and again."""
    name = shared.validators[0]
    assert until(lambda: shared.status(name)["mempool"]["transactions"] == 0, "an empty mempool")
    quiet = w3.eth.block_number
    shared.report(name, kind="email", value="quiet@scam-post.net", wait="finalized")
    assert w3.eth.block_number <= quiet + 2
