"""Shamir's sharing of a scalar among holders 1..n, with commitments that let a holder check.

A dealer hides the secret in a random polynomial f of degree t-1 with f(0) = secret; holder i gets
f(i); any t shares give the secret back by Lagrange interpolation at 0 and t-1 say nothing about
it. The dealer publishes A_k = a_k*G (Feldman 1987), from which everybody computes the share keys
K_i = f(i)*G. One dealer is trusted not to keep the secret: a distributed key generation runs one
such dealing by every member and adds them up, with the same types.

Rules owned here: the index 0 (the secret's own place) is never a holder; indices are unique;
interpolation takes exactly the indices it is given, so the caller chooses the set. Arithmetic on
secrets is libsodium's; only public indices and coefficients are computed as integers.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence

from msgspec import Struct

from bulwark.privacy.errors import SharingRefused
from bulwark.privacy.group import (
    ONE,
    ORDER,
    ZERO,
    Element,
    RandomBytes,
    Scalar,
    hash_to_scalar,
    invert_all,
    multiply_base,
    multiply_base_or_identity,
    random_scalar,
    weighted_sum,
)

MAX_HOLDERS = 255
_DST_CONSISTENCY = b"Bulwark-v1-share-key-consistency"


class Share(Struct, frozen=True):
    """The value of a dealer's polynomial at the holder's index (1..255); secret, never printed."""

    index: int
    value: Scalar

    def __post_init__(self) -> None:
        check_index(self.index)


class Commitments(Struct, frozen=True):
    """The dealer's public A_0..A_{t-1}; A_0 is the public key of the shared secret."""

    points: tuple[Element, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.points) <= MAX_HOLDERS:
            raise SharingRefused(f"{len(self.points)} commitments, allowed 1 to {MAX_HOLDERS}")
        if any(point.is_identity for point in self.points):
            raise SharingRefused("a commitment is the identity element")

    @property
    def threshold(self) -> int:
        return len(self.points)

    @property
    def public_key(self) -> Element:
        return self.points[0]

    def share_key(self, index: int) -> Element:
        """K_i = f(i)*G for the holder `index`. Raises `SharingRefused` for a bad index."""
        check_index(index)
        powers = [Scalar.from_int(pow(index, k, ORDER)) for k in range(len(self.points))]
        return weighted_sum(powers, self.points)

    def match(self, share: Share) -> bool:
        """Whether the dealer's commitments and this share come from one polynomial."""
        return multiply_base_or_identity(share.value) == self.share_key(share.index)


class Polynomial(Struct, frozen=True):
    """A dealer's secret polynomial by its coefficients a_0..a_{t-1}; never printed."""

    coefficients: tuple[Scalar, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.coefficients) <= MAX_HOLDERS:
            count = len(self.coefficients)
            raise SharingRefused(f"{count} coefficients, allowed 1 to {MAX_HOLDERS}")

    @classmethod
    def random(cls, secret: Scalar, threshold: int, random_bytes: RandomBytes) -> Polynomial:
        """A polynomial of degree threshold-1 with f(0) = secret and all else random."""
        drawn = (random_scalar(random_bytes) for _ in range(threshold - 1))
        return cls((secret, *drawn))

    def share(self, index: int) -> Share:
        """The share of the holder `index` (1..255). Raises `SharingRefused`."""
        check_index(index)
        point = Scalar.from_int(index)
        value = ZERO
        for coefficient in reversed(self.coefficients):
            value = value * point + coefficient
        return Share(index, value)

    def commit(self) -> Commitments:
        """The public commitments. Raises `IdentityResult` if a coefficient is zero."""
        return Commitments(tuple(multiply_base(a) for a in self.coefficients))


class Dealing(Struct, frozen=True):
    """What one dealer made: a share for each holder in order 1..n, and the public commitments."""

    shares: tuple[Share, ...]
    commitments: Commitments


