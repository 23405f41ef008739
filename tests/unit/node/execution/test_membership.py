"""0x..b101: a proof holds for what the state says and the contract that asks, for nothing else."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from eth.exceptions import OutOfGas
from msgspec.structs import replace

from bulwark.ledger.ids import Address
from bulwark.privacy.group import GENERATOR
from bulwark.privacy.ring.ristretto import proof_bytes
from contracts.bindings import encode_remove_member, member_id_bytes
from contracts.governance import GOVERNANCE
from contracts.members import IDS_SLOT, MEMBER_REGISTRY
from contracts.privacy.membership import (
    HEAD_BYTES,
    MEMBERSHIP_PRECOMPILE,
    PROOF_LENGTHS,
    MembershipAnswer,
    MembershipQuestion,
    Refusal,
    decode_membership_answer,
    encode_membership_answer,
    encode_membership_question,
)
from node.execution.evm import EvmMessage
from node.execution.membership import MEMBERSHIP_GAS, MEMBERSHIP_MEMBER_GAS
from tests.unit.node.execution.alliance import Node
from tests.unit.node.execution.membership_world import (
    EPOCH,
    EPOCH_SECONDS,
    Prover,
    names,
    privacy_genesis,
)

CONTRACT = Address(b"\x0c" * 20)
AT = Address(MEMBERSHIP_PRECOMPILE)
GAS = 2_000_000
GENESIS = privacy_genesis()
PROVER = Prover(GENESIS, CONTRACT)


@cache
def good() -> bytes:
    return encode_membership_question(PROVER.question())


def state_of(node: Node, at_s: int | None = None) -> Any:
    tip = node.chain.tip
    state = node.executor.state_at(
        tip.state_root,
        height=tip.height,
        timestamp_ms=tip.timestamp_ms if at_s is None else at_s * 1000,  # type: ignore[arg-type]
        randomness=tip.batch_digest,
    )
    state.lock_changes()
    return state


def call(
    data: bytes, *, state: Any = None, sender: Address = CONTRACT, to: bytes = AT, gas: int = GAS
) -> Any:
    """The precompile asked by `sender` in a state, by default that of genesis."""
    found = state_of(Node(genesis=GENESIS)) if state is None else state
    message = EvmMessage(sender, to, data, 0, gas, 21_000)
    return found.apply_transaction(message)


def judged(data: bytes, **where: Any) -> MembershipAnswer | Refusal:
    done = call(data, **where)
    assert not done.is_error
    return decode_membership_answer(done.output)


def test_a_members_proof_holds_and_tells_nullifier_and_epoch() -> None:
    found = judged(good())
    assert isinstance(found, MembershipAnswer)
    assert found.epoch == EPOCH
    proof = good()[HEAD_BYTES:]
    assert found.nullifier == proof[1 + 64 : 1 + 96]
    assert encode_membership_answer(found)[:64] == bytes(31) + b"\x01" + bytes(32)


def test_a_slot_has_one_nullifier_whatever_is_said_and_members_have_different_ones() -> None:
    said = dataclasses.replace(PROVER, message=b"another".ljust(32, b"\0"))
    others = [dataclasses.replace(PROVER, name=name) for name in names(4)]
    found = [judged(encode_membership_question(one.question())) for one in (PROVER, said, *others)]
    nullifiers = [one.nullifier for one in found if isinstance(one, MembershipAnswer)]
    assert nullifiers[0] == nullifiers[1] == nullifiers[3]
    assert len(set(nullifiers)) == len(others)


@pytest.mark.parametrize(
    "made_for",
    [
        dataclasses.replace(PROVER, contract=b"\x0d" * 20),
        dataclasses.replace(PROVER, epoch=EPOCH - 1),
        dataclasses.replace(PROVER, epoch=EPOCH + 1),
        dataclasses.replace(PROVER, opener=GENERATOR),
        dataclasses.replace(PROVER, opener_epoch=1),
        dataclasses.replace(PROVER, chain_id=1),
        dataclasses.replace(PROVER, genesis=privacy_genesis(alliance="Other")),
        dataclasses.replace(PROVER, members=("m001", "m002", "m003")),
        dataclasses.replace(PROVER, members=("m000", "m001", "m002", "stranger")),
        dataclasses.replace(PROVER, members=("m000", "m001", "m002", "stranger"), name="stranger"),
        dataclasses.replace(PROVER, members=("m001", "m000", "m002", "m003")),
    ],
    ids=lambda one: None,
)
def test_a_proof_about_another_ring_opener_epoch_contract_or_alliance_is_refused(
    made_for: Prover,
) -> None:
    assert judged(encode_membership_question(made_for.question())) is Refusal.NOT_PROVEN


@pytest.mark.parametrize(
    "asked",
    [
        replace(PROVER.question(), label=bytes(32)),
        replace(PROVER.question(), slot=1),
        replace(PROVER.question(), message=bytes(32)),
    ],
    ids=["label", "slot", "message"],
)
def test_a_proof_of_something_else_than_is_asked_is_refused(asked: MembershipQuestion) -> None:
    assert judged(encode_membership_question(asked)) is Refusal.NOT_PROVEN


def test_another_caller_than_the_proof_names_is_refused() -> None:
    assert judged(good(), sender=Address(b"\x0d" * 20)) is Refusal.NOT_PROVEN


def test_any_changed_byte_of_the_input_is_refused() -> None:
    draw = random.Random(8)
    state = state_of(Node(genesis=GENESIS))
    for place in range(len(good())):
        bent = bytearray(good())
        bent[place] ^= 1 << draw.randrange(8)
        found = judged(bytes(bent), state=state)
        assert isinstance(found, Refusal), f"byte {place}"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(HEAD_BYTES),
        bytes(HEAD_BYTES + 640),
        bytes(HEAD_BYTES + PROOF_LENGTHS[-1] + 160),
        bytes(100_000),
    ],
    ids=len,
)
def test_an_input_of_no_possible_length_is_refused_by_its_length(data: bytes) -> None:
    assert judged(data) is Refusal.LENGTH


def test_what_is_wrong_with_an_input_is_named() -> None:
    question = PROVER.question()
    wide = encode_membership_question(question)
    assert judged(wide[:32] + b"\x01" + wide[33:]) is Refusal.SLOT
    longer = replace(question, proof=question.proof.ljust(proof_bytes(16), b"\0"))
    assert judged(encode_membership_question(longer)) is Refusal.RING_SIZE
    for broken in (b"\x09" + question.proof[1:], question.proof[:-32] + b"\xff" * 32):
        bad = replace(question, proof=broken)
        assert judged(encode_membership_question(bad)) is Refusal.ENCODING


def test_random_input_is_refused_and_never_an_error() -> None:
    draw = random.Random(9)
    state = state_of(Node(genesis=GENESIS))
    for _ in range(300):
        size = draw.choice([*(HEAD_BYTES + n for n in PROOF_LENGTHS), draw.randrange(1_500)])
        data = bytes(32) + bytes(24) + draw.randbytes(max(0, size - 56))
        assert isinstance(judged(data[:size], state=state), Refusal)


@pytest.mark.parametrize("missing", ["council", "ring_keys"])
def test_an_alliance_without_ring_or_council_key_says_so(missing: str) -> None:
    node = Node(genesis=privacy_genesis(**{missing: False}))  # type: ignore[arg-type]
    assert judged(good(), state=state_of(node)) is Refusal.NOT_READY


def test_a_removed_members_proof_holds_no_more_nor_does_one_over_the_old_ring() -> None:
    state = state_of(Node(genesis=GENESIS))
    removed = dataclasses.replace(PROVER, name="m003")
    for one in (PROVER, removed):
        data = encode_membership_question(one.question())
        assert isinstance(judged(data, state=state), MembershipAnswer)
    gone = encode_remove_member(member_id_bytes("m003"))
    done = call(gone, state=state, sender=Address(GOVERNANCE), to=MEMBER_REGISTRY)
    assert not done.is_error
    for one in (PROVER, removed):
        data = encode_membership_question(one.question())
        assert judged(data, state=state) is Refusal.NOT_PROVEN
    again = dataclasses.replace(PROVER, members=tuple(names(3)))
    data = encode_membership_question(again.question())
    assert isinstance(judged(data, state=state), MembershipAnswer)


def test_the_running_quota_epoch_is_that_of_the_blocks_own_time() -> None:
    node = Node(genesis=GENESIS)
    end_s = (EPOCH + 1) * EPOCH_SECONDS
    assert isinstance(judged(good(), state=state_of(node, end_s - 1)), MembershipAnswer)
    assert judged(good(), state=state_of(node, end_s)) is Refusal.NOT_PROVEN


def own_gas(done: Any) -> int:
    used: int = done.get_gas_used()
    return used


@pytest.mark.parametrize("count", [1, 4, 17])
def test_the_price_is_a_base_and_a_share_for_each_member_whatever_the_verdict(count: int) -> None:
    genesis = privacy_genesis(count)
    node = Node(genesis=genesis)
    prover = Prover(genesis, CONTRACT, name="m000", members=tuple(names(count)))
    data = encode_membership_question(prover.question())
    price = MEMBERSHIP_GAS + MEMBERSHIP_MEMBER_GAS * count
    holds = call(data, state=state_of(node))
    bent = call(data[:-1] + bytes([data[-1] ^ 1]), state=state_of(node))
    assert isinstance(decode_membership_answer(holds.output), MembershipAnswer)
    assert own_gas(holds) == own_gas(bent) == price
    assert own_gas(call(b"", state=state_of(node))) == MEMBERSHIP_GAS


def test_one_gas_too_little_is_out_of_gas_and_no_answer() -> None:
    price = MEMBERSHIP_GAS + 4 * MEMBERSHIP_MEMBER_GAS
    assert isinstance(judged(good(), gas=21_000 + price), MembershipAnswer)
    for short in (price - 1, MEMBERSHIP_GAS - 1):
        done = call(good(), gas=21_000 + short)
        assert isinstance(done.error, OutOfGas)
        assert done.output == b""


def test_too_little_gas_stops_before_members_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    state = state_of(Node(genesis=GENESIS))
    read: list[int] = []
    real: Callable[[bytes, int], int] = state.get_storage

    def watch(address: bytes, slot: int) -> int:
        read.append(slot)
        return real(address, slot)

    monkeypatch.setattr(state, "get_storage", watch)
    call(good(), state=state, gas=21_000 + MEMBERSHIP_GAS - 1)
    assert read == []
    call(good(), state=state, gas=21_000 + MEMBERSHIP_GAS)
    assert read == [IDS_SLOT]


def test_two_executors_give_one_answer_for_one_price() -> None:
    for data in (good(), good()[:-1] + bytes([good()[-1] ^ 1]), b"junk"):
        first, second = (call(data, state=state_of(Node(genesis=GENESIS))) for _ in range(2))
        assert first.output == second.output
        assert own_gas(first) == own_gas(second)
