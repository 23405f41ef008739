"""Proofs of possession: who knows the secret is believed, once, for one purpose and place."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.privacy import schnorr
from bulwark.privacy.errors import InputRefused, RandomnessRefused, ZeroScalar
from bulwark.privacy.group import (
    GENERATOR,
    IDENTITY,
    ORDER,
    ZERO,
    Element,
    Scalar,
    multiply,
    multiply_base,
)
from bulwark.privacy.schnorr import (
    DEALING,
    REGULATOR_KEY,
    RING_KEY,
    prove_possession,
    verify_encoded_possession,
    verify_possession,
)

CHAIN = (7001).to_bytes(8, "big")
CONTEXT = CHAIN + b"\x11" * 32
SECRET = Scalar.from_int(0x5EC2E7)
PUBLIC = multiply_base(SECRET)


def zeros(count: int) -> bytes:
    return bytes(count)


PROOF = prove_possession(RING_KEY, CONTEXT, SECRET, zeros)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, ORDER - 1),
    st.binary(min_size=1, max_size=255),
    st.binary(max_size=300),
    st.binary(min_size=64, max_size=64),
)
def test_whoever_knows_the_secret_is_believed(
    secret: int, purpose: bytes, context: bytes, fresh: bytes
) -> None:
    key = Scalar.from_int(secret)
    proof = prove_possession(purpose, context, key, lambda count: fresh)
    assert len(proof) == schnorr.POSSESSION_BYTES
    assert verify_possession(purpose, context, multiply_base(key), proof)
    assert verify_encoded_possession(purpose, context, multiply_base(key).encoding, proof)


def test_the_proof_is_the_one_of_the_written_equation() -> None:
    challenge, response = (int.from_bytes(PROOF[at : at + 32], "little") for at in (0, 32))
    commitment = multiply_base(Scalar.from_int(response)) + multiply(
        Scalar.from_int(challenge), PUBLIC
    )
    fields = (b"Bulwark-v1-possession-ring-key", CONTEXT, PUBLIC.encoding, commitment.encoding)
    hashed = hashlib.sha512(b"".join(len(f).to_bytes(4, "big") + f for f in fields)).digest()
    assert challenge == int.from_bytes(hashed, "little") % ORDER


class TestReplay:
    @pytest.mark.parametrize("purpose", [REGULATOR_KEY, DEALING, b"ring-key-", b"ring-ke"])
    def test_under_another_purpose_does_not_hold(self, purpose: bytes) -> None:
        assert not verify_possession(purpose, CONTEXT, PUBLIC, PROOF)

    def test_under_another_member_does_not_hold(self) -> None:
        assert not verify_possession(RING_KEY, CHAIN + b"\x12" * 32, PUBLIC, PROOF)

    def test_on_another_chain_does_not_hold(self) -> None:
        other = (7002).to_bytes(8, "big") + CONTEXT[8:]
        assert not verify_possession(RING_KEY, other, PUBLIC, PROOF)

    def test_with_bytes_moved_between_purpose_and_context_does_not_hold(self) -> None:
        assert not verify_possession(RING_KEY + CONTEXT[:1], CONTEXT[1:], PUBLIC, PROOF)

    def test_for_another_key_does_not_hold(self) -> None:
        for other in (GENERATOR, PUBLIC + GENERATOR, IDENTITY - PUBLIC):
            assert not verify_possession(RING_KEY, CONTEXT, other, PROOF)

    def test_a_sum_of_keys_can_not_be_proved_by_the_last_to_name_its_part(self) -> None:
        others = multiply_base(Scalar.from_int(99))
        rogue = PUBLIC - others
        assert not verify_possession(RING_KEY, CONTEXT, rogue, PROOF)


class TestStrictness:
    def test_any_one_bit_flipped_does_not_hold(self) -> None:
        for bit in range(512):
            flipped = int.from_bytes(PROOF, "little") ^ (1 << bit)
            assert not verify_possession(RING_KEY, CONTEXT, PUBLIC, flipped.to_bytes(64, "little"))

    @pytest.mark.parametrize("at", [0, 32])
    def test_scalar_plus_the_order_is_refused(self, at: int) -> None:
        raised = int.from_bytes(PROOF[at : at + 32], "little") + ORDER
        bent = PROOF[:at] + raised.to_bytes(32, "little") + PROOF[at + 32 :]
        assert not verify_possession(RING_KEY, CONTEXT, PUBLIC, bent)

    def test_fields_swapped_do_not_hold(self) -> None:
        assert not verify_possession(RING_KEY, CONTEXT, PUBLIC, PROOF[32:] + PROOF[:32])

    @pytest.mark.parametrize("length", [0, 32, 63, 65, 128])
    def test_another_length_is_refused(self, length: int) -> None:
        assert not verify_possession(RING_KEY, CONTEXT, PUBLIC, (PROOF * 2)[:length])

    def test_the_identity_has_no_proof(self) -> None:
        """Its secret is zero and known to all: c | s with s the nonce would hold by arithmetic."""
        nonce = Scalar.from_int(5)
        fields = (b"Bulwark-v1-possession-ring-key", CONTEXT, bytes(32))
        framed = (*fields, multiply_base(nonce).encoding)
        hashed = hashlib.sha512(b"".join(len(f).to_bytes(4, "big") + f for f in framed)).digest()
        challenge = Scalar.from_int(int.from_bytes(hashed, "little") % ORDER)
        forged = challenge.encoding + nonce.encoding
        assert not verify_possession(RING_KEY, CONTEXT, IDENTITY, forged)
        assert not verify_encoded_possession(RING_KEY, CONTEXT, bytes(32), forged)

    def test_a_commitment_that_is_the_identity_is_refused(self) -> None:
        fields = (b"Bulwark-v1-possession-ring-key", CONTEXT, PUBLIC.encoding, bytes(32))
        hashed = hashlib.sha512(b"".join(len(f).to_bytes(4, "big") + f for f in fields)).digest()
        challenge = Scalar.from_int(int.from_bytes(hashed, "little") % ORDER)
        forged = challenge.encoding + (ZERO - challenge * SECRET).encoding
        assert not verify_possession(RING_KEY, CONTEXT, PUBLIC, forged)

    def test_key_with_bit_255_set_or_bent_is_refused(self) -> None:
        top = PUBLIC.encoding[:31] + bytes((PUBLIC.encoding[31] | 0x80,))
        for encoding in (top, bytes(31), PUBLIC.encoding + b"\0", b"\xff" * 32, b""):
            assert not verify_encoded_possession(RING_KEY, CONTEXT, encoding, PROOF)

    @settings(deadline=None, max_examples=60)
    @given(st.binary(max_size=260), st.binary(max_size=40), st.binary(max_size=40), st.binary())
    def test_checking_any_bytes_says_no_and_never_fails(
        self, purpose: bytes, context: bytes, public: bytes, proof: bytes
    ) -> None:
        assert not verify_encoded_possession(purpose, context, public, proof)

    def test_purpose_or_context_out_of_bounds_is_not_proved_and_not_believed(self) -> None:
        for purpose, context in ((b"", b""), (bytes(256), b""), (b"p", bytes(65536))):
            with pytest.raises(InputRefused, match="purpose or context"):
                prove_possession(purpose, context, SECRET, zeros)
            assert not verify_possession(purpose, context, PUBLIC, PROOF)

    def test_zero_secret_is_refused(self) -> None:
        with pytest.raises(ZeroScalar):
            prove_possession(RING_KEY, CONTEXT, ZERO, zeros)


class TestNonce:
    def test_the_same_broken_randomness_never_gives_two_statements_one_nonce(self) -> None:
        """One nonce under two challenges gives the secret away; the hedge depends on all of it."""

        def commitment(proof: bytes, public: Element) -> Element:
            challenge, response = (
                Scalar.from_int(int.from_bytes(proof[at : at + 32], "little")) for at in (0, 32)
            )
            return multiply_base(response) + multiply(challenge, public)

        other = Scalar.from_int(77)
        seen = [
            commitment(PROOF, PUBLIC),
            commitment(prove_possession(RING_KEY, CONTEXT + b"2", SECRET, zeros), PUBLIC),
            commitment(prove_possession(DEALING, CONTEXT, SECRET, zeros), PUBLIC),
            commitment(prove_possession(RING_KEY, CONTEXT, other, zeros), multiply_base(other)),
            commitment(prove_possession(RING_KEY, CONTEXT, SECRET, lambda n: b"\1" * n), PUBLIC),
        ]
        assert len(set(seen)) == len(seen)
        assert prove_possession(RING_KEY, CONTEXT, SECRET, zeros) == PROOF

    @pytest.mark.parametrize("drawn", [b"", bytes(63), bytearray(64)])
    def test_broken_source_is_refused(self, drawn: bytes) -> None:
        with pytest.raises(RandomnessRefused):
            prove_possession(RING_KEY, CONTEXT, SECRET, lambda count: drawn)
