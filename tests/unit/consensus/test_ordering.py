"""The three phases: one test per acceptance rule (OSDI'99 section 4.2; rules O1..O10)."""

from __future__ import annotations

import pytest

from bulwark.ledger.ids import Height, View
from bulwark.ledger.votes import VoteKind
from consensus.config import Config
from consensus.effects import CheckBatch, Execute, NeedProposal, Persist, Report, Send
from consensus.events import BatchChecked, ClockSet, Executed, ProposalReady, TimerFired, TxPending
from consensus.messages import Body, BodyRequest, Decision, PrePrepare, Vote
from consensus.types import TimerName, proposer_of
from tests.unit.consensus.support import (
    START_MS,
    Subject,
    batch_of,
    header_of,
    only,
    persisted_before_sending,
    sent,
    votes,
)

BATCH = batch_of(b"tx 1")
OTHER = batch_of(b"tx 2")


def test_proposers_rotate_after_the_slots_of_one_are_used_up_o1() -> None:
    proposers = [proposer_of(View(1), Height(h), Height(5), 16, 4) for h in (5, 20, 21, 37, 69)]
    assert proposers == [1, 1, 2, 3, 1]


def test_a_proposal_is_checked_before_it_is_prepared_o4() -> None:
    subject = Subject()
    effects = subject.hear(subject.pre_prepare(0, 1, BATCH, 0))
    assert [c.digest for c in only(effects, CheckBatch)] == [BATCH.digest]
    assert not votes(effects, VoteKind.PREPARE)
    effects = subject.give(BatchChecked(BATCH.digest, True))
    assert [v.subject.digest for v in votes(effects, VoteKind.PREPARE)] == [BATCH.digest]


def test_a_prepare_is_durable_with_its_body_before_it_is_sent_p1() -> None:
    subject = Subject()
    effects = subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)))
    assert persisted_before_sending(effects, Vote)
    assert any(key.startswith(b"body/") for key in subject.records)
    assert any(key.startswith(b"vote/\x01") for key in subject.records)


def test_a_refused_batch_gets_no_vote() -> None:
    subject = Subject()
    effects = subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)), ok=False)
    assert not sent(effects, Vote)
    assert subject.replica.snapshot().slots[-1].phase == "refused"


def test_only_the_height_s_proposer_may_propose_o1() -> None:
    subject = Subject()
    effects = subject.hear(subject.pre_prepare(0, 1, BATCH, 2))
    assert not only(effects, CheckBatch)


def test_the_first_proposal_of_a_height_counts_and_the_second_is_evidence_o2() -> None:
    subject = Subject()
    subject.hear(subject.pre_prepare(0, 1, BATCH, 0))
    effects = subject.hear(subject.pre_prepare(0, 1, OTHER, 0))
    assert not only(effects, CheckBatch)
    (report,) = only(effects, Report)
    assert report.evidence.culprit == 0
    assert report.evidence.holds(subject.alliance.terms)
    assert not only(subject.hear(subject.pre_prepare(0, 1, OTHER, 0)), Report)


def test_a_refused_second_proposal_is_not_passed_on_o2() -> None:
    subject = Subject()
    first = subject.pre_prepare(0, 1, BATCH, 0)
    subject.hear(first)
    subject.hear(subject.pre_prepare(0, 1, OTHER, 0))
    subject.now += 250
    assert sent(subject.hear(subject.status(3)), PrePrepare) == [first]


def test_heights_below_the_first_fresh_one_take_no_proposal_o2() -> None:
    subject = Subject(me=3)
    base = subject.checkpoint(4)
    subject.enter(2, [subject.view_change(2, i, base) for i in (0, 1, 2)])
    for signer in (0, 1, 2):
        assert not only(subject.hear(subject.pre_prepare(2, 3, BATCH, signer)), CheckBatch)


def test_proposals_of_other_views_and_outside_the_window_are_not_accepted_w1() -> None:
    subject = Subject()
    window = Config().window
    assert not only(subject.hear(subject.pre_prepare(1, 1, BATCH, 1), 1), CheckBatch)
    assert not only(subject.hear(subject.pre_prepare(0, 0, BATCH, 0)), CheckBatch)
    high = subject.pre_prepare(0, window + 1, BATCH, 0)
    assert not only(subject.hear(high), CheckBatch)
    assert only(subject.hear(subject.pre_prepare(0, window, BATCH, 0)), CheckBatch)


