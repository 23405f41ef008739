"""Checkpoints, finality and block sync: rules C1..C5 and what is forgotten after them."""

from __future__ import annotations

import pytest

from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Height
from bulwark.ledger.votes import VoteKind
from consensus.config import Config
from consensus.effects import Execute, Halt, Stable, SyncTo
from consensus.errors import LocalProtocolError
from consensus.events import Executed, StateInstalled, SyncFailed, TimerFired
from consensus.messages import Decision, StableProof, Vote
from consensus.types import TimerName
from tests.unit.consensus.support import (
    Subject,
    batch_of,
    header_of,
    only,
    persisted_before_sending,
    votes,
)

BATCH = batch_of(b"tx 1")
HEADER = header_of(1, BATCH.digest)


def decided(subject: Subject) -> None:
    """Height 1 is committed and handed out for execution."""
    certificate = subject.certificate(VoteKind.COMMIT, 0, 1, BATCH.digest)
    assert only(subject.hear(Decision(certificate, BATCH), 0), Execute)


def installed(subject: Subject, height: int) -> StateInstalled:
    """Block sync reached a height."""
    certificate = subject.checkpoint(height)
    return StateInstalled(Height(height), certificate.subject.digest, certificate)


def test_an_executed_block_gets_a_durable_checkpoint_vote_c1() -> None:
    subject = Subject()
    decided(subject)
    effects = subject.give(Executed(Height(1), HEADER))
    (vote,) = votes(effects, VoteKind.CHECKPOINT)
    assert (vote.subject.digest, vote.subject.view) == (HEADER, 0)
    assert persisted_before_sending(effects, Vote)


def test_only_checkpoint_heights_are_voted_for_c1() -> None:
    subject = Subject(config=Config(checkpoint_interval=2))
    decided(subject)
    assert not votes(subject.give(Executed(Height(1), HEADER)), VoteKind.CHECKPOINT)


def test_a_quorum_of_equal_checkpoints_is_finality_c2() -> None:
    subject = Subject()
    decided(subject)
    subject.give(Executed(Height(1), HEADER))
    subject.hear(subject.vote(VoteKind.CHECKPOINT, 0, 1, sha256(b"other"), 0))
    subject.hear(subject.vote(VoteKind.CHECKPOINT, 0, 1, HEADER, 2))
    (stable,) = only(subject.hear(subject.vote(VoteKind.CHECKPOINT, 0, 1, HEADER, 3)), Stable)
    stable.certificate.verify(subject.alliance.validators, subject.alliance.domain)
    assert subject.replica.snapshot().low == 1


def test_records_below_the_low_mark_are_pruned_with_the_stable_certificate_p3() -> None:
    subject = Subject()
    for height in range(1, 4):
        subject.run_block(height)
    subject.approve(subject.hear(subject.pre_prepare(0, 4, BATCH, 0)))
    assert b"stable" in subject.records
    heights = [key for key in subject.records if key.startswith((b"vote/", b"body/"))]
    assert all(key[5:].endswith(b"\x04") or b"\x00\x04" in key for key in heights)
    assert subject.replica.snapshot().live_records == 2


def test_finality_is_announced_only_after_the_own_execution_c3() -> None:
    subject = Subject()
    assert not only(subject.vote_all(VoteKind.CHECKPOINT, 1, HEADER), Stable)
    assert subject.replica.snapshot().low == 0
    decided(subject)
    assert only(subject.give(Executed(Height(1), HEADER)), Stable)


def test_a_replica_whose_header_differs_from_the_certified_one_halts_c3() -> None:
    subject = Subject()
    decided(subject)
    subject.give(Executed(Height(1), HEADER))
    (halt,) = subject.hear(StableProof(subject.checkpoint(1)), 2)
    assert isinstance(halt, Halt)
    assert "C3" in halt.reason
    assert subject.give(TimerFired(TimerName.STATUS)) == []
    assert subject.replica.snapshot().halted


def test_a_replica_that_executes_something_else_than_certified_halts_c3() -> None:
    subject = Subject()
    subject.hear(StableProof(subject.checkpoint(1)), 2)
    decided(subject)
    assert only(subject.give(Executed(Height(1), HEADER)), Halt)


def test_a_replica_more_than_a_window_behind_asks_for_block_sync_at_once_c4() -> None:
    subject = Subject()
    certificate = subject.checkpoint(9)
    (sync,) = only(subject.hear(StableProof(certificate), 2), SyncTo)
    assert (sync.certificate, sync.from_) == (certificate, 2)
    assert not only(subject.hear(StableProof(subject.checkpoint(10)), 2), SyncTo)
    subject.now += 5_000
    (again,) = only(subject.give(TimerFired(TimerName.STATUS)), SyncTo)
    assert again.certificate.subject.height == 10


