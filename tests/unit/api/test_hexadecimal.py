"""QUANTITY and DATA, strictly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.hexadecimal import HexInvalid, data, parse_data, parse_fixed, parse_quantity, quantity


@given(st.integers(0, (1 << 256) - 1))
def test_a_quantity_reads_back(value: int) -> None:
    assert parse_quantity(quantity(value), "x", 256) == value


@given(st.binary(max_size=64))
def test_data_reads_back(value: bytes) -> None:
    assert parse_data(data(value), "x", 64) == value


@pytest.mark.parametrize(
    "text",
    ["", "0x", "1", "0x01", "0x00", "0X1", "0xg", "0x1 ", " 0x1", "-0x1", "0x1\n", "0x_1", "0x٣",
     "0x10000000000000000", 1, None, True, ["0x1"], 1.0],
)  # fmt: skip
def test_what_is_no_quantity_of_64_bits_is_refused(text: object) -> None:
    with pytest.raises(HexInvalid):
        parse_quantity(text, "x")


@pytest.mark.parametrize("text", ["", "0", "0x0", "0xzz", "0X00", "0x00\n", "0x" + "00" * 5, 0])
def test_what_is_no_data_of_4_bytes_is_refused(text: object) -> None:
    with pytest.raises(HexInvalid):
        parse_data(text, "x", 4)


def test_fixed_data_has_exactly_its_width() -> None:
    assert parse_fixed("0xAbCd", "x", 2) == b"\xab\xcd"
    for text in ("0xab", "0xabcdef", "0x"):
        with pytest.raises(HexInvalid):
            parse_fixed(text, "x", 2)
