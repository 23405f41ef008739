"""The life of a record as one state machine: who may do what to it, and what that makes of it.

Rules: a statement (add, sight) is ACTIVE when it is anchored; follow-ups, found under
`reference_tag`, move it in ledger order as `TABLE` says (`bulwark.ledger.standing` folds them).
What the table refuses changes nothing at any node and has a rule id, `lifecycle.<operation>.<why>`.
docs/lifecycle.md is made from the table (ADR-0019).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from bulwark.ledger.ids import Tag

REFERENCE_KIND: Final = 255
"""Kind code of every follow-up; no indicator has it."""
DAY_MS: Final = 86_400_000
RETENTION_GRACE_MS: Final = 30 * DAY_MS
"""After a record stopped counting, how long only its reporter or a regulator may erase it."""
DISPUTE_DUE_MS: Final = 30 * DAY_MS
"""Time in which a dispute is to be ruled on (GDPR art. 12(3): one month)."""
CONCURRING: Final = 2
"""Members, neither reporter nor disputer, whose equal rulings decide without a regulator."""
_DOMAIN: Final = b"bulwark/reference-tag/1\x00"


class Operation(IntEnum):
    """What a ledger record does; the codes are those of `bulwark.indicators.vocabulary`."""

    ADD = 1
    SIGHT = 2
    DISPUTE = 3
    RULE = 4
    RETRACT = 5
    EXPIRE = 6
    ERASE = 7
    CONFIRM = 8


STATEMENTS: Final = frozenset({Operation.ADD, Operation.SIGHT})
"""Operations under an indicator's tag; all others are follow-ups under a reference tag."""


class Ruling(IntEnum):
    """How a dispute ended: the reason of a RULE record."""

    UPHELD = 1
    REJECTED = 2
    CORRECTED = 3


class State(IntEnum):
    """Where a record stands."""

    ACTIVE = 1
    DISPUTED = 2
    OVERRULED = 3
    RETRACTED = 4
    EXPIRED = 5
    ERASED = 6

    @property
    def label(self) -> str:
        """The name over the API."""
        return self.name.lower()


class Party(IntEnum):
    """What a member is to a record when it acts."""

    REPORTER = 1
    """The member that made the statement."""
    REGULATOR = 2
    """A member with the role regulator that did not make the statement."""
    DISPUTER = 3
    """A member with an open dispute of the record."""
    OTHER = 4
    """Any other member."""


class Move(StrEnum):
    """What a follow-up asks for: its operation, and for a ruling also which."""

    DISPUTE = "dispute"
    UPHOLD = "rule upheld"
    REJECT = "rule rejected"
    CORRECT = "rule corrected"
    RETRACT = "retract"
    EXPIRE = "expire"
    ERASE = "erase"

    @property
    def operation(self) -> Operation:
        """The operation of the record that asks for it."""
        return Operation[self.value.split()[0].upper()]


class Guard(StrEnum):
    """What must hold besides state and party, or how the new state follows."""

    NEW_GROUND = "no open dispute of this member, none rejected on the same ground"
    OPEN_DISPUTE = "a dispute is open"
    OWN_DISPUTE = "ends this member's dispute; the record stays disputed while another is open"
    CONCURRENCE = "a second member, neither reporter nor disputer, rules the same"
    GRACE = "30 days after the record stopped counting"


class ConsentStanding(IntEnum):
    """How the consent stands that a record rests on."""

    NONE = 0
    """The record names no consent."""
    GIVEN = 1
    WITHDRAWN = 2
    EXPIRED = 3
    UNKNOWN = 4
    """It names a consent that is not on the ledger."""


class Cell(Struct, frozen=True):
    """One cell of the table: a new state, or why not; a refusal's rule id is complete."""

    state: State | None
    guard: Guard | None = None
    refusal: str | None = None


def _refused(move: Move, why: str) -> Cell:
    return Cell(None, refusal=f"lifecycle.{move.operation.name.lower()}.{why}")


_RULINGS: Final = (Move.UPHOLD, Move.REJECT, Move.CORRECT)
_BY_RULING: Final[Mapping[int, Move]] = dict(zip(Ruling, _RULINGS, strict=True))
_KNOWN: Final = frozenset(int(operation) for operation in Operation)
OPEN_STATES: Final = frozenset({State.ACTIVE, State.DISPUTED})
"""States that a record leaves for good when it stops counting."""


