"""Slots, their votes and the buffer beside them: rules W2, W3, W4, and what V9 keeps."""

from __future__ import annotations

import pytest

from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Digest, Height, ValidatorIndex
from bulwark.ledger.votes import VoteKind
from consensus.log import (
    MAX_LATER_BYTES,
    MAX_VOUCHED_BODIES,
    LaterBuffer,
    Log,
    Slot,
    Votes,
    bitmap,
    signatures_for,
    tally,
)
from consensus.messages import PrePrepare
from tests.unit.consensus.support import Peers, batch_of

PEERS = Peers()
A, B = sha256(b"a"), sha256(b"b")


def votes(*digests: Digest) -> Votes:
    """PREPAREs of validators 0, 1, ... for these digests."""
    given = [PEERS.vote(VoteKind.PREPARE, 0, 1, d, i) for i, d in enumerate(digests)]
    return {vote.signer: vote for vote in given}


def test_a_tally_needs_the_quorum_for_one_digest_d3() -> None:
    assert tally(votes(A, A), 3) is None
    assert tally(votes(A, B, A), 3) is None
    assert tally(votes(A, B, A, A), 3) == A
    assert tally(votes(A, A, A), 3) == A


def test_only_the_votes_for_the_digest_are_signatures_for_it_d3() -> None:
    given = votes(A, B, A)
    assert set(signatures_for(given, A)) == {0, 2}
    assert bitmap(given) == 0b111


def test_slots_above_a_height_come_in_ascending_order_wherever_they_lie_p4() -> None:
    log = Log(8)
    for height in (900, 3, 5, 4):
        log.open(Height(height), 0)
    assert [slot.height for slot in log.above(Height(0))] == [3, 4, 5, 900]
    assert [slot.height for slot in log.above(Height(4))] == [5, 900]
    assert [slot.height for slot in log.above(Height(899))] == [900]
    assert [slot.height for slot in log.above(Height(900))] == []
    assert log.open(Height(3), 9) is log.get(Height(3))


def test_slots_are_forgotten_one_window_below_the_low_mark_w3() -> None:
    log = Log(8)
    for height in range(1, 20):
        log.open(Height(height), 0)
    log.collect(Height(12))
    assert next(log.above(Height(0))).height == 5
    log.skip_to(Height(15))
    assert next(log.above(Height(0))).height == 16


def test_bodies_behind_the_last_own_prepares_survive_new_views_s12() -> None:
    slot = Slot(Height(1), 0)
    batches = [batch_of(b"tx %d" % i) for i in range(MAX_VOUCHED_BODIES + 2)]
    for batch in batches:
        slot.bodies[batch.digest] = batch
        slot.approved.add(batch.digest)
        slot.vouch(batch.digest)
        slot.vouch(batch.digest)
    again = batches[1].digest
    assert slot.enter_view(5, again) == [batches[0].digest]
    assert set(slot.bodies) == slot.approved == {batch.digest for batch in batches[1:]}
    assert slot.vouched == [batch.digest for batch in batches[2:]]
    assert slot.enter_view(6, None) == [again]


def test_a_digest_prepared_again_is_the_latest_whose_body_is_kept_v9() -> None:
    slot = Slot(Height(1), 0)
    batches = [batch_of(b"tx %d" % i) for i in range(MAX_VOUCHED_BODIES + 1)]
    for batch in batches:
        slot.bodies[batch.digest] = batch
    for batch in [*batches[:-1], batches[0], batches[-1]]:
        slot.vouch(batch.digest)
    assert slot.enter_view(5, None) == [batches[1].digest]
    assert batches[0].digest in slot.bodies


def test_bodies_behind_certificates_survive_new_views_v9() -> None:
    prepared, committed, loose = (batch_of(b"tx %d" % i) for i in range(3))
    slot = Slot(Height(1), 0)
    slot.bodies = {batch.digest: batch for batch in (prepared, committed, loose)}
    slot.prepared = PEERS.certificate(VoteKind.PREPARE, 0, 1, prepared.digest)
    slot.committed = PEERS.certificate(VoteKind.COMMIT, 0, 1, committed.digest)
    assert slot.enter_view(5, None) == [loose.digest]


def test_votes_of_the_view_left_are_forgotten_and_checkpoints_stay_v9() -> None:
    slot = Slot(Height(1), 0, digest=A, timely=False)
    for kind in VoteKind:
        slot.votes(kind)[ValidatorIndex(2)] = PEERS.vote(kind, 0, 1, A, 2)
        slot.reported.add((kind, ValidatorIndex(2)))
    slot.refused[A] = "bad"
    slot.enter_view(7, None)
    assert (slot.digest, slot.timely, slot.opened_ms, slot.refused) == (None, True, 7, {})
    assert (slot.prepares, slot.commits) == ({}, {})
    assert set(slot.checkpoints) == {2}
    assert slot.reported == {(VoteKind.CHECKPOINT, 2)}


def proposal(height: int, size: int) -> PrePrepare:
    """A proposal whose batch has so many bytes; its signature is not looked at here."""
    return PEERS.pre_prepare(1, height, batch_of(bytes(size)), 1)


def test_the_buffer_keeps_the_newest_messages_of_each_sender_w2() -> None:
    later = LaterBuffer(3)
    given = [PEERS.vote(VoteKind.PREPARE, 1, 1, A, signer) for signer in range(4)]
    for received_ms, vote in enumerate(given):
        later.add(ValidatorIndex(2), received_ms, vote)
    later.add(ValidatorIndex(1), 9, given[0])
    assert len(later) == 4
    assert later.drain() == [(1, 9, given[0]), *((2, i, given[i]) for i in (1, 2, 3))]
    assert later.drain() == []


def test_the_buffer_bounds_the_bytes_of_each_sender_d1() -> None:
    later = LaterBuffer(100)
    size = MAX_LATER_BYTES // 4
    given = [proposal(height, size) for height in range(1, 6)]
    for message in given:
        later.add(ValidatorIndex(1), 0, message)
        later.add(ValidatorIndex(3), 0, given[0])
    kept = [message for sender, _, message in later.drain() if sender == 1]
    assert kept == given[2:]
    later.add(ValidatorIndex(1), 0, given[0])
    assert len(later) == 1


@pytest.mark.parametrize("kind", VoteKind)
def test_each_kind_of_vote_has_its_own_place_w4(kind: VoteKind) -> None:
    slot = Slot(Height(1), 0)
    slot.votes(kind)[ValidatorIndex(0)] = PEERS.vote(kind, 0, 1, A, 0)
    held = {VoteKind.PREPARE: slot.prepares, VoteKind.COMMIT: slot.commits}
    assert held.get(kind, slot.checkpoints)
    assert sum(map(bool, (slot.prepares, slot.commits, slot.checkpoints))) == 1
