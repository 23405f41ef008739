"""The gates of the shared state: the window, the sign guard, one vote a signer (W1, W2, W4, P1)."""

from __future__ import annotations

import pytest

from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Digest, Height, ValidatorIndex, View
from bulwark.ledger.votes import VoteKind
from consensus.config import Config
from consensus.effects import Report
from consensus.errors import InvariantViolation
from consensus.evidence import DoubleVote
from consensus.journal import vouched_key
from consensus.messages import Vote
from consensus.state import ReplicaState
from consensus.transitions import Cause
from consensus.types import Place, Status
from tests.unit.consensus.support import Subject

A, B = sha256(b"a"), sha256(b"b")
WINDOW = Config().window


def make_state(
    low: int = 0, view: int = 0, end: int | None = None, config: Config | None = None
) -> ReplicaState:
    """The state of validator 1 of four in a view, settled up to `low`."""
    subject = Subject(start=False, config=config)
    state = subject.replica._state
    state.executed = Height(low)
    state.stable = subject.checkpoint(low) if low else None
    state.epoch_end = None if end is None else Height(end)
    state.view = state.active_view = View(view)
    state.moved()
    return state


def place(state: ReplicaState, view: int, height: int) -> Place:
    """Where a message for (view, height) belongs."""
    return state.place(View(view), Height(height))


# -- W1, W2: where a message belongs ---------------------------------------------------------------


def test_the_window_and_the_one_above_it_bound_what_is_taken_w1_w2() -> None:
    state = make_state(low=10)
    assert [place(state, 0, h) for h in (0, 9, 10)] == [Place.NEVER] * 3
    assert [place(state, 0, h) for h in (11, 18)] == [Place.NOW] * 2
    assert [place(state, 0, h) for h in (19, 26)] == [Place.LATER] * 2
    assert [place(state, 0, h) for h in (27, 99)] == [Place.NEVER] * 2


def test_a_lower_view_never_counts_and_a_higher_one_waits_w2() -> None:
    state = make_state(view=3)
    assert [place(state, v, 1) for v in (0, 2)] == [Place.NEVER] * 2
    assert place(state, 3, 1) is Place.NOW
    assert [place(state, v, 1) for v in (4, 99)] == [Place.LATER] * 2
    assert place(state, 2, WINDOW + 1) is Place.NEVER
    assert place(state, 4, 0) is Place.NEVER
    assert place(state, 4, 2 * WINDOW) is Place.LATER
    assert place(state, 4, 2 * WINDOW + 1) is Place.NEVER


def test_nothing_above_the_end_of_the_epoch_is_taken_e2() -> None:
    state = make_state(low=10, end=14)
    assert state.high == 14
    assert [place(state, 0, h) for h in (11, 14)] == [Place.NOW] * 2
    assert [place(state, v, h) for v in (0, 1) for h in (15, 18, 22)] == [Place.NEVER] * 6


def test_an_end_beyond_the_window_does_not_widen_it_e2() -> None:
    state = make_state(low=10, end=20)
    assert state.high == 18
    assert [place(state, 0, h) for h in (18, 19, 20, 21)] == [
        Place.NOW,
        Place.LATER,
        Place.LATER,
        Place.NEVER,
    ]


def test_low_is_the_smaller_of_stable_and_executed_w1() -> None:
    subject = Subject(start=False)
    state = subject.replica._state
    state.executed, state.stable = Height(3), subject.checkpoint(7)
    state.moved()
    assert (state.low, state.high) == (3, 11)
    state.executed = Height(9)
    state.moved()
    assert (state.low, state.high) == (7, 15)


def test_a_slot_outside_of_the_window_is_a_broken_invariant_w1() -> None:
    state = make_state(low=20)
    assert state.slot(Height(28)).height == 28
    assert state.slot(Height(13)).height == 13
    for height in (29, 12):
        with pytest.raises(InvariantViolation, match="W1"):
            state.slot(Height(height))


