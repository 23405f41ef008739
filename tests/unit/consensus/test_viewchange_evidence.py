"""What view changes prove against their signers, and that each case is reported once (V3, V7)."""

from __future__ import annotations

from msgspec.structs import replace

from bulwark.ledger.hashing import sha256
from bulwark.ledger.votes import VoteKind
from consensus.effects import Effect, Report
from consensus.evidence import (
    DoubleNewView,
    DoubleViewChange,
    Evidence,
    ForgottenCommit,
    WrongNewView,
)
from consensus.messages import NewView, ViewChangeRequest
from tests.unit.consensus.support import Subject, batch_of, only, sent

BATCH = batch_of(b"tx")
DIGEST = BATCH.digest
OTHER = sha256(b"other")


def reported(effects: list[Effect]) -> list[Evidence]:
    """The evidence in these effects."""
    return [report.evidence for report in only(effects, Report)]


# -- forgotten commits -----------------------------------------------------------------------------


def test_a_view_change_that_hides_an_earlier_commit_is_reported() -> None:
    subject = Subject(me=0)
    vote, change = subject.vote(VoteKind.COMMIT, 0, 3, DIGEST, 2), subject.view_change(1, 2)
    assert not reported(subject.hear(vote))
    assert reported(subject.hear(change)) == [ForgottenCommit(vote, change)]


def test_a_commit_that_arrives_after_the_view_change_is_reported_too() -> None:
    subject = Subject(me=0)
    vote, change = subject.vote(VoteKind.COMMIT, 0, 3, DIGEST, 2), subject.view_change(1, 2)
    assert not reported(subject.hear(change))
    assert reported(subject.hear(vote)) == [ForgottenCommit(vote, change)]


def test_a_prepare_beside_a_view_change_proves_nothing() -> None:
    subject = Subject(me=0)
    subject.hear(subject.view_change(1, 2))
    assert not reported(subject.hear(subject.vote(VoteKind.PREPARE, 0, 3, DIGEST, 2)))


def test_a_commit_of_another_validator_proves_nothing_against_the_signer() -> None:
    subject = Subject(me=0)
    subject.hear(subject.vote(VoteKind.COMMIT, 0, 3, DIGEST, 3))
    assert not reported(subject.hear(subject.view_change(1, 2)))
    assert not reported(subject.hear(subject.vote(VoteKind.COMMIT, 0, 4, DIGEST, 3)))


def test_an_honest_view_change_shows_what_was_prepared_for_its_commits() -> None:
    for first in (0, 1):
        subject = Subject(me=0)
        certificate = subject.certificate(VoteKind.PREPARE, 0, 3, DIGEST)
        vote = subject.vote(VoteKind.COMMIT, 0, 3, DIGEST, 2)
        change = subject.view_change(1, 2, None, (certificate,))
        messages = [vote, change] if first else [change, vote]
        assert not reported([e for message in messages for e in subject.hear(message)])


def test_commits_at_and_below_the_checkpoint_of_a_view_change_need_no_certificate() -> None:
    subject = Subject(me=0)
    for height in (3, 4):
        subject.hear(subject.vote(VoteKind.COMMIT, 0, height, DIGEST, 2))
    assert not reported(subject.hear(subject.view_change(1, 2, subject.checkpoint(4))))
    assert len(reported(subject.hear(subject.view_change(2, 2, subject.checkpoint(3))))) == 1


def test_a_signer_is_reported_once_a_kind_until_a_view_is_entered() -> None:
    subject = Subject(me=0)
    change = subject.view_change(1, 2)
    subject.hear(change)
    first = [subject.vote(VoteKind.COMMIT, 0, h, DIGEST, 2) for h in (3, 4)]
    assert len(reported(subject.hear(first[0]))) == 1
    assert not reported(subject.hear(first[1]))
    other = subject.view_change(1, 2, None, (subject.certificate(VoteKind.PREPARE, 0, 7, DIGEST),))
    assert reported(subject.hear(other)) == [DoubleViewChange(change, other)]
    assert not reported(subject.hear(subject.view_change(1, 3)))
    assert reported(subject.hear(subject.vote(VoteKind.COMMIT, 0, 3, DIGEST, 3)))
    subject.enter(2)
    subject.hear(subject.view_change(3, 2))
    later = subject.vote(VoteKind.COMMIT, 2, 3, DIGEST, 2)
    assert [type(e) for e in reported(subject.hear(later))] == [ForgottenCommit]


