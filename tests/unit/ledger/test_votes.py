"""Votes and certificates: no signature counts twice or for anything it was not made for."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bulwark.ledger.codec import Reader
from bulwark.ledger.errors import CertificateInvalid, DecodeError, SignatureInvalid
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Epoch, Height, ValidatorIndex, View
from bulwark.ledger.signing import SigningDomain, SigningKey, verify
from bulwark.ledger.validators import ValidatorSet
from bulwark.ledger.votes import Certificate, VoteKind, VoteSubject

SUBJECT = VoteSubject(VoteKind.COMMIT, View(2), Height(5), sha256(b"batch"))
digests = st.binary(min_size=32, max_size=32)
numbers = st.integers(0, 2**64 - 1)
subjects = st.builds(VoteSubject, st.sampled_from(VoteKind), numbers, numbers, digests)
certificates = st.builds(
    lambda subject, votes: Certificate(subject, tuple(sorted(votes.items()))),
    subjects,
    st.dictionaries(st.integers(0, 127), st.binary(min_size=65, max_size=65), max_size=5),
)


def certificate_of(alliance, subject=SUBJECT, signers=(0, 1, 3)):
    return Certificate.assemble(subject, alliance.sign(subject, *signers), len(signers))


@pytest.mark.parametrize(("signed", "claimed"), list(permutations(VoteKind, 2)))
def test_vote_of_one_kind_never_counts_as_another(genesis, alliance, signed, claimed):
    signature = alliance.sign(replace(SUBJECT, kind=signed), 0)[ValidatorIndex(0)]
    digest = replace(SUBJECT, kind=claimed).signing_digest(genesis.domain())
    with pytest.raises(SignatureInvalid, match=r"made by|no key fits"):
        verify(alliance.vote_keys[0].address, digest, signature)


@pytest.mark.parametrize("kind", VoteKind)
@pytest.mark.parametrize(
    "other",
    [
        lambda d: SigningDomain(d.chain_id + 1, d.genesis_hash, d.epoch),
        lambda d: SigningDomain(d.chain_id, sha256(b"other genesis"), d.epoch),
        lambda d: SigningDomain(d.chain_id, d.genesis_hash, Epoch(d.epoch + 1)),
    ],
    ids=["chain", "genesis", "epoch"],
)
def test_vote_of_one_domain_never_counts_in_another(alliance, kind, other):
    subject = replace(SUBJECT, kind=kind)
    domain = alliance.genesis.domain()
    signature = alliance.sign(subject, 0)[ValidatorIndex(0)]
    verify(alliance.vote_keys[0].address, subject.signing_digest(domain), signature)
    with pytest.raises(SignatureInvalid, match=r"made by|no key fits"):
        verify(alliance.vote_keys[0].address, subject.signing_digest(other(domain)), signature)


@pytest.mark.parametrize(
    "change",
    [{"view": View(3)}, {"height": Height(6)}, {"digest": sha256(b"other")}],
    ids=["view", "height", "digest"],
)
def test_vote_never_counts_for_another_place_or_batch(genesis, alliance, change):
    signature = alliance.sign(SUBJECT, 0)[ValidatorIndex(0)]
    digest = replace(SUBJECT, **change).signing_digest(genesis.domain())
    with pytest.raises(SignatureInvalid):
        verify(alliance.vote_keys[0].address, digest, signature)


def test_certificate_of_a_quorum_verifies(genesis, alliance):
    certificate_of(alliance).verify(genesis.validator_set, genesis.domain())
    certificate_of(alliance, signers=(0, 1, 2, 3)).verify(genesis.validator_set, genesis.domain())


def test_assembled_certificate_takes_the_lowest_signers():
    votes = {ValidatorIndex(i): bytes([i]) * 65 for i in (3, 1, 2, 0)}
    certificate = Certificate.assemble(SUBJECT, votes, 3)
    assert [signer for signer, _ in certificate.signatures] == [0, 1, 2]


def test_too_few_votes_make_no_certificate(genesis, alliance):
    with pytest.raises(CertificateInvalid, match="2 votes, 3 needed"):
        Certificate.assemble(SUBJECT, alliance.sign(SUBJECT, 0, 1), 3)
    with pytest.raises(CertificateInvalid, match="quorum is 3"):
        certificate_of(alliance, signers=(0, 1)).verify(genesis.validator_set, genesis.domain())


@pytest.mark.parametrize("order", [(0, 0, 1), (0, 1, 1), (1, 0, 2), (2, 1, 0)])
def test_duplicate_or_unordered_signers_are_refused(genesis, alliance, order):
    votes = alliance.sign(SUBJECT, *order)
    certificate = Certificate(SUBJECT, tuple((ValidatorIndex(i), votes[i]) for i in order))
    with pytest.raises(CertificateInvalid, match="strictly increasing"):
        certificate.verify(genesis.validator_set, genesis.domain())


@pytest.mark.parametrize("signers", [(-1, 0, 1), (0, 1, 4)])
def test_signer_outside_the_set_is_refused(genesis, signers):
    certificate = Certificate(SUBJECT, tuple((ValidatorIndex(i), bytes(65)) for i in signers))
    with pytest.raises(CertificateInvalid, match="outside"):
        certificate.verify(genesis.validator_set, genesis.domain())


def test_one_wrong_signature_spoils_the_certificate(genesis, alliance):
    votes = alliance.sign(SUBJECT, 0, 1, 3)
    votes[ValidatorIndex(1)] = alliance.vote_keys[2].sign(SUBJECT.signing_digest(genesis.domain()))
    with pytest.raises(CertificateInvalid, match="signer 1"):
        Certificate.assemble(SUBJECT, votes, 3).verify(genesis.validator_set, genesis.domain())


def test_strangers_votes_make_no_certificate(genesis):
    digest = SUBJECT.signing_digest(genesis.domain())
    votes = {ValidatorIndex(i): SigningKey(sha256(b"%d" % i)).sign(digest) for i in range(3)}
    with pytest.raises(CertificateInvalid, match="made by"):
        Certificate.assemble(SUBJECT, votes, 3).verify(genesis.validator_set, genesis.domain())


def test_certificate_is_not_checked_against_a_set_of_another_epoch(genesis, alliance):
    later = ValidatorSet(Epoch(1), genesis.validator_set.validators)
    with pytest.raises(CertificateInvalid, match="epoch"):
        certificate_of(alliance).verify(later, genesis.domain())
    with pytest.raises(CertificateInvalid, match=r"made by|no key fits"):
        certificate_of(alliance).verify(later, genesis.domain(Epoch(1)))


@given(certificates)
def test_certificate_encoding_is_read_back(certificate):
    assert Certificate.decode(certificate.encode()) == certificate


@given(certificates, st.data())
def test_damaged_certificate_is_refused_or_is_another_one(certificate, data):
    raw = bytearray(certificate.encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        other = Certificate.decode(bytes(raw))
    except DecodeError:
        return
    assert other != certificate
    assert other.encode() == bytes(raw)


def test_truncated_or_extended_certificate_is_refused(alliance):
    raw = certificate_of(alliance).encode()
    for end in range(len(raw)):
        with pytest.raises(DecodeError):
            Certificate.decode(raw[:end])
    with pytest.raises(DecodeError, match="after the end"):
        Certificate.decode(raw + b"\x00")


@pytest.mark.parametrize("number", [0, 4, 255])
def test_unknown_vote_kind_is_refused(number):
    with pytest.raises(DecodeError, match="no vote kind"):
        VoteSubject.read(Reader(bytes([number]) + bytes(48), "vote"))


def test_numbers_of_the_kinds_are_signed_and_never_change():
    assert {kind.name: kind.value for kind in VoteKind} == {
        "PREPARE": 1,
        "COMMIT": 2,
        "CHECKPOINT": 3,
    }


def test_encoding_is_subject_bitmap_and_signatures(alliance):
    certificate = certificate_of(alliance)
    raw = b"\x02" + (2).to_bytes(8, "big") + (5).to_bytes(8, "big") + SUBJECT.digest
    signatures = b"".join(signature for _, signature in certificate.signatures)
    assert certificate.encode() == raw + (0b1011).to_bytes(16, "big") + signatures
