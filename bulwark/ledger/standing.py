"""Where a record stands: its follow-ups, folded in ledger order through the lifecycle's table.

Rules: a follow-up that the table refuses changes nothing and stays in the history with its rule id.
A record is restricted while it is disputed or its consent does not stand. Nothing here depends on
the record's payload or on a clock, so that the history of an erased record reads the same at every
node. A desk asks `Life.refusal` before it sends anything (ADR-0019).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from bulwark.ledger.ids import Height, MemberId, RecordId
from bulwark.ledger.lifecycle import (
    CONCURRING,
    DISPUTE_DUE_MS,
    OPEN_STATES,
    RETENTION_GRACE_MS,
    TABLE,
    Cell,
    ConsentStanding,
    Guard,
    Move,
    Operation,
    Party,
    Ruling,
    State,
    move_of,
)


class FollowUp(Struct, frozen=True):
    """A follow-up as the ledger has it; `timestamp_ms` is its block's."""

    record_id: RecordId
    operation: int
    reason: int
    member: MemberId
    is_regulator: bool
    """Whether the member held the role regulator before the follow-up's block."""
    height: Height
    timestamp_ms: int


class Step(Struct, frozen=True):
    """One entry of a record's history."""

    record_id: RecordId
    operation: int
    reason: int
    member: MemberId
    height: Height
    timestamp_ms: int
    refused: str | None
    """Rule id of the refusal, None where it was taken."""
    state: State
    """State of the record after it."""


class Dispute(Struct, frozen=True):
    """A dispute of a record that was taken."""

    record_id: RecordId
    """The DISPUTE record."""
    member: MemberId
    ground: int
    height: Height
    opened_ms: int
    ruling: Ruling | None = None
    """How it ended; None while it is open, and where the record was retracted or erased first."""

    @property
    def due_ms(self) -> int:
        """When it should be ruled on."""
        return self.opened_ms + DISPUTE_DUE_MS