def test_a_proposal_from_the_future_gets_no_prepare_but_counts_when_others_prepare_o3() -> None:
    subject = Subject()
    late = batch_of(b"tx", at_ms=START_MS + 501)
    effects = subject.approve(subject.hear(subject.pre_prepare(0, 1, late, 0)))
    assert not sent(effects, Vote)
    effects = subject.vote_all(VoteKind.PREPARE, 1, late.digest)
    assert votes(effects, VoteKind.COMMIT)


def test_a_proposal_at_the_edge_of_the_bounds_is_timely_o3() -> None:
    for at_ms in (START_MS + 500, START_MS - 2_500):
        subject = Subject()
        batch = batch_of(b"tx", at_ms=at_ms)
        effects = subject.approve(subject.hear(subject.pre_prepare(0, 1, batch, 0)))
        assert votes(effects, VoteKind.PREPARE)
    subject = Subject()
    batch = batch_of(b"tx", at_ms=START_MS - 2_501)
    effects = subject.approve(subject.hear(subject.pre_prepare(0, 1, batch, 0)))
    assert not votes(effects, VoteKind.PREPARE)


def test_a_quorum_of_equal_prepares_makes_a_durable_certificate_and_a_commit_o6() -> None:
    subject = Subject()
    subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)))
    effects = subject.hear(subject.vote(VoteKind.PREPARE, 0, 1, BATCH.digest, 2))
    assert [v.subject.digest for v in votes(effects, VoteKind.COMMIT)] == [BATCH.digest]
    assert persisted_before_sending(effects, Vote)
    assert any(key.startswith(b"prepared/") for key in subject.records)


def test_a_repeated_prepare_counts_once_w4() -> None:
    subject = Subject(n=7)
    subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)))
    vote = subject.vote(VoteKind.PREPARE, 0, 1, BATCH.digest, 2)
    for sender in (2, 3, 4, 5):
        assert not votes(subject.hear(vote, sender), VoteKind.COMMIT)


def test_prepares_for_another_digest_do_not_count_d3() -> None:
    subject = Subject()
    subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)))
    for signer in (2, 3):
        vote = subject.vote(VoteKind.PREPARE, 0, 1, OTHER.digest, signer)
        assert not votes(subject.hear(vote), VoteKind.COMMIT)


def test_votes_before_the_proposal_are_kept() -> None:
    subject = Subject()
    subject.vote_all(VoteKind.PREPARE, 1, BATCH.digest)
    effects = subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)))
    assert votes(effects, VoteKind.PREPARE)
    assert votes(effects, VoteKind.COMMIT)


def test_a_quorum_of_commits_executes_in_order_o9() -> None:
    subject = Subject()
    for height, batch in ((1, BATCH), (2, OTHER)):
        subject.approve(subject.hear(subject.pre_prepare(0, height, batch, 0)))
        subject.vote_all(VoteKind.PREPARE, height, batch.digest)
    assert not only(subject.vote_all(VoteKind.COMMIT, 2, OTHER.digest), Execute)
    (first,) = only(subject.vote_all(VoteKind.COMMIT, 1, BATCH.digest), Execute)
    assert (first.height, first.batch) == (1, BATCH)
    first.commit_certificate.verify(subject.alliance.validators, subject.alliance.domain)
    effects = subject.give(Executed(Height(1), header_of(1, BATCH.digest)))
    assert [e.height for e in only(effects, Execute)] == [2]


def test_commits_without_the_body_make_it_be_fetched_from_a_voter_o5() -> None:
    subject = Subject()
    effects = subject.vote_all(VoteKind.COMMIT, 1, BATCH.digest)
    assert not only(effects, Execute)
    (request,) = sent(effects, BodyRequest)
    assert request.digest == BATCH.digest
    effects = subject.hear(Body(Height(1), BATCH), 3)
    assert [e.batch for e in only(effects, Execute)] == [BATCH]


def test_a_body_that_nobody_wants_is_not_kept_d1() -> None:
    subject = Subject()
    subject.hear(Body(Height(1), BATCH), 3)
    assert not subject.replica.snapshot().slots[1:]
    subject.hear(subject.pre_prepare(0, 1, BATCH, 0))
    assert not subject.hear(Body(Height(1), OTHER), 3)


