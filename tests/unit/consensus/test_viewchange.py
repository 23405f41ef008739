"""View changes: one test per rule V1..V9 (OSDI'99 section 4.4)."""

from __future__ import annotations

from bulwark.ledger.batch import NULL_BATCH
from bulwark.ledger.hashing import sha256
from bulwark.ledger.votes import VoteKind
from consensus.effects import Execute, NeedProposal, Report, Send
from consensus.events import TimerFired, TxPending
from consensus.messages import (
    BodyRequest,
    Decision,
    NewView,
    StatusReport,
    ViewChange,
    ViewChangeRequest,
    Vote,
)
from consensus.types import Status, TimerName, leader_of
from tests.unit.consensus.support import (
    Subject,
    batch_of,
    header_of,
    only,
    persisted_before_sending,
    sent,
    votes,
)

BATCH = batch_of(b"tx 1")


def expire(subject: Subject) -> list[object]:
    """Let the progress timer run out on a pending request."""
    subject.give(TxPending(subject.now, 1))
    subject.now = dict(subject.replica.snapshot().timers)[TimerName.PROGRESS]
    return list(subject.give(TimerFired(TimerName.PROGRESS)))


def test_the_leader_of_a_view_is_its_number_modulo_n_v1() -> None:
    assert [leader_of(view, 4) for view in (0, 1, 4, 7)] == [0, 1, 0, 3]


def test_an_expired_timer_sends_a_durable_view_change_v2() -> None:
    subject = Subject()
    effects = expire(subject)
    assert persisted_before_sending(effects, ViewChange)
    (message,) = sent(effects, ViewChange)
    assert (message.view, message.checkpoint, message.prepared) == (1, None, ())
    assert b"view-change" in subject.records


def test_a_view_change_carries_checkpoint_and_prepared_certificates_v2() -> None:
    subject = Subject()
    first = subject.run_block(1)
    subject.approve(subject.hear(subject.pre_prepare(0, 2, BATCH, 0)))
    subject.vote_all(VoteKind.PREPARE, 2, BATCH.digest)
    (message,) = sent(expire(subject), ViewChange)
    assert message.checkpoint is not None
    assert message.checkpoint.subject.digest == header_of(1, first.digest)
    assert [c.subject.digest for c in message.prepared] == [BATCH.digest]


def test_a_view_change_names_what_is_committed_but_not_yet_stable_v2() -> None:
    subject = Subject()
    subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)))
    subject.vote_all(VoteKind.PREPARE, 1, BATCH.digest)
    subject.execute(subject.vote_all(VoteKind.COMMIT, 1, BATCH.digest))
    subject.hear(subject.view_change(1, 0))
    (message,) = sent(subject.hear(subject.view_change(1, 3)), ViewChange)
    assert [c.subject.digest for c in message.prepared] == [BATCH.digest]


def test_nothing_is_voted_in_a_view_already_left_v8() -> None:
    subject = Subject()
    expire(subject)
    effects = subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)))
    effects += subject.vote_all(VoteKind.PREPARE, 1, BATCH.digest)
    assert not sent(effects, Vote)


def test_commits_of_the_view_left_still_decide_o8() -> None:
    subject = Subject()
    subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)))
    expire(subject)
    effects = subject.vote_all(VoteKind.COMMIT, 1, BATCH.digest)
    assert [e.batch for e in only(effects, Execute)] == [BATCH]


def test_f_plus_1_view_changes_are_joined_at_the_smallest_of_the_highest_v4() -> None:
    subject = Subject(n=7)
    assert not sent(subject.hear(subject.view_change(9, 2)), ViewChange)
    assert not sent(subject.hear(subject.view_change(5, 3)), ViewChange)
    (message,) = sent(subject.hear(subject.view_change(4, 4)), ViewChange)
    assert message.view == 4


def test_f_faulty_replicas_alone_move_nobody_v4() -> None:
    subject = Subject()
    for view in (5, 6, 7, 8):
        assert not sent(subject.hear(subject.view_change(view, 3)), ViewChange)
    assert subject.replica.snapshot().view_changes == ((3, 8),)


def test_only_the_highest_view_change_of_a_replica_is_kept_v3() -> None:
    subject = Subject()
    subject.hear(subject.view_change(8, 3))
    subject.hear(subject.view_change(2, 3))
    assert subject.replica.snapshot().view_changes == ((3, 8),)


def test_the_next_timer_starts_only_at_a_quorum_t3() -> None:
    subject = Subject()
    subject.hear(subject.view_change(2, 3))
    subject.hear(subject.view_change(2, 0))
    timers = dict(subject.replica.snapshot().timers)
    assert timers[TimerName.NEW_VIEW] == subject.now + 2_250
    subject = Subject()
    expire(subject)
    assert TimerName.NEW_VIEW not in dict(subject.replica.snapshot().timers)


