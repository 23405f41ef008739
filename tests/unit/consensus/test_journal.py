"""What is staged becomes one Persist; keys are of one height each (P1, P2, P3)."""

from __future__ import annotations

from bulwark.ledger.ids import Height
from bulwark.ledger.votes import VoteKind
from consensus.journal import Journal, body_key, prepared_key, vote_key
from tests.unit.consensus.support import Peers, batch_of

PEERS = Peers()
BATCH = batch_of(b"tx")
ONE, TWO = Height(1), Height(2)


def written(journal: Journal) -> dict[bytes, bytes | None]:
    """What the next Persist holds; empty if there is none."""
    persist = journal.flush()
    return {} if persist is None else dict(persist.records)


def test_nothing_staged_is_no_persist() -> None:
    journal = Journal()
    assert journal.flush() is None
    journal.stable(PEERS.checkpoint(3))
    assert set(written(journal)) == {b"stable"}
    assert journal.flush() is None


def test_a_body_is_written_once_a_height() -> None:
    journal = Journal()
    journal.body(ONE, BATCH)
    assert written(journal) == {body_key(ONE, BATCH.digest): BATCH.encode()}
    journal.body(ONE, BATCH)
    assert journal.flush() is None
    journal.body(TWO, BATCH)
    assert set(written(journal)) == {body_key(TWO, BATCH.digest)}


def test_only_a_body_on_disk_is_dropped_and_only_once() -> None:
    journal = Journal()
    journal.drop_body(ONE, BATCH.digest)
    assert journal.flush() is None
    journal.body(ONE, BATCH)
    journal.flush()
    journal.drop_body(TWO, BATCH.digest)
    assert journal.flush() is None
    journal.drop_body(ONE, BATCH.digest)
    journal.drop_body(ONE, BATCH.digest)
    assert written(journal) == {body_key(ONE, BATCH.digest): None}
    assert journal.live_records() == 0
    journal.body(ONE, BATCH)
    assert written(journal) == {body_key(ONE, BATCH.digest): BATCH.encode()}


def test_everything_of_a_height_goes_with_it_p3() -> None:
    journal = Journal()
    for height in (ONE, TWO):
        journal.vote(PEERS.vote(VoteKind.COMMIT, 0, height, BATCH.digest, 1))
        journal.prepared(PEERS.certificate(VoteKind.PREPARE, 0, height, BATCH.digest))
        journal.body(height, BATCH)
    journal.flush()
    assert journal.live_records() == 6
    journal.prune(ONE)
    keys = {vote_key(VoteKind.COMMIT, ONE), prepared_key(ONE), body_key(ONE, BATCH.digest)}
    assert written(journal) == dict.fromkeys(keys)
    assert journal.live_records() == 3
    journal.prune(ONE)
    assert journal.flush() is None


def test_a_later_vote_replaces_the_record_of_an_earlier_one_p2() -> None:
    journal = Journal()
    for view in (0, 4):
        journal.vote(PEERS.vote(VoteKind.PREPARE, view, 1, BATCH.digest, 1))
    assert len(written(journal)) == 1
    assert journal.live_records() == 1
