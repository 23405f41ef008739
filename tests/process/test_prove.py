"""A contract on a running alliance demands proofs of membership, made by `bulwark prove`.

Deployed and called with web3.py; an account that is no member's sends what members say.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from vyper import compile_code
from web3 import HTTPProvider, Web3
from web3.contract import Contract
from web3.exceptions import ContractLogicError
from web3.types import TxParams

from tests.process.conftest import MakeAlliance
from tests.process.support import ROOT, Alliance, until

pytestmark = pytest.mark.process

SOURCE = ROOT / "contracts/examples/MembersPoll.vy"
PRECOMPILE = Web3.to_checksum_address("0x" + "b101".rjust(40, "0"))


def connect(alliance: Alliance, name: str) -> Web3:
    headers = {
        "Authorization": f"Bearer {alliance.key(name, 'operator')}",
        "Content-Type": "application/json",
    }
    url = f"{alliance.node(name).rest_url}/rpc"
    return Web3(HTTPProvider(url, request_kwargs={"headers": headers, "timeout": 30}))


def bulwark(*words: str | Path, fails: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "node.cli.main", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == fails, f"{words}: {done.returncode} {done.stdout} {done.stderr}"
    return done.stdout if fails == 0 else done.stderr


class Polling:
    """A poll on an alliance, and the account that sends everybody's choices."""

    def __init__(self, alliance: Alliance) -> None:
        self.alliance = alliance
        self.w3 = connect(alliance, alliance.validators[0])
        self.sender: LocalAccount = Account.create()
        self.code = compile_code(SOURCE.read_text(), output_formats=["abi", "bytecode"])
        self.poll = self.deploy()

    def deploy(self) -> Contract:
        factory = self.w3.eth.contract(abi=self.code["abi"], bytecode=self.code["bytecode"])
        receipt = self.send(factory.constructor(2))
        assert receipt["status"] == 1
        address = receipt["contractAddress"]
        found: Contract = self.w3.eth.contract(address=address, abi=self.code["abi"])
        return found

    def send(self, call: Any) -> Any:
        nonce = self.w3.eth.get_transaction_count(self.sender.address, "pending")
        fields = {"from": self.sender.address, "nonce": nonce, "gas": 2_000_000}
        signed = self.sender.sign_transaction(call.build_transaction(fields))
        sent = self.w3.eth.send_raw_transaction(signed.raw_transaction)
        return self.w3.eth.wait_for_transaction_receipt(sent, timeout=60)

    def words(self, name: str, choice: int, poll: Contract | None = None) -> list[str | Path]:
        """The command by which a member proves its choice."""
        found = poll or self.poll
        label, message = found.functions.label().call(), found.functions.message(choice).call()
        home = self.alliance.node(name).home
        given = ("--label", f"0x{label.hex()}", "--message", f"0x{message.hex()}", "--home", home)
        return ["prove", "--contract", found.address, *given]

    def prove(self, name: str, choice: int, poll: Contract | None = None) -> bytes:
        return bytes.fromhex(bulwark(*self.words(name, choice, poll)).strip()[2:])

    def choose(self, choice: int, proof: bytes) -> bool:
        return bool(self.send(self.poll.functions.choose(choice, proof))["status"])

    def why(self, choice: int, proof: bytes) -> str:
        """What an eth_call of the same is refused with."""
        with pytest.raises(ContractLogicError) as refused:
            self.poll.functions.choose(choice, proof).call({"from": self.sender.address})
        return str(refused.value)


def test_a_contract_counts_each_member_once_and_refuses_every_other_proof(
    shared: Alliance,
) -> None:
    polling = Polling(shared)
    first, second, *_ = shared.validators
    observer = shared.names[-1]
    proof = polling.prove(first, 1)
    receipt = polling.send(polling.poll.functions.choose(1, proof))
    assert receipt["status"] == 1
    (event,) = polling.poll.events.Counted().process_receipt(receipt)
    assert event["args"]["total"] == 1

    assert not polling.choose(1, proof)
    assert "nullifier used" in polling.why(1, proof)
    assert "nullifier used" in polling.why(0, polling.prove(first, 0))

    assert not polling.choose(0, polling.prove(second, 1))
    for place in (0, 1, 70, 300, len(proof) - 1):
        bent = bytearray(polling.prove(second, 1))
        bent[place] ^= 1
        assert "membership not proven" in polling.why(1, bytes(bent))
    assert not polling.choose(1, bytes(bent))
    elsewhere = polling.deploy()
    assert "membership not proven" in polling.why(1, polling.prove(second, 1, elsewhere))

    made = json.loads(bulwark(*polling.words(observer, 1), "--json"))
    assert made["members"] == len(shared.names)
    assert polling.choose(1, bytes.fromhex(made["proof"][2:]))
    assert polling.poll.functions.is_used(made["nullifier"]).call()
    assert polling.poll.functions.totals(1).call() == 2
    assert polling.poll.functions.totals(0).call() == 0

    there = connect(shared, observer)
    height = polling.w3.eth.block_number
    until(lambda: there.eth.block_number >= height, "the observer follows")
    call: TxParams = {"from": polling.poll.address, "to": PRECOMPILE, "data": made["input"]}
    answers = {bytes(w3.eth.call(call, height)) for w3 in (there, polling.w3)}
    (answer,) = answers
    assert answer[:32] == (1).to_bytes(32, "big")
    assert answer[64:96].hex() == made["nullifier"][2:]


def test_a_proof_of_another_alliances_member_is_refused(
    shared: Alliance, make_alliance: MakeAlliance
) -> None:
    polling = Polling(shared)
    other = make_alliance(4, 0)
    other.start()
    words = polling.words(shared.validators[0], 1)
    words[words.index("--home") + 1] = other.node(other.validators[0]).home
    proof = bytes.fromhex(bulwark(*words).strip()[2:])
    assert "membership not proven" in polling.why(1, proof)
    assert not polling.choose(1, proof)
    words[words.index("--contract") + 1] = "0x12"
    assert "40 hexadecimal digits" in bulwark(*words, fails=2)
