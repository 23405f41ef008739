"""A statement for a contract is about that contract and label, and no guarded question."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest
from msgspec.structs import replace

from bulwark.privacy.errors import InputRefused, ProofRefused
from bulwark.privacy.group import GENERATOR, multiply_base, reduce_scalar
from bulwark.privacy.ring.contractstatement import (
    CONTRACT_SCOPE,
    Demand,
    MemberStatement,
    contract_statement,
)
from bulwark.privacy.ring.prover import prove
from bulwark.privacy.ring.ristretto import Proof, member_ring
from bulwark.privacy.ring.statement import RingStatement
from bulwark.privacy.ring.verifier import claim, hashed_weights, verify

SECRETS = [reduce_scalar(bytes([place + 1]) * 64) for place in range(5)]
DEMAND = Demand(contract=b"c" * 20, label=b"l" * 32, slot=7, message=b"m" * 32)


def stated(demand: Demand = DEMAND) -> MemberStatement:
    return contract_statement(
        demand,
        chain_id=4711,
        genesis_hash=b"g" * 32,
        ring=member_ring([multiply_base(secret) for secret in SECRETS]),
        opener=GENERATOR,
        opener_epoch=3,
        epoch=20_000,
    )


def proven(statement: MemberStatement, member: int = 2) -> Proof:
    return prove(statement, SECRETS[member], member, bytes)


def holds(statement: MemberStatement, proof: Proof) -> bool:
    found = claim(statement, proof)
    try:
        verify(statement, proof, hashed_weights((found,)))
    except ProofRefused:
        return False
    return True


def test_a_proof_holds_for_its_own_statement() -> None:
    assert holds(stated(), proven(stated()))


@pytest.mark.parametrize(
    "change",
    [
        {"contract": b"d" * 20},
        {"label": b"k" * 32},
        {"slot": 8},
        {"message": b"n" * 32},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_proof_holds_for_no_other_demand(change: dict[str, object]) -> None:
    other = stated(replace(DEMAND, **change))  # type: ignore[arg-type]
    assert not holds(other, proven(stated()))
    assert other.statement_hash() != stated().statement_hash()


@pytest.mark.parametrize("name", ["chain_id", "epoch", "opener_epoch", "genesis_hash", "opener"])
def test_a_proof_holds_for_no_other_alliance_epoch_or_opener(name: str) -> None:
    others = {"genesis_hash": b"h" * 32, "opener": GENERATOR + GENERATOR}
    value = others.get(name, 1)
    other = dataclasses.replace(stated(), **{name: value})  # type: ignore[arg-type]
    assert not holds(other, proven(stated()))


def test_statement_nullifier_and_proof_are_the_frozen_ones() -> None:
    """Consensus rules: a chain that verified a proof must verify it for ever."""
    proof = proven(stated())
    assert stated().statement_hash().hex() == (
        "244c394a361b49bf52d23386f3d5eba9fd70dfc7df09775dfb70dc6c2b0a11b5"
    )
    assert proof.nullifier.encoding.hex() == (
        "b4f359aeed79c311784957080fbb79ca471302577a2d07b1ff142d79a85c7568"
    )
    assert hashlib.sha256(proof.encode()).hexdigest() == (
        "03a63738df44e4fc7d4998a7878489923465958eac6f6151054c2184da10433b"
    )


def test_contract_and_label_are_in_the_nullifier_and_message_is_not() -> None:
    one = proven(stated()).nullifier
    assert proven(stated(replace(DEMAND, message=b"n" * 32))).nullifier == one
    for other in (
        replace(DEMAND, contract=b"d" * 20),
        replace(DEMAND, label=b"k" * 32),
        replace(DEMAND, slot=8),
    ):
        assert proven(stated(other)).nullifier != one


def test_a_guarded_question_of_the_same_numbers_has_another_point_and_challenge() -> None:
    mine = stated()
    question = RingStatement(
        chain_id=mine.chain_id,
        genesis_hash=mine.genesis_hash,
        ring_height=mine.ring_height,
        ring=mine.ring,
        opener=mine.opener,
        opener_epoch=mine.opener_epoch,
        epoch=mine.epoch,
        scope=CONTRACT_SCOPE,
        slot=mine.slot,
        message=mine.message,
    )
    assert question.scope_point != mine.scope_point
    assert question.statement_hash() != mine.statement_hash()
    with pytest.raises(ProofRefused):
        verify(question, proven(mine), bytes)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"contract": b"c" * 19}, "contract"),
        ({"label": b"l" * 33}, "label"),
        ({"slot": 1 << 64}, "slot"),
        ({"slot": -1}, "slot"),
        ({"message": b"m" * 64}, "message"),
    ],
)
def test_a_demand_out_of_bounds_is_refused_by_name(change: dict[str, object], what: str) -> None:
    with pytest.raises(InputRefused, match=what):
        stated(replace(DEMAND, **change))  # type: ignore[arg-type]
