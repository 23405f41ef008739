"""The end of an epoch in the core: rules E1, E2, E3, and what a replica may begin with."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bulwark.ledger.ids import Height
from bulwark.ledger.votes import VoteKind
from consensus.config import Config
from consensus.effects import Effect, EpochEnded, Execute, Halt, NeedProposal, Stable
from consensus.errors import LocalProtocolError
from consensus.events import Executed, StateInstalled, TxPending
from consensus.messages import Decision, Vote
from consensus.recovery import Recovery
from consensus.replica import Replica
from consensus.types import Status, TimerName
from tests.unit.consensus.support import Subject, batch_of, header_of, only, sent

BATCH = batch_of(b"tx")


def ending(end: int, me: int = 1) -> Subject:
    """A replica that was told the epoch's end before its first step."""
    genesis = Subject(start=False).alliance.genesis_hash
    return Subject(me, recovery=Recovery(Height(0), genesis, epoch_end=Height(end)))


def executed(subject: Subject, height: int, end: int | None) -> list[Effect]:
    """A decided height is executed; the driver tells the epoch's end."""
    certificate = subject.certificate(VoteKind.COMMIT, 0, height, BATCH.digest)
    assert only(subject.hear(Decision(certificate, BATCH), 0), Execute)
    hashed = header_of(height, BATCH.digest)
    return subject.give(Executed(Height(height), hashed, None if end is None else Height(end)))


def test_the_end_is_learned_from_the_block_that_decides_it_e1() -> None:
    subject = Subject()
    executed(subject, 1, 5)
    shot = subject.replica.snapshot()
    assert (shot.epoch_end, shot.high) == (5, 5)
    executed(subject, 2, 5)
    (halt,) = executed(subject, 3, 6)
    assert isinstance(halt, Halt)
    assert "E1" in halt.reason


def test_the_end_is_learned_from_an_installed_state_e1() -> None:
    subject = Subject()
    certificate = subject.checkpoint(20)
    given = StateInstalled(Height(20), certificate.subject.digest, certificate, Height(24))
    subject.give(given)
    assert (subject.replica.snapshot().epoch_end, subject.replica.snapshot().high) == (24, 24)


def test_nothing_above_the_end_is_prepared_or_decided_e2() -> None:
    subject = ending(2)
    for height in (2, 3):
        effects = subject.approve(subject.hear(subject.pre_prepare(0, height, BATCH, 0)))
        assert bool(sent(effects, Vote)) is (height == 2)
    certificate = subject.certificate(VoteKind.COMMIT, 0, 3, BATCH.digest)
    subject.hear(Decision(certificate, BATCH), 0)
    assert [slot.height for slot in subject.replica.snapshot().slots if slot.height > 2] == []


def test_empty_batches_are_proposed_at_once_up_to_the_end_and_no_further_e2() -> None:
    subject = ending(2, me=0)
    (need,) = only(subject.started, NeedProposal)
    assert (need.height, need.allow_empty) == (1, True)
    (need,) = only(subject.propose(subject.started), NeedProposal)
    assert (need.height, need.allow_empty) == (2, True)
    assert not only(subject.propose([need]), NeedProposal)


def test_a_request_for_a_batch_is_repeated_as_empty_when_the_end_is_decided_e2() -> None:
    subject = Subject(me=0)
    effects = executed(subject, 1, 9)
    assert [(n.height, n.allow_empty) for n in only(effects, NeedProposal)][-1] == (2, True)


def test_a_proposer_that_does_not_reach_the_end_is_replaced_e2() -> None:
    timers = dict(ending(2).replica.snapshot().timers)
    assert timers[TimerName.PROGRESS] == Subject().now + Config().base_timeout_ms


def test_the_epoch_ends_once_when_its_last_block_is_executed_and_certified_e3() -> None:
    subject = ending(2)
    subject.run_block(1)
    assert subject.replica.snapshot().status is Status.NORMAL
    batch = batch_of(b"last", at_ms=subject.now)
    subject.approve(subject.hear(subject.pre_prepare(0, 2, batch, 0)))
    subject.vote_all(VoteKind.PREPARE, 2, batch.digest)
    effects = subject.execute(subject.vote_all(VoteKind.COMMIT, 2, batch.digest))
    assert not only(effects, EpochEnded)
    effects = subject.vote_all(VoteKind.CHECKPOINT, 2, header_of(2, batch.digest))
    (ended,) = only(effects, EpochEnded)
    assert effects[-1] is ended
    assert [stable.certificate for stable in only(effects, Stable)] == [ended.certificate]
    assert subject.replica.snapshot().status is Status.ENDED
    assert subject.give(TxPending(subject.now, 1)) == []


def test_a_certificate_before_the_own_execution_does_not_end_the_epoch_e3() -> None:
    subject = ending(1)
    effects = subject.vote_all(VoteKind.CHECKPOINT, 1, header_of(1, BATCH.digest))
    assert not only(effects, EpochEnded)
    assert only(executed(subject, 1, 1), EpochEnded)


def test_a_replica_that_is_changing_view_ends_its_epoch_too_e3() -> None:
    subject = ending(1)
    for signer in (0, 3):
        subject.hear(subject.view_change(1, signer))
    executed(subject, 1, 1)
    effects = subject.vote_all(VoteKind.CHECKPOINT, 1, header_of(1, BATCH.digest))
    assert only(effects, EpochEnded)


def test_a_replica_begins_above_the_start_of_its_epoch() -> None:
    alliance = Subject(start=False).alliance
    terms = replace(alliance.terms, start=Height(8))
    recovery = Recovery(Height(8), alliance.genesis_hash)
    assert Replica(Config(), terms, alliance.keyrings[0], recovery).snapshot().next_height == 9
    with pytest.raises(LocalProtocolError, match="epoch above 8, applied is 7"):
        Replica(Config(), terms, alliance.keyrings[0], replace(recovery, applied_height=Height(7)))


def test_the_window_of_terms_and_parameters_is_the_same() -> None:
    alliance = Subject(start=False).alliance
    recovery = Recovery(Height(0), alliance.genesis_hash)
    with pytest.raises(LocalProtocolError, match="window 9, 8 needed"):
        Replica(Config(), replace(alliance.terms, window=9), alliance.keyrings[0], recovery)
