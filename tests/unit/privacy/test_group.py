"""The strict group: decoding, the two paths of a product, field laws, faults, threads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bulwark.privacy import group
from bulwark.privacy.errors import (
    EncodingRefused,
    GroupFault,
    IdentityResult,
    InputRefused,
    RandomnessRefused,
    SelfTestFailed,
    ZeroScalar,
)
from bulwark.privacy.group import (
    GENERATOR,
    IDENTITY,
    ONE,
    ORDER,
    ZERO,
    Element,
    Scalar,
    decode_element,
    decode_scalar,
    hash_to_group,
    hash_to_scalar,
    invert_all,
    map_to_group,
    multiply,
    multiply_base,
    multiply_base_or_identity,
    multiply_or_identity,
    random_scalar,
    reduce_scalar,
    sum_elements,
    weighted_sum,
)

INTEGERS = st.integers(min_value=0, max_value=ORDER - 1)
SCALARS = INTEGERS.map(Scalar.from_int)
NONZERO = st.integers(min_value=1, max_value=ORDER - 1).map(Scalar.from_int)
ELEMENTS = st.binary(min_size=64, max_size=64).map(map_to_group)
quick = settings(deadline=None, max_examples=50)


class TestDecodingOfElements:
    def test_element_with_bit_255_set_is_refused(self) -> None:
        tampered = GENERATOR.encoding[:31] + bytes((GENERATOR.encoding[31] | 0x80,))
        with pytest.raises(EncodingRefused, match="bit 255"):
            decode_element(tampered)

    def test_identity_with_bit_255_set_is_refused_even_where_the_identity_is_allowed(self) -> None:
        with pytest.raises(EncodingRefused, match="bit 255"):
            decode_element(bytes(31) + b"\x80", allow_identity=True)

    def test_identity_is_refused_unless_allowed(self) -> None:
        with pytest.raises(EncodingRefused, match="public key refused: the identity"):
            decode_element(bytes(32), what="public key")
        assert decode_element(bytes(32), allow_identity=True) == IDENTITY

    @pytest.mark.parametrize("length", [0, 31, 33, 64])
    def test_element_of_another_length_is_refused(self, length: int) -> None:
        with pytest.raises(EncodingRefused, match=f"{length} bytes, must be 32"):
            decode_element((GENERATOR.encoding * 2)[:length])

    def test_element_from_another_type_than_bytes_is_refused(self) -> None:
        for other in (32, "e2" * 16, bytearray(GENERATOR.encoding), None):
            with pytest.raises(EncodingRefused, match="must be bytes"):
                decode_element(other)  # type: ignore[arg-type]

    def test_constructor_is_as_strict_as_the_decoder(self) -> None:
        with pytest.raises(EncodingRefused):
            Element(b"\x01" + bytes(31))
        assert Element(bytes(32)).is_identity

    @quick
    @given(ELEMENTS, st.integers(min_value=0, max_value=255))
    def test_one_value_has_one_encoding(self, element: Element, bit: int) -> None:
        assert decode_element(element.encoding, allow_identity=True) == element
        changed = int.from_bytes(element.encoding, "little") ^ (1 << bit)
        try:
            other = decode_element(changed.to_bytes(32, "little"), allow_identity=True)
        except EncodingRefused:
            return
        assert not (element - other).is_identity


class TestDecodingOfScalars:
    @pytest.mark.parametrize("value", [ORDER, ORDER + 1, 2**253, 2**255, 2**256 - 1])
    def test_scalar_of_l_or_more_is_refused(self, value: int) -> None:
        with pytest.raises(EncodingRefused, match="not below the group order"):
            decode_scalar(value.to_bytes(32, "little"))

    @quick
    @given(INTEGERS)
    def test_scalar_plus_l_is_refused(self, value: int) -> None:
        with pytest.raises(EncodingRefused):
            decode_scalar((value + ORDER).to_bytes(32, "little"))

    @pytest.mark.parametrize("value", [0, 1, ORDER - 1])
    def test_scalar_below_l_is_taken(self, value: int) -> None:
        assert int(decode_scalar(value.to_bytes(32, "little"))) == value

    @pytest.mark.parametrize("length", [0, 31, 33])
    def test_scalar_of_another_length_is_refused(self, length: int) -> None:
        with pytest.raises(EncodingRefused, match="must be 32"):
            decode_scalar(bytes(length), what="response")

    @pytest.mark.parametrize("value", [-1, ORDER, 2**300])
    def test_integer_outside_the_field_is_refused_and_never_reduced(self, value: int) -> None:
        with pytest.raises(InputRefused, match="0 to L - 1") as caught:
            Scalar.from_int(value)
        assert str(value) not in str(caught.value)

    def test_constructor_is_as_strict_as_the_decoder(self) -> None:
        with pytest.raises(EncodingRefused):
            Scalar(ORDER.to_bytes(32, "little"))

    @pytest.mark.parametrize("length", [0, 32, 63, 65])
    def test_wide_input_of_another_length_is_refused(self, length: int) -> None:
        for function in (reduce_scalar, map_to_group):
            with pytest.raises(EncodingRefused, match="must be 64"):
                function(bytes(length))


class TestValues:
    def test_scalar_is_never_printed(self) -> None:
        secret = Scalar.from_int(0xC0FFEE)
        shown = f"{secret!r} {secret} {[secret]}"
        assert "c0ffee" not in shown.lower()
        assert str(0xC0FFEE) not in shown
        assert secret.encoding.hex() not in shown

    def test_values_do_not_change(self) -> None:
        for value in (ONE, GENERATOR):
            with pytest.raises(FrozenInstanceError):
                value.encoding = bytes(32)  # type: ignore[misc]
            assert not hasattr(value, "__dict__")

    def test_equal_values_are_one_key_of_a_dictionary(self) -> None:
        assert len({Scalar.from_int(5), Scalar.from_int(5), Scalar.from_int(6)}) == 2
        assert len({multiply_base(ONE), GENERATOR}) == 1

    def test_scalar_is_not_equal_to_its_encoding_or_its_integer(self) -> None:
        assert Scalar.from_int(1) != 1
        assert Scalar.from_int(1) != ONE.encoding


class TestIdentityAsResult:
    def test_product_that_is_the_identity_fails_on_the_path_of_secrets(self) -> None:
        for scalar, element in ((ZERO, GENERATOR), (ONE, IDENTITY)):
            with pytest.raises(IdentityResult):
                multiply(scalar, element)
        with pytest.raises(IdentityResult):
            multiply_base(ZERO)

    def test_product_that_is_the_identity_is_a_value_on_the_path_of_verification(self) -> None:
        assert multiply_or_identity(ZERO, GENERATOR).is_identity
        assert multiply_or_identity(ONE, IDENTITY).is_identity
        assert multiply_base_or_identity(ZERO).is_identity
        assert multiply_base_or_identity(ONE) == GENERATOR

    def test_terms_that_vanish_do_not_disturb_a_sum(self) -> None:
        two = Scalar.from_int(2)
        scalars = (ZERO, ONE, ZERO, two, ONE)
        elements = (GENERATOR, GENERATOR, GENERATOR, GENERATOR, IDENTITY)
        assert weighted_sum(scalars, elements) == multiply_base(Scalar.from_int(3))

    def test_sum_may_cancel_and_go_on(self) -> None:
        scalars = (ONE, -ONE, ONE)
        assert weighted_sum(scalars[:2], (GENERATOR, GENERATOR)).is_identity
        assert weighted_sum(scalars, (GENERATOR, GENERATOR, GENERATOR)) == GENERATOR

    def test_empty_sums_are_the_identity(self) -> None:
        assert weighted_sum((), ()).is_identity
        assert weighted_sum((ZERO,), (GENERATOR,)).is_identity
        assert sum_elements(()).is_identity

    def test_sum_of_lists_of_different_length_is_refused(self) -> None:
        with pytest.raises(InputRefused, match="number of scalars is 1, allowed is 2"):
            weighted_sum((ONE,), (GENERATOR, GENERATOR))

    def test_zero_has_no_inverse(self) -> None:
        with pytest.raises(ZeroScalar):
            ZERO.inverse()
        with pytest.raises(ZeroScalar):
            invert_all([ONE, ZERO, ONE])


class TestFieldAndGroupLaws:
    @quick
    @given(INTEGERS, INTEGERS)
    def test_scalar_arithmetic_is_arithmetic_modulo_l(self, a: int, b: int) -> None:
        x, y = Scalar.from_int(a), Scalar.from_int(b)
        assert int(x + y) == (a + b) % ORDER
        assert int(x - y) == (a - b) % ORDER
        assert int(x * y) == a * b % ORDER
        assert int(-x) == -a % ORDER

    @pytest.mark.parametrize("a", [0, 1, ORDER - 1])
    @pytest.mark.parametrize("b", [0, 1, ORDER - 1])
    def test_scalar_arithmetic_holds_at_the_edges(self, a: int, b: int) -> None:
        x, y = Scalar.from_int(a), Scalar.from_int(b)
        assert (int(x + y), int(x - y)) == ((a + b) % ORDER, (a - b) % ORDER)
        assert (int(x * y), int(-x)) == (a * b % ORDER, -a % ORDER)

    @quick
    @given(st.binary(min_size=64, max_size=64))
    def test_wide_reduction_is_the_integer_modulo_l(self, wide: bytes) -> None:
        assert int(reduce_scalar(wide)) == int.from_bytes(wide, "little") % ORDER

    @quick
    @given(st.lists(NONZERO, max_size=6))
    def test_inverses_at_once_are_the_inverses_one_by_one(self, scalars: list[Scalar]) -> None:
        assert invert_all(scalars) == [scalar.inverse() for scalar in scalars]
        assert all(s * i == ONE for s, i in zip(scalars, invert_all(scalars), strict=True))

    @quick
    @given(SCALARS, SCALARS, ELEMENTS)
    def test_multiplication_distributes(self, a: Scalar, b: Scalar, element: Element) -> None:
        apart = multiply_or_identity(a, element) + multiply_or_identity(b, element)
        assert multiply_or_identity(a + b, element) == apart
        assert weighted_sum((a, b), (element, element)) == apart
        inner = multiply_or_identity(b, element)
        assert multiply_or_identity(a * b, element) == multiply_or_identity(a, inner)

    @quick
    @given(ELEMENTS, ELEMENTS, ELEMENTS)
    def test_addition_is_a_group(self, p: Element, q: Element, r: Element) -> None:
        assert (p + q) + r == p + (q + r) == sum_elements((r, q, p))
        assert p + q - q == p
        assert p + IDENTITY == p
        assert (p - p).is_identity


class TestHashing:
    def test_domains_are_apart(self) -> None:
        assert hash_to_group(b"x", b"one") != hash_to_group(b"x", b"two")
        assert hash_to_scalar(b"x", b"one") != hash_to_scalar(b"x", b"two")
        assert hash_to_group(b"x", b"one") == hash_to_group(b"x", b"one")


class TestRandomScalars:
    def test_scalar_comes_from_64_bytes_of_the_source(
        self, random_bytes: Callable[[int], bytes]
    ) -> None:
        asked: list[int] = []

        def source(count: int) -> bytes:
            asked.append(count)
            return random_bytes(count)

        assert random_scalar(source) != random_scalar(source)
        assert asked == [64, 64]

    @pytest.mark.parametrize("drawn", [b"", bytes(63), bytes(65), bytearray(64), "x" * 64])
    def test_source_that_gives_something_else_is_refused(self, drawn: object) -> None:
        with pytest.raises(RandomnessRefused, match="asked for 64 bytes"):
            random_scalar(lambda count: drawn)  # type: ignore[arg-type,return-value]

    def test_source_that_gives_zeros_is_refused(self) -> None:
        with pytest.raises(RandomnessRefused, match="zero scalar"):
            random_scalar(bytes)


def forged_element() -> Element:
    """What no code path makes: an element that never was checked (a memory fault, say)."""
    made = object.__new__(Element)
    object.__setattr__(made, "encoding", b"\x01" + bytes(31))
    return made


class TestFaults:
    """A failing return code is an error even where checked operands make it impossible."""

    def test_failed_addition_is_no_identity(self) -> None:
        bad = forged_element()
        for compute in (
            lambda: GENERATOR + bad,
            lambda: GENERATOR - bad,
            lambda: multiply(ONE, bad),
            lambda: multiply_or_identity(ONE, bad),
            lambda: weighted_sum((ONE, ONE), (bad, GENERATOR)),
            lambda: weighted_sum((ONE, ONE), (GENERATOR, bad)),
        ):
            with pytest.raises(GroupFault):
                compute()

    @pytest.mark.parametrize("call", ["add", "from_hash"])
    def test_library_that_reports_a_failure_is_believed(
        self, call: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        failing = replace(group.library(), **{call: lambda *operands: -1})
        monkeypatch.setattr(group, "library", lambda: failing)
        with pytest.raises(GroupFault):
            if call == "add":
                weighted_sum((ONE, ONE), (GENERATOR, GENERATOR))
            else:
                map_to_group(bytes(64))

    @pytest.mark.parametrize(
        ("call", "check"),
        [
            ("is_valid_point", "strict decoding"),
            ("scalar_invert", "inverse of a scalar"),
            ("scalar_reduce", "wide reduction"),
        ],
    )
    def test_self_test_names_what_a_wrong_library_gets_wrong(
        self, call: str, check: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def wrong(*operands: object) -> int:
            if call == "is_valid_point":
                return 1
            operands[0][0] = b"\x07"  # type: ignore[index]
            return 0

        lying = replace(group.library(), **{call: wrong})
        monkeypatch.setattr(group, "library", lambda: lying)
        with pytest.raises(SelfTestFailed, match=check) as caught:
            group.self_test()
        assert caught.value.check == check


def test_threads_do_not_share_buffers() -> None:
    def work(seed: int) -> str:
        digest = hashlib.sha256()
        element = hash_to_group(seed.to_bytes(4, "big"), b"threads")
        for _ in range(60):
            scalar = hash_to_scalar(element.encoding, b"threads")
            element = weighted_sum((scalar, ONE), (element, GENERATOR)) - element
            digest.update(element.encoding)
        return digest.hexdigest()

    alone = [work(seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(8))) == alone