# -- two view changes, two new views ---------------------------------------------------------------


def test_two_view_changes_for_one_view_are_reported_and_the_first_is_kept_v3() -> None:
    subject = Subject(me=0)
    certificate = subject.certificate(VoteKind.PREPARE, 0, 1, DIGEST)
    one, two = subject.view_change(2, 3), subject.view_change(2, 3, None, (certificate,))
    subject.hear(one)
    assert not reported(subject.hear(one))
    assert reported(subject.hear(two)) == [DoubleViewChange(one, two)]
    assert subject.replica._changer.pool[3] == one


def test_a_view_change_for_a_higher_view_is_no_second_one_v3() -> None:
    subject = Subject(me=0)
    for view in (2, 3):
        assert not reported(subject.hear(subject.view_change(view, 3)))
    assert subject.replica._changer.pool[3].view == 3
    assert not reported(subject.hear(subject.view_change(2, 3)))
    assert subject.replica._changer.pool[3].view == 3


def two_new_views(subject: Subject) -> tuple[NewView, NewView]:
    """The leader of view 2 names two quorums."""
    changes = [subject.view_change(2, signer) for signer in range(4)]
    return subject.new_view(changes[:3]), subject.new_view(changes[1:])


def test_a_second_new_view_beside_one_that_is_not_complete_is_reported() -> None:
    subject = Subject(me=0)
    one, two = two_new_views(subject)
    assert not reported(subject.hear(one))
    assert not reported(subject.hear(one))
    assert reported(subject.hear(two)) == [DoubleNewView(one, two)]


def test_a_second_new_view_for_the_entered_view_is_reported_and_changes_nothing() -> None:
    subject = Subject(me=0)
    one, two = two_new_views(subject)
    for signer in range(3):
        subject.hear(subject.view_change(2, signer))
    assert not reported(subject.hear(one))
    before = subject.replica.snapshot()
    assert before.active_view == 2
    assert subject.hear(one) == []
    assert subject.hear(two) == [Report(DoubleNewView(one, two))]
    assert subject.replica.snapshot() == before


def test_new_views_of_two_views_are_no_evidence() -> None:
    subject = Subject(me=0)
    subject.enter(2)
    later = subject.new_view([subject.view_change(6, signer) for signer in range(3)])
    assert not reported(subject.hear(later))
    last = subject.new_view([subject.view_change(10, signer) for signer in range(3)])
    assert not reported(subject.hear(last))


# -- wrong new views -------------------------------------------------------------------------------


def test_a_wrong_new_view_is_reported_with_all_that_proves_it_v7() -> None:
    subject = Subject(me=1)
    changes = [subject.view_change(2, signer) for signer in (0, 2, 3)]
    lie = subject.new_view(changes, (OTHER,))
    for change in changes:
        subject.hear(change)
    assert reported(subject.hear(lie)) == [WrongNewView(lie, tuple(changes))]
    assert subject.replica.snapshot().active_view == 0


def test_a_new_view_that_names_view_changes_under_wrong_signers_is_not_entered_v7() -> None:
    subject = Subject(me=1)
    changes = [subject.view_change(2, signer) for signer in (0, 2, 3)]
    honest = subject.new_view(changes)
    (zero, hash_0), (two, hash_2), last = honest.view_changes
    swapped = replace(honest, view_changes=((zero, hash_2), (two, hash_0), last))
    signature = subject.alliance.keyrings[2].sign(NewView.TAG, swapped.signed_body())
    swapped = replace(swapped, signature=signature)
    effects = subject.hear(changes[2]) + subject.hear(swapped)
    (request,) = sent(effects, ViewChangeRequest)
    assert request.hashes == (hash_2, hash_0)
    effects = subject.hear(changes[0]) + subject.hear(changes[1])
    assert reported(effects) == [WrongNewView(swapped, (changes[1], changes[0], changes[2]))]
    assert subject.replica.snapshot().active_view == 0