def split(secret: Scalar, threshold: int, holders: int, random_bytes: RandomBytes) -> Dealing:
    """Share `secret` so that any `threshold` of `holders` can use it.

    1 <= threshold <= holders <= 255 and the secret is not zero. Raises `SharingRefused`,
    `RandomnessRefused`.
    """
    check_threshold(threshold, holders)
    if secret.is_zero:
        raise SharingRefused("the secret is zero")
    polynomial = Polynomial.random(secret, threshold, random_bytes)
    shares = tuple(polynomial.share(index) for index in range(1, holders + 1))
    return Dealing(shares, polynomial.commit())


def recover(shares: Sequence[Share]) -> Scalar:
    """The value at 0 of the lowest polynomial through `shares`.

    It is the secret if at least threshold true shares are given, and something unrelated if fewer.
    Raises `SharingRefused` for none or for two shares of one index.
    """
    weights = lagrange_at_zero(tuple(share.index for share in shares))
    total = ZERO
    for weight, share in zip(weights, shares, strict=True):
        total = total + weight * share.value
    return total


@functools.lru_cache(maxsize=1024)
def lagrange_at_zero(indices: tuple[int, ...]) -> tuple[Scalar, ...]:
    """The weights w_i with f(0) = sum of w_i * f(i), in the order of `indices`.

    f has a degree below the number of indices. Raises `SharingRefused` for no index, for one that
    is not 1..255 and for one that comes twice.
    """
    if not indices:
        raise SharingRefused("no index to interpolate from")
    for index in indices:
        check_index(index)
    if len(set(indices)) != len(indices):
        raise SharingRefused("an index comes twice")
    weights = []
    for i in indices:
        above, below = 1, 1
        for j in indices:
            if j != i:
                above = above * j % ORDER
                below = below * (j - i) % ORDER
        weights.append(Scalar.from_int(above * pow(below, -1, ORDER) % ORDER))
    return tuple(weights)


def on_one_polynomial(threshold: int, public_key: Element, share_keys: Sequence[Element]) -> bool:
    """Whether K, K_1..K_n are f(0)*G, f(1)*G..f(n)*G for one f of degree below `threshold`.

    The test of Cascudo and David (SCRAPE, 2017): the sum over all i of v_i * m(i) * K_i is the
    identity for every polynomial m of degree n - threshold, where v_i = 1 / product of (i - j). The
    coefficients of m are hashed from all keys, so keys off the polynomial pass with chance 1/L.
    """
    keys = (public_key, *share_keys)
    places = range(len(keys))
    seed = hashlib.sha512(b"".join(key.encoding for key in keys)).digest()
    tester = [
        int(hash_to_scalar(seed + bytes((k,)), _DST_CONSISTENCY))
        for k in range(len(keys) - threshold)
    ]
    weights = invert_all([_place_product(i, places) for i in places])
    values = [_value_at(tester, i) for i in places]
    return weighted_sum(
        [w * Scalar.from_int(v) for w, v in zip(weights, values, strict=True)], keys
    ).is_identity


def _place_product(i: int, places: range) -> Scalar:
    product = ONE
    for j in places:
        if j != i:
            product = product * Scalar.from_int((i - j) % ORDER)
    return product


def _value_at(coefficients: Sequence[int], point: int) -> int:
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * point + coefficient) % ORDER
    return value


def check_index(index: int) -> None:
    """Refuse a holder's index outside 1..255. Raises `SharingRefused`."""
    if not 1 <= index <= MAX_HOLDERS:
        raise SharingRefused(f"holder index {index}, allowed 1 to {MAX_HOLDERS}")


def check_threshold(threshold: int, holders: int) -> None:
    """Refuse a threshold outside 1..holders or more than 255 holders. Raises `SharingRefused`."""
    if not 1 <= holders <= MAX_HOLDERS:
        raise SharingRefused(f"{holders} holders, allowed 1 to {MAX_HOLDERS}")
    if not 1 <= threshold <= holders:
        raise SharingRefused(f"threshold {threshold}, allowed 1 to {holders}")
