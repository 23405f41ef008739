"""Every cell of the lifecycle's table does what it says, and so does every guard and refusal."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import pytest

from bulwark.indicators import vocabulary
from bulwark.indicators.vocabulary import Kind
from bulwark.ledger.ids import Height, MemberId, RecordId
from bulwark.ledger.lifecycle import (
    FORM_REFUSALS,
    GUARD_REFUSALS,
    REFERENCE_KIND,
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
    reference_tag,
)
from bulwark.ledger.standing import PLAIN, FollowUp, Life, Standing, standing_of

REPORTER, REGULATOR = MemberId("reporter"), MemberId("regulator")
DISPUTER, OTHER, SECOND = MemberId("disputer"), MemberId("other"), MemberId("second")
ACTOR = {
    Party.REPORTER: REPORTER,
    Party.REGULATOR: REGULATOR,
    Party.DISPUTER: DISPUTER,
    Party.OTHER: OTHER,
}
REASONS = {
    Move.DISPUTE: 5,
    Move.UPHOLD: Ruling.UPHELD,
    Move.REJECT: Ruling.REJECTED,
    Move.CORRECT: Ruling.CORRECTED,
}
NOBODY = ((State.ACTIVE, Party.DISPUTER), (State.OVERRULED, Party.DISPUTER))
"""An open dispute makes a record disputed, and a ruling that overrules ends all disputes."""
LONG_AFTER_MS = RETENTION_GRACE_MS + 1
CELLS = [
    pytest.param(key, cell, id=f"{key[0].label}-{key[1].value}-{key[2].name.lower()}")
    for key, cell in TABLE.items()
    if (key[0], key[2]) not in NOBODY
]


class Story:
    """A record's life, told move by move."""

    def __init__(self) -> None:
        self.life = Life(REPORTER)
        self.told = 0

    def follow_up(
        self, move: Move | Operation, member: MemberId, reason: int | None = None, at_ms: int = 0
    ) -> FollowUp:
        self.told += 1
        is_move = isinstance(move, Move)
        return FollowUp(
            record_id=RecordId(self.told.to_bytes(32, "big")),
            operation=move.operation if is_move else move,
            reason=REASONS.get(move, 0) if reason is None and is_move else reason or 0,
            member=member,
            is_regulator=member == REGULATOR,
            height=Height(self.told),
            timestamp_ms=at_ms,
        )

    def take(
        self, move: Move | Operation, member: MemberId, reason: int | None = None, at_ms: int = 0
    ) -> str | None:
        return self.life.take(self.follow_up(move, member, reason, at_ms)).refused

    def standing(self) -> Standing:
        return self.life.standing()


def story_in(state: State, *, disputed_by: MemberId | None = None) -> Story:
    """A record in a state, with an open dispute of a member where the state can have one."""
    story = Story()
    if disputed_by is not None:
        assert story.take(Move.DISPUTE, disputed_by, 1) is None
    into: dict[State, Callable[[], str | None]] = {
        State.RETRACTED: lambda: story.take(Move.RETRACT, REPORTER),
        State.EXPIRED: lambda: story.take(Move.EXPIRE, REPORTER),
        State.ERASED: lambda: story.take(Move.ERASE, REPORTER),
    }
    if state is State.OVERRULED:
        if disputed_by is None:
            assert story.take(Move.DISPUTE, SECOND, 1) is None
        assert story.take(Move.UPHOLD, REGULATOR) is None
    elif state in into:
        assert into[state]() is None
    assert story.life.state is state
    return story


def situation(state: State, party: Party) -> Story:
    """The state, with who is to act being exactly that party."""
    if party is Party.DISPUTER:
        return story_in(state, disputed_by=DISPUTER)
    return story_in(state, disputed_by=SECOND if state in (State.DISPUTED, State.EXPIRED) else None)


