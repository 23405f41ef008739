"""Transcripts: no two sequences of fields give one digest."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulwark.privacy.errors import InputRefused
from bulwark.privacy.group import GENERATOR, ORDER
from bulwark.privacy.transcript import Transcript


def test_every_field_is_preceded_by_its_length_in_four_bytes() -> None:
    made = Transcript(b"ab").add(b"").add_int(7).add_elements([GENERATOR])
    written = b"\x00\x00\x00\x02ab" + bytes(4) + b"\x00\x00\x00\x08" + (7).to_bytes(8, "big")
    written += b"\x00\x00\x00\x20" + GENERATOR.encoding
    assert made.digest() == hashlib.sha512(written).digest()
    assert int(made.challenge()) == int.from_bytes(made.digest(), "little") % ORDER


@given(st.lists(st.binary(max_size=9)), st.lists(st.binary(max_size=9)))
def test_different_fields_give_different_digests(one: list[bytes], other: list[bytes]) -> None:
    first, second = Transcript(b"t"), Transcript(b"t")
    for field in one:
        first.add(field)
    for field in other:
        second.add(field)
    assert (first.digest() == second.digest()) == (one == other)


def test_a_fork_goes_its_own_way() -> None:
    trunk = Transcript(b"t").add(b"a")
    branch = trunk.fork().add(b"b")
    assert trunk.digest() == Transcript(b"t").add(b"a").digest()
    assert branch.digest() == Transcript(b"t").add(b"a").add(b"b").digest()


@pytest.mark.parametrize("value", [-1, 1 << 64])
def test_an_integer_that_does_not_fit_in_eight_bytes_is_refused(value: int) -> None:
    with pytest.raises(InputRefused):
        Transcript(b"t").add_int(value)
