"""Evidence proves what it says to anyone, and nothing else."""

from __future__ import annotations

from dataclasses import replace

from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import ValidatorIndex
from bulwark.ledger.votes import VoteKind
from consensus.evidence import DoubleVote
from tests.unit.consensus.support import Peers

PEERS = Peers()
ONE = PEERS.vote(VoteKind.PREPARE, 1, 2, sha256(b"a"), 3)
TWO = PEERS.vote(VoteKind.PREPARE, 1, 2, sha256(b"b"), 3)


def holds(evidence: DoubleVote) -> bool:
    """Check it in the alliance of four."""
    return evidence.holds(PEERS.alliance.terms)


def test_two_digests_for_one_kind_view_and_height_prove_a_double_vote() -> None:
    evidence = DoubleVote(ONE, TWO)
    assert evidence.culprit == 3
    assert holds(evidence)


def test_equal_votes_and_votes_of_other_kinds_views_or_heights_prove_nothing() -> None:
    digest = sha256(b"b")
    assert not holds(DoubleVote(ONE, ONE))
    for kind, view, height in (
        (VoteKind.COMMIT, 1, 2),
        (VoteKind.PREPARE, 2, 2),
        (VoteKind.PREPARE, 1, 3),
    ):
        assert not holds(DoubleVote(ONE, PEERS.vote(kind, view, height, digest, 3)))


def test_votes_of_two_validators_or_of_nobody_prove_nothing() -> None:
    assert not holds(DoubleVote(ONE, PEERS.vote(VoteKind.PREPARE, 1, 2, sha256(b"b"), 2)))
    stranger = ValidatorIndex(9)
    assert not holds(DoubleVote(replace(ONE, signer=stranger), replace(TWO, signer=stranger)))


def test_a_false_signature_proves_nothing() -> None:
    assert not holds(DoubleVote(ONE, replace(TWO, signature=ONE.signature)))
