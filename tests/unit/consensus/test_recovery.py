"""Durability and recovery: rules P1..P5. A crash never makes a replica contradict itself."""

from __future__ import annotations

import pytest

from bulwark.ledger.ids import Height, View
from bulwark.ledger.votes import VoteKind
from consensus.effects import Broadcast, CheckBatch, NeedProposal, Persist
from consensus.errors import InvariantViolation, LocalProtocolError, RecordsDamaged
from consensus.events import ProposalReady, Start, TimerFired, TxPending
from consensus.journal import PREFIX_BODY
from consensus.log import MAX_VOUCHED_BODIES
from consensus.messages import PrePrepare, StatusReport, ViewChange, Vote
from consensus.recovery import NewViewProof, Recovery
from consensus.types import Status, TimerName
from tests.unit.consensus.support import (
    Subject,
    batch_of,
    header_of,
    only,
    sent,
    votes,
)

BATCH = batch_of(b"tx 1")
OTHER = batch_of(b"tx 2")


def genesis(subject: Subject) -> Recovery:
    """What the subject's disk holds when nothing was executed."""
    return Recovery.from_records(
        subject.records.items(),
        applied_height=Height(0),
        applied_hash=subject.alliance.genesis_hash,
    )


def test_a_first_start_has_no_records_and_sends_only_status_p4() -> None:
    subject = Subject()
    assert [type(m) for m in sent(subject.started, object)] == [StatusReport]


def test_votes_come_back_and_are_sent_again_p4() -> None:
    subject = Subject()
    subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)))
    subject.vote_all(VoteKind.PREPARE, 1, BATCH.digest)
    again = subject.recover(0, subject.alliance.genesis_hash)
    kinds = [vote.subject.kind for vote in sent(again.started, Vote)]
    assert kinds == [VoteKind.PREPARE, VoteKind.COMMIT]
    assert not only(again.started, Persist)


def test_a_recovered_replica_refuses_another_proposal_for_its_vote_p1() -> None:
    subject = Subject()
    subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)))
    again = subject.recover(0, subject.alliance.genesis_hash)
    effects = again.approve(again.hear(again.pre_prepare(0, 1, OTHER, 0)))
    assert not sent(effects, Vote)
    assert not only(effects, CheckBatch)


def test_a_recovered_proposer_sends_the_same_proposal_p1() -> None:
    subject = Subject(me=0)
    (message,) = sent(subject.propose(subject.started, b"tx 1"), PrePrepare)
    again = subject.recover(0, subject.alliance.genesis_hash)
    assert sent(again.started, PrePrepare) == [message]
    (need,) = only(again.started, NeedProposal)
    assert need.height == 2
    assert not sent(again.give(ProposalReady(need.view, Height(1), OTHER)), PrePrepare)


def test_a_lost_unsynced_vote_was_never_sent_so_another_may_be_cast_s6() -> None:
    subject = Subject()
    before = dict(subject.records)
    subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)))
    subject.records = before
    again = subject.recover(0, subject.alliance.genesis_hash)
    assert not sent(again.started, Vote)
    effects = again.approve(again.hear(again.pre_prepare(0, 1, OTHER, 0)))
    assert votes(effects, VoteKind.PREPARE)


def test_a_view_change_under_way_comes_back_byte_for_byte_p4() -> None:
    subject = Subject()
    subject.give(TxPending(subject.now, 1))
    subject.now += 1_000
    (message,) = sent(subject.give(TimerFired(TimerName.PROGRESS)), ViewChange)
    again = subject.recover(0, subject.alliance.genesis_hash)
    assert sent(again.started, ViewChange) == [message]
    assert again.replica.snapshot().status is Status.CHANGING
    effects = again.approve(again.hear(again.pre_prepare(0, 1, BATCH, 0)))
    assert not sent(effects, Vote)


