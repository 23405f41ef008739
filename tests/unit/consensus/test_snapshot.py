"""The picture of one slot: phases, and whose CHECKPOINT differs."""

from __future__ import annotations

from bulwark.ledger.ids import Digest, Height, ValidatorIndex, View
from bulwark.ledger.votes import VoteKind, VoteSubject
from consensus.log import Slot
from consensus.messages import Vote
from consensus.snapshot import slot_snapshot

OWN = Digest(b"\x01" * 32)
OTHER = Digest(b"\x02" * 32)


def checkpoint(signer: int, digest: Digest) -> Vote:
    subject = VoteSubject(VoteKind.CHECKPOINT, View(0), Height(3), digest)
    return Vote(subject, ValidatorIndex(signer), bytes(65))


def slot(*votes: Vote) -> Slot:
    return Slot(Height(3), 0, checkpoints={vote.signer: vote for vote in votes})


def test_a_checkpoint_vote_over_another_block_is_dissent() -> None:
    held = slot(checkpoint(0, OWN), checkpoint(2, OTHER), checkpoint(1, OTHER))
    held.header_hash = OWN
    assert slot_snapshot(held, Height(3)).dissent == (1, 2)


def test_there_is_no_dissent_before_the_block_is_executed_here() -> None:
    held = slot(checkpoint(0, OWN), checkpoint(2, OTHER))
    assert slot_snapshot(held, Height(2)).dissent == ()
