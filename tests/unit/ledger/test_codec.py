"""The bounded codec: one value, one encoding, and nothing is read beyond its bound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import DecodeError, LimitExceeded


@given(
    number=st.integers(0, 2**64 - 1),
    blob=st.binary(max_size=40),
    text=st.text(max_size=20),
    flag=st.booleans(),
    items=st.lists(st.integers(0, 255), max_size=8),
    maybe=st.none() | st.integers(0, 65535),
)
def test_what_is_written_is_read_back(number, blob, text, flag, items, maybe):
    writer = Writer().uint(number, 8).blob(blob).text(text).flag(flag).fixed(b"abc", 3)
    writer.sequence(items, lambda w, i: w.uint(i, 1)).optional(maybe, lambda w, i: w.uint(i, 2))
    reader = Reader(writer.done(), "thing")
    assert reader.uint(8, "number") == number
    assert reader.blob("blob", 40) == blob
    assert reader.text("text", 80) == text
    assert reader.flag("flag") is flag
    assert reader.fixed(3, "fixed") == b"abc"
    assert reader.sequence("items", 8, lambda r: r.uint(1, "item")) == tuple(items)
    assert reader.optional("maybe", lambda r: r.uint(2, "maybe")) == maybe
    reader.end()


def test_number_that_does_not_fit_its_width_is_refused():
    with pytest.raises(OverflowError):
        Writer().uint(256, 1)
    with pytest.raises(OverflowError):
        Writer().uint(-1, 1)


def test_fixed_field_of_another_width_is_refused():
    with pytest.raises(DecodeError, match="2 bytes given, 3 needed"):
        Writer().fixed(b"ab", 3)


def test_short_input_names_field_and_offset():
    reader = Reader(b"\x01\x02", "thing")
    reader.uint(1, "first")
    with pytest.raises(DecodeError, match=r"thing\.second at byte 1: 4 bytes needed, 1 left"):
        reader.uint(4, "second")


def test_number_over_its_bound_is_refused():
    with pytest.raises(LimitExceeded) as caught:
        Reader(b"\x09", "thing").uint(1, "number", 8)
    assert (caught.value.given, caught.value.most, caught.value.offset) == (9, 8, 0)


def test_blob_length_is_checked_before_the_bytes_are_taken():
    with pytest.raises(LimitExceeded):
        Reader(b"\xff\xff\xff\xff", "thing").blob("blob", 10)


def test_sequence_count_is_checked_before_an_item_is_read():
    calls = []
    with pytest.raises(LimitExceeded):
        Reader(b"\xff\xff\xff\xff", "thing").sequence("items", 10, calls.append)
    assert calls == []


@pytest.mark.parametrize("byte", [2, 128, 255])
def test_flag_other_than_0_or_1_is_refused(byte):
    with pytest.raises(DecodeError, match="a flag is 0 or 1"):
        Reader(bytes([byte]), "thing").flag("flag")


def test_text_that_is_not_utf_8_is_refused():
    with pytest.raises(DecodeError, match="not UTF-8"):
        Reader(b"\x00\x00\x00\x01\xff", "thing").text("text", 4)


def test_trailing_bytes_are_refused():
    reader = Reader(b"\x00\x00", "thing")
    reader.uint(1, "number")
    with pytest.raises(DecodeError, match="1 bytes after the end"):
        reader.end()
