"""A wiped validator stays silent until it can not contradict what it forgot (P6, pitfall S7)."""

from __future__ import annotations

from bulwark.ledger.ids import Height
from bulwark.ledger.votes import VoteKind
from consensus.amnesia import UNKNOWN
from consensus.effects import Broadcast, Execute, NeedProposal, Persist
from consensus.events import StateInstalled, TxPending
from consensus.messages import StableProof, StatusReport, ViewChange, Vote
from consensus.recovery import Recovery
from consensus.types import TimerName
from tests.unit.consensus.support import Subject, batch_of, only, sent


def wiped(me: int = 1) -> Subject:
    """A validator that lost its disk."""
    genesis = Subject().alliance.genesis_hash
    return Subject(me=me, recovery=Recovery(Height(0), genesis, wiped=True))


def install(subject: Subject, height: int) -> None:
    """Block sync reached a height."""
    certificate = subject.checkpoint(height)
    subject.give(StateInstalled(Height(height), certificate.subject.digest, certificate))


def test_a_wiped_validator_follows_without_signing_anything_that_counts() -> None:
    subject = wiped()
    batch = batch_of(b"tx")
    effects = subject.approve(subject.hear(subject.pre_prepare(0, 1, batch, 0)))
    effects += [
        e
        for kind in (VoteKind.PREPARE, VoteKind.COMMIT)
        for e in subject.vote_all(kind, 1, batch.digest)
    ]
    assert only(effects, Execute)
    effects += subject.execute(effects)
    assert not sent(effects, Vote)
    assert {type(m) for m in (e.message for e in only(effects, Broadcast))} <= {StatusReport}


def test_a_wiped_validator_neither_proposes_nor_asks_for_views() -> None:
    subject = wiped(me=0)
    assert not only(subject.started, NeedProposal)
    subject.give(TxPending(subject.now, 1))
    assert set(dict(subject.replica.snapshot().timers)) == {TimerName.STATUS}
    effects = subject.hear(subject.view_change(2, 2)) + subject.hear(subject.view_change(2, 3))
    assert not sent(effects, ViewChange)


def test_claims_count_only_with_a_certificate_behind_them() -> None:
    subject = wiped()
    for peer in (0, 2, 3):
        subject.hear(subject.status(peer, stable=30, executed=30))
    assert subject.replica.snapshot().silent_until == UNKNOWN
    subject.hear(StableProof(subject.checkpoint(30)), 2)
    for peer in (0, 2):
        subject.hear(subject.status(peer, stable=30, executed=30))
    assert subject.replica.snapshot().silent_until == UNKNOWN
    subject.hear(subject.status(3, stable=22, executed=30))
    assert subject.replica.snapshot().silent_until == 62


def test_it_votes_again_from_four_windows_above_what_it_heard_of() -> None:
    subject = wiped()
    subject.hear(StableProof(subject.checkpoint(30)), 2)
    for peer in (0, 2, 3):
        subject.hear(subject.status(peer, stable=30, executed=30))
    install(subject, 61)
    assert subject.replica.snapshot().silent_until == 62
    install(subject, 62)
    assert subject.replica.snapshot().silent_until is None
    batch = batch_of(b"tx")
    effects = subject.approve(subject.hear(subject.pre_prepare(0, 63, batch, 3)))
    assert sent(effects, Vote)


def test_another_restart_does_not_end_the_silence() -> None:
    subject = wiped()
    again = subject.recover(0, subject.alliance.genesis_hash)
    assert again.replica.snapshot().silent_until == UNKNOWN
    assert subject.records[b"silent"] == (1 << 62).to_bytes(8, "big")


def test_the_height_of_its_silence_is_durable_before_it_counts() -> None:
    subject = wiped()
    subject.hear(StableProof(subject.checkpoint(30)), 2)
    for peer in (0, 2):
        subject.hear(subject.status(peer, stable=30, executed=30))
    effects = subject.hear(subject.status(3, stable=30, executed=30))
    assert any(
        (b"silent", Height(62).to_bytes(8, "big")) in e.records for e in only(effects, Persist)
    )


def test_its_own_status_and_repeated_ones_are_no_answers() -> None:
    subject = wiped()
    subject.hear(StableProof(subject.checkpoint(30)), 2)
    for peer in (0, 2, 0, 2, subject.me):
        subject.hear(subject.status(peer, stable=30, executed=30))
    assert subject.replica.snapshot().silent_until == UNKNOWN


def test_later_answers_do_not_lengthen_the_silence() -> None:
    subject = wiped()
    subject.hear(StableProof(subject.checkpoint(30)), 2)
    for peer in (0, 2, 3):
        subject.hear(subject.status(peer, stable=30, executed=30))
    subject.hear(StableProof(subject.checkpoint(40)), 2)
    for peer in (0, 2, 3):
        subject.hear(subject.status(peer, stable=40, executed=40))
    assert subject.replica.snapshot().silent_until == 62


def test_what_others_asked_for_during_its_silence_is_joined_when_that_ends_v4() -> None:
    """Seeds 825 and 1079 of the long run: it stayed in a view that f + 1 others had left."""
    subject = wiped()
    subject.hear(StableProof(subject.checkpoint(30)), 2)
    for peer in (0, 2, 3):
        subject.hear(subject.status(peer, stable=30, executed=30))
    install(subject, 61)
    for peer in (2, 3):
        assert not sent(subject.hear(subject.view_change(2, peer)), ViewChange)
    certificate = subject.checkpoint(62)
    effects = subject.give(StateInstalled(Height(62), certificate.subject.digest, certificate))
    (message,) = sent(effects, ViewChange)
    assert (message.view, message.signer) == (2, 1)
