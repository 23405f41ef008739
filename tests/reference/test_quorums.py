"""The quorum rule and `Certificate.verify` against the reference."""

from __future__ import annotations

from itertools import combinations
from random import Random

import pytest

from bulwark.ledger.errors import CertificateInvalid, DecodeError
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Height, View
from bulwark.ledger.validators import max_faulty, quorum_size
from bulwark.ledger.votes import Certificate, VoteKind, VoteSubject
from tests.reference.quorums import certificate_holds, reference_faulty, reference_quorum
from tests.simulation.alliance import make_alliance


def test_quorum_and_faulty_are_the_references_for_every_size() -> None:
    for n in range(1, 129):
        assert max_faulty(n) == reference_faulty(n)
        assert quorum_size(n) == reference_quorum(n)


@pytest.mark.parametrize("n", range(1, 9))
def test_two_quorums_always_share_an_honest_validator_and_no_smaller_number_does(n: int) -> None:
    quorum, faulty = quorum_size(n), max_faulty(n)
    sets = [set(chosen) for chosen in combinations(range(n), quorum)]
    assert min(len(a & b) for a in sets for b in sets) > faulty
    smaller = [set(chosen) for chosen in combinations(range(n), quorum - 1)]
    assert min(len(a & b) for a in smaller for b in smaller) <= faulty


@pytest.mark.parametrize("n", range(4, 11))
def test_honest_validators_alone_are_a_quorum(n: int) -> None:
    assert n - max_faulty(n) >= quorum_size(n)


def signed(n: int, signers: tuple[int, ...], kind: VoteKind = VoteKind.COMMIT) -> Certificate:
    """A certificate with these signatures, whatever their number."""
    alliance = make_alliance(n)
    subject = VoteSubject(kind, View(1), Height(7), sha256(b"x"))
    return Certificate(
        subject, tuple((i, alliance.keyrings[i].sign_vote(subject)) for i in signers)
    )


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7])
def test_every_set_of_signers_is_judged_like_the_reference(n: int) -> None:
    alliance = make_alliance(n)
    for size in range(n + 1):
        for signers in combinations(range(n), size):
            certificate = signed(n, signers)
            expected = size >= reference_quorum(n)
            assert code_accepts(certificate.encode(), n) == expected
            assert (
                certificate_holds(
                    certificate.encode(), alliance.validators, alliance.domain, alliance.terms.check
                )
                == expected
            )


def code_accepts(data: bytes, n: int) -> bool:
    """What the product says."""
    alliance = make_alliance(n)
    try:
        certificate = Certificate.decode(data)
        certificate.verify(alliance.validators, alliance.domain, alliance.terms.check)
    except (CertificateInvalid, DecodeError):
        return False
    return True


def test_mutated_bytes_are_judged_like_the_reference() -> None:
    alliance = make_alliance(4)
    rng = Random("certificates")
    good = signed(4, (0, 2, 3)).encode()
    seen = set()
    for _ in range(2_000):
        data = bytearray(good)
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        raw = bytes(data[: rng.choice([len(data), len(data), len(data) - 1, 65])])
        theirs = certificate_holds(raw, alliance.validators, alliance.domain, alliance.terms.check)
        assert code_accepts(raw, 4) == theirs
        seen.add(theirs)
    assert code_accepts(good, 4)
    assert certificate_holds(good, alliance.validators, alliance.domain, alliance.terms.check)
    assert False in seen
