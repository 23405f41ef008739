"""Binding of Openings: its genesis init code, calls, and reads of its storage.

Rules it owns: the exact calldata of every call, the byte layout of a case, and when a case has
expired. Events are in `opening_events`; what is in a sealed partial is `bulwark.privacy.opening`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from msgspec import Struct

from bulwark.ledger.ids import Address
from contracts.artifact import load_artifact
from contracts.errors import DamagedStorage, OutOfRange
from contracts.privacy.logs import bytes_tail, words_tail
from contracts.privacy.query_log import MAX_SIBLINGS, StatementProof
from contracts.slots import ReadSlot, mapped_slot, read_word
from contracts.words import WORD, address_word, bytes32_word, uint_word

OPENINGS: Final = bytes(18) + b"\xb0\x09"
MAX_SEALED_BYTES: Final = 1_024
CASES_SLOT: Final = 0
VOTES_SLOT: Final = 1
PARTIALS_SLOT: Final = 2

OPEN_CASE_SELECTOR: Final = bytes.fromhex("045dba69")
VOTE_SELECTOR: Final = bytes.fromhex("9f2ce678")
POST_PARTIAL_SELECTOR: Final = bytes.fromhex("f9b43515")
CLOSE_CASE_SELECTOR: Final = bytes.fromhex("679b6c2d")
CASE_OF_SELECTOR: Final = bytes.fromhex("43f5a9d4")
STATE_SELECTOR: Final = bytes.fromhex("61d585da")
VOTE_OF_SELECTOR: Final = bytes.fromhex("70165ff3")
PARTIAL_OF_SELECTOR: Final = bytes.fromhex("5e98a648")


class CaseState(IntEnum):
    """Where a case stands."""

    OPEN = 1
    APPROVED = 2
    REFUSED = 3
    CLOSED = 4
    EXPIRED = 5
    """Never stored: open or approved, but its time is over."""


class CaseRequest(Struct, frozen=True):
    """What a regulator asks to have opened; every field has 32 bytes.

    Attributes:
        case_id: chosen by the regulator, never used before.
        statement_hash, nullifier, e1, e2: of the served statement, as its leaf has them.
        basis_hash: hash of the legal basis.
        evaluator: member id of who anchored the statement.
    """

    case_id: bytes
    statement_hash: bytes
    nullifier: bytes
    e1: bytes
    e2: bytes
    basis_hash: bytes
    evaluator: bytes


class CaseRecord(Struct, frozen=True):
    """A case as it stands at some block.

    Attributes:
        request: what was asked.
        regulator: member id of who opened it.
        state: where it stands at that block.
        voters: validators when it was opened; `needed` of them approve it.
        approvals, rejections: so many by now.
        partials: so many of the sharing of `session`; those of sharings before count no more.
        deadline_s: block time in seconds at which it expires; anew from its approval.
        block_number: block that opened it.
        result_hash: what came out, None before it is closed.
        session: ceremony whose sharing of the council's key the last partial is of, None for none.
    """

    request: CaseRequest
    regulator: bytes
    state: CaseState
    voters: int
    needed: int
    approvals: int
    rejections: int
    partials: int
    deadline_s: int
    block_number: int
    result_hash: bytes | None
    session: bytes | None = None


class PartialRecord(Struct, frozen=True):
    """A member's last partial opening: its commitment, and the ceremony that made the share."""

    commitment: bytes
    session: bytes


def openings_init_code(
    members: bytes, governance: bytes, query_log: bytes, ceremony: bytes
) -> bytes:
    """Init code of the contract over these four others."""
    return (
        load_artifact("Openings").bytecode
        + address_word("members", members)
        + address_word("governance", governance)
        + address_word("query_log", query_log)
        + address_word("ceremony", ceremony)
    )


def encode_open_case(request: CaseRequest, proof: StatementProof) -> bytes:
    """Calldata that opens a case; at most 24 siblings. Raises OutOfRange and WrongLength."""
    if len(proof.siblings) > MAX_SIBLINGS:
        raise OutOfRange("siblings", len(proof.siblings), 0, MAX_SIBLINGS)
    return (
        OPEN_CASE_SELECTOR
        + bytes32_word("case_id", request.case_id)
        + bytes32_word("statement_hash", request.statement_hash)
        + bytes32_word("nullifier", request.nullifier)
        + bytes32_word("e1", request.e1)
        + bytes32_word("e2", request.e2)
        + bytes32_word("basis_hash", request.basis_hash)
        + bytes32_word("evaluator", request.evaluator)
        + uint_word("lefts", proof.lefts, 256)
        + uint_word("offset", 9 * WORD, 256)
        + words_tail([bytes32_word("sibling", sibling) for sibling in proof.siblings])
    )


