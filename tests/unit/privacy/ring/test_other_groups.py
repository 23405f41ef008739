"""The same protocol code over other groups, and the slow verifier beside the fast one."""

from __future__ import annotations

import hashlib

import pytest

from bulwark.privacy.ring.batch import verify_batch
from bulwark.privacy.ring.proof import decode, proof_bytes
from bulwark.privacy.ring.ristretto import RISTRETTO255
from bulwark.privacy.ring.verifier import verify
from tests.unit.privacy.ring.bls12381 import ARKWORKS, PY_ECC
from tests.unit.privacy.ring.pure_ristretto import PURE
from tests.unit.privacy.ring.slow_verifier import failing_equations, fields_of
from tests.unit.privacy.ring.worlds import World

BOTH = pytest.mark.parametrize(
    ("suite", "members"),
    [(RISTRETTO255, 1), (RISTRETTO255, 6), (RISTRETTO255, 64), (ARKWORKS, 4), (ARKWORKS, 17)],
    ids=["ristretto-1", "ristretto-6", "ristretto-64", "arkworks-4", "arkworks-17"],
)


@BOTH
def test_a_proof_holds_for_the_fast_and_for_the_slow_verifier(suite, members: int) -> None:
    world = World(members, suite)
    proof = world.prove(members // 2)
    verify(world.statement, proof, world.random_bytes)
    encoded = proof.encode()
    assert len(encoded) == proof_bytes(suite, members)
    assert decode(suite, encoded, members) == proof
    assert failing_equations(suite, fields_of(world.statement), encoded) == []


@BOTH
def test_a_batch_holds_over_every_group(suite, members: int) -> None:
    world = World(members, suite)
    pairs = [(world.statement, world.prove(index)) for index in {0, members - 1}]
    assert verify_batch(pairs, world.random_bytes) == [None] * len(pairs)


def test_two_libraries_for_bls12_381_make_the_same_bytes() -> None:
    proofs = [World(4, suite).prove(2).encode() for suite in (ARKWORKS, PY_ECC)]
    assert proofs[0] == proofs[1]


def test_each_library_for_bls12_381_verifies_the_other_s_proof() -> None:
    ark, ecc = World(4, ARKWORKS), World(4, PY_ECC)
    encoded = ark.prove(1).encode()
    verify(ecc.statement, decode(PY_ECC, encoded, 4), ecc.random_bytes)


def test_libsodium_and_plain_integers_make_the_same_bytes() -> None:
    proofs = [World(3, suite).prove(1).encode() for suite in (RISTRETTO255, PURE)]
    assert proofs[0] == proofs[1]


def test_plain_integers_verify_what_libsodium_proved() -> None:
    world = World(5)
    encoded = world.prove(4).encode()
    assert failing_equations(PURE, fields_of(world.statement), encoded) == []
    pure = World(5, PURE)
    verify(pure.statement, decode(PURE, encoded, 5), pure.random_bytes)


def test_the_plain_group_derives_elements_as_libsodium_does() -> None:
    for number in range(8):
        message = hashlib.sha256(bytes([number])).digest()
        pure = PURE.encode_element(PURE.hash_to_group(message, b"tests"))
        assert pure == RISTRETTO255.hash_to_group(message, b"tests").encoding
