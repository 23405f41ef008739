"""The example contract over the real precompile, and which kinds of calls tell who asks."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode as abi
from vyper.compiler import compile_code

from bulwark.ledger.hashing import keccak256
from bulwark.ledger.ids import Address
from contracts.privacy.membership import (
    MEMBERSHIP_PRECOMPILE,
    MembershipAnswer,
    Refusal,
    decode_membership_answer,
    encode_membership_question,
)
from node.execution.calls import run_call
from node.execution.evm import EvmMessage
from tests.unit.node.execution.alliance import Node, call
from tests.unit.node.execution.membership_world import (
    EPOCH,
    EPOCH_SECONDS,
    Prover,
    account,
    names,
    privacy_genesis,
)

SOURCE = Path(__file__).resolve().parents[4] / "contracts/examples/MembersPoll.vy"
GENESIS = privacy_genesis()
SENDER = account("m000")
PRECOMPILE = Address(MEMBERSHIP_PRECOMPILE)
CALLS = {"CALL": 0xF1, "CALLCODE": 0xF2, "DELEGATECALL": 0xF4, "STATICCALL": 0xFA}


@cache
def compiled() -> dict[str, Any]:
    found = compile_code(SOURCE.read_text(), output_formats=["bytecode", "method_identifiers"])
    return dict(found)


def selector(signature: str) -> bytes:
    return int(compiled()["method_identifiers"][signature], 16).to_bytes(4, "big")


class Poll:
    """The example deployed in a block; choices are sent by m000 for whoever chose."""

    def __init__(self) -> None:
        self.node, self.nonce = Node(genesis=GENESIS), 0
        code = bytes.fromhex(compiled()["bytecode"][2:]) + abi(["uint256"], [2])
        self.at_ms = int(GENESIS.created_ms)
        assert self.send(None, code)
        self.address = Address(keccak256(b"\xd6\x94" + SENDER.address + b"\x80")[12:])
        self.prover = replace(
            Prover(GENESIS, self.address), label=keccak256(b"MembersPoll"), message=said(1)
        )

    def send(self, to: Address | None, data: bytes) -> bool:
        sent = call(SENDER, self.nonce, to, data, gas=2_000_000)
        self.nonce += 1
        block = self.node.block(sent, at_ms=self.at_ms)
        (receipt,) = block.receipts
        return receipt.succeeded

    def choose(self, choice: int, proof: bytes) -> bool:
        return self.send(
            self.address,
            selector("choose(uint256,bytes)") + abi(["uint256", "bytes"], [choice, proof]),
        )

    def total(self, choice: int) -> int:
        data = selector("totals(uint256)") + abi(["uint256"], [choice])
        return int.from_bytes(self.ask(data), "big")

    def ask(self, data: bytes) -> bytes:
        return ask(self.node, SENDER.address, self.address, data)

    def judged(self, prover: Prover) -> MembershipAnswer | Refusal:
        """What the precompile says to this contract on the last block."""
        data = encode_membership_question(prover.question())
        return decode_membership_answer(ask(self.node, self.address, PRECOMPILE, data))


def ask(node: Node, sender: Address, to: Address, data: bytes) -> bytes:
    """An eth_call on the last block."""
    outcome = run_call(
        node.executor,
        node.chain.tip,
        sender=sender,
        to=to,
        data=data,
        value=0,
        gas=5_000_000,
        deadline_s=float("inf"),
    )
    assert outcome.success, outcome
    return outcome.output


def said(choice: int) -> bytes:
    return keccak256(choice.to_bytes(32, "big"))


def test_every_member_is_counted_once_and_nobody_else() -> None:
    poll = Poll()
    first = poll.prover.prove()
    assert poll.choose(1, first)
    assert not poll.choose(1, first)
    assert not poll.choose(0, replace(poll.prover, message=said(0)).prove())
    assert poll.choose(0, replace(poll.prover, name="m002", message=said(0)).prove())
    stranger = replace(poll.prover, members=(*names(3), "stranger"), name="stranger")
    assert not poll.choose(1, stranger.prove())
    assert (poll.total(0), poll.total(1)) == (1, 1)


def test_a_choice_can_not_be_changed_by_whoever_sends_it() -> None:
    poll = Poll()
    assert not poll.choose(0, poll.prover.prove())
    assert poll.total(0) == 0


def test_a_proof_for_one_poll_counts_in_no_other() -> None:
    poll = Poll()
    elsewhere = replace(poll.prover, contract=b"\x0d" * 20)
    assert not poll.choose(1, elsewhere.prove())


def test_after_the_quota_epoch_the_poll_is_over_though_a_new_nullifier_holds() -> None:
    poll = Poll()
    assert poll.choose(1, poll.prover.prove())
    poll.at_ms = (EPOCH + 1) * EPOCH_SECONDS * 1_000
    again = replace(poll.prover, epoch=EPOCH + 1)
    assert not poll.choose(1, again.prove())
    assert isinstance(poll.judged(again), MembershipAnswer)
    assert poll.total(1) == 1


def test_two_replicas_reach_one_state_over_good_and_bad_proofs() -> None:
    polls = [Poll(), Poll()]
    for proof in (polls[0].prover.prove(), bytes(737), b""):
        assert len({poll.choose(1, proof) for poll in polls}) == 1
    heads = [poll.node.chain.tip for poll in polls]
    assert heads[0] == heads[1]


def forwarder(opcode: int) -> bytes:
    """Code that passes its input to the precompile by one kind of call and returns the answer."""
    value = b"\x5f" if opcode in (0xF1, 0xF2) else b""
    copy = b"\x36\x5f\x5f\x37"  # CALLDATACOPY(0, 0, size)
    ask = b"\x61\x01\x00\x61\x0f\x00\x36\x5f" + value + b"\x61\xb1\x01\x5a" + bytes([opcode])
    return copy + ask + b"\x50\x3d\x61\x0f\x00\xf3"


@pytest.mark.parametrize("kind", CALLS)
def test_only_calls_that_show_who_asks_are_answered(kind: str) -> None:
    node, here = Node(genesis=GENESIS), Address(b"\x0f" * 20)
    tip = node.chain.tip
    state: Any = node.executor.state_at(
        tip.state_root,
        height=tip.height,
        timestamp_ms=tip.timestamp_ms,
        randomness=tip.batch_digest,
    )
    state.set_code(here, forwarder(CALLS[kind]))
    state.lock_changes()
    data = encode_membership_question(Prover(GENESIS, here).question())
    message = EvmMessage(Address(b"\x01" * 20), here, data, 0, 2_000_000, 21_000)
    found = decode_membership_answer(state.apply_transaction(message).output)
    if kind in ("CALL", "STATICCALL"):
        assert isinstance(found, MembershipAnswer)
    else:
        assert found is Refusal.CALL_KIND


def test_a_call_by_rpc_answers_as_the_contract_would_be_answered() -> None:
    node, contract = Node(genesis=GENESIS), Address(b"\x0c" * 20)
    data = encode_membership_question(Prover(GENESIS, contract).question())
    found = decode_membership_answer(ask(node, contract, PRECOMPILE, data))
    assert isinstance(found, MembershipAnswer)
