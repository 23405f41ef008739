"""RFC 9496 appendix A on both libraries, through the strict wrapper."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bulwark.privacy import group
from bulwark.privacy.errors import EncodingRefused
from bulwark.privacy.group import (
    GENERATOR,
    IDENTITY,
    Element,
    Scalar,
    decode_element,
    map_to_group,
    multiply,
    multiply_base_or_identity,
    sum_elements,
)

VECTORS = json.loads(
    (Path(__file__).parents[2] / "vectors/ristretto255/rfc9496_ristretto255.json").read_text()
)
MULTIPLES = [bytes.fromhex(text) for text in VECTORS["multiples_of_generator"]]
INVALID = [(case["encoding"], case["reason"]) for case in VECTORS["invalid_encodings"]]
DERIVATIONS = [(case["input"], case["output"]) for case in VECTORS["element_derivation"]]
SAME = VECTORS["element_derivation_same_output"]

pytestmark = pytest.mark.usefixtures("backend")


def test_self_test_passes_and_names_the_library(backend: str) -> None:
    assert group.self_test().endswith(f"({backend})")


@pytest.mark.parametrize("times", range(16))
def test_multiples_of_the_generator_by_base_multiplication(times: int) -> None:
    assert multiply_base_or_identity(Scalar.from_int(times)).encoding == MULTIPLES[times]


@pytest.mark.parametrize("times", range(16))
def test_multiples_of_the_generator_by_addition(times: int) -> None:
    assert sum_elements([GENERATOR] * times).encoding == MULTIPLES[times]


@pytest.mark.parametrize("times", range(1, 16))
def test_multiples_of_the_generator_by_multiplication_and_subtraction(times: int) -> None:
    element = multiply(Scalar.from_int(times), GENERATOR)
    assert element == decode_element(MULTIPLES[times])
    assert (element - GENERATOR).encoding == MULTIPLES[times - 1]


def test_first_multiples_are_the_constants() -> None:
    assert IDENTITY.encoding == MULTIPLES[0]
    assert GENERATOR.encoding == MULTIPLES[1]


@pytest.mark.parametrize(("encoding", "reason"), INVALID)
def test_every_invalid_encoding_is_refused(encoding: str, reason: str) -> None:
    with pytest.raises(EncodingRefused):
        decode_element(bytes.fromhex(encoding), allow_identity=True)
    with pytest.raises(EncodingRefused):
        Element(bytes.fromhex(encoding))


@pytest.mark.parametrize(("wide", "encoding"), DERIVATIONS)
def test_derivation_of_an_element(wide: str, encoding: str) -> None:
    assert map_to_group(bytes.fromhex(wide)).encoding.hex() == encoding


@pytest.mark.parametrize("wide", SAME["inputs"])
def test_derivations_with_one_output(wide: str) -> None:
    assert map_to_group(bytes.fromhex(wide)).encoding.hex() == SAME["output"]
