"""Evidence proves what it says to anyone, and nothing else."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Height, ValidatorIndex
from bulwark.ledger.votes import Certificate, VoteKind
from consensus.evidence import (
    DoubleNewView,
    DoubleViewChange,
    DoubleVote,
    Evidence,
    ForgottenCommit,
    WrongNewView,
    amnesia_between,
)
from consensus.messages import NewView, ViewChange
from consensus.terms import Terms
from tests.unit.consensus.support import Peers

PEERS = Peers()
TERMS = PEERS.alliance.terms
WINDOW = TERMS.window
A, B = sha256(b"a"), sha256(b"b")
ONE = PEERS.vote(VoteKind.PREPARE, 1, 2, A, 3)
TWO = PEERS.vote(VoteKind.PREPARE, 1, 2, B, 3)


def holds(evidence: Evidence, terms: Terms = TERMS) -> bool:
    """Check it in the alliance of four."""
    return evidence.holds(terms)


def prepared(view: int, height: int) -> tuple[Certificate, ...]:
    """One PREPARE certificate."""
    return (PEERS.certificate(VoteKind.PREPARE, view, height, A),)


def signed(message: NewView, signer: int) -> NewView:
    """The message signed anew."""
    changed = replace(message, signer=ValidatorIndex(signer))
    signature = PEERS.alliance.keyrings[signer].sign(NewView.TAG, changed.signed_body())
    return replace(changed, signature=signature)


# -- DoubleVote ------------------------------------------------------------------------------------


def test_two_digests_for_one_kind_view_and_height_prove_a_double_vote() -> None:
    evidence = DoubleVote(ONE, TWO)
    assert evidence.culprit == 3
    assert evidence.messages == (ONE, TWO)
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


# -- DoubleViewChange, DoubleNewView ---------------------------------------------------------------


def test_two_view_changes_for_one_view_that_differ_prove_it() -> None:
    one, two = PEERS.view_change(2, 3), PEERS.view_change(2, 3, None, prepared(1, 1))
    evidence = DoubleViewChange(one, two)
    assert (evidence.culprit, evidence.messages) == (3, (one, two))
    assert holds(evidence)


def test_view_changes_of_two_views_signers_or_of_one_content_prove_nothing() -> None:
    one = PEERS.view_change(2, 3)
    differing = prepared(1, 1)
    assert not holds(DoubleViewChange(one, one))
    assert not holds(DoubleViewChange(one, PEERS.view_change(3, 3, None, differing)))
    assert not holds(DoubleViewChange(one, PEERS.view_change(2, 1, None, differing)))
    forged = replace(PEERS.view_change(2, 3, None, differing), signature=one.signature)
    assert not holds(DoubleViewChange(one, forged))
    assert not holds(DoubleViewChange(forged, one))


def test_view_changes_with_checkpoints_two_windows_apart_may_be_of_a_wiped_signer_p6() -> None:
    one = PEERS.view_change(2, 3)
    for base, apart in ((2 * WINDOW - 1, False), (2 * WINDOW, True)):
        other = PEERS.view_change(2, 3, PEERS.checkpoint(base))
        assert amnesia_between(one, other, TERMS) is apart
        assert amnesia_between(other, one, TERMS) is apart
        assert holds(DoubleViewChange(one, other)) is not apart


def test_a_missing_checkpoint_stands_for_the_start_of_the_epoch() -> None:
    terms = replace(TERMS, start=Height(40))
    one = PEERS.view_change(2, 3)
    near = PEERS.view_change(2, 3, PEERS.checkpoint(40 + 2 * WINDOW - 1))
    far = PEERS.view_change(2, 3, PEERS.checkpoint(40 + 2 * WINDOW))
    assert holds(DoubleViewChange(one, near), terms)
    assert not holds(DoubleViewChange(one, far), terms)


def test_two_new_views_for_one_view_that_differ_prove_it() -> None:
    changes = [PEERS.view_change(2, signer) for signer in range(4)]
    one, two = PEERS.new_view(changes[:3]), PEERS.new_view(changes[1:])
    evidence = DoubleNewView(one, two)
    assert (evidence.culprit, evidence.messages) == (2, (one, two))
    assert holds(evidence)
    assert not holds(DoubleNewView(one, one))
    assert not holds(DoubleNewView(one, replace(two, signature=one.signature)))
    later = PEERS.new_view([PEERS.view_change(6, signer) for signer in range(3)])
    assert not holds(DoubleNewView(one, later))


# -- WrongNewView ----------------------------------------------------------------------------------

CHANGES = [
    PEERS.view_change(2, 0, None, prepared(1, 1)),
    *(PEERS.view_change(2, i) for i in (1, 3)),
]


def test_an_o_that_does_not_follow_from_the_view_changes_proves_a_wrong_new_view() -> None:
    lie = PEERS.new_view(CHANGES, (B,))
    evidence = WrongNewView(lie, tuple(CHANGES))
    assert (evidence.culprit, evidence.messages) == (2, (lie, *CHANGES))
    assert holds(evidence)
    assert holds(WrongNewView(PEERS.new_view(CHANGES, ()), tuple(CHANGES)))


def test_a_right_new_view_is_no_evidence() -> None:
    assert not holds(WrongNewView(PEERS.new_view(CHANGES), tuple(CHANGES)))


def test_a_new_view_proves_nothing_with_other_view_changes_than_it_names() -> None:
    lie = PEERS.new_view(CHANGES, (B,))
    assert not holds(WrongNewView(lie, tuple(CHANGES[:2])))
    assert not holds(WrongNewView(lie, (CHANGES[1], CHANGES[0], CHANGES[2])))
    assert not holds(WrongNewView(lie, (PEERS.view_change(2, 0), *CHANGES[1:])))


def test_an_unsigned_new_view_or_view_change_proves_nothing() -> None:
    lie = PEERS.new_view(CHANGES, (B,))
    assert not holds(WrongNewView(replace(lie, signature=bytes(65)), tuple(CHANGES)))
    forged = replace(CHANGES[0], signature=CHANGES[1].signature)
    naming = PEERS.new_view([forged, *CHANGES[1:]], (B,))
    assert not holds(WrongNewView(naming, (forged, *CHANGES[1:])))


def test_a_new_view_that_names_a_view_change_under_another_signer_is_wrong() -> None:
    honest = PEERS.new_view(CHANGES)
    (zero, hash_0), (one, hash_1), last = honest.view_changes
    swapped = signed(replace(honest, view_changes=((zero, hash_1), (one, hash_0), last)), 2)
    assert holds(WrongNewView(swapped, (CHANGES[1], CHANGES[0], CHANGES[2])))


def test_a_new_view_that_names_a_view_change_for_another_view_is_wrong() -> None:
    mixed = [CHANGES[0], PEERS.view_change(3, 1), CHANGES[2]]
    assert holds(WrongNewView(PEERS.new_view(mixed), tuple(mixed)))


def test_o_begins_above_the_start_of_the_epoch() -> None:
    terms = replace(TERMS, start=Height(16))
    changes = [PEERS.view_change(2, 0, None, prepared(1, 17)), *CHANGES[1:]]
    right = PEERS.new_view(changes, (A,))
    assert not holds(WrongNewView(right, tuple(changes)), terms)
    assert holds(WrongNewView(PEERS.new_view(changes, (A, A)), tuple(changes)), terms)


# -- ForgottenCommit -------------------------------------------------------------------------------


def forgotten(
    kind: VoteKind = VoteKind.COMMIT,
    *,
    view: int = 1,
    height: int = 5,
    signer: int = 3,
    change: ViewChange | None = None,
    terms: Terms = TERMS,
) -> bool:
    """Whether validator 3's VIEW-CHANGE for view 2 and a vote prove a forgotten COMMIT."""
    given = PEERS.view_change(2, 3) if change is None else change
    return holds(ForgottenCommit(PEERS.vote(kind, view, height, A, signer), given), terms)