def encode_vote(case_id: bytes, approve: bool) -> bytes:
    """Calldata of a vote. Raises WrongLength."""
    return VOTE_SELECTOR + bytes32_word("case_id", case_id) + uint_word("approve", approve, 8)


def encode_post_partial(case_id: bytes, sealed: bytes, commitment: bytes, session: bytes) -> bytes:
    """Calldata of a sealed partial opening, 1 to 1,024 bytes, made with a share of `session`.

    Raises OutOfRange and WrongLength.
    """
    if not 1 <= len(sealed) <= MAX_SEALED_BYTES:
        raise OutOfRange("bytes of a partial", len(sealed), 1, MAX_SEALED_BYTES)
    return (
        POST_PARTIAL_SELECTOR
        + bytes32_word("case_id", case_id)
        + uint_word("offset", 4 * WORD, 256)
        + bytes32_word("commitment", commitment)
        + bytes32_word("session", session)
        + bytes_tail(sealed)
    )


def encode_close_case(case_id: bytes, result_hash: bytes) -> bytes:
    """Calldata that closes a case. Raises WrongLength."""
    return (
        CLOSE_CASE_SELECTOR
        + bytes32_word("case_id", case_id)
        + bytes32_word("result_hash", result_hash)
    )


def encode_state(case_id: bytes) -> bytes:
    """Calldata of the state view. Raises WrongLength."""
    return STATE_SELECTOR + bytes32_word("case_id", case_id)


def read_case(read_slot: ReadSlot, case_id: bytes, now_s: int) -> CaseRecord | None:
    """A case as it stands at a block with this time, None when there is none of this id.

    Raises DamagedStorage and WrongLength.
    """
    contract = Address(OPENINGS)
    place = mapped_slot(CASES_SLOT, bytes32_word("case_id", case_id))
    packed = read_slot(contract, place)
    if packed == 0:
        return None
    stored = packed & 255
    if not CaseState.OPEN <= stored <= CaseState.CLOSED:
        raise DamagedStorage(contract, place, f"holds the state {stored}")
    state = CaseState(stored)
    deadline_s = packed >> 48 & (1 << 64) - 1
    if state in (CaseState.OPEN, CaseState.APPROVED) and now_s >= deadline_s:
        state = CaseState.EXPIRED
    fields = [read_word(read_slot, contract, place + at) for at in range(1, 10)]
    return CaseRecord(
        request=CaseRequest(
            case_id=case_id,
            statement_hash=fields[2],
            nullifier=fields[3],
            e1=fields[4],
            e2=fields[5],
            basis_hash=fields[6],
            evaluator=fields[1],
        ),
        regulator=fields[0],
        state=state,
        voters=packed >> 8 & 255,
        needed=packed >> 16 & 255,
        approvals=packed >> 24 & 255,
        rejections=packed >> 32 & 255,
        partials=packed >> 176 & (1 << 16) - 1,
        deadline_s=deadline_s,
        block_number=packed >> 112 & (1 << 64) - 1,
        result_hash=fields[7] if any(fields[7]) else None,
        session=fields[8] if any(fields[8]) else None,
    )


def read_vote(read_slot: ReadSlot, case_id: bytes, member_id: bytes) -> bool | None:
    """Whether a member approved, None when it has not voted. Raises DamagedStorage, WrongLength."""
    contract = Address(OPENINGS)
    slot = _of_member(VOTES_SLOT, case_id, member_id)
    stored = read_slot(contract, slot)
    if stored > 2:
        raise DamagedStorage(contract, slot, f"holds the vote {stored}")
    return stored == 1 if stored else None


def read_partial(read_slot: ReadSlot, case_id: bytes, member_id: bytes) -> PartialRecord | None:
    """A member's last partial opening, None for none. Raises WrongLength."""
    contract, slot = Address(OPENINGS), _of_member(PARTIALS_SLOT, case_id, member_id)
    commitment = read_word(read_slot, contract, slot)
    if not any(commitment):
        return None
    return PartialRecord(commitment, read_word(read_slot, contract, slot + 1))


def _of_member(slot: int, case_id: bytes, member_id: bytes) -> int:
    of_case = mapped_slot(slot, bytes32_word("case_id", case_id))
    return mapped_slot(of_case, bytes32_word("id", member_id))
