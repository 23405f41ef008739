"""Sealed messages: one reader, one purpose, bounded sizes, and failures that say nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.privacy import sealing
from bulwark.privacy.errors import (
    EncodingRefused,
    InputRefused,
    PaddingRefused,
    RandomnessRefused,
    SealRefused,
)
from bulwark.privacy.sealing import (
    SealingKey,
    decode_sealing_key,
    pad,
    seal,
    sealing_info,
    size_class,
    unpad,
)

KEY = SealingKey(b"\x07" * 32)
GENESIS = b"\x99" * 32
INFO = sealing_info(b"a purpose", 7001, GENESIS, b"subject")
PRIME = 2**255 - 19
LOW_ORDER = (
    0,
    1,
    PRIME - 1,
    int.from_bytes(
        bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"), "little"
    ),
    int.from_bytes(
        bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"), "little"
    ),
)


@settings(deadline=None, max_examples=30)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=1024), st.binary(max_size=2000))
def test_the_holder_of_the_key_reads_what_was_sealed(
    secret: bytes, info: bytes, plaintext: bytes
) -> None:
    key = SealingKey(secret)
    sealed = seal(key.public, info, plaintext)
    assert len(sealed) == len(plaintext) + sealing.SEAL_OVERHEAD
    assert key.open(info, sealed) == plaintext


def test_two_seals_of_one_message_have_nothing_in_common() -> None:
    first, second = seal(KEY.public, INFO, bytes(64)), seal(KEY.public, INFO, bytes(64))
    assert first[:32] != second[:32]
    assert first[32:] != second[32:]


class TestOpening:
    def test_every_flipped_bit_is_refused_with_one_and_the_same_message(self) -> None:
        sealed = seal(KEY.public, INFO, b"a message")
        reasons = set()
        for place in range(len(sealed)):
            for bit in (0x01, 0x80):
                bent = sealed[:place] + bytes((sealed[place] ^ bit,)) + sealed[place + 1 :]
                with pytest.raises(SealRefused) as refused:
                    KEY.open(INFO, bent)
                reasons.add(str(refused.value))
                assert refused.value.__cause__ is None
        assert len(reasons) == 1

    def test_low_order_encapsulation_is_refused_as_any_other_failure(self) -> None:
        sealed = seal(KEY.public, INFO, b"a message")
        reasons = set()
        for number in LOW_ORDER:
            with pytest.raises(SealRefused) as refused:
                KEY.open(INFO, number.to_bytes(32, "little") + sealed[32:])
            reasons.add(refused.value.reason)
        with pytest.raises(SealRefused) as refused:
            SealingKey(b"\x08" * 32).open(INFO, sealed)
        assert reasons == {refused.value.reason}

    @pytest.mark.parametrize(
        "info",
        [
            sealing_info(b"another purpose", 7001, GENESIS, b"subject"),
            sealing_info(b"a purpose", 7002, GENESIS, b"subject"),
            sealing_info(b"a purpose", 7001, b"\x98" * 32, b"subject"),
            sealing_info(b"a purpose", 7001, GENESIS, b"subjects"),
            b"",
        ],
    )
    def test_message_for_another_purpose_chain_or_subject_is_refused(self, info: bytes) -> None:
        with pytest.raises(SealRefused):
            KEY.open(info, seal(KEY.public, INFO, b"a message"))

    @pytest.mark.parametrize("length", [0, 1, 47, sealing.MAX_PLAINTEXT_BYTES + 49])
    def test_length_out_of_bounds_is_refused_before_anything_is_computed(self, length: int) -> None:
        with pytest.raises(SealRefused, match="must be 48 to 65584 bytes"):
            KEY.open(INFO, bytes(length))

    def test_truncated_or_extended_message_is_refused(self) -> None:
        sealed = seal(KEY.public, INFO, b"a message")
        for bent in (sealed[:-1], sealed + b"\0", sealed[1:]):
            with pytest.raises(SealRefused):
                KEY.open(INFO, bent)

    def test_longest_message_goes_through(self) -> None:
        longest = b"\x5a" * sealing.MAX_PLAINTEXT_BYTES
        assert KEY.open(INFO, seal(KEY.public, INFO, longest)) == longest

    def test_too_long_message_or_info_is_not_sealed(self) -> None:
        with pytest.raises(InputRefused, match="message to seal"):
            seal(KEY.public, INFO, bytes(sealing.MAX_PLAINTEXT_BYTES + 1))
        long_info = bytes(sealing.MAX_INFO_BYTES + 1)
        with pytest.raises(InputRefused, match="info"):
            seal(KEY.public, long_info, b"")
        with pytest.raises(InputRefused, match="info"):
            KEY.open(long_info, bytes(48))


class TestKeys:
    @pytest.mark.parametrize("number", LOW_ORDER)
    def test_low_order_key_is_refused_and_the_library_agrees(self, number: int) -> None:
        encoding = number.to_bytes(32, "little")
        with pytest.raises(EncodingRefused, match="low order"):
            decode_sealing_key(encoding)
        with pytest.raises(EncodingRefused, match="low order"):
            seal(encoding, INFO, b"")
        with pytest.raises(ValueError, match="shared key"):
            X25519PrivateKey.from_private_bytes(b"\x07" * 32).exchange(
                X25519PublicKey.from_public_bytes(encoding)
            )

    @pytest.mark.parametrize("number", [PRIME, PRIME + 1, PRIME + 9, 2**255, 2**256 - 1])
    def test_coordinate_of_p_or_more_is_refused(self, number: int) -> None:
        with pytest.raises(EncodingRefused, match="canonical"):
            decode_sealing_key(number.to_bytes(32, "little"))

    def test_key_with_bit_255_set_is_refused(self) -> None:
        with pytest.raises(EncodingRefused, match="canonical"):
            decode_sealing_key(KEY.public[:31] + bytes((KEY.public[31] | 0x80,)))

    @pytest.mark.parametrize("encoding", [b"", bytes(31), bytes(33), bytearray(32)])
    def test_key_of_another_length_or_type_is_refused(self, encoding: bytes) -> None:
        with pytest.raises(EncodingRefused, match="must be 32 bytes"):
            decode_sealing_key(encoding)
        with pytest.raises(EncodingRefused, match="must be 32 bytes"):
            SealingKey(encoding)

    def test_secret_is_not_printed(self) -> None:
        key = SealingKey(b"Q" * 32)
        assert "Q" * 8 not in repr(key)
        assert "secret" not in repr(key)

    def test_new_key_comes_from_the_bytes_it_is_given(
        self, random_bytes: Callable[[int], bytes]
    ) -> None:
        assert SealingKey.new(random_bytes).public != SealingKey.new(random_bytes).public

    @pytest.mark.parametrize("drawn", [b"", bytes(31), bytes(32), bytearray(b"1" * 32)])
    def test_broken_source_is_refused(self, drawn: bytes) -> None:
        with pytest.raises(RandomnessRefused):
            SealingKey.new(lambda count: drawn)


class TestInfo:
    @given(st.tuples(st.binary(max_size=9), st.binary(max_size=9)), st.data())
    def test_different_purposes_or_subjects_give_different_infos(
        self, one: tuple[bytes, bytes], data: st.DataObject
    ) -> None:
        other = data.draw(st.tuples(st.binary(max_size=9), st.binary(max_size=9)))
        infos = [sealing_info(pair[0], 1, GENESIS, pair[1]) for pair in (one, other)]
        assert (infos[0] == infos[1]) == (one == other)

    def test_fields_out_of_bounds_are_refused(self) -> None:
        for chain, genesis, subject in (
            (-1, GENESIS, b""),
            (1 << 64, GENESIS, b""),
            (1, b"", b""),
            (1, GENESIS, bytes(1024)),
        ):
            with pytest.raises(InputRefused):
                sealing_info(b"p", chain, genesis, subject)


class TestPadding:
    CLASSES = (256, 1024, 8192)

    @given(st.binary(max_size=8188))
    def test_padding_comes_off_and_the_length_is_a_class(self, plaintext: bytes) -> None:
        size = size_class(len(plaintext), self.CLASSES)
        padded = pad(plaintext, size)
        assert len(padded) == size
        assert size in self.CLASSES
        assert unpad(padded, size) == plaintext

    @pytest.mark.parametrize(("length", "size"), [(0, 256), (252, 256), (253, 1024), (8188, 8192)])
    def test_the_smallest_class_that_holds_length_and_message_is_taken(
        self, length: int, size: int
    ) -> None:
        assert size_class(length, self.CLASSES) == size
        assert size_class(length, tuple(reversed(self.CLASSES))) == size

    def test_message_over_every_class_is_refused(self) -> None:
        with pytest.raises(InputRefused, match="allowed is 0 to 8188 bytes"):
            size_class(8189, self.CLASSES)
        with pytest.raises(InputRefused):
            size_class(0, ())
        with pytest.raises(InputRefused, match="allowed is 0 to 252 bytes"):
            pad(bytes(253), 256)

    def test_filling_that_is_not_zero_is_refused_at_every_place(self) -> None:
        padded = pad(b"abc", 16)
        for place in range(7, 16):
            with pytest.raises(PaddingRefused, match="not zero"):
                unpad(padded[:place] + b"\1" + padded[place + 1 :], 16)

    def test_length_over_the_size_or_another_size_is_refused(self) -> None:
        with pytest.raises(PaddingRefused, match="over the size"):
            unpad(b"\0\0\0\x0d" + bytes(12), 16)
        with pytest.raises(PaddingRefused, match="over the size"):
            unpad(b"\xff" * 4 + bytes(12), 16)
        for size in (0, 3, 15, 17):
            with pytest.raises(PaddingRefused, match=f"must be {size}"):
                unpad(pad(b"abc", 16), size)
        with pytest.raises(PaddingRefused):
            unpad(bytes(3), 3)
