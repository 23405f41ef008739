"""web3.py against /rpc over a real socket, with nothing but an Authorization header added."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from web3 import Web3
from web3.exceptions import BlockNotFound, ContractLogicError, TransactionNotFound, Web3RPCError

from node.service import Role
from tests.unit.api.fake_chain import CHAIN_ID, CONTRACT, REVERTER, SECRET, SENDER, TOPIC, signed
from tests.unit.api.live import serving
from tests.unit.api.world import World

WHO = Web3.to_checksum_address(SENDER)
CODE = Web3.to_checksum_address(CONTRACT)


@pytest.fixture(scope="module")
def live() -> Iterator[tuple[World, str]]:
    world = World()
    with serving(world) as url:
        yield world, url


@pytest.fixture
def web3(live: tuple[World, str]) -> Web3:
    world, url = live
    headers = {"Content-Type": "application/json", **world.headers(Role.OPERATOR)}
    return Web3(Web3.HTTPProvider(f"{url}/rpc", request_kwargs={"headers": headers}))


def test_web3_reads_chain_blocks_and_state(web3: Web3, live: tuple[World, str]) -> None:
    world, _ = live
    assert web3.is_connected()
    assert (web3.eth.chain_id, web3.net.version) == (CHAIN_ID, str(CHAIN_ID))
    block = web3.eth.get_block(2, full_transactions=True)
    assert bytes(block["hash"]) == world.chain.blocks[2].hash
    assert [transaction["type"] for transaction in block["transactions"]] == [0, 1, 2]
    assert web3.eth.get_block("finalized")["number"] == web3.eth.block_number - 1
    assert web3.eth.get_block(block["hash"])["number"] == 2
    assert web3.eth.get_balance(WHO, 2) == 10**18 + 2
    assert bytes(web3.eth.get_code(CODE)) == b"\x60\x01"
    assert (web3.eth.gas_price, web3.eth.max_priority_fee) == (0, 0)
    assert web3.eth.get_proof(WHO, [0, 7])["storageProof"][1]["value"] == b"\x07"
    assert web3.eth.fee_history(2, "latest")["baseFeePerGas"] == [0, 0, 0]


def test_web3_sends_waits_and_reads_receipts_and_logs(web3: Web3, live: tuple[World, str]) -> None:
    world, _ = live
    account = web3.eth.account.from_key(SECRET)
    nonce = web3.eth.get_transaction_count(WHO, "pending")
    message = {"from": WHO, "to": CODE, "value": 0, "nonce": nonce, "chainId": CHAIN_ID}
    message["gas"] = web3.eth.estimate_gas(message) + 9_000
    message |= {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0}
    name = web3.eth.send_raw_transaction(account.sign_transaction(message).raw_transaction)
    assert web3.eth.get_transaction(name)["blockHash"] is None
    with pytest.raises(TransactionNotFound):
        web3.eth.get_transaction_receipt(name)
    watching = web3.eth.filter({"address": CODE})
    world.chain.add([world.chain.pool.pop()])
    receipt = web3.eth.wait_for_transaction_receipt(name, timeout=10)
    assert receipt["status"] == 1 and receipt["effectiveGasPrice"] == 0
    assert len(watching.get_new_entries()) == 2
    found = web3.eth.get_logs({"address": CODE, "fromBlock": 2, "toBlock": 2, "topics": [TOPIC]})
    assert [log["logIndex"] for log in found] == [0, 2, 4]


def test_web3_raises_its_own_errors_for_ours(web3: Web3) -> None:
    assert bytes(web3.eth.call({"to": CODE, "data": "0x1234"})) == b"\x12\x34"
    with pytest.raises(ContractLogicError, match="execution reverted: no"):
        web3.eth.call({"to": Web3.to_checksum_address(REVERTER)})
    with pytest.raises(BlockNotFound):
        web3.eth.get_block(10**6)
    with pytest.raises(TransactionNotFound):
        web3.eth.get_transaction("0x" + "ee" * 32)
    with pytest.raises(Web3RPCError, match="chain id"):
        web3.eth.send_raw_transaction(signed(9, chainId=1).raw)
    with pytest.raises(Web3RPCError):
        web3.provider.make_request("eth_noSuchMethod", [])  # type: ignore[arg-type]
        web3.manager.request_blocking("eth_noSuchMethod", [])  # type: ignore[arg-type]