def test_the_leader_opens_the_view_at_a_quorum_v5() -> None:
    subject = Subject(me=1)
    prepared = (subject.certificate(VoteKind.PREPARE, 0, 2, BATCH.digest),)
    changes = [subject.view_change(1, 0, None, prepared), subject.view_change(1, 2)]
    effects = [e for change in changes for e in subject.hear(change)]
    assert persisted_before_sending(effects, NewView)
    (message,) = sent(effects, NewView)
    assert message.digests == (NULL_BATCH.digest, BATCH.digest)
    assert [signer for signer, _ in message.view_changes] == [0, 1, 2]
    assert [need.height for need in only(effects, NeedProposal)] == [3]
    assert len(sent(effects, BodyRequest)) == 1


def test_a_new_view_is_entered_and_its_proposals_are_prepared_v9() -> None:
    subject = Subject()
    prepared = (subject.certificate(VoteKind.PREPARE, 0, 1, BATCH.digest),)
    subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)))
    changes = [subject.view_change(2, i, None, prepared if i else ()) for i in (0, 2, 3)]
    effects = subject.enter(2, changes)
    (vote,) = [v for v in votes(effects, VoteKind.PREPARE) if v.subject.view == 2]
    assert vote.subject.digest == BATCH.digest
    shot = subject.replica.snapshot()
    assert (shot.view, shot.status, shot.next_height, shot.proposer) == (2, Status.NORMAL, 2, 2)


def test_null_requests_fill_gaps_without_being_checked_v6() -> None:
    subject = Subject()
    prepared = (subject.certificate(VoteKind.PREPARE, 0, 2, BATCH.digest),)
    changes = [subject.view_change(2, i, None, prepared) for i in (0, 2, 3)]
    effects = subject.enter(2, changes)
    null = [v for v in votes(effects, VoteKind.PREPARE) if v.subject.height == 1]
    assert [v.subject.digest for v in null] == [NULL_BATCH.digest]


def test_a_new_view_with_another_o_is_refused_and_reported_v7() -> None:
    subject = Subject()
    changes = [subject.view_change(2, i) for i in (0, 2, 3)]
    for change in changes:
        subject.hear(change)
    effects = subject.hear(subject.new_view(changes, (sha256(b"lie"),)))
    (report,) = only(effects, Report)
    assert report.evidence.culprit == 2
    assert subject.replica.snapshot().active_view == 0


def test_a_leader_that_sends_one_wrong_new_view_after_another_is_reported_once() -> None:
    """Each would be a write and a line in the log of every node."""
    subject = Subject()
    changes = [subject.view_change(2, i) for i in (0, 2, 3)]
    for change in changes:
        subject.hear(change)
    wrong = [subject.new_view(changes, (sha256(b"%d" % i),)) for i in range(5)]
    effects = [e for message in wrong for e in subject.hear(message)]
    assert len(only(effects, Report)) == 1


def test_a_new_view_that_mixes_views_is_refused_v7() -> None:
    subject = Subject()
    changes = [subject.view_change(2, 0), subject.view_change(3, 2), subject.view_change(2, 3)]
    for change in changes:
        subject.hear(change)
    effects = subject.hear(subject.new_view([changes[0], changes[1], changes[2]]))
    assert subject.replica.snapshot().active_view == 0
    assert only(effects, Report)


def test_missing_view_changes_are_fetched_v7() -> None:
    subject = Subject()
    changes = [subject.view_change(2, i) for i in (0, 2, 3)]
    subject.hear(changes[0])
    (request,) = sent(subject.hear(subject.new_view(changes)), ViewChangeRequest)
    assert request.hashes == (changes[1].hash(), changes[2].hash())
    subject.hear(changes[2], 2)
    assert subject.replica.snapshot().active_view == 0
    subject.hear(changes[1], 2)
    assert subject.replica.snapshot().active_view == 2


def test_view_changes_are_served_from_the_proof_of_the_view_r5() -> None:
    subject = Subject()
    changes = [subject.view_change(2, i) for i in (0, 2, 3)]
    subject.enter(2, changes)
    unsigned = ViewChangeRequest(2, (changes[1].hash(),), 3, b"")
    signature = subject.alliance.keyrings[3].sign(ViewChangeRequest.TAG, unsigned.signed_body())
    effects = subject.hear(ViewChangeRequest(2, (changes[1].hash(),), 3, signature))
    assert only(effects, Send) == [Send(3, changes[1])]


