"""Answers, proposals and requests that come late or twice; what is not asked for (O2, O5)."""

from __future__ import annotations

from msgspec.structs import replace

from bulwark.ledger.batch import NULL_BATCH
from bulwark.ledger.ids import Height, ValidatorIndex, View
from bulwark.ledger.votes import VoteKind
from consensus.config import Config
from consensus.effects import CheckBatch, NeedProposal, Persist, Send
from consensus.events import BatchChecked, ProposalReady, TimerFired, TxPending
from consensus.journal import PREFIX_BODY
from consensus.messages import BodyRequest, Decision, PrePrepare, ViewChange, Vote
from consensus.types import Status, TimerName
from tests.unit.consensus.support import Subject, batch_of, only, sent, votes

BATCH = batch_of(b"tx 1")
OTHER = batch_of(b"tx 2")


def test_an_answer_for_a_height_decided_meanwhile_is_ignored_o10() -> None:
    """Whether the next height is its own (another batch was asked for) or the next proposer's."""
    for rotation in (16, 1):
        subject = Subject(me=0, config=Config(rotation=rotation))
        certificate = subject.certificate(VoteKind.COMMIT, 0, 1, BATCH.digest)
        effects = subject.hear(Decision(certificate, BATCH), 2)
        assert bool(only(effects, NeedProposal)) is (rotation == 16)
        assert not sent(subject.give(ProposalReady(View(0), Height(1), OTHER)), PrePrepare)


def test_an_answer_after_leaving_the_view_is_ignored_v8() -> None:
    subject = Subject(me=0)
    for signer in (2, 3):
        subject.hear(subject.view_change(1, signer))
    assert not sent(subject.give(ProposalReady(View(0), Height(1), BATCH)), PrePrepare)


def test_no_batch_is_asked_for_while_changing_view_o10() -> None:
    subject = Subject(me=0)
    for signer in (2, 3):
        subject.hear(subject.view_change(1, signer))
    certificate = subject.certificate(VoteKind.COMMIT, 0, 1, BATCH.digest)
    assert not only(subject.hear(Decision(certificate, BATCH), 2), NeedProposal)


def test_a_repeated_proposal_changes_nothing_o2() -> None:
    subject = Subject()
    message = subject.pre_prepare(0, 1, BATCH, 0)
    subject.approve(subject.hear(message))
    before = subject.replica.snapshot()
    assert subject.hear(message) == []
    assert subject.replica.snapshot() == before


def test_a_batch_is_checked_once_while_its_answer_is_awaited_o4() -> None:
    subject = Subject()
    assert only(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)), CheckBatch)
    assert not only(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)), CheckBatch)
    assert not only(subject.hear(subject.pre_prepare(0, 2, BATCH, 0)), CheckBatch)
    effects = subject.give(BatchChecked(BATCH.digest, True))
    assert [v.subject.height for v in votes(effects, VoteKind.PREPARE)] == [1, 2]


def test_a_null_batch_is_prepared_and_committed_without_a_body_on_disk_v6() -> None:
    subject = Subject()
    prepared = (subject.certificate(VoteKind.PREPARE, 0, 2, BATCH.digest),)
    given = [subject.view_change(2, i, None, prepared) for i in (0, 2, 3)]
    effects = subject.enter(2, given)
    effects += subject.vote_all(VoteKind.PREPARE, 1, NULL_BATCH.digest, view=2)
    (commit,) = votes(effects, VoteKind.COMMIT)
    assert (commit.subject.height, commit.subject.digest) == (1, NULL_BATCH.digest)
    written = [key for effect in only(effects, Persist) for key, _ in effect.records]
    assert not [key for key in written if key.startswith(PREFIX_BODY)]


def test_a_body_under_way_is_not_asked_for_again_by_every_vote_o5() -> None:
    subject = Subject(n=7)
    effects = subject.vote_all(VoteKind.COMMIT, 1, BATCH.digest)
    assert len(sent(effects, BodyRequest)) == 1


def test_one_validator_alone_has_nobody_to_ask_for_a_body_o5() -> None:
    subject = Subject(me=0, n=1, config=Config(pipeline=1))
    subject.propose(subject.started, b"tx 1")
    records = {k: v for k, v in subject.records.items() if not k.startswith(PREFIX_BODY)}
    subject.records = records
    again = subject.recover(0, subject.alliance.genesis_hash)
    assert not sent(again.started, BodyRequest)
    again.now += 500
    assert not sent(again.give(TimerFired(TimerName.STATUS)), BodyRequest)


def test_a_body_that_is_not_here_is_not_served_r4() -> None:
    subject = Subject()
    subject.hear(subject.pre_prepare(0, 1, BATCH, 0))
    for height, digest in ((1, OTHER.digest), (2, BATCH.digest)):
        unsigned = BodyRequest(Height(height), digest, ValidatorIndex(2), b"")
        signature = subject.alliance.keyrings[2].sign(BodyRequest.TAG, unsigned.signed_body())
        assert not only(subject.hear(replace(unsigned, signature=signature)), Send)


def test_votes_of_the_own_name_that_come_back_do_not_count_p1() -> None:
    subject = Subject(n=7)
    subject.hear(subject.pre_prepare(0, 1, BATCH, 0))
    own = subject.vote(VoteKind.PREPARE, 0, 1, BATCH.digest, subject.me)
    subject.hear(own, 3)
    assert subject.replica.snapshot().slots[-1].prepares == (0,)


def test_a_request_alone_does_not_ask_for_a_second_batch_o10() -> None:
    subject = Subject(me=0)
    assert not only(subject.give(TxPending(subject.now, 1)), NeedProposal)


def test_a_replica_that_recovers_while_changing_view_sends_no_old_votes_v8() -> None:
    subject = Subject()
    subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)))
    for signer in (0, 3):
        subject.hear(subject.view_change(2, signer))
    assert subject.replica.snapshot().status is Status.CHANGING
    again = subject.recover(0, subject.alliance.genesis_hash)
    assert [change.view for change in sent(again.started, ViewChange)] == [2]
    assert not sent(again.started, Vote)
    assert not sent(again.started, PrePrepare)