@pytest.mark.parametrize(("key", "cell"), CELLS)
def test_every_cell_of_the_table_does_what_it_says(
    key: tuple[State, Move, Party], cell: Cell
) -> None:
    state, move, party = key
    story = situation(state, party)
    actor = ACTOR[party]
    refused = story.take(move, actor, at_ms=LONG_AFTER_MS)
    if cell.guard is Guard.CONCURRENCE:
        assert refused is None and story.life.state is state
        third = MemberId("third")
        assert story.take(move, third, at_ms=LONG_AFTER_MS) is None
    elif cell.guard is Guard.NEW_GROUND and party is Party.DISPUTER:
        assert refused == "lifecycle.dispute.open_already"
        return
    else:
        assert refused == cell.refusal
    assert story.life.state is (state if cell.state is None else cell.state)
    step = story.life.history[-1]
    assert (step.refused, step.state) == (cell.refusal, story.life.state)


@pytest.mark.parametrize(("key", "cell"), CELLS)
def test_what_is_refused_changes_nothing_but_the_history(
    key: tuple[State, Move, Party], cell: Cell
) -> None:
    state, move, party = key
    if cell.refusal is None:
        assert cell.state is not None
        return
    story = situation(state, party)
    before = story.standing()
    assert story.take(move, ACTOR[party]) is not None
    after = story.standing()
    assert after.history[:-1] == before.history and len(after.history) == len(before.history) + 1
    assert (after.state, after.disputes, after.closed_ms) == (
        before.state,
        before.disputes,
        before.closed_ms,
    )


def test_the_table_has_every_cell_once_and_each_is_a_state_or_a_refusal() -> None:
    assert len(TABLE) == len(State) * len(Move) * len(Party)
    for (_, move, _), cell in TABLE.items():
        assert (cell.state is None) != (cell.refusal is None)
        if cell.refusal is not None:
            assert cell.refusal.startswith(f"lifecycle.{move.operation.name.lower()}.")


@pytest.mark.parametrize("state", [state for state, _ in NOBODY])
def test_no_member_has_an_open_dispute_where_the_tests_leave_cells_out(state: State) -> None:
    story = story_in(state, disputed_by=DISPUTER if state is State.OVERRULED else None)
    assert story.life.parties(DISPUTER, is_regulator=False) == (Party.OTHER,)


def test_one_open_dispute_a_member_and_a_rejected_one_needs_another_ground() -> None:
    story = Story()
    assert story.take(Move.DISPUTE, OTHER, 1) is None
    assert story.take(Move.DISPUTE, OTHER, 2) == "lifecycle.dispute.open_already"
    assert story.take(Move.DISPUTE, SECOND, 1) is None
    assert story.take(Move.REJECT, REGULATOR) is None
    assert story.life.state is State.ACTIVE
    assert story.take(Move.DISPUTE, OTHER, 1) == "lifecycle.dispute.decided_already"
    assert story.take(Move.DISPUTE, OTHER, 2) is None
    assert story.life.state is State.DISPUTED


def test_a_record_stays_disputed_while_another_dispute_is_open() -> None:
    story = Story()
    story.take(Move.DISPUTE, OTHER)
    story.take(Move.DISPUTE, SECOND)
    assert story.take(Move.REJECT, OTHER) is None
    assert story.life.state is State.DISPUTED
    assert [dispute.ruling for dispute in story.life.disputes] == [Ruling.REJECTED, None]
    assert story.take(Move.REJECT, OTHER) is None, "now it is another member's word"
    assert story.life.state is State.DISPUTED
    assert story.take(Move.REJECT, SECOND) is None
    assert story.life.state is State.ACTIVE


def test_a_ruling_needs_an_open_dispute_also_after_expiry() -> None:
    story = story_in(State.EXPIRED)
    for party in (REGULATOR, REPORTER, OTHER):
        assert story.take(Move.UPHOLD, party) == "lifecycle.rule.no_dispute"
    # Expiry is no way around a ruling: the recall after it reaches who was answered before.
    assert story.take(Move.DISPUTE, SECOND) is None
    assert story.life.state is State.EXPIRED
    assert story.take(Move.UPHOLD, REGULATOR) is None
    assert story.life.state is State.OVERRULED


