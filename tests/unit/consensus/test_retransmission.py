"""STATUS and its answers: rules R1..R5. What a peer lacks is sent, bounded, to it alone."""

from __future__ import annotations

from msgspec.structs import replace

from bulwark.ledger.ids import Height, ValidatorIndex
from bulwark.ledger.votes import VoteKind
from consensus.effects import Broadcast, Effect, Send
from consensus.events import PeerUp, TimerFired, TxPending
from consensus.messages import (
    BodyRequest,
    Decision,
    PrePrepare,
    SlotStatus,
    StableProof,
    StatusReport,
    ViewChange,
    Vote,
)
from consensus.types import TimerName
from tests.unit.consensus.support import Subject, batch_of, only, sent

BATCH = batch_of(b"tx 1")


def tick(subject: Subject) -> list[Effect]:
    """Let the STATUS timer fire."""
    subject.now = dict(subject.replica.snapshot().timers)[TimerName.STATUS]
    return subject.give(TimerFired(TimerName.STATUS))


def ask(subject: Subject, peer: int, status: StatusReport) -> list[Effect]:
    """A peer's STATUS after everything in the log is old enough to be sent again."""
    subject.now += 250
    signed = replace(
        status,
        signature=subject.alliance.keyrings[peer].sign(StatusReport.TAG, status.signed_body()),
    )
    effects = subject.hear(signed)
    assert all(effect.to == peer for effect in only(effects, Send))
    return effects


def test_status_is_broadcast_regularly_with_what_is_held_r1() -> None:
    subject = Subject()
    subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)))
    effects = tick(subject)
    (status,) = [e.message for e in only(effects, Broadcast)]
    assert isinstance(status, StatusReport)
    assert status.slots == (SlotStatus(Height(1), True, 0b11, 0, 0),)


def test_a_new_connection_is_told_the_status_at_once_r2() -> None:
    effects = Subject().give(PeerUp(ValidatorIndex(3)))
    assert [(e.to, type(e.message)) for e in only(effects, Send)] == [(3, StatusReport)]


def test_a_new_connection_is_told_the_view_change_under_way_r2() -> None:
    subject = Subject()
    subject.give(TxPending(subject.now, 1))
    subject.now += 1_000
    subject.give(TimerFired(TimerName.PROGRESS))
    assert sent(subject.give(PeerUp(ValidatorIndex(3))), ViewChange)


def test_proposal_and_votes_that_a_peer_lacks_are_sent_r3() -> None:
    subject = Subject()
    subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)))
    effects = ask(subject, 3, subject.status(3))
    assert len(sent(effects, PrePrepare)) == 1
    assert {vote.signer for vote in sent(effects, Vote)} == {0, 1}


def test_what_a_peer_holds_is_not_sent_again_r3() -> None:
    subject = Subject()
    subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)))
    held = (SlotStatus(Height(1), True, 0b0001, 0, 0),)
    effects = ask(subject, 3, replace(subject.status(3), slots=held))
    assert not sent(effects, PrePrepare)
    assert {vote.signer for vote in sent(effects, Vote)} == {1}


def test_a_young_slot_is_left_to_its_normal_way_r3() -> None:
    subject = Subject()
    subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)))
    assert not only(subject.hear(subject.status(3)), Send)


def test_a_peer_behind_is_sent_decisions_and_the_stable_proof_r3() -> None:
    subject = Subject()
    for height in (1, 2, 3):
        subject.run_block(height)
    effects = ask(subject, 3, subject.status(3, executed=1, stable=1))
    heights = [m.certificate.subject.height for m in sent(effects, Decision)]
    assert heights == [2, 3]
    assert [m.certificate.subject.height for m in sent(effects, StableProof)] == [3]


def test_a_peer_that_lacks_nothing_is_sent_nothing_r3() -> None:
    subject = Subject()
    subject.run_block(1)
    assert not only(ask(subject, 3, subject.status(3, executed=1, stable=1)), Send)


def test_answers_to_one_peer_are_rate_bounded_r3() -> None:
    subject = Subject()
    subject.run_block(1)
    assert only(ask(subject, 3, subject.status(3)), Send)
    assert not only(subject.hear(subject.status(3)), Send)
    assert only(ask(subject, 2, subject.status(2)), Send)
    subject.now += 250
    assert only(subject.hear(subject.status(3)), Send)


def test_a_forwarded_status_is_not_answered_s11() -> None:
    subject = Subject()
    subject.run_block(1)
    subject.now += 250
    assert not subject.hear(subject.status(3), sender=2)


def test_an_inflated_status_changes_nothing_s11() -> None:
    subject = Subject()
    before = replace(subject.replica.snapshot())
    ask(subject, 3, subject.status(3, view=1 << 40, executed=1 << 40, stable=1 << 40))
    assert replace(subject.replica.snapshot(), peers=()) == before


def test_checkpoint_votes_are_sent_to_peers_of_another_view_too_r3() -> None:
    subject = Subject()
    batch = BATCH
    subject.approve(subject.hear(subject.pre_prepare(0, 1, batch, 0)))
    subject.vote_all(VoteKind.PREPARE, 1, batch.digest)
    subject.execute(subject.vote_all(VoteKind.COMMIT, 1, batch.digest))
    effects = ask(subject, 3, subject.status(3, view=2, executed=1))
    assert [v.subject.kind for v in sent(effects, Vote)] == [VoteKind.CHECKPOINT]


MEBIBYTE = 1024 * 1024


def test_bodies_in_the_answer_to_one_status_are_bounded_d1() -> None:
    """4 MiB: three decisions of a mebibyte each with their overhead; the rest comes next time."""
    subject = Subject()
    for height in range(1, 6):
        batch = batch_of(b"%d" % height + bytes(MEBIBYTE), at_ms=subject.now)
        certificate = subject.certificate(VoteKind.COMMIT, 0, height, batch.digest)
        subject.execute(subject.hear(Decision(certificate, batch), 2))
    effects = ask(subject, 3, subject.status(3))
    heights = [m.certificate.subject.height for m in sent(effects, Decision)]
    assert heights == [1, 2, 3]


def test_proposals_in_the_answer_to_one_status_are_bounded_d1() -> None:
    subject = Subject()
    for height in range(1, 6):
        batch = batch_of(b"%d" % height + bytes(MEBIBYTE), at_ms=subject.now)
        subject.hear(subject.pre_prepare(0, height, batch, 0))
    effects = ask(subject, 3, subject.status(3))
    assert [m.height for m in sent(effects, PrePrepare)] == [1, 2, 3]
    assert {v.subject.height for v in sent(effects, Vote)} == {1, 2, 3, 4, 5}


def test_decisions_more_than_a_window_above_the_peer_are_left_to_block_sync_c4() -> None:
    subject = Subject()
    for height in range(1, 11):
        subject.run_block(height)
    effects = ask(subject, 3, subject.status(3, executed=1, stable=1))
    heights = [m.certificate.subject.height for m in sent(effects, Decision)]
    assert heights == list(range(3, 10))


def test_a_missing_body_is_asked_from_one_peer_after_the_other_o5() -> None:
    subject = Subject()
    first = subject.vote_all(VoteKind.COMMIT, 1, BATCH.digest)
    asked = [e.to for e in only(first, Send) if isinstance(e.message, BodyRequest)]
    for _ in range(3):
        effects = tick(subject)
        asked += [e.to for e in only(effects, Send) if isinstance(e.message, BodyRequest)]
    assert sorted(asked[:3]) == [0, 2, 3]
    assert asked[3] == asked[0]
