"""Reference codes: read as people type them, and every typing mistake is seen."""

from __future__ import annotations

import contextlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulwark.advice.reference import (
    ALPHABET,
    CODE_CHARS,
    RANDOM_BYTES,
    MistypedCode,
    make_code,
    plain_code,
)

CODES = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES).map(make_code)


@given(CODES)
def test_a_code_is_read_however_it_is_typed(code: str) -> None:
    plain = code.replace("-", "")
    assert len(plain) == CODE_CHARS and set(plain) <= set(ALPHABET)
    lookalike = plain.replace("0", "O").replace("1", "l")
    for typed in (code, plain, code.lower(), f" {code} ", lookalike, code.replace("-", " ")):
        assert plain_code(typed) == plain


@given(CODES, st.integers(0, CODE_CHARS - 1), st.sampled_from(ALPHABET))
def test_every_wrong_character_is_seen(code: str, at: int, other: str) -> None:
    plain = code.replace("-", "")
    wrong = plain[:at] + other + plain[at + 1 :]
    if wrong == plain:
        assert plain_code(wrong) == plain
        return
    with pytest.raises(MistypedCode):
        plain_code(wrong)


@given(CODES, st.integers(0, CODE_CHARS - 1), st.integers(0, CODE_CHARS - 1))
def test_every_swap_of_two_different_characters_is_seen(code: str, one: int, two: int) -> None:
    letters = list(code.replace("-", ""))
    letters[one], letters[two] = letters[two], letters[one]
    swapped = "".join(letters)
    if swapped == code.replace("-", ""):
        return
    with pytest.raises(MistypedCode):
        plain_code(swapped)


@pytest.mark.parametrize("typed", ["", "A", "U" * 17, "!" * 17, "0" * 18, "0" * 400, "ÄÖÜ" * 6])
def test_what_can_be_no_code_is_refused(typed: str) -> None:
    with pytest.raises(MistypedCode):
        plain_code(typed)


@given(st.text(max_size=60))
def test_any_text_is_a_code_or_mistyped(typed: str) -> None:
    with contextlib.suppress(MistypedCode):
        assert set(plain_code(typed)) <= set(ALPHABET)


def test_a_dispute_s_code_has_no_check_character_and_is_read_too() -> None:
    assert plain_code("0123-4567-89ab-cdef") == "0123456789ABCDEF"


def test_codes_of_random_bytes_differ_and_other_lengths_are_refused() -> None:
    assert len({make_code(os.urandom(RANDOM_BYTES)) for _ in range(500)}) == 500
    with pytest.raises(ValueError, match="made of 10 bytes"):
        make_code(b"short")
