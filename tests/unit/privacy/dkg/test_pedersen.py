"""Pairs are checked one by one or all in one equation, and a wrong one is never missed."""

from __future__ import annotations

import pytest
from msgspec import structs

from bulwark.privacy.dkg.pedersen import (
    HiddenPolynomial,
    Pair,
    PedersenCommitments,
    evaluate_points,
    feldman_fit,
    powers,
    second_generator,
)
from bulwark.privacy.group import (
    GENERATOR,
    IDENTITY,
    ONE,
    ZERO,
    Scalar,
    multiply_base,
    multiply_or_identity,
)
from tests.unit.privacy.dkg.world import stream

SECRET = Scalar.from_int(77)


@pytest.fixture
def hidden() -> HiddenPolynomial:
    return HiddenPolynomial.random(SECRET, 3, stream("hidden"), plain=False)


def test_second_generator_is_fixed_and_no_small_multiple_of_the_first() -> None:
    assert second_generator().encoding.hex() == (
        "76098dba04c9810f20eb08b0ad84b4362a0d145d64acf606f356d36b1d2b4953"
    )
    small = {multiply_base(Scalar.from_int(k)) for k in range(1, 100)}
    assert second_generator() not in {GENERATOR, IDENTITY, *small}


def test_powers_of_an_index_are_its_powers() -> None:
    assert [int(power) for power in powers(5, 4)] == [1, 5, 25, 125]
    assert powers(5, 0) == ()


def test_every_pair_fits_its_own_holder_and_no_other(hidden: HiddenPolynomial) -> None:
    commitments = hidden.commit()
    for holder in range(1, 8):
        for other in range(1, 8):
            assert commitments.fits(holder, hidden.pair(other)) is (holder == other)


def test_many_pairs_fit_in_one_equation(hidden: HiddenPolynomial) -> None:
    commitments = hidden.commit()
    assert commitments.fit({})
    for count in (1, 2, 5):
        assert commitments.fit({holder: hidden.pair(holder) for holder in range(1, count + 1)})


@pytest.mark.parametrize("part", ["value", "blinding"])
def test_one_wrong_pair_among_many_is_seen(hidden: HiddenPolynomial, part: str) -> None:
    commitments = hidden.commit()
    for wrong in range(1, 6):
        pairs = {holder: hidden.pair(holder) for holder in range(1, 6)}
        bent = getattr(pairs[wrong], part) + ONE
        pairs[wrong] = structs.replace(pairs[wrong], **{part: bent})
        assert not commitments.fit(pairs)
        assert commitments.fits(wrong, pairs[wrong]) is False


def test_two_wrong_pairs_that_cancel_in_a_plain_sum_are_seen(hidden: HiddenPolynomial) -> None:
    one, two = hidden.pair(1), hidden.pair(2)
    pairs = {1: Pair(one.value + ONE, one.blinding), 2: Pair(two.value - ONE, two.blinding)}
    assert not hidden.commit().fit(pairs)
    assert not feldman_fit(hidden.open_values(), pairs)


def test_commitments_hide_the_secret_and_open_to_it(hidden: HiddenPolynomial) -> None:
    first = hidden.commit().points[0]
    assert first != multiply_base(SECRET)
    blinding = hidden.blindings.coefficients[0]
    assert first - multiply_or_identity(blinding, second_generator()) == multiply_base(SECRET)
    assert hidden.open_values()[0] == multiply_base(SECRET)


def test_feldman_commitments_fit_the_values_and_not_the_blindings(
    hidden: HiddenPolynomial,
) -> None:
    points = hidden.open_values()
    assert feldman_fit(points, {})
    pairs = {holder: hidden.pair(holder) for holder in (2, 4, 6)}
    assert feldman_fit(points, pairs)
    assert feldman_fit(points, {4: Pair(pairs[4].value, ZERO)})
    assert not feldman_fit(points, {4: Pair(pairs[4].value + ONE, pairs[4].blinding)})
    assert evaluate_points(points, 4) == multiply_base(pairs[4].value)


def test_plain_polynomial_has_feldman_commitments_and_takes_no_blinding() -> None:
    plain = HiddenPolynomial.random(ZERO, 3, stream("plain"), plain=True)
    commitments = structs.replace(plain.commit(), plain=True)
    assert commitments.points == plain.open_values()
    assert commitments.points[0] == IDENTITY
    pair = plain.pair(2)
    assert pair.blinding.is_zero
    assert commitments.fits(2, pair) and commitments.fit({2: pair, 3: plain.pair(3)})
    points = (IDENTITY, second_generator())
    blinded = {1: Pair(ZERO, ONE), 2: Pair(ZERO, ONE + ONE)}
    assert PedersenCommitments(points).fit(blinded)
    assert not PedersenCommitments(points, plain=True).fit(blinded)
    assert not PedersenCommitments(points, plain=True).fits(1, blinded[1])
