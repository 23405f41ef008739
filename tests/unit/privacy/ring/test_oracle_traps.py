"""What py-arkworks-bls12381 takes and must not be taken: the oracle refuses or goes around it."""

from __future__ import annotations

import py_arkworks_bls12381 as ark
import pytest
from py_ecc.optimized_bls12_381 import curve_order

from bulwark.privacy.errors import EncodingRefused
from tests.unit.privacy.ring.bls12381 import Arkworks

INFINITY = bytes([0xC0]) + bytes(47)


@pytest.mark.parametrize(
    "encoding",
    [bytes([0xC0]) + bytes(46) + b"\x01", bytes([0xE0]) + bytes(47)],
    ids=["with bytes behind the flag", "with the sign flag"],
)
def test_another_encoding_of_infinity_is_refused(encoding: bytes) -> None:
    with pytest.raises(EncodingRefused):
        Arkworks().decode_element(encoding, allow_identity=True, what="element")


def test_infinity_itself_is_taken_only_where_allowed() -> None:
    suite = Arkworks()
    assert suite.decode_element(INFINITY, allow_identity=True, what="element") == suite.identity
    with pytest.raises(EncodingRefused, match="identity"):
        suite.decode_element(INFINITY, allow_identity=False, what="element")


@pytest.mark.parametrize("value", [curve_order, curve_order + 1, 2**256 - 1])
def test_a_scalar_of_the_order_or_more_is_never_reduced(value: int) -> None:
    with pytest.raises(EncodingRefused):
        Arkworks().decode_scalar(value.to_bytes(32, "little"), what="scalar")


def test_lists_of_different_length_are_not_cut() -> None:
    suite = Arkworks()
    elements, scalars = [suite.generator] * 2, [ark.Scalar(1)] * 3
    with pytest.raises(AssertionError):
        suite.weighted_sum(scalars, elements)