def test_a_body_in_the_window_is_served_r4() -> None:
    subject = Subject()
    subject.hear(subject.pre_prepare(0, 1, BATCH, 0))
    unsigned = BodyRequest(Height(1), BATCH.digest, 2, b"")
    signature = subject.alliance.keyrings[2].sign(BodyRequest.TAG, unsigned.signed_body())
    effects = subject.hear(BodyRequest(Height(1), BATCH.digest, 2, signature))
    assert only(effects, Send) == [Send(2, Body(Height(1), BATCH))]


def test_a_decision_settles_a_height_without_votes_o8() -> None:
    subject = Subject()
    certificate = subject.certificate(VoteKind.COMMIT, 9, 1, BATCH.digest)
    effects = subject.hear(Decision(certificate, BATCH), 2)
    assert [e.commit_certificate for e in only(effects, Execute)] == [certificate]


def test_the_proposer_asks_for_a_batch_and_proposes_it_durably_first_o10() -> None:
    subject = Subject(me=0)
    (need,) = only(subject.started, NeedProposal)
    assert (need.view, need.height, need.allow_empty) == (0, 1, False)
    effects = subject.give(ProposalReady(need.view, need.height, BATCH))
    assert persisted_before_sending(effects, PrePrepare)
    (message,) = sent(effects, PrePrepare)
    assert message == subject.pre_prepare(0, 1, BATCH, 0)


def test_proposals_in_flight_are_bounded_by_the_pipeline_o10() -> None:
    subject = Subject(me=0, config=Config(pipeline=2))
    effects = subject.propose(subject.started, b"tx 1")
    (need,) = only(effects, NeedProposal)
    assert [batch.transactions for batch in need.in_flight] == [(b"tx 1",)]
    assert not only(subject.propose(effects, b"tx 2"), NeedProposal)


def test_a_late_or_repeated_answer_to_need_proposal_is_ignored() -> None:
    subject = Subject(me=0)
    subject.propose(subject.started, b"tx 1")
    again = ProposalReady(View(0), Height(1), OTHER)
    assert not sent(subject.give(again), PrePrepare)
    assert not sent(subject.give(ProposalReady(View(3), Height(2), OTHER)), PrePrepare)
    assert not sent(Subject(me=1).give(again), PrePrepare)


def test_the_heartbeat_asks_for_an_empty_batch_and_a_request_cancels_it_t7() -> None:
    subject = Subject(me=0)
    timers = dict(subject.replica.snapshot().timers)
    assert timers[TimerName.HEARTBEAT] == START_MS + 30_000
    subject.give(TxPending(subject.now, 1))
    assert TimerName.HEARTBEAT not in dict(subject.replica.snapshot().timers)
    subject.give(TxPending(None, 0))
    subject.now += 30_000
    effects = subject.give(TimerFired(TimerName.HEARTBEAT))
    assert [need.allow_empty for need in only(effects, NeedProposal)] == [True]


def test_one_validator_alone_orders_by_itself() -> None:
    subject = Subject(me=0, n=1)
    effects = subject.propose(subject.started, b"tx 1")
    assert [e.height for e in only(effects, Execute)] == [1]
    subject.execute(effects)
    assert subject.replica.snapshot().stable == 1


def test_every_step_persists_at_most_what_it_votes() -> None:
    subject = Subject()
    effects = subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)))
    (persist,) = only(effects, Persist)
    assert sorted(key[:5] for key, _ in persist.records) == [b"body/", b"vote/"]


@pytest.mark.parametrize("moved_ms", [3_600_000, -3_600_000])
def test_a_proposal_is_judged_by_the_wall_clock_and_timers_are_not_o3(moved_ms: int) -> None:
    """A clock that is set right must be right at once, or nobody here votes for anything."""
    subject = Subject()
    timers = subject.replica.snapshot().timers
    subject.give(ClockSet(moved_ms))
    assert subject.replica.snapshot().timers == timers
    old, new = batch_of(b"old"), batch_of(b"new", at_ms=subject.now + moved_ms)
    assert not sent(subject.approve(subject.hear(subject.pre_prepare(0, 1, old, 0))), Vote)
    assert votes(subject.approve(subject.hear(subject.pre_prepare(0, 2, new, 0))), VoteKind.PREPARE)