def test_the_entered_view_comes_back_with_its_proof_p4() -> None:
    subject = Subject()
    prepared = (subject.certificate(VoteKind.PREPARE, 0, 1, BATCH.digest),)
    subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)))
    subject.enter(2, [subject.view_change(2, i, None, prepared) for i in (0, 2, 3)])
    again = subject.recover(0, subject.alliance.genesis_hash)
    shot = again.replica.snapshot()
    assert (shot.view, shot.status, shot.next_height) == (2, Status.NORMAL, 2)
    assert [vote.subject.view for vote in votes(again.started, VoteKind.PREPARE)] == [2]


def test_the_order_of_own_prepares_comes_back_so_the_latest_bodies_stay_v9() -> None:
    """Seed 324 of the long run: in the order of digests an old body outlived a younger one."""
    subject = Subject()
    given = [batch_of(b"transaction %d" % i) for i in range(MAX_VOUCHED_BODIES + 2)]
    for turn, batch in enumerate(given):
        view = 4 * turn
        if turn:
            subject.enter(view, [subject.view_change(view, i) for i in (0, 2, 3)])
        subject.approve(subject.hear(subject.pre_prepare(view, 1, batch, 0)))
    again = subject.recover(0, subject.alliance.genesis_hash)
    view = 4 * len(given)
    again.enter(view, [again.view_change(view, i) for i in (0, 2, 3)])
    kept = [key[-32:] for key in again.records if key.startswith(PREFIX_BODY)]
    assert sorted(kept) == sorted(batch.digest for batch in given[-MAX_VOUCHED_BODIES:])


def test_prepared_certificates_come_back_into_the_view_change_p4() -> None:
    subject = Subject()
    subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)))
    subject.vote_all(VoteKind.PREPARE, 1, BATCH.digest)
    again = subject.recover(0, subject.alliance.genesis_hash)
    again.hear(again.view_change(2, 0))
    (message,) = sent(again.hear(again.view_change(2, 3)), ViewChange)
    assert [c.subject.digest for c in message.prepared] == [BATCH.digest]


def test_a_block_written_without_its_checkpoint_vote_is_voted_for_after_the_start_c1() -> None:
    subject = Subject()
    subject.run_block(1)
    header = header_of(2, BATCH.digest)
    again = subject.recover(2, header)
    (vote,) = [v for v in votes(again.started, VoteKind.CHECKPOINT) if v.subject.height == 2]
    assert vote.subject.digest == header


def test_a_crash_after_every_single_effect_never_leads_to_a_contradiction_s6() -> None:
    """The k-th effect is the last that took place, for every k of a proposer's block."""
    for last in range(1, 12):
        subject = Subject(me=0)
        said: dict[tuple[object, ...], object] = {}
        disk: dict[bytes, bytes] = {}
        effects = subject.propose(subject.started, b"tx 1")
        effects += subject.vote_all(VoteKind.PREPARE, 1, batch_of(b"tx 1").digest)
        for effect in effects[:last]:
            note(effect, said, disk)
        subject.records = disk
        again = subject.recover(0, subject.alliance.genesis_hash)
        more = list(again.started)
        if only(more, NeedProposal)[-1].height == 1:
            more += again.propose(more, b"tx 2")
        for effect in more:
            note(effect, said, disk)


def note(effect: object, said: dict[tuple[object, ...], object], disk: dict[bytes, bytes]) -> None:
    """Carry one effect out and check it against everything said before."""
    if isinstance(effect, Persist):
        disk.update({key: value for key, value in effect.records if value is not None})
    elif isinstance(effect, Broadcast):
        message = effect.message
        if isinstance(message, Vote):
            key = (message.subject.kind, message.subject.view, message.subject.height)
            assert said.setdefault(key, message.subject.digest) == message.subject.digest
        elif isinstance(message, PrePrepare):
            pair = ("pre-prepare", message.view, message.height)
            assert said.setdefault(pair, message.digest) == message.digest


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"view", b"short"),
        (b"strange", b""),
        (b"vote/\x01" + bytes(8), b"x"),
        (b"stable", b""),
        (b"body/" + bytes(40), b"?"),
        (b"vouched/" + bytes(8), b"\xff" * 4),
        (b"vouched/" + bytes(7), bytes(4)),
    ],
)
def test_a_damaged_record_stops_the_start_p5(key: bytes, value: bytes) -> None:
    with pytest.raises(RecordsDamaged):
        Recovery.from_records([(key, value)], applied_height=Height(0), applied_hash=bytes(32))


