"""RLP: held to Ethereum's cases and to the `rlp` package."""

from __future__ import annotations

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st

from bulwark.ledger.errors import DecodeError
from bulwark.ledger.rlpcodec import (
    MAX_DEPTH,
    decode,
    decode_list,
    encode,
    encode_list,
    encode_uint,
)

items = st.recursive(st.binary(max_size=70), lambda i: st.lists(i, max_size=6), max_leaves=12)


def as_item(value):
    """The byte form of a value of the vector files."""
    if isinstance(value, list):
        return [as_item(child) for child in value]
    if isinstance(value, str) and not value.startswith("#"):
        return value.encode("utf-8")
    number = int(value[1:]) if isinstance(value, str) else value
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def test_published_valid_cases_are_written_and_read_as_published(load_vectors):
    cases = load_vectors("ethereum/rlptest.json")
    assert len(cases) == 28
    for name, case in cases.items():
        out = bytes.fromhex(case["out"][2:])
        item = as_item(case["in"])
        assert encode(item) == out, name
        assert decode(out) == item, name


@pytest.mark.parametrize("file", ["invalidRLPTest", "randomRLPTest"])
def test_published_invalid_cases_are_refused(load_vectors, file):
    for name, case in load_vectors(f"ethereum/{file}.json").items():
        raw = bytes.fromhex(case["out"].removeprefix("0x"))
        if case["in"] == "VALID":
            assert encode(decode(raw)) == raw, name
            continue
        with pytest.raises(DecodeError):
            decode(raw)


@given(items)
def test_encoding_is_that_of_the_rlp_package_and_is_read_back(item):
    raw = encode(item)
    assert raw == rlp.encode(item)
    assert decode(raw) == item


@given(st.binary(max_size=40))
def test_whatever_is_read_is_the_one_encoding(raw):
    try:
        item = decode(raw)
    except DecodeError:
        return
    assert encode(item) == raw


@given(st.integers(0, 2**256 - 1))
def test_integers_are_written_without_leading_zeros(number):
    assert encode_uint(number) == rlp.encode(number)


def test_list_offsets_point_at_the_items():
    parts = [encode(b"dog"), encode([b"a", b""]), encode(bytes(60))]
    raw = encode_list(parts)
    found, offsets = decode_list(raw)
    assert found == [b"dog", [b"a", b""], bytes(60)]
    assert [raw[a:b] for a, b in zip(offsets, [*offsets[1:], len(raw)], strict=True)] == parts


def test_string_where_a_list_is_needed_is_refused():
    with pytest.raises(DecodeError, match="a list needed"):
        decode_list(encode(b"dog"))


def test_bytes_after_the_item_are_refused():
    for read in (decode, decode_list):
        with pytest.raises(DecodeError, match="after the end"):
            read(b"\xc0\x00")


def test_nesting_is_bounded():
    raw = b"\xc0"
    for _ in range(MAX_DEPTH - 1):
        raw = encode_list([raw])
    decode(raw)
    with pytest.raises(DecodeError, match="nested"):
        decode(encode_list([raw]))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("", "nothing where"),
        ("8100", "own encoding"),
        ("b837" + "00" * 55, "shorter form"),
        ("f90020", "leading zero"),
        ("b8", "cut short"),
        ("83ff", "bytes needed"),
        ("c283ff", "bytes needed"),
        ("81", "bytes needed"),
    ],
)
def test_second_form_or_short_input_is_refused(raw, message):
    with pytest.raises(DecodeError, match=message):
        decode(bytes.fromhex(raw))
