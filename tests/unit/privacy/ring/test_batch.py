"""Batches: good ones pass, each bad proof is named, and errors cannot cancel."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bulwark.privacy.errors import ProofRefused, RandomnessRefused
from bulwark.privacy.group import ONE
from bulwark.privacy.ring.batch import verify_batch
from bulwark.privacy.ring.combination import Combination
from bulwark.privacy.ring.ristretto import RISTRETTO255
from bulwark.privacy.ring.verifier import claim, hashed_weights
from tests.unit.privacy.ring.worlds import World

WORLD = World(6)
PAIRS = [
    (replace(WORLD.statement, slot=slot), WORLD.prove(slot % 6, slot=slot)) for slot in range(8)
]


def test_an_empty_batch_has_no_verdicts() -> None:
    assert verify_batch([], WORLD.random_bytes) == []


def test_a_good_batch_passes() -> None:
    assert verify_batch(PAIRS, WORLD.random_bytes) == [None] * 8


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("name", ["z_a", "z_c", "z", "s_r", "s_x"])
def test_one_bad_proof_is_found_wherever_it_is(count: int, name: str) -> None:
    for bad in {0, count // 2, count - 1}:
        pairs = list(PAIRS[:count])
        statement, proof = pairs[bad]
        pairs[bad] = (statement, replace(proof, **{name: getattr(proof, name) + ONE}))
        verdicts = verify_batch(pairs, WORLD.random_bytes)
        assert [verdict is not None for verdict in verdicts] == [i == bad for i in range(count)]
        refused = verdicts[bad]
        assert isinstance(refused, ProofRefused)
        assert refused.equations


def test_several_bad_proofs_are_all_named_with_their_equations() -> None:
    pairs = list(PAIRS)
    for bad, name in ((1, "z_a"), (2, "s_x"), (7, "z")):
        statement, proof = pairs[bad]
        pairs[bad] = (statement, replace(proof, **{name: getattr(proof, name) + ONE}))
    verdicts = verify_batch(pairs, WORLD.random_bytes)
    found = {i: verdict.equations for i, verdict in enumerate(verdicts) if verdict}
    assert found == {1: (1,), 2: (6, 7), 7: (3, 4)}


def test_two_bad_proofs_that_cancel_under_equal_weights_are_caught() -> None:
    first, second = PAIRS[0], PAIRS[1]
    pairs = [
        (first[0], replace(first[1], z_a=first[1].z_a + ONE)),
        (second[0], replace(second[1], z_a=second[1].z_a - ONE)),
    ]
    careless = Combination(RISTRETTO255)
    for statement, proof in pairs:
        careless.add(statement, proof, claim(statement, proof).challenge, [1] * 7)
    assert careless.holds()
    verdicts = verify_batch(pairs, WORLD.random_bytes)
    assert [verdict.equations for verdict in verdicts if verdict] == [(1,), (1,)]


def test_two_bad_equations_of_one_proof_that_cancel_are_caught() -> None:
    statement, proof = PAIRS[0]
    bad = replace(proof, z_a=proof.z_a + ONE, z_c=proof.z_c - ONE)
    verdict = verify_batch([(statement, bad)], WORLD.random_bytes)[0]
    assert isinstance(verdict, ProofRefused)
    assert verdict.equations == (1, 2)


def test_a_batch_may_mix_rings_openers_and_sizes() -> None:
    worlds = [World(members) for members in (1, 4, 6, 17)]
    pairs = [(world.statement, world.prove(0)) for world in worlds]
    other = replace(WORLD.statement, opener=WORLD.point())
    pairs.append((other, WORLD.prove(5, opener=other.opener)))
    assert verify_batch(pairs, WORLD.random_bytes) == [None] * 5
    statement, proof = pairs[3]
    pairs[3] = (statement, replace(proof, z=proof.z + ONE))
    verdicts = verify_batch(pairs, WORLD.random_bytes)
    assert [verdict is None for verdict in verdicts] == [True, True, True, False, True]


def test_a_proof_of_the_wrong_size_does_not_spoil_the_others() -> None:
    pairs = [PAIRS[0], (World(4).statement, PAIRS[1][1]), PAIRS[2]]
    verdicts = verify_batch(pairs, WORLD.random_bytes)
    assert [verdict is None for verdict in verdicts] == [True, False, True]


def test_a_proof_that_stands_twice_in_a_batch_is_fine() -> None:
    assert verify_batch([PAIRS[0]] * 3, WORLD.random_bytes) == [None] * 3


def test_hashed_weights_serve_a_batch() -> None:
    source = hashed_weights([claim(*pair) for pair in PAIRS])
    assert verify_batch(PAIRS, source) == [None] * 8


def test_a_source_that_gives_something_else_is_refused() -> None:
    with pytest.raises(RandomnessRefused):
        verify_batch(PAIRS, lambda _: b"")
