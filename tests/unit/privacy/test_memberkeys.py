"""Registrations of keys: strict to the byte, and good for one member of one chain only."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.privacy import memberkeys
from bulwark.privacy.errors import (
    EncodingRefused,
    InputRefused,
    RandomnessRefused,
    RegistrationRefused,
    ZeroScalar,
)
from bulwark.privacy.group import ORDER, ZERO, Scalar, multiply_base
from bulwark.privacy.memberkeys import (
    Registration,
    RegulatorRegistration,
    RegulatorSecret,
    RingSecret,
    check_registration,
    check_regulator_registration,
    decode_registration,
    decode_regulator_registration,
    decode_regulator_secret,
    decode_ring_secret,
    new_regulator_key,
    new_ring_key,
    possession_context,
    register,
    register_regulator,
)
from bulwark.privacy.sealing import SealingKey

CHAIN = 7001
MEMBER, OTHER = b"\x11" * 32, b"\x22" * 32
SEALING = SealingKey(b"\x07" * 32).public


def drawn(count: int) -> bytes:
    return hashlib.shake_256(b"memberkeys").digest(count)


SECRET = new_ring_key(drawn)
REGISTRATION = register(SECRET, SEALING, CHAIN, MEMBER, drawn)
REGULATOR = RegulatorSecret(Scalar.from_int(0x4E6))
REGULATOR_REGISTRATION = register_regulator(REGULATOR, CHAIN, MEMBER, drawn)


@settings(deadline=None, max_examples=20)
@given(
    st.integers(1, ORDER - 1),
    st.integers(0, 2**64 - 1),
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=32, max_size=32),
)
def test_registration_travels_and_holds(
    secret: int, chain: int, member: bytes, seal: bytes
) -> None:
    key = RingSecret(Scalar.from_int(secret))
    made = register(key, SealingKey(seal).public, chain, member, drawn)
    encoding = made.encode()
    assert len(encoding) == memberkeys.REGISTRATION_BYTES == 128
    assert decode_registration(encoding) == made
    check_registration(made, chain, member, keys_of_others=())


def test_layout_is_ring_key_then_proof_then_sealing_key() -> None:
    encoding = REGISTRATION.encode()
    assert encoding[:32] == SECRET.public.encoding == multiply_base(SECRET.secret).encoding
    assert encoding[32:96] == REGISTRATION.possession
    assert encoding[96:] == SEALING
    assert possession_context(CHAIN, MEMBER) == CHAIN.to_bytes(8, "big") + MEMBER


def test_regulators_registration_travels_and_holds() -> None:
    encoding = REGULATOR_REGISTRATION.encode()
    assert len(encoding) == memberkeys.REGULATOR_REGISTRATION_BYTES == 96
    assert decode_regulator_registration(encoding) == REGULATOR_REGISTRATION
    check_regulator_registration(REGULATOR_REGISTRATION, CHAIN, MEMBER)


class TestReplay:
    def test_under_another_member_or_chain_is_refused(self) -> None:
        for chain, member in ((CHAIN, OTHER), (CHAIN + 1, MEMBER)):
            with pytest.raises(RegistrationRefused, match="does not hold"):
                check_registration(REGISTRATION, chain, member, ())
            with pytest.raises(RegistrationRefused, match="does not hold"):
                check_regulator_registration(REGULATOR_REGISTRATION, chain, member)

    def test_ring_key_does_not_register_as_the_regulators_or_the_other_way(self) -> None:
        as_regulator = RegulatorRegistration(REGISTRATION.ring_key, REGISTRATION.possession)
        with pytest.raises(RegistrationRefused):
            check_regulator_registration(as_regulator, CHAIN, MEMBER)
        as_member = Registration(
            REGULATOR_REGISTRATION.key, REGULATOR_REGISTRATION.possession, SEALING
        )
        with pytest.raises(RegistrationRefused):
            check_registration(as_member, CHAIN, MEMBER, ())

    def test_key_of_another_member_is_refused_even_with_a_true_proof(self) -> None:
        with pytest.raises(RegistrationRefused, match="another member's"):
            check_registration(REGISTRATION, CHAIN, MEMBER, {SECRET.public})

    def test_proof_of_another_key_is_refused(self) -> None:
        swapped = Registration(REGULATOR.public, REGISTRATION.possession, SEALING)
        with pytest.raises(RegistrationRefused):
            check_registration(swapped, CHAIN, MEMBER, ())


class TestDecoding:
    @pytest.mark.parametrize("length", [0, 96, 127, 129, 256])
    def test_another_length_is_refused(self, length: int) -> None:
        with pytest.raises(EncodingRefused, match="must be 128 bytes"):
            decode_registration((REGISTRATION.encode() * 2)[:length])

    @pytest.mark.parametrize("length", [0, 95, 97, 128])
    def test_regulators_of_another_length_is_refused(self, length: int) -> None:
        with pytest.raises(EncodingRefused, match="must be 96 bytes"):
            decode_regulator_registration((REGISTRATION.encode() * 2)[:length])

    @pytest.mark.parametrize(
        "key",
        [bytes(32), b"\xff" * 32, b"\x01" + bytes(31)],
        ids=["identity", "not canonical", "negative"],
    )
    def test_bad_ring_key_is_refused_by_name(self, key: bytes) -> None:
        with pytest.raises(EncodingRefused, match="ring key"):
            decode_registration(key + REGISTRATION.encode()[32:])
        with pytest.raises(EncodingRefused, match="regulator key"):
            decode_regulator_registration(key + REGULATOR_REGISTRATION.encode()[32:])

    def test_ring_key_with_bit_255_set_is_refused(self) -> None:
        encoding = bytearray(REGISTRATION.encode())
        encoding[31] |= 0x80
        with pytest.raises(EncodingRefused, match="bit 255"):
            decode_registration(bytes(encoding))

    @pytest.mark.parametrize("at", [32, 64])
    def test_scalar_of_the_order_or_more_in_the_proof_is_refused(self, at: int) -> None:
        encoding = REGISTRATION.encode()
        raised = int.from_bytes(encoding[at : at + 32], "little") + ORDER
        bent = encoding[:at] + raised.to_bytes(32, "little") + encoding[at + 32 :]
        with pytest.raises(EncodingRefused, match="of the proof"):
            decode_registration(bent)

    @pytest.mark.parametrize("sealing", [bytes(32), b"\x01" + bytes(31), b"\xff" * 32])
    def test_bad_sealing_key_is_refused_by_name(self, sealing: bytes) -> None:
        with pytest.raises(EncodingRefused, match="sealing key"):
            decode_registration(REGISTRATION.encode()[:96] + sealing)

    def test_every_bent_byte_of_key_or_proof_is_found(self) -> None:
        encoding = REGISTRATION.encode()
        for place in range(96):
            for bit in (0x01, 0x80):
                bent = encoding[:place] + bytes((encoding[place] ^ bit,)) + encoding[place + 1 :]
                with pytest.raises((EncodingRefused, RegistrationRefused)):
                    check_registration(decode_registration(bent), CHAIN, MEMBER, ())


class TestSecrets:
    def test_zero_is_no_key(self) -> None:
        for make in (RingSecret, RegulatorSecret):
            with pytest.raises(ZeroScalar):
                make(ZERO)
        for decode in (decode_ring_secret, decode_regulator_secret):
            with pytest.raises(ZeroScalar):
                decode(bytes(32))
            with pytest.raises(EncodingRefused):
                decode(b"\xff" * 32)

    def test_stored_secret_comes_back(self) -> None:
        assert decode_ring_secret(SECRET.secret.encoding) == SECRET
        assert decode_regulator_secret(REGULATOR.secret.encoding) == REGULATOR

    def test_secret_is_not_printed(self) -> None:
        for pair in (SECRET, REGULATOR):
            assert "secret" not in repr(pair)
            assert pair.secret.encoding.hex() not in repr(pair)

    def test_new_keys_need_a_working_source(self) -> None:
        for make in (new_ring_key, new_regulator_key):
            assert make(drawn).public == multiply_base(make(drawn).secret)
            with pytest.raises(RandomnessRefused):
                make(lambda count: b"")

    def test_chain_or_id_out_of_bounds_is_refused(self) -> None:
        for chain, member in ((-1, MEMBER), (1 << 64, MEMBER), (1, b""), (1, bytes(33))):
            with pytest.raises(InputRefused):
                possession_context(chain, member)
