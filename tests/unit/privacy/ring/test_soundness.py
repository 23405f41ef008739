"""Soundness by mutation: nothing about an honest proof or its statement can be changed."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from bulwark.privacy.errors import EncodingRefused, ProofRefused
from bulwark.privacy.group import multiply, multiply_base
from bulwark.privacy.ring.ristretto import decode_proof, member_ring
from bulwark.privacy.ring.verifier import claim, verify
from tests.unit.privacy.ring.test_statement import other_statements
from tests.unit.privacy.ring.weak import colluding_answer
from tests.unit.privacy.ring.worlds import World

WORLD = World(2)
PROOF = WORLD.prove(1)
ENCODED = PROOF.encode()
FIELDS = 20
"""Twelve elements, then eight scalars."""


def accepted(encoded: bytes) -> bool:
    try:
        verify(WORLD.statement, decode_proof(encoded, 2), WORLD.random_bytes)
    except (EncodingRefused, ProofRefused):
        return False
    return True


def test_the_honest_proof_is_accepted() -> None:
    assert accepted(ENCODED)


@pytest.mark.parametrize("number", range(FIELDS))
def test_no_bit_of_a_field_can_be_flipped(number: int) -> None:
    for bit in range(256):
        changed = bytearray(ENCODED)
        changed[1 + 32 * number + bit // 8] ^= 1 << bit % 8
        assert not accepted(bytes(changed)), f"bit {bit}"


def test_no_bit_of_the_version_can_be_flipped() -> None:
    for bit in range(8):
        assert not accepted(bytes([ENCODED[0] ^ 1 << bit]) + ENCODED[1:])


def test_no_two_fields_can_be_swapped() -> None:
    fields = [ENCODED[1 + 32 * number : 33 + 32 * number] for number in range(FIELDS)]
    for one, other in itertools.combinations(range(FIELDS), 2):
        swapped = list(fields)
        swapped[one], swapped[other] = fields[other], fields[one]
        assert not accepted(ENCODED[:1] + b"".join(swapped)), (one, other)


@pytest.mark.parametrize("number", range(FIELDS))
def test_no_field_can_be_replaced(number: int) -> None:
    """By the identity or zero, by another element or scalar, by a field of another proof."""
    other = WORLD.prove(1).encode()
    spot = slice(1 + 32 * number, 33 + 32 * number)
    fresh = WORLD.point() if number < 12 else WORLD.scalar()
    for value in (bytes(32), fresh.encoding, other[spot], ENCODED[33:65], ENCODED[-32:]):
        if value == ENCODED[spot] or (number == 2 and value == other[spot]):
            continue
        assert not accepted(ENCODED[: spot.start] + value + ENCODED[spot.stop :])


@pytest.mark.parametrize("name", list(other_statements()))
def test_a_proof_holds_for_no_other_statement(name: str) -> None:
    world = World(6)
    proof = world.prove(3)
    verify(world.statement, proof, world.random_bytes)
    with pytest.raises(ProofRefused):
        verify(other_statements()[name], proof, world.random_bytes)


def test_a_removed_member_s_proof_holds_for_the_old_ring_only() -> None:
    world = World(6)
    proof = world.prove(3)
    shrunk = member_ring(world.keys[:3] + world.keys[4:])
    with pytest.raises(ProofRefused):
        verify(replace(world.statement, ring=shrunk), proof, world.random_bytes)


class TestCheatingProvers:
    """Each makes its first move with a wrong witness and answers the real challenge honestly."""

    world = World(6)

    def refused(self, move, statement=None) -> tuple[int, ...]:
        statement = statement or self.world.statement
        proof = self.world.answer(move, statement)
        failing = claim(statement, proof).failing()
        with pytest.raises(ProofRefused):
            verify(statement, proof, self.world.random_bytes)
        return failing

    def test_an_honest_first_move_is_accepted(self) -> None:
        verify(
            self.world.statement,
            self.world.answer(self.world.first_move(2)),
            self.world.random_bytes,
        )

    def test_another_member_s_key_in_the_ciphertext_fails_6(self) -> None:
        move = self.world.first_move(2, secret=self.world.secrets[3])
        assert self.refused(move) == (6,)

    def test_a_non_member_s_secret_fails_6(self) -> None:
        assert self.refused(self.world.first_move(2, secret=self.world.scalar())) == (6,)

    def test_a_nullifier_of_another_secret_fails_7(self) -> None:
        point = self.world.statement.scope_point
        for secret in (self.world.secrets[3], self.world.scalar()):
            move = replace(self.world.first_move(2), nullifier=multiply(secret, point))
            assert self.refused(move) == (7,)

    def test_a_nullifier_for_another_slot_fails_7(self) -> None:
        other = replace(self.world.statement, slot=18)
        assert self.refused(self.world.first_move(2, statement=other)) == (7,)

    def test_a_ciphertext_to_another_opener_fails_4_and_6(self) -> None:
        other = replace(self.world.statement, opener=self.world.point())
        assert self.refused(self.world.first_move(2, statement=other)) == (4, 6)

    def test_a_non_member_s_key_in_the_ciphertext_fails_4(self) -> None:
        """Everything fits but that the key is not in the ring."""
        secret = self.world.scalar()
        move = self.world.first_move(2, secret=secret)
        instead = move.e2 - self.world.keys[2] + multiply_base(secret)
        assert self.refused(replace(move, e2=instead)) == (4,)

    def test_another_first_half_of_the_ciphertext_fails_3_and_5(self) -> None:
        assert self.refused(replace(self.world.first_move(2), e1=self.world.point())) == (3, 5)

    def test_digits_that_are_no_bits_fail_2(self) -> None:
        """Two members together cannot stand for 2*Y_0 - Y_1, whose secret they know."""
        world = World(4)
        proof, _ = colluding_answer(world, set())
        assert claim(world.statement, proof).failing() == (2,)
        with pytest.raises(ProofRefused):
            verify(world.statement, proof, world.random_bytes)
