"""The batched proof: complete, bound to every part of its statement, strict on the wire."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.privacy import sigma
from bulwark.privacy.errors import (
    EncodingRefused,
    IdentityResult,
    InputRefused,
    RandomnessRefused,
)
from bulwark.privacy.group import (
    GENERATOR,
    IDENTITY,
    ONE,
    ORDER,
    ZERO,
    Element,
    Scalar,
    hash_to_group,
    multiply,
    multiply_base,
)
from bulwark.privacy.sigma import DleqProof, decode_proof, hedged_nonce, prove, verify

CONTEXT = b"test context"
SECRET = Scalar.from_int(0x5EC2E7)
PUBLIC = multiply_base(SECRET)
NONCE = Scalar.from_int(0x123456789)


def inputs(count: int) -> list[Element]:
    return [hash_to_group(number.to_bytes(4, "big"), b"inputs") for number in range(count)]


def statement(count: int) -> tuple[list[Element], list[Element]]:
    before = inputs(count)
    return before, [multiply(SECRET, element) for element in before]


BEFORE, AFTER = statement(3)
PROOF = prove(CONTEXT, SECRET, PUBLIC, BEFORE, AFTER, NONCE)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, ORDER - 1), st.integers(1, ORDER - 1), st.integers(1, 6))
def test_honest_proof_verifies(secret: int, nonce: int, count: int) -> None:
    key, before = Scalar.from_int(secret), inputs(count)
    after = [multiply(key, element) for element in before]
    public = multiply_base(key)
    proof = prove(CONTEXT, key, public, before, after, Scalar.from_int(nonce))
    assert verify(CONTEXT, public, before, after, decode_proof(proof.encode()))


@pytest.mark.parametrize("count", [1, 2, 255, 256])
def test_honest_proof_of_any_batch_has_64_bytes_and_verifies(count: int) -> None:
    before, after = statement(count)
    proof = prove(CONTEXT, SECRET, PUBLIC, before, after, NONCE)
    assert len(proof.encode()) == sigma.PROOF_BYTES
    assert verify(CONTEXT, PUBLIC, before, after, proof)


class TestSoundness:
    def test_proof_with_any_one_bit_flipped_is_refused_or_does_not_hold(self) -> None:
        refused = 0
        for bit in range(512):
            flipped = int.from_bytes(PROOF.encode(), "little") ^ (1 << bit)
            try:
                proof = decode_proof(flipped.to_bytes(64, "little"))
            except EncodingRefused:
                refused += 1
            else:
                assert not verify(CONTEXT, PUBLIC, BEFORE, AFTER, proof)
        assert refused >= 6

    def test_proof_with_its_fields_swapped_does_not_hold(self) -> None:
        swapped = DleqProof(PROOF.response, PROOF.challenge)
        assert not verify(CONTEXT, PUBLIC, BEFORE, AFTER, swapped)

    @pytest.mark.parametrize(
        "proof",
        [
            DleqProof(ZERO, ZERO),
            DleqProof(ZERO, PROOF.response),
            DleqProof(PROOF.challenge, ZERO),
            DleqProof(ONE, ONE),
        ],
    )
    def test_proof_with_zeros_does_not_hold_and_does_not_fail(self, proof: DleqProof) -> None:
        assert not verify(CONTEXT, PUBLIC, BEFORE, AFTER, proof)

    @pytest.mark.parametrize("position", range(3))
    def test_changed_output_or_input_is_found_at_every_position(self, position: int) -> None:
        for other in (GENERATOR, BEFORE[position], AFTER[position] + GENERATOR, IDENTITY):
            after = [*AFTER[:position], other, *AFTER[position + 1 :]]
            assert not verify(CONTEXT, PUBLIC, BEFORE, after, PROOF)
        for other in (GENERATOR, AFTER[position], IDENTITY):
            before = [*BEFORE[:position], other, *BEFORE[position + 1 :]]
            assert not verify(CONTEXT, PUBLIC, before, AFTER, PROOF)

    def test_pairs_in_another_order_do_not_hold(self) -> None:
        reversed_pairs = (list(reversed(BEFORE)), list(reversed(AFTER)))
        assert not verify(CONTEXT, PUBLIC, *reversed_pairs, PROOF)
        own = prove(CONTEXT, SECRET, PUBLIC, *reversed_pairs, NONCE)
        assert own != PROOF
        assert verify(CONTEXT, PUBLIC, *reversed_pairs, own)

    def test_outputs_swapped_among_inputs_do_not_hold(self) -> None:
        swapped = [AFTER[1], AFTER[0], AFTER[2]]
        assert not verify(CONTEXT, PUBLIC, BEFORE, swapped, PROOF)
        forged = prove(CONTEXT, SECRET, PUBLIC, BEFORE, swapped, NONCE)
        assert not verify(CONTEXT, PUBLIC, BEFORE, swapped, forged)

    def test_errors_that_cancel_without_weights_are_found(self) -> None:
        shifted = [AFTER[0] + GENERATOR, AFTER[1] - GENERATOR, AFTER[2]]
        forged = prove(CONTEXT, SECRET, PUBLIC, BEFORE, shifted, NONCE)
        assert not verify(CONTEXT, PUBLIC, BEFORE, shifted, forged)

    def test_part_of_a_batch_does_not_hold(self) -> None:
        assert not verify(CONTEXT, PUBLIC, BEFORE[:2], AFTER[:2], PROOF)

    def test_other_public_key_or_context_does_not_hold(self) -> None:
        assert not verify(CONTEXT, PUBLIC + GENERATOR, BEFORE, AFTER, PROOF)
        assert not verify(CONTEXT, IDENTITY, BEFORE, AFTER, PROOF)
        assert not verify(CONTEXT + b"2", PUBLIC, BEFORE, AFTER, PROOF)

    def test_prover_with_another_key_is_found(self) -> None:
        wrong = Scalar.from_int(77)
        after = [multiply(wrong, element) for element in BEFORE]
        for public in (PUBLIC, multiply_base(wrong)):
            forged = prove(CONTEXT, wrong, public, BEFORE, after, NONCE)
            assert verify(CONTEXT, public, BEFORE, after, forged) == (public != PUBLIC)


class TestWire:
    @pytest.mark.parametrize("length", [0, 32, 63, 65, 128])
    def test_proof_of_another_length_is_refused(self, length: int) -> None:
        with pytest.raises(EncodingRefused, match="must be 64 bytes"):
            decode_proof((PROOF.encode() * 2)[:length])

    def test_proof_from_another_type_is_refused(self) -> None:
        with pytest.raises(EncodingRefused):
            decode_proof(64)  # type: ignore[arg-type]

    def test_scalars_plus_l_are_refused_by_name(self) -> None:
        for name, scalar in (("challenge", PROOF.challenge), ("response", PROOF.response)):
            raised = (int(scalar) + ORDER).to_bytes(32, "little")
            encoding = PROOF.encode().replace(scalar.encoding, raised)
            with pytest.raises(EncodingRefused, match=f"{name} of the proof"):
                decode_proof(encoding)

    def test_encoding_comes_back(self) -> None:
        assert decode_proof(PROOF.encode()) == PROOF


class TestBounds:
    def test_empty_batch_is_refused(self) -> None:
        with pytest.raises(InputRefused, match="number of pairs is 0"):
            prove(CONTEXT, SECRET, PUBLIC, [], [], NONCE)
        with pytest.raises(InputRefused, match="number of pairs is 0"):
            verify(CONTEXT, PUBLIC, [], [], PROOF)

    def test_more_pairs_than_two_bytes_count_are_refused_before_any_work(self) -> None:
        many = [GENERATOR] * 65536
        with pytest.raises(InputRefused, match="number of pairs is 65536"):
            verify(CONTEXT, PUBLIC, many, many, PROOF)

    def test_lists_of_different_length_are_refused(self) -> None:
        with pytest.raises(InputRefused, match="number of outputs is 2, allowed is 3"):
            verify(CONTEXT, PUBLIC, BEFORE, AFTER[:2], PROOF)

    def test_zero_nonce_is_refused(self) -> None:
        with pytest.raises(IdentityResult):
            prove(CONTEXT, SECRET, PUBLIC, BEFORE, AFTER, ZERO)


class TestNonce:
    def test_nonce_depends_on_secret_randomness_statement_and_context(
        self, random_bytes: Callable[[int], bytes]
    ) -> None:
        def fixed(count: int) -> bytes:
            return bytes(count)

        nonces = [
            hedged_nonce(CONTEXT, SECRET, BEFORE, fixed),
            hedged_nonce(CONTEXT, SECRET, BEFORE, random_bytes),
            hedged_nonce(CONTEXT, SECRET, BEFORE, random_bytes),
            hedged_nonce(CONTEXT, SECRET, BEFORE[:2], fixed),
            hedged_nonce(CONTEXT, SECRET, list(reversed(BEFORE)), fixed),
            hedged_nonce(CONTEXT, ONE, BEFORE, fixed),
            hedged_nonce(CONTEXT + b"2", SECRET, BEFORE, fixed),
        ]
        assert len(set(nonces)) == len(nonces)
        assert hedged_nonce(CONTEXT, SECRET, BEFORE, fixed) == nonces[0]

    @pytest.mark.parametrize("drawn", [b"", bytes(63), bytearray(64)])
    def test_broken_source_is_refused(self, drawn: bytes) -> None:
        with pytest.raises(RandomnessRefused):
            hedged_nonce(CONTEXT, SECRET, BEFORE, lambda count: drawn)

    def test_repeated_nonce_would_give_the_key_away_so_the_hedge_matters(self) -> None:
        other_before, other_after = statement(2)
        first, second = PROOF, prove(CONTEXT, SECRET, PUBLIC, other_before, other_after, NONCE)
        gap = (second.challenge - first.challenge).inverse()
        assert (first.response - second.response) * gap == SECRET
