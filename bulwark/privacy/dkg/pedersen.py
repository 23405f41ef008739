"""Pairs of secret polynomials (f, f'), their Pedersen commitments, and the checks of opened pairs.

A dealer commits to every coefficient as C_k = a_k*G + b_k*H (Pedersen 1991): C says nothing about
a_k whatever the computing power, and nobody who cannot compute log_G(H) can open it in two ways. A
holder j gets the pair f(j), f'(j) and checks f(j)*G + f'(j)*H = sum over k of j^k*C_k.

Rules owned here: H is hashed to the group, so nobody knows log_G(H); many opened pairs of one
dealer are checked in one equation with weights hashed from them (Bellare, Garay, Rabin 1998), which
is the same on every node. Where the constant term is public (an old share key, or the identity for
a dealing of zero) there is no key to bend: f' is zero, C_k = a_k*G are Feldman commitments from the
beginning (`plain`), and C_0 is that public element, so it binds without being sent.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from msgspec import Struct

from bulwark.privacy.group import (
    ORDER,
    ZERO,
    Element,
    RandomBytes,
    Scalar,
    hash_to_group,
    multiply_base_or_identity,
    multiply_or_identity,
    random_scalar,
    weighted_sum,
)
from bulwark.privacy.sharing import Polynomial
from bulwark.privacy.transcript import Transcript

_DST_GENERATOR = b"Bulwark-v1-dkg-second-generator"
_LABEL_WEIGHTS = b"Bulwark-v1-dkg-pair-weights"


@functools.cache
def second_generator() -> Element:
    """H, whose logarithm to the base G nobody knows."""
    return hash_to_group(b"H", _DST_GENERATOR)


@functools.lru_cache(maxsize=512)
def powers(index: int, count: int) -> tuple[Scalar, ...]:
    """index^0 .. index^(count-1) as scalars; public."""
    return tuple(Scalar.from_int(pow(index, k, ORDER)) for k in range(count))


def evaluate_points(points: Sequence[Element], index: int) -> Element:
    """The sum of index^k * points[k]; may be the identity."""
    return weighted_sum(powers(index, len(points)), points)


class Pair(Struct, frozen=True):
    """A holder's f(j) and f'(j); secret until it is published, never printed."""

    value: Scalar
    blinding: Scalar


class PedersenCommitments(Struct, frozen=True):
    """C_0..C_{t-1} of one dealer; C_0 may be the identity (a dealing of zero).

    `plain` ones are Feldman commitments: only pairs without blinding fit.
    """

    points: tuple[Element, ...]
    plain: bool = False

    def fits(self, index: int, pair: Pair) -> bool:
        """Whether the pair is the one of holder `index`."""
        if self.plain and not pair.blinding.is_zero:
            return False
        hidden = multiply_or_identity(pair.blinding, second_generator())
        return multiply_base_or_identity(pair.value) + hidden == evaluate_points(self.points, index)

    def fit(self, pairs: Mapping[int, Pair]) -> bool:
        """Whether all pairs, by holder index, fit: one equation, wrong with chance 1/L."""
        if self.plain and not all(pair.blinding.is_zero for pair in pairs.values()):
            return False
        value, blinding, sums = _mix(self.points, pairs)
        hidden = multiply_or_identity(blinding, second_generator())
        return multiply_base_or_identity(value) + hidden == weighted_sum(sums, self.points)


def feldman_fit(points: Sequence[Element], pairs: Mapping[int, Pair]) -> bool:
    """Whether f(j)*G = sum over k of j^k*A_k for all pairs, by holder index, in one equation."""
    if not pairs:
        return True
    value, _, sums = _mix(points, pairs)
    return multiply_base_or_identity(value) == weighted_sum(sums, points)


def _mix(
    points: Sequence[Element], pairs: Mapping[int, Pair]
) -> tuple[Scalar, Scalar, list[Scalar]]:
    """Weighted sums of the pairs' values, of their blindings and of the powers of their indices."""
    seed = Transcript(_LABEL_WEIGHTS).add_int(len(points)).add_elements(points)
    for index, pair in pairs.items():
        seed.add_int(index).add(pair.value.encoding).add(pair.blinding.encoding)
    value = blinding = ZERO
    sums = [ZERO] * len(points)
    for index, pair in pairs.items():
        weight = seed.fork().add_int(index).challenge()
        value, blinding = value + weight * pair.value, blinding + weight * pair.blinding
        for k, power in enumerate(powers(index, len(points))):
            sums[k] = sums[k] + weight * power
    return value, blinding, sums


class HiddenPolynomial(Struct, frozen=True):
    """A dealer's f and f' by their coefficients; never printed."""

    values: Polynomial
    blindings: Polynomial

    @classmethod
    def random(
        cls, secret: Scalar, threshold: int, random_bytes: RandomBytes, *, plain: bool
    ) -> HiddenPolynomial:
        """f(0) = `secret`, all else random; f' is zero if `plain`. Raises `RandomnessRefused`."""
        values = Polynomial.random(secret, threshold, random_bytes)
        if plain:
            return cls(values, Polynomial((ZERO,) * threshold))
        first = random_scalar(random_bytes)
        return cls(values, Polynomial.random(first, threshold, random_bytes))

    def pair(self, index: int) -> Pair:
        """The pair of holder `index` (1..255)."""
        return Pair(self.values.share(index).value, self.blindings.share(index).value)

    def commit(self) -> PedersenCommitments:
        """The Pedersen commitments of all coefficients."""
        return PedersenCommitments(
            tuple(
                multiply_base_or_identity(a) + multiply_or_identity(b, second_generator())
                for a, b in zip(self.values.coefficients, self.blindings.coefficients, strict=True)
            )
        )

    def open_values(self) -> tuple[Element, ...]:
        """The Feldman commitments A_k = a_k*G."""
        return tuple(multiply_base_or_identity(a) for a in self.values.coefficients)