class Standing(Struct, frozen=True):
    """What the follow-ups made of a record."""

    state: State = State.ACTIVE
    restricted: bool = False
    """Answers with no score although it is not closed: disputed, or its consent does not stand."""
    history: tuple[Step, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    closed_ms: int | None = None
    """When it stopped counting for good."""
    consent: ConsentStanding = ConsentStanding.NONE

    @property
    def counts(self) -> bool:
        """Whether it may take part in an answer."""
        return self.state is State.ACTIVE and not self.restricted

    @property
    def open_disputes(self) -> tuple[Dispute, ...]:
        """Disputes that wait for a ruling; none once the record is retracted or erased."""
        if self.state in (State.RETRACTED, State.ERASED):
            return ()
        return tuple(dispute for dispute in self.disputes if dispute.ruling is None)


_PLAIN: Final = {
    consent: Standing(restricted=consent > ConsentStanding.GIVEN, consent=consent)
    for consent in ConsentStanding
}


PLAIN: Final = _PLAIN[ConsentStanding.NONE]
"""A record that no follow-up is about and that rests on no consent."""


@dataclass(slots=True)
class Life:
    """A record's life so far: follow-ups go in, in ledger order, standings come out."""

    reporter: MemberId
    state: State = State.ACTIVE
    closed_ms: int | None = None
    history: list[Step] = field(default_factory=list)
    disputes: list[Dispute] = field(default_factory=list)
    _words: dict[MemberId, Ruling] = field(default_factory=dict)
    """Rulings of members that are neither reporter nor disputer, on the disputes now open."""

    def take(self, follow_up: FollowUp) -> Step:
        """Apply the next follow-up in ledger order; what is refused is noted as such."""
        cell, refused = self._judge(follow_up)
        if refused is None and cell.state is not None:
            self._apply(follow_up, cell, cell.state)
        step = Step(
            record_id=follow_up.record_id,
            operation=follow_up.operation,
            reason=follow_up.reason,
            member=follow_up.member,
            height=follow_up.height,
            timestamp_ms=follow_up.timestamp_ms,
            refused=refused,
            state=self.state,
        )
        self.history.append(step)
        return step

    def refusal(self, follow_up: FollowUp) -> str | None:
        """The rule id with which a follow-up would be refused now; changes nothing."""
        return self._judge(follow_up)[1]

    def parties(self, member: MemberId, *, is_regulator: bool) -> tuple[Party, ...]:
        """What a member is to the record now; nobody regulates its own statement."""
        own = member == self.reporter
        found = [Party.REPORTER] if own else [Party.REGULATOR] if is_regulator else []
        if any(d.ruling is None and d.member == member for d in self.disputes):
            found.append(Party.DISPUTER)
        return tuple(found) or (Party.OTHER,)

    def standing(self, consent: ConsentStanding = ConsentStanding.NONE) -> Standing:
        """Where the record stands now, with the consent it rests on."""
        if not self.history and self.state is State.ACTIVE:
            return _PLAIN[consent]
        unbound = consent > ConsentStanding.GIVEN
        return Standing(
            state=self.state,
            restricted=self.state is State.DISPUTED or (self.state is State.ACTIVE and unbound),
            history=tuple(self.history),
            disputes=tuple(self.disputes),
            closed_ms=self.closed_ms,
            consent=consent,
        )

    def _judge(self, asked: FollowUp) -> tuple[Cell, str | None]:
        move = move_of(asked.operation, asked.reason)
        if not isinstance(move, Move):
            return Cell(None), move
        # The first hat under which the member may do it counts, else the first refusal.
        parties = self.parties(asked.member, is_regulator=asked.is_regulator)
        judged = [self._cell(asked, TABLE[self.state, move, party]) for party in parties]
        return next((found for found in judged if found[1] is None), judged[0])

    def _cell(self, asked: FollowUp, cell: Cell) -> tuple[Cell, str | None]:
        return cell, cell.refusal or self._guard(asked, cell)

    def _guard(self, asked: FollowUp, cell: Cell) -> str | None:
        is_open = any(dispute.ruling is None for dispute in self.disputes)
        if cell.guard in (Guard.OPEN_DISPUTE, Guard.CONCURRENCE) and not is_open:
            return "lifecycle.rule.no_dispute"
        if cell.guard is Guard.CONCURRENCE and self._words.get(asked.member) == asked.reason:
            return "lifecycle.rule.said_already"
        if cell.guard is Guard.GRACE:
            since = asked.timestamp_ms if self.closed_ms is None else self.closed_ms
            early = asked.timestamp_ms - since <= RETENTION_GRACE_MS
            return "lifecycle.erase.too_early" if early else None
        if cell.guard is Guard.NEW_GROUND:
            own = [dispute for dispute in self.disputes if dispute.member == asked.member]
            if any(dispute.ruling is None for dispute in own):
                return "lifecycle.dispute.open_already"
            if any(d.ruling is Ruling.REJECTED and d.ground == asked.reason for d in own):
                return "lifecycle.dispute.decided_already"
        return None

    def _apply(self, asked: FollowUp, cell: Cell, target: State) -> None:
        if asked.operation == Operation.DISPUTE:
            opened = Dispute(
                asked.record_id, asked.member, asked.reason, asked.height, asked.timestamp_ms
            )
            self.disputes.append(opened)
            self._words.clear()  # they were about the disputes before this one
        elif asked.operation == Operation.RULE:
            ruling = Ruling(asked.reason)
            if cell.guard is Guard.CONCURRENCE:
                self._words[asked.member] = ruling
                if sum(word is ruling for word in self._words.values()) < CONCURRING:
                    return
            self._end(ruling, asked.member if cell.guard is Guard.OWN_DISPUTE else None)
            if target is State.ACTIVE and any(d.ruling is None for d in self.disputes):
                return
        self.state = target
        if target not in OPEN_STATES and self.closed_ms is None:
            self.closed_ms = asked.timestamp_ms

    def _end(self, ruling: Ruling, member: MemberId | None) -> None:
        """End the open disputes, of one member or of all."""
        self.disputes = [
            Dispute(d.record_id, d.member, d.ground, d.height, d.opened_ms, ruling)
            if d.ruling is None and member in (None, d.member)
            else d
            for d in self.disputes
        ]
        if not any(d.ruling is None for d in self.disputes):
            self._words.clear()


def standing_of(
    reporter: MemberId,
    follow_ups: Iterable[FollowUp],
    consent: ConsentStanding = ConsentStanding.NONE,
) -> Standing:
    """Fold a statement's follow-ups, in ledger order and all after it, into where it stands."""
    life = Life(reporter)
    for follow_up in follow_ups:
        life.take(follow_up)
    return life.standing(consent)