def _cell(state: State, move: Move, party: Party) -> Cell:
    closed = f"record_{state.label}"
    if state is State.ERASED:
        return _refused(move, closed)
    if move is Move.DISPUTE:
        if state in OPEN_STATES:
            return Cell(State.DISPUTED, Guard.NEW_GROUND)
        # Else a reporter could let a record expire to escape a ruling and the recall after it.
        kept = state is State.EXPIRED
        return Cell(state, Guard.NEW_GROUND) if kept else _refused(move, closed)
    if move in _RULINGS:
        return _ruling(state, move, party)
    if move is Move.ERASE:
        if party in (Party.REPORTER, Party.REGULATOR):
            return Cell(State.ERASED)
        if state in OPEN_STATES:
            return _refused(move, "record_counts")
        return Cell(State.ERASED, Guard.GRACE)
    if party is not Party.REPORTER:
        return _refused(move, "not_the_reporter")
    if move is Move.RETRACT and state in (*OPEN_STATES, State.EXPIRED):
        return Cell(State.RETRACTED)
    if move is Move.EXPIRE and state in OPEN_STATES:
        return Cell(State.EXPIRED)
    return _refused(move, closed)


def _ruling(state: State, move: Move, party: Party) -> Cell:
    if state is State.ACTIVE:
        return _refused(move, "no_dispute")
    if state not in (State.DISPUTED, State.EXPIRED):
        return _refused(move, f"record_{state.label}")
    stays = State.ACTIVE if state is State.DISPUTED else state
    target = stays if move is Move.REJECT else State.OVERRULED
    if party is Party.REGULATOR:
        return Cell(target, Guard.OPEN_DISPUTE)
    if party is Party.REPORTER:
        own = move is not Move.REJECT
        return Cell(target, Guard.OPEN_DISPUTE) if own else _refused(move, "own_record")
    if party is Party.DISPUTER:
        own = move is Move.REJECT
        return Cell(target, Guard.OWN_DISPUTE) if own else _refused(move, "own_dispute")
    return Cell(target, Guard.CONCURRENCE)


TABLE: Final[Mapping[tuple[State, Move, Party], Cell]] = MappingProxyType(
    {
        (state, move, party): _cell(state, move, party)
        for state in State
        for move in Move
        for party in Party
    }
)
"""Every cell; docs and tests are generated from it."""

GUARD_REFUSALS: Final[Mapping[Guard, tuple[str, ...]]] = MappingProxyType(
    {
        Guard.NEW_GROUND: ("lifecycle.dispute.open_already", "lifecycle.dispute.decided_already"),
        Guard.OPEN_DISPUTE: ("lifecycle.rule.no_dispute",),
        Guard.OWN_DISPUTE: (),
        Guard.CONCURRENCE: ("lifecycle.rule.no_dispute", "lifecycle.rule.said_already"),
        Guard.GRACE: ("lifecycle.erase.too_early",),
    }
)
"""Rule ids with which a guard that does not hold refuses."""
FORM_REFUSALS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "lifecycle.rule.unknown_ruling": "a RULE record whose reason is no ruling",
        "lifecycle.confirm.not_a_batch": "a CONFIRM about a record; it is about a batch of orders",
        "lifecycle.add.not_a_follow_up": "an ADD under a reference tag",
        "lifecycle.sight.not_a_follow_up": "a SIGHT under a reference tag",
        "lifecycle.code_N.unknown": "an operation with a code N of a newer version",
    }
)
"""Rule ids of follow-ups that are none, whatever the record's state."""


def reference_tag(subject: bytes) -> Tag:
    """The tag under which follow-ups about a record id (or batch root), 32 bytes, are found."""
    return Tag(sha256(_DOMAIN + subject).digest())


def move_of(operation: int, reason: int) -> Move | str:
    """What a follow-up asks for, or the rule id that it breaks by its form."""
    if operation == Operation.RULE:
        return _BY_RULING.get(reason, "lifecycle.rule.unknown_ruling")
    if operation == Operation.CONFIRM:
        return "lifecycle.confirm.not_a_batch"
    if operation not in _KNOWN:
        return f"lifecycle.code_{operation}.unknown"
    name = Operation(operation).name.lower()
    return f"lifecycle.{name}.not_a_follow_up" if operation in STATEMENTS else Move(name)