def test_a_commit_that_a_later_view_change_hides_is_proved() -> None:
    vote, change = PEERS.vote(VoteKind.COMMIT, 1, 5, A, 3), PEERS.view_change(2, 3)
    evidence = ForgottenCommit(vote, change)
    assert (evidence.culprit, evidence.messages) == (3, (vote, change))
    assert holds(evidence)


def test_a_view_change_with_the_certificate_behind_the_commit_hides_nothing() -> None:
    assert not forgotten(view=0, change=PEERS.view_change(2, 3, None, prepared(0, 5)))
    assert not forgotten(view=0, change=PEERS.view_change(2, 3, None, prepared(1, 5)))


def test_a_certificate_of_a_lower_view_or_another_height_does_not_cover_the_commit() -> None:
    assert forgotten(view=1, change=PEERS.view_change(2, 3, None, prepared(0, 5)))
    assert forgotten(view=1, change=PEERS.view_change(2, 3, None, prepared(1, 4)))


@pytest.mark.parametrize(("base", "height", "proved"), [(4, 4, False), (4, 5, True), (0, 1, True)])
def test_a_commit_at_or_below_the_checkpoint_needs_no_certificate(
    base: int, height: int, proved: bool
) -> None:
    checkpoint = PEERS.checkpoint(base) if base else None
    assert forgotten(height=height, change=PEERS.view_change(2, 3, checkpoint)) is proved


def test_a_commit_of_the_same_or_a_later_view_is_not_forgotten() -> None:
    assert not forgotten(view=2)
    assert not forgotten(view=3)


def test_other_votes_and_other_signers_prove_no_forgotten_commit() -> None:
    assert not forgotten(VoteKind.PREPARE)
    assert not forgotten(signer=1)
    vote, change = PEERS.vote(VoteKind.COMMIT, 1, 5, A, 3), PEERS.view_change(2, 3)
    assert not holds(ForgottenCommit(replace(vote, signature=change.signature), change))
    assert not holds(ForgottenCommit(vote, replace(change, signature=vote.signature)))


def test_the_window_of_a_view_change_without_checkpoint_begins_at_the_epoch() -> None:
    terms = replace(TERMS, start=Height(16))
    assert not forgotten(height=16, terms=terms)
    assert forgotten(height=17, terms=terms)
    assert forgotten(height=16 + WINDOW, terms=terms)
    assert not forgotten(height=17 + WINDOW, terms=terms)
