"""V10 and the choice of V5: an old VIEW-CHANGE may be one that its sender forgot with its disk."""

from __future__ import annotations

from bulwark.ledger.batch import NULL_BATCH
from bulwark.ledger.ids import Height
from bulwark.ledger.votes import Certificate, VoteKind
from consensus.config import Config
from consensus.effects import Report
from consensus.messages import NewView, ViewChange
from consensus.recovery import Recovery
from consensus.types import Status
from tests.unit.consensus.support import Subject, batch_of, header_of, only, sent

LOW = 20
STALE = LOW - 2 * Config().window
"""The highest checkpoint that lies 2L or more below the low mark."""
BATCH = batch_of(b"tx")
OTHER = batch_of(b"other")
NEXT = Height(LOW + 1)
HEADER = header_of(LOW, BATCH.digest)


def make_subject(me: int, prepares: bool = True) -> Subject:
    """A validator whose low mark is LOW and that prepared BATCH above it in view 0."""
    certificate = Subject(start=False).checkpoint(LOW, HEADER)
    subject = Subject(me, recovery=Recovery(Height(LOW), HEADER, certificate))
    if prepares:
        subject.approve(subject.hear(subject.pre_prepare(0, NEXT, BATCH, 1)))
        subject.vote_all(VoteKind.PREPARE, NEXT, BATCH.digest)
        assert subject.replica.snapshot().slots[-1].phase == "prepared"
    return subject


def base(subject: Subject, height: int) -> Certificate | None:
    """The certified checkpoint of a height; None for the start of the epoch."""
    if not height:
        return None
    return subject.checkpoint(height, HEADER if height == LOW else None)


def changes(
    subject: Subject, view: int, bases: dict[int, int], *prepared: Certificate
) -> list[ViewChange]:
    """VIEW-CHANGEs of the signers with these checkpoints; the last one shows what it prepared."""
    last = max(bases)
    return [
        subject.view_change(view, signer, base(subject, height), prepared if signer == last else ())
        for signer, height in bases.items()
    ]


def enters(subject: Subject, bases: dict[int, int], *prepared: Certificate) -> bool:
    """Whether NEW-VIEW(2) over such VIEW-CHANGEs is entered; nobody is accused of it."""
    given = changes(subject, 2, bases, *prepared)
    effects = [effect for change in given for effect in subject.hear(change)]
    effects += subject.hear(subject.new_view(given))
    assert not only(effects, Report)
    return subject.replica.snapshot().active_view == 2


def test_a_new_view_over_a_forgotten_view_change_is_not_entered_v10() -> None:
    assert not enters(make_subject(0), {1: STALE, 2: LOW, 3: LOW})
    assert not enters(make_subject(0), {1: 0, 2: LOW, 3: LOW})


def test_the_refused_new_view_leaves_the_replica_waiting_for_the_next_v10() -> None:
    subject = make_subject(0)
    enters(subject, {1: STALE, 2: LOW, 3: LOW})
    assert subject.replica.snapshot().status is Status.CHANGING
    fresh = changes(subject, 3, {1: LOW, 2: LOW, 3: LOW})
    for change in fresh:
        subject.hear(change)
    subject.hear(subject.new_view(fresh))
    assert subject.replica.snapshot().active_view == 3


def test_a_checkpoint_less_than_two_windows_below_is_fresh_enough_v10() -> None:
    assert enters(make_subject(0), {1: STALE + 1, 2: LOW, 3: LOW})
    assert enters(make_subject(0), {1: LOW, 2: STALE + 1, 3: STALE + 1})


def test_an_old_view_change_does_no_harm_where_nothing_is_passed_over_v10() -> None:
    assert enters(make_subject(0, prepares=False), {1: STALE, 2: LOW, 3: LOW})
    subject = make_subject(0)
    prepared = subject.certificate(VoteKind.PREPARE, 0, NEXT, BATCH.digest)
    assert enters(subject, {1: STALE, 2: LOW, 3: LOW}, prepared)


def test_another_digest_at_a_prepared_height_is_passing_over_v10() -> None:
    subject = make_subject(0)
    prepared = subject.certificate(VoteKind.PREPARE, 1, NEXT, OTHER.digest)
    assert not enters(subject, {1: STALE, 2: LOW, 3: LOW}, prepared)


def test_what_is_settled_below_the_low_mark_is_no_reason_v10() -> None:
    subject = make_subject(0)
    effects = subject.vote_all(VoteKind.COMMIT, NEXT, BATCH.digest)
    subject.execute(effects)
    subject.vote_all(VoteKind.CHECKPOINT, NEXT, header_of(NEXT, BATCH.digest))
    assert subject.replica.snapshot().low == NEXT
    fresh = subject.checkpoint(NEXT, header_of(NEXT, BATCH.digest))
    given = [
        subject.view_change(2, 1, base(subject, STALE)),
        subject.view_change(2, 2, fresh),
        subject.view_change(2, 3, fresh),
    ]
    for change in given:
        subject.hear(change)
    subject.hear(subject.new_view(given))
    assert subject.replica.snapshot().active_view == 2


def test_a_leader_does_not_open_a_view_that_it_would_not_enter_v10() -> None:
    subject = make_subject(1)
    prepared = subject.certificate(VoteKind.PREPARE, 3, NEXT, OTHER.digest)
    first = changes(subject, 5, {0: STALE, 2: LOW}, prepared)
    effects = [effect for change in first for effect in subject.hear(change)]
    assert len(sent(effects, ViewChange)) == 1
    assert not sent(effects, NewView)
    assert subject.replica.snapshot().status is Status.CHANGING


def test_a_leader_names_the_quorum_with_the_highest_checkpoints_v5() -> None:
    subject = make_subject(1)
    prepared = subject.certificate(VoteKind.PREPARE, 3, NEXT, OTHER.digest)
    for change in changes(subject, 5, {0: STALE, 2: LOW}, prepared):
        subject.hear(change)
    (message,) = sent(subject.hear(subject.view_change(5, 3, base(subject, LOW))), NewView)
    assert [signer for signer, _ in message.view_changes] == [1, 2, 3]
    assert message.digests == (OTHER.digest,)


def test_the_named_signers_are_in_order_whatever_their_checkpoints_v5() -> None:
    subject = make_subject(1, prepares=False)
    higher = subject.checkpoint(LOW + 1)
    subject.hear(subject.view_change(5, 3, higher))
    (message,) = sent(subject.hear(subject.view_change(5, 2, base(subject, LOW))), NewView)
    assert [signer for signer, _ in message.view_changes] == [1, 2, 3]


def test_gaps_of_the_plan_hold_the_null_batch_v6() -> None:
    subject = make_subject(1, prepares=False)
    prepared = subject.certificate(VoteKind.PREPARE, 3, NEXT + 1, OTHER.digest)
    first, second = changes(subject, 5, {0: LOW, 2: LOW}, prepared)
    (message,) = sent(subject.hear(first) + subject.hear(second), NewView)
    assert message.digests == (NULL_BATCH.digest, OTHER.digest)
