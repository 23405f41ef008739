"""The native precompile at 0x..b101: a contract demands a proof that one of the members says this.

Rules: ring, opener, quota epoch, chain id and genesis hash come from the state and the block that
the call runs on, never from its input, so every node and every way to run a call has one outcome;
the contract whose call it is, is part of what the proof shows; weights are hashed, since all nodes
must compute the same. The price is taken before each step that costs: for the input, then for each
member of the registry. A proof that does not hold is an answer, never an error. Its addresses,
layout and prices are consensus rules, fixed at genesis.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from bulwark.ledger.ids import Address
from bulwark.privacy.errors import PrivacyError, ProofRefused
from bulwark.privacy.ring.contractstatement import Demand, MemberStatement, contract_statement
from bulwark.privacy.ring.ristretto import Proof, decode_proof, proof_bytes
from bulwark.privacy.ring.verifier import claim, hashed_weights
from contracts.members import IDS_SLOT, MAX_MEMBERS, MEMBER_REGISTRY
from contracts.privacy.membership import (
    MEMBERSHIP_PRECOMPILE,
    MembershipAnswer,
    MembershipQuestion,
    Refusal,
    decode_membership_question,
    encode_membership_answer,
)
from contracts.privacy.rings import read_ring_state
from contracts.slots import read_length

MEMBERSHIP_GAS: Final = 80_000
"""For everything that does not grow with the members."""
MEMBERSHIP_MEMBER_GAS: Final = 10_000
"""For each member of the registry: its keys are read, decoded and multiplied."""


def membership(computation: Any) -> Any:
    """160 bytes, as `contracts.privacy.membership` lays them out."""
    computation.consume_gas(MEMBERSHIP_GAS, reason="membership")
    outcome = _judged(computation)
    computation.output = encode_membership_answer(outcome)
    return computation


def _judged(computation: Any) -> MembershipAnswer | Refusal:
    message = computation.msg
    # In a DELEGATECALL and a CALLCODE the storage is the caller's, and so is `to`.
    if message.to != MEMBERSHIP_PRECOMPILE:
        return Refusal.CALL_KIND
    question = decode_membership_question(bytes(message.data))
    if isinstance(question, Refusal):
        return question
    statement = _stated(computation, question)
    if isinstance(statement, Refusal):
        return statement
    members = len(statement.ring)
    if len(question.proof) != proof_bytes(members):
        return Refusal.RING_SIZE
    try:
        proof = decode_proof(question.proof, members)
    except PrivacyError:
        return Refusal.ENCODING
    if not _holds(statement, proof):
        return Refusal.NOT_PROVEN
    return MembershipAnswer(
        nullifier=proof.nullifier.encoding,
        epoch=statement.epoch,
        ciphertext_hash=hashlib.sha256(proof.e1.encoding + proof.e2.encoding).digest(),
    )


def _stated(computation: Any, question: MembershipQuestion) -> MemberStatement | Refusal:
    """The statement that a proof must be of, in the state of the call."""
    state, context = computation.state, computation.state.execution_context
    read_slot = state.get_storage
    count = read_length(read_slot, Address(MEMBER_REGISTRY), IDS_SLOT, MAX_MEMBERS)
    computation.consume_gas(MEMBERSHIP_MEMBER_GAS * count, reason="membership of so many")
    try:
        found = read_ring_state(read_slot, context.timestamp, context.epoch_seconds)
    except PrivacyError:
        return Refusal.NOT_READY
    if found.ring is None or found.opener is None:
        return Refusal.NOT_READY
    demand = Demand(
        contract=computation.msg.sender,
        label=question.label,
        slot=question.slot,
        message=question.message,
    )
    return contract_statement(
        demand,
        chain_id=context.chain_id,
        genesis_hash=context.genesis_hash,
        ring=found.ring,
        opener=found.opener.key,
        opener_epoch=found.opener.epoch,
        epoch=found.epoch,
    )


def _holds(statement: MemberStatement, proof: Proof) -> bool:
    try:
        claimed = claim(statement, proof)
        claimed.check_all(hashed_weights((claimed,)))
    except ProofRefused:
        return False
    return True
