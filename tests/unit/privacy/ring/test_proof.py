"""The encoding of a proof: one value, one string of bytes; everything else is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.privacy.errors import EncodingRefused, InputRefused
from bulwark.privacy.group import IDENTITY, ORDER
from bulwark.privacy.ring.proof import decode
from bulwark.privacy.ring.ristretto import RISTRETTO255, decode_proof, proof_bytes
from bulwark.privacy.ring.verifier import verify
from tests.unit.privacy.ring.worlds import World

WORLD = World(5)
PROOF = WORLD.prove(3)
ENCODED = PROOF.encode()
ELEMENTS = 14
"""Of a proof with two digits; eleven scalars follow."""


def field(number: int) -> slice:
    return slice(1 + 32 * number, 33 + 32 * number)


def with_field(number: int, value: bytes) -> bytes:
    at = field(number)
    return ENCODED[: at.start] + value + ENCODED[at.stop :]


@pytest.mark.parametrize(
    ("members", "length"),
    [(1, 641), (4, 641), (5, 801), (16, 801), (17, 961), (64, 961), (65, 1121), (1024, 1281)],
)
def test_the_length_follows_from_the_number_of_members(members: int, length: int) -> None:
    assert proof_bytes(members) == length


@pytest.mark.parametrize("members", [-1, 0, 1025])
def test_a_ring_of_a_size_out_of_range_has_no_proofs(members: int) -> None:
    with pytest.raises(InputRefused):
        decode_proof(ENCODED, members)


def test_a_proof_survives_its_encoding() -> None:
    assert decode_proof(ENCODED, 5) == PROOF
    assert len(ENCODED) == proof_bytes(5)
    assert ENCODED[0] == RISTRETTO255.version


def test_the_wire_has_the_fields_in_the_order_of_the_specification() -> None:
    head = [PROOF.e1, PROOF.e2, PROOF.nullifier, PROOF.a, PROOF.b, PROOF.c, PROOF.d]
    middle = [*PROOF.g[0], *PROOF.g[1], PROOF.r1, PROOF.r2, PROOF.r3]
    answers = [*PROOF.f[0], *PROOF.f[1], PROOF.z_a, PROOF.z_c, PROOF.z, PROOF.s_r, PROOF.s_x]
    written = b"\x01" + b"".join(value.encoding for value in (*head, *middle, *answers))
    assert written == ENCODED


@pytest.mark.parametrize("count", [0, 1, 32, len(ENCODED) - 1])
def test_a_truncated_proof_is_refused(count: int) -> None:
    with pytest.raises(EncodingRefused):
        decode_proof(ENCODED[:count], 5)


@pytest.mark.parametrize("extra", [b"\x00", bytes(32), bytes(160)])
def test_an_extended_proof_is_refused(extra: bytes) -> None:
    with pytest.raises(EncodingRefused):
        decode_proof(ENCODED + extra, 5)


@pytest.mark.parametrize("members", [4, 17])
def test_a_proof_is_not_one_for_a_ring_of_another_number_of_digits(members: int) -> None:
    with pytest.raises(EncodingRefused):
        decode_proof(ENCODED, members)


@pytest.mark.parametrize("version", [0, 2, 0x81, 0xF1, 0xFF])
def test_another_version_is_refused(version: int) -> None:
    with pytest.raises(EncodingRefused, match="version"):
        decode_proof(bytes([version]) + ENCODED[1:], 5)


def test_bytes_of_another_type_are_refused() -> None:
    with pytest.raises(EncodingRefused):
        decode(RISTRETTO255, bytearray(ENCODED), 5)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", range(ELEMENTS))
def test_an_element_with_bit_255_set_is_refused(number: int) -> None:
    encoding = bytearray(ENCODED[field(number)])
    encoding[31] |= 0x80
    with pytest.raises(EncodingRefused, match="bit 255"):
        decode_proof(with_field(number, bytes(encoding)), 5)


@pytest.mark.parametrize("number", range(ELEMENTS))
def test_the_identity_is_refused_except_in_e2_and_g(number: int) -> None:
    changed = with_field(number, bytes(32))
    if number in (1, 7, 8, 9, 10):
        assert decode_proof(changed, 5).encode() == changed
    else:
        with pytest.raises(EncodingRefused, match="identity"):
            decode_proof(changed, 5)


@pytest.mark.parametrize("name", ["e1", "nullifier", "a", "b", "c", "d", "r1", "r2", "r3"])
def test_a_proof_with_the_identity_cannot_be_built_either(name: str) -> None:
    with pytest.raises(EncodingRefused, match="identity"):
        replace(PROOF, **{name: IDENTITY})


@pytest.mark.parametrize("number", range(ELEMENTS, 25))
def test_a_scalar_of_the_order_or_more_is_refused(number: int) -> None:
    value = int.from_bytes(ENCODED[field(number)], "little")
    for multiple in (1, 2, 15 - (value + 15 * ORDER >= 1 << 256)):
        changed = (value + multiple * ORDER).to_bytes(32, "little")
        with pytest.raises(EncodingRefused, match="order"):
            decode_proof(with_field(number, changed), 5)


def test_a_proof_of_the_wrong_shape_cannot_be_built() -> None:
    for changes in ({"g": ()}, {"f": PROOF.f[:1]}, {"f": (PROOF.f[0][:2], PROOF.f[1])}):
        with pytest.raises(EncodingRefused):
            replace(PROOF, **changes)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=1300), st.integers(1, 100))
def test_decoding_is_total_and_canonical_on_any_bytes(data: bytes, members: int) -> None:
    try:
        proof = decode_proof(data, members)
    except EncodingRefused:
        return
    assert proof.encode() == data


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_proof_with_bytes_changed_is_refused_or_decodes_canonically(data: st.DataObject) -> None:
    changed = bytearray(ENCODED)
    spots = st.lists(st.integers(0, len(ENCODED) - 1), min_size=1, max_size=4)
    for at in data.draw(spots):
        changed[at] = data.draw(st.integers(0, 255))
    try:
        proof = decode_proof(bytes(changed), 5)
    except EncodingRefused:
        return
    assert proof.encode() == bytes(changed)
    if proof == PROOF:
        verify(WORLD.statement, proof, WORLD.random_bytes)