def test_a_recovered_slot_above_the_window_is_not_handed_out_w1() -> None:
    state = make_state()
    state.log.open(Height(WINDOW + 1), 0)
    with pytest.raises(InvariantViolation, match="W1"):
        state.slot(Height(WINDOW + 1))


# -- P1: the sign guard ----------------------------------------------------------------------------


def test_a_vote_is_signed_kept_counted_and_staged_p1() -> None:
    state = make_state(view=2)
    slot = state.slot(Height(1))
    vote = state.cast(slot, VoteKind.PREPARE, A)
    assert vote == Subject(start=False).vote(VoteKind.PREPARE, 2, 1, A, 1)
    assert slot.own == {VoteKind.PREPARE: vote}
    assert slot.prepares == {1: vote}
    assert (slot.commits, slot.checkpoints) == ({}, {})
    persist = state.journal.flush()
    assert persist is not None
    assert [key[:5] for key, _ in persist.records] == [b"vote/"]


def test_only_a_prepare_vouches_for_a_body_s12() -> None:
    state = make_state()
    slot = state.slot(Height(1))
    state.cast(slot, VoteKind.COMMIT, A)
    state.cast(slot, VoteKind.CHECKPOINT, A)
    assert slot.vouched == []
    state.cast(slot, VoteKind.PREPARE, B)
    assert slot.vouched == [B]


def test_the_order_of_prepares_is_staged_as_soon_as_there_are_two_v9() -> None:
    state = make_state()
    slot = state.slot(Height(1))
    staged = []
    for view, digest in enumerate((A, B)):
        state.active_view = View(view)
        state.cast(slot, VoteKind.PREPARE, digest)
        persist = state.journal.flush()
        assert persist is not None
        staged.append(vouched_key(Height(1)) in {key for key, _ in persist.records})
    assert staged == [False, True]


def test_a_checkpoint_is_cast_for_view_0_in_every_view_c1() -> None:
    state = make_state(view=5)
    assert state.cast(state.slot(Height(1)), VoteKind.CHECKPOINT, A).subject.view == 0


@pytest.mark.parametrize("kind", VoteKind)
def test_the_guard_signs_no_second_digest_in_one_view_p1(kind: VoteKind) -> None:
    state = make_state(view=2)
    slot = state.slot(Height(1))
    vote = state.cast(slot, kind, A)
    with pytest.raises(InvariantViolation, match=f"P1: {kind.name} at 1 would contradict"):
        state.cast(slot, kind, B)
    assert slot.own[kind] == vote
    assert state.cast(slot, kind, A) == vote


@pytest.mark.parametrize("kind", [VoteKind.PREPARE, VoteKind.COMMIT])
def test_the_guard_signs_another_digest_only_in_a_later_view_p1(kind: VoteKind) -> None:
    state = make_state(view=2)
    slot = state.slot(Height(1))
    state.cast(slot, kind, A)
    state.active_view = View(1)
    for digest in (A, B):
        with pytest.raises(InvariantViolation, match="P1"):
            state.cast(slot, kind, digest)
    state.active_view = View(3)
    assert state.cast(slot, kind, B).subject.digest == B
    assert slot.own[kind].subject.view == 3


def test_the_guard_signs_no_two_checkpoints_in_whatever_view_p1() -> None:
    state = make_state()
    slot = state.slot(Height(1))
    state.cast(slot, VoteKind.CHECKPOINT, A)
    state.view = state.active_view = View(9)
    with pytest.raises(InvariantViolation, match="P1"):
        state.cast(slot, VoteKind.CHECKPOINT, B)


def test_heights_and_kinds_do_not_stand_in_each_others_way_p1() -> None:
    state = make_state()
    for height in (1, 2):
        for kind in VoteKind:
            digest = sha256(b"%d %d" % (height, kind))
            assert state.cast(state.slot(Height(height)), kind, digest).subject.digest == digest


def test_a_wiped_replica_signs_nothing_p6() -> None:
    for kind in VoteKind:
        state = make_state()
        state.silent_until = Height(40)
        with pytest.raises(InvariantViolation, match="P6"):
            state.cast(state.slot(Height(1)), kind, A)
        assert state.journal.flush() is None


