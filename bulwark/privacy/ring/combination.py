"""The equations (1) to (7) of ARP-1, weighted and added to one sum that must be the identity.

    (1) A + xi*B = Com(f; z_A)                      (2) D + xi*C = Com(f*(xi - f); z_C)
    (3) xi^m*E1 - sum_k xi^k G_k1 = z*G             (4) xi^m*E2 - sum_i p_i Y_i
                                                           - sum_k xi^k G_k2 = z*PK
    (5) R1 + xi*E1 = s_r*G    (6) R2 + xi*E2 = s_x*G + s_r*PK    (7) R3 + xi*T = s_x*U

with Com(v; s) = s*H + sum v_ji H_ji, f_j0 = xi - sum_(i>0) f_ji and p_i = prod_j f_j,i_j.

Rules owned here: each proof's equations come in with seven weights; a weight of 0 leaves an
equation out, points and all. What several proofs share (G, the generators, the opener, the keys of
a ring) is multiplied once. Everything here is public, so it is computed with integers.

It does not choose weights: a sum shows something only if they were unpredictable to the prover.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic

from bulwark.privacy.ring.generators import BASE, generators
from bulwark.privacy.ring.proof import RingProof
from bulwark.privacy.ring.statement import Ring, RingStatement
from bulwark.privacy.ring.suite import E, S, Suite

EQUATIONS = 7


class Combination(Generic[E, S]):
    """A sum of equations that grows by `add` and is computed by `holds`."""

    __slots__ = ("_base", "_h", "_loose", "_openers", "_order", "_rings", "_rows", "_suite")

    def __init__(self, suite: Suite[E, S]) -> None:
        self._suite = suite
        self._order = suite.order
        self._base = 0
        self._h = 0
        self._rows: list[list[int]] = []
        self._openers: dict[E, int] = {}
        self._rings: dict[bytes, tuple[Ring[E, S], list[int]]] = {}
        self._loose: list[tuple[int, E]] = []

    def add(
        self,
        statement: RingStatement[E, S],
        proof: RingProof[E, S],
        challenge: int,
        weights: Sequence[int],
    ) -> None:
        """Add one proof's equations, the i-th `weights[i - 1]` times.

        The proof has as many digits as the statement's ring; the caller has checked that.
        """
        w1, w2, w3, w4, w5, w6, w7 = weights
        power = pow(challenge, proof.digits, self._order)
        if w1 or w2:
            self._add_bits(proof, challenge, w1, w2)
        if w3 or w4:
            self._add_sums(proof, challenge, w3, w4)
        if w4:
            self._add_ring(statement.ring, proof, challenge, w4)
        if w3 or w5:
            self._loose.append((w3 * power + w5 * challenge, proof.e1))
        if w4 or w6:
            self._loose.append((w4 * power + w6 * challenge, proof.e2))
            opener = w4 * int(proof.z) + w6 * int(proof.s_r)
            self._openers[statement.opener] = self._openers.get(statement.opener, 0) - opener
        if w5 or w6:
            self._base -= w5 * int(proof.s_r) + w6 * int(proof.s_x)
            self._loose += ((w5, proof.r1), (w6, proof.r2))
        if w7:
            self._loose += (
                (w7, proof.r3),
                (w7 * challenge, proof.nullifier),
                (-w7 * int(proof.s_x), statement.scope_point),
            )

    def holds(self) -> bool:
        """Whether the sum is the identity.

        The generator, whose multiples are cheap, and what comes with -1 stand on a second side.
        """
        suite, order = self._suite, self._order
        scalar, minus_one = suite.scalar, order - 1
        scalars: list[S] = []
        elements: list[E] = []
        added: list[E] = []
        moved: list[E] = []
        for coefficient, element in self._terms():
            reduced = coefficient % order
            if 1 < reduced < minus_one:
                scalars.append(scalar(reduced))
                elements.append(element)
            elif reduced == 1:
                added.append(element)
            elif reduced:
                moved.append(element)
        base = -self._base % order
        if base:
            moved.append(suite.multiply_base(scalar(base)))
        added.append(suite.weighted_sum(scalars, elements))
        return _sum(added, suite.identity) == _sum(moved, suite.identity)

    def _terms(self) -> list[tuple[int, E]]:
        points = generators(self._suite, max(1, len(self._rows)))
        terms = [(self._h, points.h), *self._loose]
        terms += [(coefficient, opener) for opener, coefficient in self._openers.items()]
        for coefficients, row in zip(self._rows, points.rows, strict=False):
            terms += zip(coefficients, row, strict=True)
        for ring, coefficients in self._rings.values():
            terms += zip(coefficients, ring.keys, strict=True)
        return terms

    def _add_bits(self, proof: RingProof[E, S], challenge: int, w1: int, w2: int) -> None:
        """(1) and (2)."""
        order = self._order
        while len(self._rows) < proof.digits:
            self._rows.append([0] * BASE)
        for coefficients, row in zip(self._rows, full_rows(proof, challenge, order), strict=False):
            for i, f in enumerate(row):
                coefficients[i] -= f * (w1 + w2 * (challenge - f)) % order
        self._h -= w1 * int(proof.z_a) + w2 * int(proof.z_c)
        self._loose += (
            (w1, proof.a),
            (w1 * challenge, proof.b),
            (w2, proof.d),
            (w2 * challenge, proof.c),
        )

    def _add_sums(self, proof: RingProof[E, S], challenge: int, w3: int, w4: int) -> None:
        """(3) and (4) without E1, E2, the opener and the ring."""
        power = 1
        for g1, g2 in proof.g:
            self._loose += ((-w3 * power, g1), (-w4 * power, g2))
            power = power * challenge % self._order
        self._base -= w3 * int(proof.z)

    def _add_ring(
        self, ring: Ring[E, S], proof: RingProof[E, S], challenge: int, weight: int
    ) -> None:
        """The sum over the ring in (4); what lies beyond its end is folded onto the last key."""
        order = self._order
        products = [weight]
        for j in range(proof.digits - 1, -1, -1):
            row = full_row(proof.f[j], challenge, order)
            needed = -(-len(ring) // BASE**j)
            products = [product * f % order for product in products for f in row][:needed]
        products.pop()
        # Each row sums to xi, so all products together are weight * xi^m.
        products.append((weight * pow(challenge, proof.digits, order) - sum(products)) % order)
        if ring.root in self._rings:
            coefficients = self._rings[ring.root][1]
            for i, product in enumerate(products):
                coefficients[i] -= product
        else:
            self._rings[ring.root] = (ring, [-product for product in products])


def full_row(row: Sequence[S], challenge: int, order: int) -> list[int]:
    """f_j0 to f_j3 from the three that a proof carries."""
    values = [int(value) for value in row]
    return [(challenge - sum(values)) % order, *values]


def full_rows(proof: RingProof[E, S], challenge: int, order: int) -> list[list[int]]:
    """All rows of f."""
    return [full_row(row, challenge, order) for row in proof.f]


def _sum(elements: Sequence[E], nothing: E) -> E:
    """The sum of the elements, `nothing` without any."""
    if not elements:
        return nothing
    total = elements[0]
    for element in elements[1:]:
        total = total + element
    return total