def test_two_members_decide_only_where_they_say_the_same_and_are_no_party() -> None:
    story = story_in(State.DISPUTED, disputed_by=DISPUTER)
    assert story.take(Move.UPHOLD, OTHER) is None
    assert story.take(Move.UPHOLD, OTHER) == "lifecycle.rule.said_already"
    assert story.take(Move.REJECT, SECOND) is None
    assert story.life.state is State.DISPUTED
    assert story.take(Move.UPHOLD, DISPUTER) == "lifecycle.rule.own_dispute"
    assert story.take(Move.UPHOLD, SECOND) is None, "the last word of a member counts"
    assert story.life.state is State.OVERRULED


def test_words_on_earlier_disputes_do_not_decide_a_new_one() -> None:
    story = story_in(State.DISPUTED, disputed_by=DISPUTER)
    story.take(Move.UPHOLD, OTHER)
    story.take(Move.DISPUTE, MemberId("late"))
    story.take(Move.UPHOLD, SECOND)
    assert story.life.state is State.DISPUTED
    assert story.take(Move.UPHOLD, OTHER) is None
    assert story.life.state is State.OVERRULED


def test_nobody_regulates_its_own_statement() -> None:
    story = Story()
    story.life.reporter = REGULATOR
    story.take(Move.DISPUTE, OTHER)
    assert story.take(Move.REJECT, REGULATOR) == "lifecycle.rule.own_record"


def test_whoever_holds_two_hats_may_what_either_may() -> None:
    # A person disputes through the very member that reported it.
    story = story_in(State.DISPUTED, disputed_by=REPORTER)
    assert story.take(Move.REJECT, REPORTER) is None
    assert story.life.state is State.ACTIVE
    assert story.take(Move.DISPUTE, REPORTER, 2) is None
    assert story.take(Move.UPHOLD, REPORTER) is None
    assert story.life.state is State.OVERRULED


@pytest.mark.parametrize("state", [State.OVERRULED, State.RETRACTED, State.EXPIRED])
def test_others_erase_only_after_the_grace(state: State) -> None:
    for at_ms, refused in (
        (0, "lifecycle.erase.too_early"),
        (RETENTION_GRACE_MS, "lifecycle.erase.too_early"),
        (RETENTION_GRACE_MS + 1, None),
    ):
        story = story_in(state)
        assert story.take(Move.ERASE, OTHER, at_ms=at_ms) == refused


def test_the_grace_runs_from_when_the_record_first_stopped_counting() -> None:
    story = story_in(State.EXPIRED)
    story.take(Move.RETRACT, REPORTER, at_ms=RETENTION_GRACE_MS)
    assert story.life.closed_ms == 0
    assert story.take(Move.ERASE, OTHER, at_ms=RETENTION_GRACE_MS + 1) is None


@pytest.mark.parametrize(
    ("operation", "reason", "rule"),
    [
        (Operation.RULE, 0, "lifecycle.rule.unknown_ruling"),
        (Operation.RULE, 4, "lifecycle.rule.unknown_ruling"),
        (Operation.CONFIRM, 3, "lifecycle.confirm.not_a_batch"),
        (Operation.ADD, 0, "lifecycle.add.not_a_follow_up"),
        (Operation.SIGHT, 0, "lifecycle.sight.not_a_follow_up"),
    ],
)
def test_follow_ups_of_no_form_are_refused_by_name(
    operation: Operation, reason: int, rule: str
) -> None:
    story = Story()
    assert story.take(operation, REGULATOR, reason) == rule and rule in FORM_REFUSALS


