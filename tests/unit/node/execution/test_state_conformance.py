"""Ethereum's published state tests through our accounts, trie and transaction steps.

What applies: post states of Cancun (with Cancun's computation class) and of Prague. The fee rule
is put back for the test by a state class with prices, and the precompiles keep Ethereum's prices,
since those two are the alliance's own rules. Left out: blob and set-code transactions, which the
alliance refuses, and transactions that are invalid, which the executor's own tests cover.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.cancun.computation import CancunComputation
from eth.vm.forks.cancun.transaction_context import CancunTransactionContext
from eth.vm.forks.prague.computation import PragueComputation

from bulwark.ledger import rlpcodec
from bulwark.ledger.hashing import keccak256
from bulwark.ledger.transaction import intrinsic_gas
from node.execution.accounts import Accounts
from node.execution.database import StateSource
from node.execution.evm import AllianceComputation, AllianceState, AllianceTransactionExecutor
from node.storage import schema

HERE = Path(__file__).resolve().parents[3] / "vectors" / "ethereum" / "state"
SHARED = Path(os.environ.get("BULWARK_SHARED", "/nonexistent")) / "vectors" / "ethereum"


class PraguePrices(AllianceComputation):
    _precompiles = PragueComputation.get_precompiles()


class CancunPrices(AllianceComputation):
    _precompiles = CancunComputation.get_precompiles()
    opcodes = CancunComputation.opcodes


class FeeState(AllianceState):
    """The alliance's state with Ethereum's fees and precompile prices."""

    computation_class = PraguePrices

    def get_gas_price(self, transaction: Any) -> int:
        return min(transaction.max_fee, transaction.max_priority + self.base_fee)

    def get_tip(self, transaction: Any) -> int:
        return self.get_gas_price(transaction) - self.base_fee

    def get_transaction_context(self, transaction: Any) -> Any:
        price = self.get_gas_price(transaction)
        context = CancunTransactionContext(gas_price=price, origin=transaction.sender)
        context._blob_versioned_hashes = ()
        return context


class CancunSteps(AllianceTransactionExecutor):
    @staticmethod
    def calc_data_floor_gas(transaction: Any, gas_used: int, gas_refund: int) -> int:
        return 0


class CancunFeeState(FeeState):
    computation_class = CancunPrices
    transaction_executor_class = CancunSteps


def unhex(text: str) -> bytes:
    digits = text.removeprefix("0x")
    return bytes.fromhex(digits if len(digits) % 2 == 0 else "0" + digits)


def number(text: str) -> int:
    return int(text, 16)


def load_accounts(pre: dict[str, Any]) -> tuple[StateSource, bytes]:
    accounts = Accounts(StateSource({}))
    for address_text, fields in pre.items():
        address = unhex(address_text)
        accounts.set_nonce(address, number(fields["nonce"]))
        accounts.set_balance(address, number(fields["balance"]))
        if fields["code"] != "0x":
            accounts.set_code(address, unhex(fields["code"]))
        for slot, value in fields["storage"].items():
            accounts.set_storage(address, number(slot), number(value))
    root = accounts.make_state_root()
    return StateSource({schema.state(k): v for k, v in accounts.new_nodes.items()}), root


def context_of(env: dict[str, str]) -> ExecutionContext:
    height = number(env["currentNumber"])
    return ExecutionContext(
        coinbase=unhex(env["currentCoinbase"]),
        timestamp=number(env["currentTimestamp"]),
        block_number=height,
        difficulty=0,
        mix_hash=unhex(env["currentRandom"]).rjust(32, b"\0"),
        gas_limit=number(env["currentGasLimit"]),
        prev_hashes=[keccak256(str(n).encode()) for n in range(height - 1, height - 257, -1)],
        chain_id=1,
        base_fee_per_gas=number(env["currentBaseFee"]),
        excess_blob_gas=number(env.get("currentExcessBlobGas", "0x0")),
    )


def message_of(fields: dict[str, Any], indexes: dict[str, int]) -> SimpleNamespace:
    data = unhex(fields["data"][indexes["data"]])
    to = unhex(fields["to"])
    price = number(fields.get("gasPrice", fields.get("maxFeePerGas", "0x0")))
    lists = fields.get("accessLists")
    listed = (lists[indexes["data"]] if lists else None) or []
    access = tuple((unhex(e["address"]), tuple(unhex(k) for k in e["storageKeys"])) for e in listed)
    return SimpleNamespace(
        sender=unhex(fields["sender"]),
        to=to,
        data=data,
        value=number(fields["value"][indexes["value"]]),
        gas=number(fields["gasLimit"][indexes["gas"]]),
        intrinsic_gas=intrinsic_gas(data, not to, access),
        access_list=tuple(
            (address, tuple(int.from_bytes(k, "big") for k in keys)) for address, keys in access
        ),
        max_fee=price,
        max_priority=number(fields.get("maxPriorityFeePerGas", hex(price))),
        type_id=0,
    )


def cases(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*.json")):
        yield str(path.relative_to(folder)), path


def run(case: dict[str, Any], fork: str, post: dict[str, Any]) -> tuple[bytes, bytes]:
    """State root and hash of the logs after one transaction of a case."""
    source, root = load_accounts(case["pre"])
    kind = CancunFeeState if fork == "Cancun" else FeeState
    state = kind(source, context_of(case["env"]), root)
    state.lock_changes()
    computation = state.apply_transaction(message_of(case["transaction"], post["indexes"]))
    logs: list[rlpcodec.Item] = [
        [address, [topic.to_bytes(32, "big") for topic in topics], data]
        for address, topics, data in computation.get_log_entries()
    ]
    return state.accounts.make_state_root(), keccak256(rlpcodec.encode(logs))


def applies(case: dict[str, Any], post: dict[str, Any]) -> bool:
    fields = case["transaction"]
    refused = "blobVersionedHashes" in fields or "authorizationList" in fields
    return not refused and "expectException" not in post


def has_colliding_storage(case: dict[str, Any]) -> bool:
    return any(
        a["storage"] and a["code"] == "0x" and not number(a["nonce"]) for a in case["pre"].values()
    )


def check_file(path: Path) -> int:
    ran = 0
    for name, case in json.loads(path.read_text()).items():
        if has_colliding_storage(case):
            continue
        for fork in case["post"].keys() & {"Cancun", "Prague"}:
            for post in case["post"][fork]:
                if applies(case, post):
                    root, logs = run(case, fork, post)
                    where = (path.name, name, fork, post["indexes"])
                    assert logs.hex() == post["logs"][2:], where
                    assert root.hex() == post["hash"][2:], where
                    ran += 1
    return ran


@pytest.mark.parametrize("path", [p for _, p in cases(HERE)], ids=[n for n, _ in cases(HERE)])
def test_published_state_case_gives_its_post_root_and_logs(path: Path) -> None:
    assert check_file(path) > 0


@pytest.mark.data
@pytest.mark.skipif(not SHARED.is_dir(), reason="BULWARK_SHARED does not name the shared folder")
def test_all_published_state_cases_of_the_shared_folder() -> None:
    folders = ("GeneralStateTests", "prague_state_tests")
    ran = [sum(check_file(path) for _, path in cases(SHARED / folder)) for folder in folders]
    assert ran[0] > 700 and ran[1] > 50
