"""Events of Openings as a closed union: what members see of every case.

Rules it owns: which log entries are events of a case and how they are laid out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from bulwark.ledger.hashing import keccak256
from contracts.privacy.logs import EventFields, EventShape, event_fields
from contracts.privacy.openings import MAX_SEALED_BYTES, OPENINGS, CaseRequest

EVENTS: Final[Mapping[bytes, EventShape]] = {
    keccak256(
        b"CaseOpened(bytes32,bytes32,bytes32,bytes32,bytes32,bytes32,bytes32,bytes32,uint256,"
        b"uint256)"
    ): EventShape("CaseOpened", 3, 7),
    keccak256(b"Voted(bytes32,bytes32,bool,uint256,uint256)"): EventShape("Voted", 2, 3),
    keccak256(b"CaseApproved(bytes32,uint256)"): EventShape("CaseApproved", 1, 1),
    keccak256(b"CaseRefused(bytes32)"): EventShape("CaseRefused", 1, 0),
    keccak256(b"PartialPosted(bytes32,bytes32,bytes32,bytes32,bytes)"): EventShape(
        "PartialPosted", 3, 1, most_bytes=MAX_SEALED_BYTES
    ),
    keccak256(b"CaseClosed(bytes32,bytes32,bytes32)"): EventShape("CaseClosed", 2, 1),
}


class CaseOpened(Struct, frozen=True):
    """A regulator asks; so many approvals by block time `deadline_s` grant it."""

    request: CaseRequest
    regulator: bytes
    needed: int
    deadline_s: int


class Voted(Struct, frozen=True):
    """A member voted; so many approve and reject by now."""

    case_id: bytes
    id: bytes
    approve: bool
    approvals: int
    rejections: int


class CaseApproved(Struct, frozen=True):
    """Partial openings are due, and the case is to be closed by block time `deadline_s`."""

    case_id: bytes
    deadline_s: int


class CaseRefused(Struct, frozen=True):
    """So many rejected that the case cannot be approved any more."""

    case_id: bytes


class PartialPosted(Struct, frozen=True):
    """A member's part of the opening, sealed to the regulator, made with a share of `session`."""

    case_id: bytes
    id: bytes
    session: bytes
    commitment: bytes
    sealed: bytes


class CaseClosed(Struct, frozen=True):
    """A regulator closed a case with the hash of its result."""

    case_id: bytes
    regulator: bytes
    result_hash: bytes


OpeningEvent = CaseOpened | Voted | CaseApproved | CaseRefused | PartialPosted | CaseClosed


def decode_opening_event(
    address: bytes, topics: Sequence[bytes], data: bytes
) -> OpeningEvent | None:
    """The event in a log entry, or None for a log entry of any other kind."""
    found = event_fields(EVENTS, topics, data) if address == OPENINGS else None
    return None if found is None else _event(found)


def _event(found: EventFields) -> OpeningEvent | None:
    case_id = found.topics[0]
    match found.name:
        case "CaseOpened":
            return _opened(found)
        case "Voted":
            if found.number(0) > 1:
                return None
            approve, approvals, rejections = found.number(0) == 1, found.number(1), found.number(2)
            return Voted(case_id, found.topics[1], approve, approvals, rejections)
        case "CaseApproved":
            return CaseApproved(case_id, found.number(0))
        case "CaseRefused":
            return CaseRefused(case_id)
        case "PartialPosted":
            member, session = found.topics[1:]
            return PartialPosted(case_id, member, session, found.words[0], found.blob)
    return CaseClosed(case_id, found.topics[1], found.words[0])


def _opened(found: EventFields) -> CaseOpened:
    case_id, regulator, statement_hash = found.topics
    evaluator, nullifier, e1, e2, basis_hash = found.words[:5]
    request = CaseRequest(
        case_id=case_id,
        statement_hash=statement_hash,
        nullifier=nullifier,
        e1=e1,
        e2=e2,
        basis_hash=basis_hash,
        evaluator=evaluator,
    )
    return CaseOpened(request, regulator, found.number(5), found.number(6))
