"""Shamir's sharing: any t shares, never t-1, and every lie is seen by its holder."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.privacy.errors import IdentityResult, SharingRefused
from bulwark.privacy.group import (
    GENERATOR,
    IDENTITY,
    ONE,
    ORDER,
    ZERO,
    Scalar,
    multiply_base,
    weighted_sum,
)
from bulwark.privacy.sharing import (
    MAX_HOLDERS,
    Commitments,
    Polynomial,
    Share,
    check_index,
    lagrange_at_zero,
    on_one_polynomial,
    recover,
    split,
)

RandomBytes = Callable[[int], bytes]
SECRET = Scalar.from_int(0xA11CE)
SIZES = [(t, n) for n in range(1, 6) for t in range(1, n + 1)]


@pytest.mark.parametrize(("threshold", "holders"), SIZES)
def test_every_set_of_t_shares_gives_the_secret(
    threshold: int, holders: int, random_bytes: RandomBytes
) -> None:
    dealing = split(SECRET, threshold, holders, random_bytes)
    for size in range(threshold, holders + 1):
        for chosen in combinations(dealing.shares, size):
            assert recover(chosen) == SECRET
            assert recover(chosen[::-1]) == SECRET


@pytest.mark.parametrize(("threshold", "holders"), [size for size in SIZES if size[0] > 1])
def test_no_set_of_fewer_shares_gives_the_secret(
    threshold: int, holders: int, random_bytes: RandomBytes
) -> None:
    dealing = split(SECRET, threshold, holders, random_bytes)
    for chosen in combinations(dealing.shares, threshold - 1):
        assert recover(chosen) != SECRET


def test_t_minus_1_shares_fit_every_secret(random_bytes: RandomBytes) -> None:
    shares = split(SECRET, 3, 4, random_bytes).shares[:2]
    for other in (1, 2, ORDER - 1):
        # For any other secret there is a third share that leads to it.
        weights = lagrange_at_zero((1, 2, 3))
        partial = weights[0] * shares[0].value + weights[1] * shares[1].value
        third = (Scalar.from_int(other) - partial) * weights[2].inverse()
        assert int(recover((*shares, Share(3, third)))) == other


def test_shares_are_numbered_from_1_and_differ(random_bytes: RandomBytes) -> None:
    shares = split(SECRET, 2, 5, random_bytes).shares
    assert [share.index for share in shares] == [1, 2, 3, 4, 5]
    assert len({share.value for share in shares} | {SECRET}) == 6


def test_share_and_polynomial_are_never_printed(random_bytes: RandomBytes) -> None:
    polynomial = Polynomial.random(SECRET, 2, random_bytes)
    share = polynomial.share(1)
    shown = repr((polynomial, share, split(SECRET, 2, 3, random_bytes)))
    for scalar in (*polynomial.coefficients, share.value):
        assert scalar.encoding.hex() not in shown
        assert str(int(scalar)) not in shown


class TestCommitments:
    def test_every_holder_finds_its_share_in_order(self, random_bytes: RandomBytes) -> None:
        dealing = split(SECRET, 3, 5, random_bytes)
        assert dealing.commitments.threshold == 3
        assert dealing.commitments.public_key == multiply_base(SECRET)
        for share in dealing.shares:
            assert dealing.commitments.match(share)
            assert dealing.commitments.share_key(share.index) == multiply_base(share.value)

    def test_wrong_share_is_seen_by_its_holder(self, random_bytes: RandomBytes) -> None:
        dealing = split(SECRET, 3, 5, random_bytes)
        share = dealing.shares[1]
        for wrong in (
            Share(share.index, share.value + ONE),
            Share(share.index, ZERO),
            Share(3, share.value),
        ):
            assert not dealing.commitments.match(wrong)

    def test_zero_share_is_a_legitimate_share(self) -> None:
        # f(x) = 2 - x has its zero at holder 2: rare, but no lie.
        polynomial = Polynomial((Scalar.from_int(2), -ONE))
        assert polynomial.share(2).value.is_zero
        assert polynomial.commit().match(polynomial.share(2))

    def test_identity_is_refused_as_commitment(self) -> None:
        with pytest.raises(SharingRefused, match="identity"):
            Commitments((GENERATOR, IDENTITY))
        with pytest.raises(IdentityResult):
            Polynomial((ONE, ZERO)).commit()

    @pytest.mark.parametrize("count", [0, MAX_HOLDERS + 1])
    def test_number_of_commitments_and_coefficients_is_bounded(self, count: int) -> None:
        with pytest.raises(SharingRefused, match=f"{count} commitments"):
            Commitments((GENERATOR,) * count)
        with pytest.raises(SharingRefused, match=f"{count} coefficients"):
            Polynomial((ONE,) * count)


class TestLagrange:
    @settings(deadline=None, max_examples=40)
    @given(
        st.lists(st.integers(1, MAX_HOLDERS), min_size=1, max_size=8, unique=True),
        st.data(),
    )
    def test_weights_interpolate_every_polynomial(
        self, indices: list[int], data: st.DataObject
    ) -> None:
        count = len(indices)
        drawn = data.draw(st.lists(st.integers(0, ORDER - 1), min_size=count, max_size=count))
        polynomial = Polynomial(tuple(Scalar.from_int(value) for value in drawn))
        assert recover([polynomial.share(index) for index in indices]) == Scalar.from_int(drawn[0])

    def test_weights_work_in_the_exponent(self, random_bytes: RandomBytes) -> None:
        dealing = split(SECRET, 3, 5, random_bytes)
        keys = [dealing.commitments.share_key(index) for index in (5, 1, 4)]
        assert weighted_sum(lagrange_at_zero((5, 1, 4)), keys) == multiply_base(SECRET)

    def test_no_index_a_double_index_and_a_bad_index_are_refused(self) -> None:
        with pytest.raises(SharingRefused, match="no index"):
            lagrange_at_zero(())
        with pytest.raises(SharingRefused, match="twice"):
            lagrange_at_zero((1, 2, 1))
        with pytest.raises(SharingRefused, match="holder index 0"):
            lagrange_at_zero((1, 0))


class TestConsistencyOfShareKeys:
    @pytest.mark.parametrize(("threshold", "holders"), [*SIZES, (11, 16)])
    def test_keys_of_one_polynomial_pass_and_any_changed_key_is_seen(
        self, threshold: int, holders: int, random_bytes: RandomBytes
    ) -> None:
        commitments = split(SECRET, threshold, holders, random_bytes).commitments
        keys = [commitments.share_key(index) for index in range(1, holders + 1)]
        assert on_one_polynomial(threshold, commitments.public_key, keys)
        assert not on_one_polynomial(threshold, commitments.public_key + GENERATOR, keys)
        for position in range(holders):
            changed = [*keys]
            changed[position] = changed[position] + GENERATOR
            assert not on_one_polynomial(threshold, commitments.public_key, changed)

    @pytest.mark.parametrize("holders", [3, 4, 7])
    def test_keys_of_a_higher_degree_are_seen(
        self, holders: int, random_bytes: RandomBytes
    ) -> None:
        commitments = split(SECRET, 3, holders, random_bytes).commitments
        keys = [commitments.share_key(index) for index in range(1, holders + 1)]
        assert not on_one_polynomial(2, commitments.public_key, keys)
        assert on_one_polynomial(3, commitments.public_key, keys)


class TestBounds:
    @pytest.mark.parametrize(
        ("threshold", "holders"), [(0, 3), (4, 3), (-1, 3), (1, 0), (2, MAX_HOLDERS + 1)]
    )
    def test_threshold_outside_the_holders_is_refused(
        self, threshold: int, holders: int, random_bytes: RandomBytes
    ) -> None:
        with pytest.raises(SharingRefused, match="allowed 1 to"):
            split(SECRET, threshold, holders, random_bytes)

    @pytest.mark.parametrize("index", [-1, 0, MAX_HOLDERS + 1])
    def test_index_outside_1_to_255_is_refused(self, index: int, random_bytes: RandomBytes) -> None:
        dealing = split(SECRET, 2, 3, random_bytes)
        polynomial = Polynomial((SECRET, ONE))
        for use in (
            lambda: check_index(index),
            lambda: Share(index, ONE),
            lambda: polynomial.share(index),
            lambda: dealing.commitments.share_key(index),
        ):
            with pytest.raises(SharingRefused, match=f"holder index {index}"):
                use()

    def test_zero_secret_is_refused(self, random_bytes: RandomBytes) -> None:
        with pytest.raises(SharingRefused, match="secret is zero"):
            split(ZERO, 2, 3, random_bytes)

    def test_most_holders_are_served(self, random_bytes: RandomBytes) -> None:
        dealing = split(SECRET, 2, MAX_HOLDERS, random_bytes)
        assert recover(dealing.shares[-2:]) == SECRET
