"""From commitments to the key: interpolation of opened polynomials, weights, and the hash."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.privacy.dkg.extraction import combine, interpolate, public_term
from bulwark.privacy.dkg.pedersen import Pair
from bulwark.privacy.dkg.session import Purpose
from bulwark.privacy.errors import SharingRefused, ThresholdKeyRefused
from bulwark.privacy.group import IDENTITY, ONE, ORDER, ZERO, Scalar, multiply_base
from bulwark.privacy.sharing import Polynomial
from tests.unit.privacy.dkg.world import ceremony, generated, names

scalars = st.integers(0, ORDER - 1).map(Scalar.from_int)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(scalars, min_size=1, max_size=6),
    st.sets(st.integers(1, 255), min_size=6, max_size=9),
)
def test_interpolation_gives_back_every_coefficient(
    coefficients: list[Scalar], places: set[int]
) -> None:
    polynomial = Polynomial(tuple(coefficients))
    pairs = {place: Pair(polynomial.share(place).value, ZERO) for place in places}
    assert interpolate(pairs, len(coefficients)) == polynomial


def test_interpolation_from_too_few_pairs_is_refused() -> None:
    with pytest.raises(SharingRefused, match="2 opened pairs, needed 3"):
        interpolate({1: Pair(ONE, ZERO), 2: Pair(ONE, ZERO)}, 3)


def test_known_terms_are_nothing_the_identity_and_the_old_share_key() -> None:
    four = generated(4)
    generate = ceremony(Purpose.GENERATE, names(4)).session
    refresh = ceremony(Purpose.REFRESH, names(4), old=four).session
    reshare = ceremony(Purpose.RESHARE, ["new", *names(4)], old=four).session
    assert public_term(generate, 1) is None
    assert public_term(refresh, 1) == IDENTITY
    assert public_term(reshare, 1) is None
    assert public_term(reshare, 2) == four.sharing.key.share_keys[0]


def test_key_that_is_the_identity_is_refused() -> None:
    session = ceremony(Purpose.GENERATE, names(1)).session
    point = multiply_base(ONE)
    assert combine(session, {1: (point,)}, {}).sharing.key.public_key == point
    with pytest.raises(ThresholdKeyRefused):
        combine(session, {1: (IDENTITY,)}, {})


def test_reshare_of_something_else_than_the_old_shares_is_refused() -> None:
    session = ceremony(Purpose.RESHARE, names(1), old=generated(1)).session
    with pytest.raises(ThresholdKeyRefused, match="not the old one"):
        combine(session, {1: (multiply_base(ONE),)}, {})


def test_result_hash_names_session_dealers_and_keys() -> None:
    one = ceremony(Purpose.GENERATE, names(2), threshold=1).session
    other = ceremony(Purpose.GENERATE, names(2), threshold=1, seed="other").session
    point, twice = (multiply_base(ONE),), (multiply_base(ONE + ONE),)
    results = [
        combine(one, {1: twice}, {}),
        combine(one, {2: twice}, {}),
        combine(one, {1: point, 2: point}, {}),
        combine(one, {1: point}, {}),
        combine(other, {1: twice}, {}),
    ]
    keys = {result.sharing.key.public_key for result in results}
    assert len(keys) == 2
    assert len({result.digest for result in results}) == len(results)
    assert results[2].dealers == (1, 2)
