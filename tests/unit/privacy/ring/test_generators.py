"""The generators: distinct, cached, separated from each other's domains."""

from __future__ import annotations

import pytest

from bulwark.privacy.errors import InputRefused
from bulwark.privacy.group import GENERATOR, IDENTITY
from bulwark.privacy.ring.generators import MAX_DIGITS, generators, scope_point
from bulwark.privacy.ring.ristretto import RISTRETTO255


def test_all_generators_differ_and_none_is_the_identity() -> None:
    made = generators(RISTRETTO255, MAX_DIGITS)
    every = [GENERATOR, IDENTITY, made.h, *(point for row in made.rows for point in row)]
    assert len(set(every)) == len(every) == 3 + 4 * MAX_DIGITS


def test_fewer_digits_take_the_first_rows() -> None:
    assert generators(RISTRETTO255, 2).rows == generators(RISTRETTO255, 3).rows[:2]
    assert generators(RISTRETTO255, 3) is generators(RISTRETTO255, 3)


@pytest.mark.parametrize("digits", [0, MAX_DIGITS + 1])
def test_a_number_of_digits_out_of_range_is_refused(digits: int) -> None:
    with pytest.raises(InputRefused):
        generators(RISTRETTO255, digits)


def test_no_scope_point_is_a_generator() -> None:
    made = generators(RISTRETTO255, MAX_DIGITS)
    points = {scope_point(RISTRETTO255, 1, epoch, 1, slot) for epoch in (0, 1) for slot in (0, 1)}
    assert len(points) == 4
    assert not points & {made.h, *(point for row in made.rows for point in row)}