def test_a_recorded_new_view_does_not_bring_an_old_view_back_s10() -> None:
    subject = Subject()
    old = [subject.view_change(2, i) for i in (0, 2, 3)]
    subject.enter(2, old)
    subject.enter(3, [subject.view_change(3, i) for i in (0, 2, 3)])
    assert subject.replica.snapshot().view == 3
    subject.hear(subject.new_view(old))
    assert subject.replica.snapshot().view == 3


def test_a_replica_does_not_enter_a_view_below_its_own_view_change_s10() -> None:
    subject = Subject()
    changes = [subject.view_change(2, i) for i in (0, 2, 3)]
    for change in [subject.view_change(6, 0), subject.view_change(6, 3)]:
        subject.hear(change)
    assert subject.replica.snapshot().view == 6
    subject.hear(subject.new_view(changes))
    assert subject.replica.snapshot().status is Status.CHANGING


def test_the_own_view_change_is_sent_again_unchanged_t5() -> None:
    subject = Subject()
    (first,) = sent(expire(subject), ViewChange)
    timers = dict(subject.replica.snapshot().timers)
    assert timers[TimerName.RESEND] == subject.now + 750
    subject.now += 750
    assert sent(subject.give(TimerFired(TimerName.RESEND)), ViewChange) == [first]


def test_a_new_view_that_does_not_come_leads_to_the_next_view_t3() -> None:
    subject = Subject()
    subject.hear(subject.view_change(2, 3))
    subject.hear(subject.view_change(2, 0))
    subject.now = dict(subject.replica.snapshot().timers)[TimerName.NEW_VIEW]
    (message,) = sent(subject.give(TimerFired(TimerName.NEW_VIEW)), ViewChange)
    assert message.view == 3


def test_a_replica_below_the_view_is_sent_its_proof_r5() -> None:
    subject = Subject()
    changes = [subject.view_change(2, i) for i in (0, 2, 3)]
    subject.enter(2, changes)
    effects = subject.hear(subject.status(3, view=1, changing=True))
    assert [m.view for m in sent(effects, NewView)] == [2]
    assert {m.signer for m in sent(effects, ViewChange)} == {0, 2}


def test_a_body_that_only_the_own_prepare_names_survives_the_view_change_s12() -> None:
    subject = Subject()
    subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)))
    subject.enter(2)
    assert subject.replica.snapshot().slots[-1].phase == "empty"
    prepared = (subject.certificate(VoteKind.PREPARE, 0, 1, BATCH.digest),)
    changes = [subject.view_change(3, i, None, prepared) for i in (0, 2, 3)]
    effects = subject.enter(3, changes)
    assert not sent(effects, BodyRequest)
    assert [v.subject.view for v in votes(effects, VoteKind.PREPARE)] == [3]


def test_votes_of_a_view_that_ended_never_count_in_the_next_one_v9() -> None:
    subject = Subject()
    subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)))
    prepared = (subject.certificate(VoteKind.PREPARE, 0, 1, BATCH.digest, (0, 2, 3)),)
    effects = subject.enter(2, [subject.view_change(2, i, None, prepared) for i in (0, 2, 3)])
    effects += subject.vote_all(VoteKind.PREPARE, 1, BATCH.digest, view=0)
    effects += subject.vote_all(VoteKind.COMMIT, 1, BATCH.digest, view=0)
    assert not votes(effects, VoteKind.COMMIT)
    assert not only(effects, Execute)
    assert [s.prepares for s in subject.replica.snapshot().slots if s.height == 1] == [(1,)]
    effects = subject.hear(subject.vote(VoteKind.PREPARE, 2, 1, BATCH.digest, 0))
    assert not votes(effects, VoteKind.COMMIT)
    effects = subject.hear(subject.vote(VoteKind.PREPARE, 2, 1, BATCH.digest, 3))
    (commit,) = votes(effects, VoteKind.COMMIT)
    assert commit.subject.view == 2


def test_buffered_proposals_of_the_next_view_are_taken_up_w2() -> None:
    subject = Subject()
    proposal = subject.pre_prepare(2, 1, BATCH, 2)
    assert not subject.approve(subject.hear(proposal))
    effects = subject.approve(subject.enter(2))
    assert [v.subject.digest for v in votes(effects, VoteKind.PREPARE)] == [BATCH.digest]


def test_decisions_of_any_view_are_taken_while_changing_o8() -> None:
    subject = Subject()
    expire(subject)
    certificate = subject.certificate(VoteKind.COMMIT, 0, 1, BATCH.digest)
    assert only(subject.hear(Decision(certificate, BATCH), 3), Execute)


def test_status_tells_that_a_view_change_is_under_way_r1() -> None:
    subject = Subject()
    expire(subject)
    subject.now += 500
    (status,) = sent(subject.give(TimerFired(TimerName.STATUS)), StatusReport)
    assert (status.view, status.changing) == (1, True)