def test_a_lower_certificate_never_replaces_a_higher_one_c2() -> None:
    subject = Subject()
    for height in (7, 5, 6):
        subject.hear(StableProof(subject.checkpoint(height)), 2)
    assert subject.replica.snapshot().stable == 7


def test_a_replica_a_little_behind_waits_for_its_peers_first_c4() -> None:
    subject = Subject()
    assert not only(subject.hear(StableProof(subject.checkpoint(3)), 2), SyncTo)
    found: list[SyncTo] = []
    while not found:
        subject.now = dict(subject.replica.snapshot().timers)[TimerName.STATUS]
        found = only(subject.give(TimerFired(TimerName.STATUS)), SyncTo)
    assert found[0].certificate.subject.height == 3


def test_nothing_is_executed_while_block_sync_runs_c4() -> None:
    subject = Subject()
    subject.hear(StableProof(subject.checkpoint(9)), 2)
    certificate = subject.certificate(VoteKind.COMMIT, 0, 1, BATCH.digest)
    assert not only(subject.hear(Decision(certificate, BATCH), 0), Execute)
    assert only(subject.give(SyncFailed()), Execute)


def test_an_installed_state_replaces_everything_below_it_c5() -> None:
    subject = Subject()
    decided(subject)
    effects = subject.give(installed(subject, 20))
    assert only(effects, Stable)
    shot = subject.replica.snapshot()
    assert (shot.executed, shot.stable, shot.low, shot.executing) == (20, 20, 20, None)
    assert not shot.slots
    assert shot.next_height == 21
    assert not subject.give(Executed(Height(1), HEADER))


def test_an_installed_state_that_is_not_new_resets_nothing_l7() -> None:
    subject = Subject()
    subject.run_block(1)
    subject.approve(subject.hear(subject.pre_prepare(0, 2, BATCH, 0)))
    before = subject.replica.snapshot()
    certificate = subject.checkpoint(1, before.executed_hash)
    subject.give(StateInstalled(Height(1), before.executed_hash, certificate))
    assert subject.replica.snapshot() == before


def test_votes_above_an_installed_height_are_kept_c5() -> None:
    subject = Subject()
    subject.approve(subject.hear(subject.pre_prepare(0, 5, BATCH, 0)))
    subject.give(installed(subject, 4))
    slot = subject.replica.snapshot().slots[0]
    assert (slot.height, slot.prepares) == (5, (0, 1))


def test_an_uncertified_installed_state_is_the_drivers_mistake() -> None:
    subject = Subject()
    right = installed(subject, 4)
    with pytest.raises(LocalProtocolError):
        subject.give(StateInstalled(Height(5), right.header_hash, right.certificate))
    with pytest.raises(LocalProtocolError):
        subject.give(StateInstalled(Height(4), sha256(b"other"), right.certificate))


def test_executing_what_was_not_handed_out_is_the_drivers_mistake() -> None:
    with pytest.raises(LocalProtocolError):
        Subject().give(Executed(Height(1), HEADER))


def test_checkpoints_of_the_next_window_are_buffered_w2() -> None:
    subject = Subject()
    for signer in (0, 2):
        subject.hear(subject.vote(VoteKind.CHECKPOINT, 0, 9, HEADER, signer))
    assert subject.replica.snapshot().buffered == 2
    for height in range(1, 3):
        subject.run_block(height)
    assert subject.replica.snapshot().buffered == 0
    subject.hear(subject.vote(VoteKind.CHECKPOINT, 0, 99, HEADER, 2))
    assert subject.replica.snapshot().buffered == 0


def test_execution_alone_does_not_move_the_window_w1() -> None:
    subject = Subject()
    decided(subject)
    subject.give(Executed(Height(1), HEADER))
    shot = subject.replica.snapshot()
    assert (shot.executed, shot.stable, shot.low, shot.high) == (1, 0, 0, 8)
    assert any(key.startswith(b"vote/\x03") for key in subject.records)


def test_slots_stay_one_window_below_the_low_mark_w3() -> None:
    subject = Subject()
    for height in range(1, 13):
        subject.run_block(height)
    heights = [slot.height for slot in subject.replica.snapshot().slots]
    assert heights == list(range(5, 13))
