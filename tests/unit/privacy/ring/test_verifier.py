"""The verifier's checks: their order, what each one covers, and how a refusal names equations."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bulwark.privacy.errors import ProofRefused, RandomnessRefused
from bulwark.privacy.group import ONE
from bulwark.privacy.ring.ristretto import Ristretto255, member_ring
from bulwark.privacy.ring.statement import Ring
from bulwark.privacy.ring.verifier import (
    ALL,
    LINKS,
    MEMBERSHIP,
    NAMES,
    claim,
    draw_weights,
    hashed_weights,
    verify,
)
from tests.unit.privacy.ring.slow_verifier import failing_equations, fields_of
from tests.unit.privacy.ring.worlds import World

WORLD = World(6)
PROOF = WORLD.prove(4)
# A scalar changed after the challenge breaks the equations it stands in.
BROKEN = {
    "z_a": (1,),
    "z_c": (2,),
    "z": (3, 4),
    "s_r": (5, 6),
    "s_x": (6, 7),
}


def broken(name: str):
    return replace(PROOF, **{name: getattr(PROOF, name) + ONE})


def test_a_good_proof_passes_every_check() -> None:
    made = claim(WORLD.statement, PROOF)
    made.check_links()
    made.check_membership(WORLD.random_bytes)
    made.check_all(WORLD.random_bytes)
    assert made.failing() == ()
    verify(WORLD.statement, PROOF, WORLD.random_bytes)


@pytest.mark.parametrize("name", BROKEN)
def test_a_changed_answer_fails_exactly_the_equations_it_stands_in(name: str) -> None:
    proof = broken(name)
    assert claim(WORLD.statement, proof).failing() == BROKEN[name]
    encoded = proof.encode()
    slow = failing_equations(WORLD.suite, fields_of(WORLD.statement), encoded)
    assert tuple(slow) == BROKEN[name]


@pytest.mark.parametrize("j", range(2))
@pytest.mark.parametrize("i", range(3))
def test_a_changed_digit_fails_the_commitments_and_the_ring(j: int, i: int) -> None:
    rows = [list(row) for row in PROOF.f]
    rows[j][i] = rows[j][i] + ONE
    proof = replace(PROOF, f=tuple(map(tuple, rows)))
    assert claim(WORLD.statement, proof).failing() == (1, 2, 4)


@pytest.mark.parametrize("name", BROKEN)
def test_a_refusal_names_equations_that_fail(name: str) -> None:
    with pytest.raises(ProofRefused) as caught:
        verify(WORLD.statement, broken(name), WORLD.random_bytes)
    assert caught.value.equations
    assert set(caught.value.equations) <= set(BROKEN[name])
    for number in caught.value.equations:
        assert NAMES[number] in str(caught.value)


@pytest.mark.parametrize("name", BROKEN)
def test_links_and_membership_share_the_equations_between_them(name: str) -> None:
    made = claim(WORLD.statement, broken(name))
    if set(BROKEN[name]) & {5, 6, 7}:
        with pytest.raises(ProofRefused):
            made.check_links()
    else:
        made.check_links()
    if set(BROKEN[name]) & {1, 2, 3, 4}:
        with pytest.raises(ProofRefused):
            made.check_membership(WORLD.random_bytes)
    else:
        made.check_membership(WORLD.random_bytes)


def test_every_equation_is_checked_once() -> None:
    assert sorted(number for one in ALL for number in one) == list(NAMES)
    assert sorted(number for one in LINKS + MEMBERSHIP for number in one) == list(NAMES)


def test_a_proof_for_a_ring_of_another_size_is_refused_before_any_sum() -> None:
    statement = replace(WORLD.statement, ring=member_ring(WORLD.keys[:4]))
    with pytest.raises(ProofRefused, match="2 digits, the ring 1"):
        claim(statement, PROOF)


def test_a_proof_of_another_suite_is_refused() -> None:
    ring = Ring(Ristretto255(), WORLD.ring.keys)
    with pytest.raises(ProofRefused, match="suite"):
        claim(replace(WORLD.statement, ring=ring), PROOF)


def test_a_challenge_of_zero_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ristretto255, "order", 1)
    with pytest.raises(ProofRefused, match="zero"):
        claim(WORLD.statement, PROOF)


@pytest.mark.parametrize("source", [lambda _: b"", lambda _: bytes(111), lambda _: [0] * 112])
def test_a_source_of_weights_that_gives_something_else_is_refused(source) -> None:
    with pytest.raises(RandomnessRefused):
        verify(WORLD.statement, PROOF, source)


def test_weights_are_of_128_bits_and_all_of_the_source_is_used() -> None:
    taken = bytes(range(112))
    weights = draw_weights(lambda count: taken[:count])
    assert b"".join(weight.to_bytes(16, "little") for weight in weights) == taken


def test_hashed_weights_are_the_same_for_all_and_change_with_every_answer() -> None:
    made = claim(WORLD.statement, PROOF)
    first = draw_weights(hashed_weights([made]))
    assert draw_weights(hashed_weights([claim(WORLD.statement, PROOF)])) == first
    for name in BROKEN:
        other = claim(WORLD.statement, broken(name))
        assert not set(draw_weights(hashed_weights([other]))) & set(first)
    source = hashed_weights([made])
    assert not set(draw_weights(source)) & set(draw_weights(source))
    made.check_all(hashed_weights([made]))


def test_an_error_that_only_equal_weights_would_hide_is_seen() -> None:
    """(1) and (2) stand in one sum, (1) with the weight -1: z_A and z_C changed alike."""
    proof = replace(PROOF, z_a=PROOF.z_a + ONE, z_c=PROOF.z_c + ONE)
    made = claim(WORLD.statement, proof)
    made.check_all(lambda count: (1).to_bytes(16, "little") * (count // 16))
    with pytest.raises(ProofRefused) as caught:
        made.check_all(WORLD.random_bytes)
    assert caught.value.equations == (1, 2)
