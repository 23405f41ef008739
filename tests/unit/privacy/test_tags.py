"""The input of a tag: exact bytes, injective, bounded."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.privacy.errors import InputRefused
from bulwark.privacy.tags import MAX_TAG_INPUT_BYTES, TAG_BYTES, tag_input

KINDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64)
VALUES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
VERSIONS = st.integers(0, 255)


def test_layout_is_version_kind_zero_value() -> None:
    assert tag_input(1, "phone", "+4915112345678") == b"\x01phone\x00+4915112345678"
    assert tag_input(255, "email", "jörg@example.org") == b"\xffemail\x00j\xc3\xb6rg@example.org"
    assert TAG_BYTES == 32


@settings(deadline=None)
@given(VERSIONS, KINDS, VALUES)
def test_input_can_be_read_back(version: int, kind: str, value: str) -> None:
    encoded = tag_input(version, kind, value)
    head, _, tail = encoded[1:].partition(b"\x00")
    assert (encoded[0], head.decode(), tail.decode()) == (version, kind, value)


def test_values_that_look_alike_across_kinds_stay_apart() -> None:
    inputs = [
        tag_input(1, "phone", "x"),
        tag_input(2, "phone", "x"),
        tag_input(1, "phon", "ex"),
        tag_input(1, "phone", "\x00x"),
        tag_input(1, "p", "hone\x00x"),
    ]
    assert len(set(inputs)) == len(inputs)


@pytest.mark.parametrize("version", [-1, 256])
def test_version_outside_a_byte_is_refused(version: int) -> None:
    with pytest.raises(InputRefused, match="version"):
        tag_input(version, "phone", "x")


@pytest.mark.parametrize("kind", ["", "a" * 65])
def test_kind_of_another_length_is_refused(kind: str) -> None:
    with pytest.raises(InputRefused, match="length of the indicator kind"):
        tag_input(1, kind, "x")


@pytest.mark.parametrize("kind", ["a\x00b", "a b", "téléphone", "a\n", "\x7f"])
def test_kind_with_other_characters_is_refused(kind: str) -> None:
    with pytest.raises(InputRefused, match="printable ASCII"):
        tag_input(1, kind, "x")


def test_value_is_bounded_so_that_the_whole_fits_the_rfc() -> None:
    room = MAX_TAG_INPUT_BYTES - len(b"\x01url\x00")
    assert len(tag_input(1, "url", "u" * room)) == 65535
    with pytest.raises(InputRefused, match="length of the normalised value"):
        tag_input(1, "url", "u" * (room + 1))
    with pytest.raises(InputRefused, match="length of the normalised value is 0"):
        tag_input(1, "url", "")


def test_value_that_is_no_unicode_text_is_refused_without_showing_it() -> None:
    with pytest.raises(InputRefused, match="UTF-8") as caught:
        tag_input(1, "url", "secret\ud800")
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
