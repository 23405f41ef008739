"""Seals notice every flipped bit and every swapped value."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.storage import schema
from node.storage.errors import StoreDamaged
from node.storage.seal import seal, unseal


@settings(deadline=None)
@given(key=st.binary(max_size=40), value=st.binary(max_size=200), bit=st.integers(0, 10_000))
def test_one_flipped_bit_is_noticed_and_the_key_is_named(
    key: bytes, value: bytes, bit: int
) -> None:
    stored = seal(key, value)
    assert unseal(key, stored) == value
    flipped = bytearray(stored)
    position = bit % (len(stored) * 8)
    flipped[position // 8] ^= 1 << position % 8
    with pytest.raises(StoreDamaged, match=f"key {key.hex()}"):
        unseal(key, bytes(flipped))


def test_a_value_under_another_key_is_noticed() -> None:
    with pytest.raises(StoreDamaged):
        unseal(b"h2", seal(b"h1", b"header"))


def test_a_value_shorter_than_a_seal_is_noticed() -> None:
    with pytest.raises(StoreDamaged):
        unseal(b"", b"\x00\x00")


def test_no_prefix_of_the_schema_begins_another() -> None:
    prefixes = schema.ALL_PREFIXES
    assert len(set(prefixes)) == len(prefixes)
    assert all(len(prefix) == 1 for prefix in prefixes)