def test_operations_of_a_newer_version_change_nothing() -> None:
    story = Story()
    follow_up = story.follow_up(Move.ERASE, REPORTER)
    newer = FollowUp(follow_up.record_id, 77, 0, REPORTER, False, Height(1), 0)
    assert story.life.take(newer).refused == "lifecycle.code_77.unknown"
    assert story.life.state is State.ACTIVE


def test_a_desk_is_told_what_the_ledger_would_say_and_nothing_happens() -> None:
    story = story_in(State.DISPUTED, disputed_by=DISPUTER)
    before = story.standing()
    asked = story.follow_up(Move.RETRACT, OTHER)
    assert story.life.refusal(asked) == "lifecycle.retract.not_the_reporter"
    assert story.life.refusal(story.follow_up(Move.RETRACT, REPORTER)) is None
    assert story.standing() == before


@pytest.mark.parametrize("consent", list(ConsentStanding))
def test_a_record_is_restricted_while_disputed_or_without_its_consent(
    consent: ConsentStanding,
) -> None:
    binds = consent in (ConsentStanding.WITHDRAWN, ConsentStanding.EXPIRED, ConsentStanding.UNKNOWN)
    plain = standing_of(REPORTER, (), consent)
    assert (plain.restricted, plain.counts) == (binds, not binds)
    story = story_in(State.DISPUTED, disputed_by=OTHER)
    assert story.life.standing(consent).restricted
    story.take(Move.REJECT, REGULATOR)
    assert story.life.standing(consent).restricted is binds
    story.take(Move.RETRACT, REPORTER)
    closed = story.life.standing(consent)
    assert not closed.restricted and not closed.counts


def test_disputes_know_when_they_are_due_and_end_with_the_record() -> None:
    story = Story()
    story.take(Move.DISPUTE, OTHER, at_ms=1_000)
    (dispute,) = story.standing().open_disputes
    assert dispute.due_ms == 1_000 + 30 * 86_400_000
    story.take(Move.RETRACT, REPORTER)
    assert story.standing().open_disputes == () and story.life.disputes[0].ruling is None


def test_reference_tags_are_no_tag_of_an_indicator_and_differ_by_subject() -> None:
    subject = b"\x07" * 32
    expected = sha256(b"bulwark/reference-tag/1\x00" + subject).digest()
    assert reference_tag(subject) == expected != reference_tag(b"\x08" * 32)


def test_ledger_and_indicators_speak_of_the_same_operations() -> None:
    words = {entry.name: entry.code for entry in vocabulary.Operation}
    assert words == {operation.name: operation.value for operation in Operation}
    rulings = {entry.name: entry.code for entry in vocabulary.Ruling if entry.code}
    assert rulings == {ruling.name: ruling.value for ruling in Ruling}
    assert Kind.find(REFERENCE_KIND) is None, "nobody can report a reference"


def test_a_record_without_follow_ups_shares_one_standing() -> None:
    assert standing_of(REPORTER, ()) is PLAIN


def test_every_refusal_of_a_guard_is_told_somewhere_here() -> None:
    told = {
        "lifecycle.dispute.open_already",
        "lifecycle.dispute.decided_already",
        "lifecycle.rule.no_dispute",
        "lifecycle.rule.said_already",
        "lifecycle.erase.too_early",
    }
    assert {rule for rules in GUARD_REFUSALS.values() for rule in rules} == told


def test_folding_all_follow_ups_at_once_gives_what_taking_them_one_by_one_gives() -> None:
    story = Story()
    told = [
        story.follow_up(Move.DISPUTE, DISPUTER),
        story.follow_up(Move.DISPUTE, OTHER),
        story.follow_up(Move.REJECT, DISPUTER),
        story.follow_up(Move.UPHOLD, REGULATOR),
    ]
    for follow_up in told:
        story.life.take(follow_up)
    folded = standing_of(REPORTER, told)
    assert folded == story.life.standing()
    assert folded.state is State.OVERRULED
    assert [dispute.ruling for dispute in folded.disputes] == [Ruling.REJECTED, Ruling.UPHELD]
