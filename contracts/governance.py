"""Binding of Governance: its genesis init code, calls, views, and reads of its storage.

Rules it owns: the byte layout of proposals and parameters. Every read of storage equals the
contract's own view on the same state (a test holds them together), and needs no EVM, so that an
executor may ask at every block. It does not say when a change takes effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from msgspec import Struct

from bulwark.ledger.ids import Address
from contracts.actions import (
    MAX_ACTION_BYTES,
    PARAMETERS,
    Action,
    decode_action,
    encode_action,
    parameter_name_bytes,
)
from contracts.artifact import load_artifact
from contracts.errors import DamagedStorage
from contracts.members import (
    ALL_ROLES,
    MAX_MEMBERS,
    MEMBER_REGISTRY,
    VALIDATORS_SLOT,
    Role,
    roles_slot,
)
from contracts.slots import (
    ReadSlot,
    mapped_slot,
    read_address,
    read_bytes,
    read_length,
    read_word,
)
from contracts.words import WORD, address_word, bytes32_word, uint_word

GOVERNANCE: Final = bytes(18) + b"\xb0\x04"
PROPOSE_SELECTOR: Final = bytes.fromhex("bade6033")
APPROVE_SELECTOR: Final = bytes.fromhex("b759f954")
WITHDRAW_SELECTOR: Final = bytes.fromhex("2e1a7d4d")
PROPOSAL_SELECTOR: Final = bytes.fromhex("30326c17")
APPROVALS_SELECTOR: Final = bytes.fromhex("63035f66")
NEEDED_SELECTOR: Final = bytes.fromhex("6537f2d5")
OPEN_IDS_SELECTOR: Final = bytes.fromhex("737d803c")
PARAMETER_SELECTOR: Final = bytes.fromhex("05d9b586")
SUSPENSION_SELECTOR: Final = bytes.fromhex("4a1d52e9")
CASE_STATUS_SELECTOR: Final = bytes.fromhex("f680ab98")
QUOTA_AT_SELECTOR: Final = bytes.fromhex("f9555148")
BOUNDS_SELECTOR: Final = bytes.fromhex("08fd46be")
PROPOSAL_COUNT_SELECTOR: Final = bytes.fromhex("9c5f8184")

MAX_OPEN_EACH: Final = 8
"""Open proposals of one voter."""
MAX_LIFETIME_S: Final = 90 * 86_400
MAX_FAILURE_BYTES: Final = 132
COUNT_SLOT: Final = 0
PROPOSALS_SLOT: Final = 1
APPROVALS_SLOT: Final = 2
PARAMETERS_SLOT: Final = 4
QUOTAS_SLOT: Final = 5
SUSPENSIONS_SLOT: Final = 6
PROPOSED_SLOT: Final = 7
JUDGED_SLOT: Final = 8
_EXPIRES: Final = 1
_STATE: Final = 2
_ACTION: Final = 3
_FAILURE: Final = 12
_ERROR_ID: Final = bytes.fromhex("08c379a0")


class ProposalState(IntEnum):
    """Where a proposal stands."""

    OPEN = 1
    EXECUTED = 2
    WITHDRAWN = 3
    LAPSED = 4
    """Never stored: open, but its time is over."""


class Proposal(Struct, frozen=True):
    """One proposal as it stands at some block.

    Attributes:
        id: number from 1.
        proposer: 20-byte account that made it.
        expires_s: block time in seconds at which it lapses.
        state: where it stands at that block.
        action: what it does, None for bytes that only the registry itself can refuse.
        action_bytes: the same as it would be called.
        approvals: accounts whose approvals count now, in the order in which they approved.
        failure: why the last try to carry it out failed, None if there was none.
    """

    id: int
    proposer: Address
    expires_s: int
    state: ProposalState
    action: Action | None
    action_bytes: bytes
    approvals: tuple[Address, ...]
    failure: str | None


def needed_approvals(voters: int) -> int:
    """Approvals that carry a proposal out: ceil(2/3) of the voters."""
    return (2 * voters + 2) // 3


def governance_init_code(members: bytes, parameters: Mapping[str, int]) -> bytes:
    """Init code of a governance over the member registry at this address.

    Raises UnknownParameter, OutOfRange.
    """
    head = address_word("members", members) + uint_word("offset", 2 * WORD, 256)
    body = b"".join(
        parameter_name_bytes(name) + uint_word(name, value, 256)
        for name, value in parameters.items()
    )
    length = uint_word("length", len(parameters), 256)
    return load_artifact("Governance").bytecode + head + length + body


def encode_propose(action: Action, expires_s: int) -> bytes:
    """Calldata of a proposal that lapses at a block time in seconds.

    Raises OutOfRange, WrongLength, UnknownParameter.
    """
    data = encode_action(action)
    padding = bytes(-len(data) % WORD)
    return (
        PROPOSE_SELECTOR
        + uint_word("offset", 2 * WORD, 256)
        + uint_word("expires", expires_s, 256)
        + uint_word("length", len(data), 256)
        + data
        + padding
    )


def encode_approve(proposal_id: int) -> bytes:
    """Calldata of an approval. Raises OutOfRange."""
    return APPROVE_SELECTOR + uint_word("id", proposal_id, 256)


def encode_withdraw(proposal_id: int) -> bytes:
    """Calldata that takes an approval back. Raises OutOfRange."""
    return WITHDRAW_SELECTOR + uint_word("id", proposal_id, 256)


def decode_failure(output: bytes) -> str:
    """Revert data as text: the reason of an Error(string), else what is known."""
    if not output:
        return "no reason given (out of gas, or malformed action)"
    length = int.from_bytes(output[36:68], "big")
    if output[:4] != _ERROR_ID or not 0 < length <= len(output) - 68:
        return f"0x{output.hex()}"
    return output[68 : 68 + length].decode("utf-8", "replace")


def parameter_slot(name: str) -> int:
    """Storage slot of a parameter. Raises UnknownParameter."""
    return mapped_slot(PARAMETERS_SLOT, parameter_name_bytes(name))


def read_parameters(read_slot: ReadSlot) -> dict[str, int]:
    """The consensus parameters that are set, by name; none where there is no governance."""
    governance = Address(GOVERNANCE)
    values = {name: read_slot(governance, parameter_slot(name)) for name in PARAMETERS}
    return {name: value for name, value in values.items() if value}


def read_voter_count(read_slot: ReadSlot) -> int:
    """Accounts that may vote now."""
    return read_slot(Address(MEMBER_REGISTRY), VALIDATORS_SLOT)


def read_proposal_count(read_slot: ReadSlot) -> int:
    """Proposals ever made; their ids are 1 to this."""
    return read_slot(Address(GOVERNANCE), COUNT_SLOT)


def read_proposal(read_slot: ReadSlot, proposal_id: int, now_s: int) -> Proposal | None:
    """A proposal as it stands at a block with this time, None when there is none of this id.

    Raises DamagedStorage.
    """
    governance = Address(GOVERNANCE)
    place = mapped_slot(PROPOSALS_SLOT, uint_word("id", proposal_id, 256))
    stored = read_slot(governance, place + _STATE)
    if stored == 0:
        return None
    if stored not in (ProposalState.OPEN, ProposalState.EXECUTED, ProposalState.WITHDRAWN):
        raise DamagedStorage(governance, place + _STATE, f"holds the state {stored}")
    state = ProposalState(stored)
    expires_s = read_slot(governance, place + _EXPIRES)
    if state is ProposalState.OPEN and now_s >= expires_s:
        state = ProposalState.LAPSED
    action = read_bytes(read_slot, governance, place + _ACTION, MAX_ACTION_BYTES)
    failure = read_bytes(read_slot, governance, place + _FAILURE, MAX_FAILURE_BYTES)
    return Proposal(
        id=proposal_id,
        proposer=read_address(read_slot, governance, place),
        expires_s=expires_s,
        state=state,
        action=decode_action(action),
        action_bytes=action,
        approvals=read_approvals(read_slot, proposal_id),
        failure=decode_failure(failure) if failure else None,
    )


class CaseStatus(Struct, frozen=True):
    """What votes made of a case of the evidence registry.

    Attributes:
        proposal: newest proposal to suspend its culprit, 0 for none.
        judged: block in which the culprit was suspended for it, 0 for none.
    """

    proposal: int
    judged: int


def read_case_status(read_slot: ReadSlot, evidence: bytes) -> CaseStatus:
    """What votes made of a case. Raises WrongLength."""
    governance, key = Address(GOVERNANCE), bytes32_word("evidence", evidence)
    return CaseStatus(
        read_slot(governance, mapped_slot(PROPOSED_SLOT, key)),
        read_slot(governance, mapped_slot(JUDGED_SLOT, key)),
    )


def read_suspension(read_slot: ReadSlot, member_id: bytes) -> tuple[Role, bytes] | None:
    """Roles that a suspended member gets back and the case, None for one that is not suspended.

    Raises WrongLength, DamagedStorage.
    """
    governance = Address(GOVERNANCE)
    place = mapped_slot(SUSPENSIONS_SLOT, bytes32_word("id", member_id))
    taken = read_slot(governance, place)
    if taken > ALL_ROLES:
        raise DamagedStorage(governance, place, f"holds the roles {taken}")
    return (Role(taken), read_word(read_slot, governance, place + 1)) if taken else None


def read_approvals(read_slot: ReadSlot, proposal_id: int) -> tuple[Address, ...]:
    """Accounts whose approvals of a proposal count now. Raises DamagedStorage."""
    governance, registry = Address(GOVERNANCE), Address(MEMBER_REGISTRY)
    place = mapped_slot(APPROVALS_SLOT, uint_word("id", proposal_id, 256))
    length = read_length(read_slot, governance, place, MAX_MEMBERS)
    given = (read_address(read_slot, governance, place + 1 + at) for at in range(length))
    return tuple(
        voter for voter in given if read_slot(registry, roles_slot(voter)) & Role.VALIDATOR
    )