def test_a_record_under_the_wrong_key_stops_the_start_p5() -> None:
    subject = Subject()
    subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)))
    (key,) = [k for k in subject.records if k.startswith(b"vote/")]
    subject.records[key[:-1] + b"\x07"] = subject.records.pop(key)
    with pytest.raises(RecordsDamaged):
        genesis(subject)


def test_a_view_without_its_proof_stops_the_start_p5() -> None:
    subject = Subject()
    subject.enter(2)
    del subject.records[b"new-view"]
    recovery = genesis(subject)
    with pytest.raises(RecordsDamaged):
        Subject(recovery=recovery)


def test_the_sign_guard_never_signs_two_digests_p1() -> None:
    subject = Subject()
    subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)))
    state = subject.replica._state
    slot = state.slot(Height(1))
    with pytest.raises(InvariantViolation):
        state.cast(slot, VoteKind.PREPARE, OTHER.digest)


def test_the_higher_of_two_stable_certificates_counts() -> None:
    subject = Subject()
    subject.run_block(1)
    low, high = subject.checkpoint(1), subject.checkpoint(7)
    for kept, given in ((low, high), (high, low)):
        recovery = Recovery.from_records(
            [(b"stable", kept.encode())],
            applied_height=Height(7),
            applied_hash=high.subject.digest,
            stable=given,
        )
        assert recovery.stable == high


def test_start_comes_first_and_once() -> None:
    subject = Subject(start=False)
    with pytest.raises(LocalProtocolError):
        subject.give(TxPending(None, 0))
    subject.give(Start())
    with pytest.raises(LocalProtocolError):
        subject.give(Start())


def test_a_proof_from_which_another_o_follows_stops_the_start_p5() -> None:
    subject = Subject()
    changes = [subject.view_change(2, i) for i in (0, 2, 3)]
    lie = subject.new_view(changes, (BATCH.digest,))
    recovery = Recovery(
        Height(0),
        subject.alliance.genesis_hash,
        view=View(2),
        proof=NewViewProof(lie, tuple(changes)),
    )
    with pytest.raises(RecordsDamaged, match="does not follow"):
        Subject(recovery=recovery)


@pytest.mark.parametrize(("view", "signer"), [(0, 0), (3, 1), (2, 2)])
def test_a_view_that_is_awaited_without_the_own_view_change_stops_the_start_p5(
    view: int, signer: int
) -> None:
    subject = Subject()
    own = subject.view_change(view, signer) if view else None
    recovery = Recovery(
        Height(0),
        subject.alliance.genesis_hash,
        view=View(2),
        status=Status.CHANGING,
        view_change=own,
    )
    with pytest.raises(RecordsDamaged, match="no own VIEW-CHANGE"):
        Subject(recovery=recovery)


def test_a_checkpoint_vote_above_what_was_applied_is_no_header_of_this_replica_p4() -> None:
    """The vote's record was synced, the block's write was lost: the block is executed again."""
    subject = Subject()
    vote = subject.vote(VoteKind.CHECKPOINT, 0, 1, header_of(1, BATCH.digest), subject.me)
    again = Subject(recovery=Recovery(Height(0), subject.alliance.genesis_hash, votes=(vote,)))
    assert sent(again.started, Vote) == [vote]
    slots = {slot.height: slot for slot in again.replica.snapshot().slots}
    assert slots[Height(1)].checkpoints == (1,)
    assert slots[Height(1)].dissent == ()
    assert again.replica._state.slot(Height(1)).header_hash is None


def test_heights_beyond_the_window_of_an_old_certificate_are_not_voted_for_c1() -> None:
    """The latest stable certificate was lost with the last write; peers have it."""
    header = header_of(20, BATCH.digest)
    subject = Subject(recovery=Recovery(Height(20), header))
    assert not votes(subject.started, VoteKind.CHECKPOINT)
    subject = Subject(recovery=Recovery(Height(8), header))
    assert len(votes(subject.started, VoteKind.CHECKPOINT)) == 1