def test_a_replica_that_left_its_view_signs_checkpoints_only_v8() -> None:
    state = make_state()
    state.turn(Cause.LEAVE)
    slot = state.slot(Height(1))
    for kind in (VoteKind.PREPARE, VoteKind.COMMIT):
        with pytest.raises(InvariantViolation, match="V8"):
            state.cast(slot, kind, A)
    assert slot.own == {}
    assert state.cast(slot, VoteKind.CHECKPOINT, A).subject.kind is VoteKind.CHECKPOINT


def test_a_vote_of_a_view_before_is_none_of_this_one() -> None:
    state = make_state(view=2)
    slot = state.slot(Height(1))
    state.cast(slot, VoteKind.PREPARE, A)
    state.cast(slot, VoteKind.CHECKPOINT, A)
    assert state.voted(slot, VoteKind.PREPARE)
    assert not state.voted(slot, VoteKind.COMMIT)
    state.active_view = View(3)
    assert not state.voted(slot, VoteKind.PREPARE)
    assert state.voted(slot, VoteKind.CHECKPOINT)


# -- W4: other validators' votes -------------------------------------------------------------------


def vote(kind: VoteKind, digest: Digest, signer: int = 2) -> Vote:
    """A vote for height 1 in view 0."""
    return Subject(start=False).vote(kind, 0, 1, digest, signer)


def test_the_first_vote_of_a_signer_counts_and_a_repetition_does_not_w4() -> None:
    state = make_state()
    slot = state.slot(Height(1))
    first = vote(VoteKind.PREPARE, A)
    assert state.record(slot, first) is True
    assert state.record(slot, first) is False
    assert slot.prepares == {2: first}
    assert state.outbox == []


def test_a_contradiction_is_reported_once_and_does_not_replace_the_first_w4() -> None:
    state = make_state()
    slot = state.slot(Height(1))
    first, second, third = (vote(VoteKind.PREPARE, d) for d in (A, B, sha256(b"c")))
    state.record(slot, first)
    assert state.record(slot, second) is False
    assert state.record(slot, third) is False
    assert slot.prepares == {2: first}
    assert state.outbox == [Report(DoubleVote(first, second))]


def test_each_signer_and_kind_is_reported_for_itself_w4() -> None:
    state = make_state()
    slot = state.slot(Height(1))
    pairs = []
    for kind in VoteKind:
        for signer in (2, 3):
            pairs.append((vote(kind, A, signer), vote(kind, B, signer)))
            for given in pairs[-1]:
                state.record(slot, given)
    assert state.outbox == [Report(DoubleVote(*pair)) for pair in pairs]
    assert set(slot.prepares) == set(slot.commits) == set(slot.checkpoints) == {2, 3}


# -- E1: the end of the epoch ----------------------------------------------------------------------


def test_the_end_of_the_epoch_is_told_once_and_never_moves_e1() -> None:
    state = make_state()
    state.end_epoch_at(None)
    assert (state.epoch_end, state.high) == (None, WINDOW)
    state.end_epoch_at(Height(6))
    state.end_epoch_at(Height(6))
    assert (state.epoch_end, state.high) == (6, 6)
    for other in (5, 7):
        with pytest.raises(InvariantViolation, match="E1"):
            state.end_epoch_at(Height(other))


def test_an_end_below_an_own_vote_is_a_broken_invariant_e1() -> None:
    state = make_state()
    state.cast(state.slot(Height(6)), VoteKind.PREPARE, A)
    with pytest.raises(InvariantViolation, match=r"voted at \[6\] above the epoch's end 5"):
        state.end_epoch_at(Height(5))
    state.end_epoch_at(Height(6))
    assert state.epoch_end == 6


def test_the_leader_is_that_of_the_view_asked_for_v1() -> None:
    state = make_state(view=1)
    state.view = View(6)
    assert state.leader == ValidatorIndex(2)
    assert state.status is Status.NORMAL
