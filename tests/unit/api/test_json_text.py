"""Strict JSON objects: above all, no name twice."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.json_text import JsonInvalid, decode_object

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), VALUES, max_size=5), st.booleans())
def test_an_object_is_read_as_the_standard_library_reads_it(
    value: dict[str, object], plain: bool
) -> None:
    assert decode_object(json.dumps(value, ensure_ascii=plain).encode()) == value


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", ":", "a:"]), st.text('ab:{}",\\', max_size=4))),
    st.booleans(),
)
def test_a_name_given_twice_is_always_refused(members: list[tuple[str, str]], spaced: bool) -> None:
    gap = " " if spaced else ""
    text = ",".join(f"{json.dumps(name)}{gap}:{json.dumps(value)}" for name, value in members)
    raw = ("{" + text + "}").encode()
    if len({name for name, _ in members}) == len(members):
        assert decode_object(raw) == dict(members)
    else:
        with pytest.raises(JsonInvalid, match="twice"):
            decode_object(raw)


def test_a_name_hidden_by_an_escape_counts_as_the_same() -> None:
    with pytest.raises(JsonInvalid, match="twice"):
        decode_object(b'{"a": "x\\u003a", "\\u0061": 1}')


def test_a_refusal_never_repeats_the_text() -> None:
    with pytest.raises(JsonInvalid) as caught:
        decode_object(b'{"value": "+442079460958"')
    assert "7946" not in str(caught.value)


def test_nesting_is_bounded() -> None:
    assert decode_object(b'{"a":' * 31 + b"{}" + b"}" * 31)
    with pytest.raises(JsonInvalid, match="deep"):
        decode_object(b'{"a":' * 33 + b"{}" + b"}" * 33)
