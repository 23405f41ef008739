"""What passes authentication, and each reason why a message does not (A1..A3)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Digest, Epoch, Height, ValidatorIndex, View
from bulwark.ledger.signing import SigningDomain
from bulwark.ledger.votes import VoteKind
from consensus.authentication import authenticate
from consensus.errors import AuthenticationFailed
from consensus.messages import Decision, Message, NewView, StableProof, Vote, encode_message
from consensus.terms import Terms
from tests.unit.consensus.support import Peers, batch_of
from tests.unit.consensus.test_messages import samples

PEERS = Peers()
BATCH = batch_of(b"tx 1")


def accept(message: bytes | Message) -> Message:
    """Authenticate in the alliance of four with a window of 8."""
    alliance = PEERS.alliance
    return authenticate(message, alliance.terms).message


def refuse(message: bytes | Message) -> None:
    """Expect a refusal."""
    with pytest.raises(AuthenticationFailed):
        accept(message)


def prepared(view: int, *heights: int) -> tuple[object, ...]:
    """PREPARE certificates."""
    return tuple(PEERS.certificate(VoteKind.PREPARE, view, h, BATCH.digest) for h in heights)


def resigned(message: NewView, signer: int) -> NewView:
    """The message signed by another."""
    changed = replace(message, signer=ValidatorIndex(signer))
    signature = PEERS.alliance.keyrings[signer].sign(NewView.TAG, changed.signed_body())
    return replace(changed, signature=signature)


def test_honest_messages_pass_as_bytes_and_as_values() -> None:
    for message in samples():
        signature = getattr(message, "signature", b"signed")
        if signature != bytes(65) and not getattr(message, "slots", ()):
            assert accept(message) == message
            assert accept(encode_message(message)) == message


def test_bytes_that_are_no_message_are_refused() -> None:
    refuse(b"")
    refuse(b"\x02noise")


@pytest.mark.parametrize("message", samples(), ids=lambda m: type(m).__name__)
def test_no_signature_of_another_validator_passes_a1(message: Message) -> None:
    if hasattr(message, "signer"):
        other = (message.signer + 1) % 4
        refuse(replace(message, signer=ValidatorIndex(other)))
        refuse(replace(message, signer=ValidatorIndex(4)))


def test_a_vote_of_one_kind_view_height_or_digest_is_none_of_another_s1() -> None:
    vote = PEERS.vote(VoteKind.PREPARE, 1, 2, BATCH.digest, 0)
    for change in (
        {"kind": VoteKind.COMMIT},
        {"view": View(2)},
        {"height": Height(3)},
        {"digest": sha256(b"other")},
    ):
        refuse(replace(vote, subject=replace(vote.subject, **change)))


def test_a_vote_of_another_chain_genesis_or_epoch_is_refused_s1() -> None:
    vote = PEERS.vote(VoteKind.PREPARE, 1, 2, BATCH.digest, 0)
    home = PEERS.alliance.domain
    for domain in (
        SigningDomain(1, home.genesis_hash, Epoch(0)),
        SigningDomain(home.chain_id, Digest(bytes(32)), Epoch(0)),
        SigningDomain(home.chain_id, home.genesis_hash, Epoch(1)),
    ):
        with pytest.raises(AuthenticationFailed):
            authenticate(vote, Terms(PEERS.alliance.validators, domain))


def test_a_checkpoint_vote_has_view_0() -> None:
    refuse(PEERS.vote(VoteKind.CHECKPOINT, 1, 2, BATCH.digest, 0))
    refuse(StableProof(PEERS.certificate(VoteKind.CHECKPOINT, 1, 2, BATCH.digest)))


def test_a_proposal_must_carry_its_own_batch_and_a_prepare_vote() -> None:
    message = PEERS.pre_prepare(0, 1, BATCH, 0)
    refuse(replace(message, batch=batch_of(b"other")))
    refuse(replace(message, vote_signature=message.signature))


def test_a_decision_needs_a_commit_certificate_of_its_batch() -> None:
    commit = PEERS.certificate(VoteKind.COMMIT, 0, 1, BATCH.digest)
    accept(Decision(commit, BATCH))
    refuse(Decision(commit, batch_of(b"other")))
    refuse(Decision(PEERS.certificate(VoteKind.PREPARE, 0, 1, BATCH.digest), BATCH))
    refuse(StableProof(commit))


def test_a_certificate_below_the_quorum_or_with_a_false_signature_is_refused() -> None:
    few = PEERS.certificate(VoteKind.COMMIT, 0, 1, BATCH.digest, (0, 1))
    refuse(Decision(few, BATCH))
    whole = PEERS.certificate(VoteKind.COMMIT, 0, 1, BATCH.digest)
    (first, second, third) = whole.signatures
    refuse(Decision(replace(whole, signatures=(first, second, (third[0], first[1]))), BATCH))
    refuse(Decision(replace(whole, signatures=(first, first, second)), BATCH))


def test_a_view_change_with_one_bad_certificate_is_refused_whole_s3() -> None:
    good = PEERS.certificate(VoteKind.PREPARE, 0, 1, BATCH.digest)
    bad = PEERS.certificate(VoteKind.PREPARE, 0, 2, BATCH.digest, (0, 1))
    accept(PEERS.view_change(1, 2, None, (good,)))
    refuse(PEERS.view_change(1, 2, None, (good, bad)))


def test_the_heights_of_a_view_change_increase_within_the_window_a2() -> None:
    accept(PEERS.view_change(1, 2, None, prepared(0, 1, 8)))
    refuse(PEERS.view_change(1, 2, None, prepared(0, 2, 1)))
    refuse(PEERS.view_change(1, 2, None, prepared(0, 1, 1)))
    refuse(PEERS.view_change(1, 2, None, prepared(0, 9)))
    refuse(PEERS.view_change(1, 2, PEERS.checkpoint(3), prepared(0, 3)))


def test_a_view_change_names_only_lower_views_a2() -> None:
    refuse(PEERS.view_change(1, 2, None, prepared(1, 1)))


def test_the_certificates_of_a_view_change_are_of_the_right_kind_a2() -> None:
    commit = PEERS.certificate(VoteKind.COMMIT, 0, 1, BATCH.digest)
    refuse(PEERS.view_change(1, 2, None, (commit,)))
    refuse(PEERS.view_change(1, 2, commit))


def test_a_new_view_comes_from_the_leader_and_names_exactly_a_quorum() -> None:
    changes = [PEERS.view_change(5, i) for i in range(4)]
    message = PEERS.new_view(changes[:3])
    accept(message)
    refuse(resigned(message, 2))
    refuse(PEERS.new_view(changes))
    refuse(PEERS.new_view(changes[:2]))
    doubled = replace(message, view_changes=(message.view_changes[0],) * 3)
    refuse(resigned(doubled, 1))
    refuse(resigned(replace(message, digests=(BATCH.digest,) * 9), 1))


def test_a_forwarded_vote_keeps_its_voter() -> None:
    vote = PEERS.vote(VoteKind.PREPARE, 1, 2, BATCH.digest, 3)
    passed = accept(encode_message(vote))
    assert isinstance(passed, Vote)
    assert passed.signer == 3


def test_a_checkpoint_of_the_epoch_before_is_none_of_this_one_a2() -> None:
    terms = replace(PEERS.alliance.terms, start=Height(8))
    for height, passes in ((7, False), (8, False), (9, True)):
        change = PEERS.view_change(1, 2, PEERS.checkpoint(height))
        if passes:
            assert authenticate(change, terms).message == change
            continue
        with pytest.raises(AuthenticationFailed, match="not of this epoch"):
            authenticate(change, terms)


def test_prepared_heights_of_an_epoch_begin_above_its_start_a2() -> None:
    terms = replace(PEERS.alliance.terms, start=Height(8))
    accepted = PEERS.view_change(1, 2, None, prepared(0, 9, 16))
    assert authenticate(accepted, terms).message == accepted
    for heights in ((8,), (17,)):
        with pytest.raises(AuthenticationFailed, match="outside the window"):
            authenticate(PEERS.view_change(1, 2, None, prepared(0, *heights)), terms)
