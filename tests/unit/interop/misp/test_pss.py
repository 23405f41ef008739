"""Private Search Sets: the bytes of the dcso-v1 format, the stated probability, own keys."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulwark.interop.misp.pss import (
    BLOOM,
    LIST,
    META,
    Bloom,
    PssInvalid,
    PssWish,
    pss_files,
)

VALUES = [("domain", f"d{number}.com") for number in range(5)]
WISH = PssWish(name="x", key=b"k" * 32, key_id="k1", probability=0.001)


def test_the_filter_has_the_bytes_that_dcsos_own_library_writes() -> None:
    # flor 1.1.3 made this file of the same five hashes, capacity 16 and probability 0.001.
    expected = "76c8ff8a22e2d96bf849f78cb7a99b1790e4028020630b6ab25245157e34883d"
    assert sha256(pss_files(VALUES, WISH, 1)[BLOOM]).hexdigest() == expected


def test_list_and_filter_hold_the_same_and_the_description_says_how_sure_it_is() -> None:
    files = pss_files(VALUES, WISH, 1_767_225_600)
    bloom = Bloom.decode(files[BLOOM])
    lines = files[LIST].splitlines()
    assert len(lines) == 5 == bloom.count and all(line in bloom for line in lines)
    meta = json.loads(files[META])
    assert meta["algorithm"] == "HMAC-SHA-256" and meta["keyid"] == "k1"
    assert meta["misp-attribute-types"] == ["domain"] and meta["version"] == 1
    shown = meta["bloomfilter"]
    assert (shown["format"], shown["capacity"]) == ("dcso-v1", 16)
    assert 0 < shown["expected-fp-probability"] < shown["fp-probability"] == 0.001
    assert b"d0.com" not in b"".join(files.values())


def test_a_full_filter_is_wrong_as_often_as_it_says() -> None:
    bloom = Bloom(2_000, 0.01)
    for number in range(1_999):
        bloom.add(b"in %d" % number)
    wrong = sum(b"out %d" % number in bloom for number in range(20_000))
    assert 0.5 * bloom.expected_fp < wrong / 20_000 < 2 * bloom.expected_fp
    assert bloom.expected_fp == pytest.approx(0.01, rel=0.2)
    with pytest.raises(PssInvalid, match="full"):
        for number in range(100):  # some of which it takes for what it has
            bloom.add(b"more %d" % number)


def test_another_key_makes_another_set() -> None:
    first = pss_files(VALUES, WISH, 1)[LIST]
    other = PssWish(name="x", key=b"K" * 32, key_id="k2")
    assert not set(first.splitlines()) & set(pss_files(VALUES, other, 1)[LIST].splitlines())


@pytest.mark.parametrize("key", [b"infected", b"short", b""])
def test_keys_that_anybody_guesses_are_refused(key: bytes) -> None:
    with pytest.raises(PssInvalid, match="key"):
        pss_files(VALUES, PssWish(name="x", key=key, key_id="k"), 1)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_filter_are_refused(raw: bytes) -> None:
    with pytest.raises(PssInvalid):
        Bloom.decode(raw)
