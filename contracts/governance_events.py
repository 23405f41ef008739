"""Events of Governance as a closed union, and which logs change what the next epoch runs with.

Rules it owns: which log entries are governance events and how their words are laid out; that every
event of the member registry and every changed parameter touches the next epoch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

from msgspec import Struct

from contracts.actions import MAX_ACTION_BYTES, Action, decode_action, parameter_word_name
from contracts.governance import GOVERNANCE, MAX_FAILURE_BYTES, decode_failure
from contracts.members import ALL_ROLES, MEMBER_REGISTRY, Role
from contracts.words import WORD, address_of_word

PARAMETER_CHANGED_TOPIC: Final = bytes.fromhex(
    "ce249fa99ad401266b8ad33f2f542b9a99ff1fda278b1588f7090f55c627e73a"
)
EVENT_NAMES: Final[Mapping[bytes, str]] = {
    bytes.fromhex("29112b414a4793d2ec3bfdcd43a3011cee97ee65ac0c9a5002d4fc2422b49aeb"): (
        "ProposalMade"
    ),
    bytes.fromhex("9ee26da0fcc45b0359dc06629704f4216d9f43cfb832c700416ac37357b79937"): "Approved",
    bytes.fromhex("af29d89edf5a33737627de1624366387248a7c5f7dd8317c8bd57d584223fcb9"): (
        "ApprovalWithdrawn"
    ),
    bytes.fromhex("5ca6c0bba519c857c8713fba9f5f1b582abe00c95dcccedccea41ad683bad26d"): (
        "ProposalWithdrawn"
    ),
    bytes.fromhex("6cbfbb9b98ba7bb20bf4e76a5755fce5428cbeb7fdd7cd433fd3d63062476b80"): "Executed",
    bytes.fromhex("2c4029e985980dfd49697129a5665bb97f9ecbe343afce80cc9d0fdac2e16293"): (
        "ExecutionFailed"
    ),
    PARAMETER_CHANGED_TOPIC: "ParameterChanged",
    bytes.fromhex("8a6e34773c7549addc006ebcb40aa9cd2d9af7250ffd6d3659376c486a434a43"): (
        "MemberSuspended"
    ),
    bytes.fromhex("b57eee6c8bdf453852f5f049b74c6b87b646ba955dce1c736ebb3ef9baec893d"): (
        "MemberReinstated"
    ),
}
# Event -> (number of topics with the event's own, number of data words before a byte string,
# most bytes of that string; 0 for none).
_SHAPES: Final[Mapping[str, tuple[int, int, int]]] = {
    "ProposalMade": (3, 1, MAX_ACTION_BYTES),
    "Approved": (3, 2, 0),
    "ApprovalWithdrawn": (3, 1, 0),
    "ProposalWithdrawn": (2, 0, 0),
    "Executed": (2, 1, 0),
    "ExecutionFailed": (2, 0, MAX_FAILURE_BYTES),
    "ParameterChanged": (2, 2, 0),
    "MemberSuspended": (3, 1, 0),
    "MemberReinstated": (2, 1, 0),
}


class LogEntry(Protocol):
    """A log of a receipt, as bulwark.ledger.receipt.Log."""

    @property
    def address(self) -> bytes:
        """Contract that wrote it."""
        ...

    @property
    def topics(self) -> Sequence[bytes]:
        """Its topics, 32 bytes each."""
        ...


class ProposalMade(Struct, frozen=True):
    """A voter proposed an action; its own approval follows as an event of its own."""

    id: int
    proposer: bytes
    expires_s: int
    action: Action | None
    action_bytes: bytes


class Approved(Struct, frozen=True):
    """A voter approved: so many approvals count now, so many are needed."""

    id: int
    voter: bytes
    approvals: int
    needed: int


class ApprovalWithdrawn(Struct, frozen=True):
    """A voter took its approval back; so many are left."""

    id: int
    voter: bytes
    approvals: int


class ProposalWithdrawn(Struct, frozen=True):
    """The last approval of a proposal was taken back."""

    id: int


class Executed(Struct, frozen=True):
    """A proposal was carried out."""

    id: int
    approvals: int


class ExecutionFailed(Struct, frozen=True):
    """A proposal had enough approvals, but the action was refused for this reason."""

    id: int
    reason: str


class ParameterChanged(Struct, frozen=True):
    """A parameter has another value; previous is 0 when it had none."""

    name: str
    previous: int
    value: int


class MemberSuspended(Struct, frozen=True):
    """A member lost its vote and the right to report for a case of the evidence registry."""

    member: bytes
    evidence: bytes
    taken: Role


class MemberReinstated(Struct, frozen=True):
    """A suspended member got these roles back."""

    member: bytes
    given: Role


GovernanceEvent = (
    ProposalMade
    | Approved
    | ApprovalWithdrawn
    | ProposalWithdrawn
    | Executed
    | ExecutionFailed
    | ParameterChanged
    | MemberSuspended
    | MemberReinstated
)


def touches_validators(logs: Iterable[LogEntry]) -> bool:
    """Whether logs of a block end the epoch: any of the registry, or a changed parameter.

    Only transactions that succeeded have logs, so no receipt status needs to be looked at.
    """
    return any(
        entry.address == MEMBER_REGISTRY
        or (entry.address == GOVERNANCE and tuple(entry.topics[:1]) == (PARAMETER_CHANGED_TOPIC,))
        for entry in logs
    )


def decode_governance_event(
    address: bytes, topics: Sequence[bytes], data: bytes
) -> GovernanceEvent | None:
    """The governance event in a log entry, or None for a log entry of any other kind."""
    name = EVENT_NAMES.get(topics[0]) if address == GOVERNANCE and topics else None
    if name is None or any(len(topic) != WORD for topic in topics):
        return None
    topic_count, word_count, most = _SHAPES[name]
    head = (word_count + (most > 0)) * WORD
    if len(topics) != topic_count or len(data) < head or (not most and len(data) != head):
        return None
    words = [int.from_bytes(data[at : at + WORD], "big") for at in range(0, head, WORD)]
    tail = _tail(data, head, most) if most else b""
    if tail is None or (most and words[-1] != head):
        return None
    if name == "ParameterChanged":
        parameter = parameter_word_name(topics[1])
        return None if parameter is None else ParameterChanged(parameter, words[0], words[1])
    if name == "MemberSuspended":
        return MemberSuspended(topics[1], topics[2], Role(words[0] & ALL_ROLES))
    if name == "MemberReinstated":
        return MemberReinstated(topics[1], Role(words[0] & ALL_ROLES))
    proposal_id = int.from_bytes(topics[1], "big")
    voter = address_of_word(topics[2]) if topic_count == 3 else b""
    return None if voter is None else _event(name, proposal_id, voter, words, tail)


def _event(
    name: str, proposal_id: int, voter: bytes, words: list[int], tail: bytes
) -> GovernanceEvent:
    if name == "ProposalMade":
        return ProposalMade(proposal_id, voter, words[0], decode_action(tail), tail)
    if name == "Approved":
        return Approved(proposal_id, voter, words[0], words[1])
    if name == "ApprovalWithdrawn":
        return ApprovalWithdrawn(proposal_id, voter, words[0])
    if name == "ProposalWithdrawn":
        return ProposalWithdrawn(proposal_id)
    if name == "Executed":
        return Executed(proposal_id, words[0])
    return ExecutionFailed(proposal_id, decode_failure(tail))


def _tail(data: bytes, head: int, most: int) -> bytes | None:
    """The byte string after the head: length, content, zeros up to a whole word."""
    length = int.from_bytes(data[head : head + WORD], "big")
    start = head + WORD
    if length > most or len(data) != start + (length + WORD - 1) // WORD * WORD:
        return None
    return data[start : start + length] if not any(data[start + length :]) else None
