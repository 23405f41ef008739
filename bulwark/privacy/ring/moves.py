"""The first and the third move of ARP-1 as an interactive proof.

Rules owned here: how the commitments are made and how a challenge is answered. All arithmetic on
secrets is the suite's; which operations run, and how many, depends on the size of the ring alone.
What depends on the secret index is which entry of a list of four is read.

**Two answers for one first move reveal the secret**, so nothing but `prover.prove`, which makes one
first move a call and answers it once, may call these (a test rewinds them to show exactly that).

The sums over the ring are not made coefficient by coefficient. With p_i(X) = prod_j (b_j,i_j X +
a_j,i_j), the polynomial sum_i p_i(X) Y_i has points as coefficients and folds one digit at a time:
N + N/2 + 3N/16 + .. products instead of m*N, none of them skipped. A stretch of indices beyond the
ring means the last key Y again; its fold is X^j Y whatever the index, since each row of a sums to 0
and each row of b to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic

from bulwark.privacy.ring.generators import BASE, Generators, generators
from bulwark.privacy.ring.proof import RingProof
from bulwark.privacy.ring.statement import RingStatement
from bulwark.privacy.ring.suite import E, S, Suite


@dataclass(frozen=True, slots=True)
class Coins(Generic[S]):
    """The prover's random scalars, each used for one first move only."""

    r: S = field(repr=False)
    s: S = field(repr=False)
    t: S = field(repr=False)
    r_a: S = field(repr=False)
    r_b: S = field(repr=False)
    r_c: S = field(repr=False)
    r_d: S = field(repr=False)
    rho: tuple[S, ...] = field(repr=False)
    a: tuple[tuple[S, ...], ...] = field(repr=False)
    """Rows of a_j1, a_j2, a_j3; a_j0 is what makes the row sum to zero."""


def coins_needed(digits: int) -> int:
    """Number of scalars in `Coins`."""
    return 7 + digits + (BASE - 1) * digits


def coins_from(scalars: Sequence[S], digits: int) -> Coins[S]:
    """The coins made of `coins_needed(digits)` scalars in order."""
    r, s, t, r_a, r_b, r_c, r_d, *others = scalars
    rows, width = others[digits:], BASE - 1
    return Coins(
        r=r,
        s=s,
        t=t,
        r_a=r_a,
        r_b=r_b,
        r_c=r_c,
        r_d=r_d,
        rho=tuple(others[:digits]),
        a=tuple(tuple(rows[j * width : (j + 1) * width]) for j in range(digits)),
    )


@dataclass(frozen=True, slots=True)
class FirstMove(Generic[E, S]):
    """The commitments, and what answering a challenge needs besides."""

    e1: E
    e2: E
    nullifier: E
    a: E
    b: E
    c: E
    d: E
    g: tuple[tuple[E, E], ...]
    r1: E
    r2: E
    r3: E
    secret: S = field(repr=False)
    digits: tuple[int, ...] = field(repr=False)
    coins: Coins[S] = field(repr=False)

    def elements(self) -> list[E]:
        """All commitments in the order of the wire and of the challenge."""
        pairs = [element for pair in self.g for element in pair]
        head = [self.e1, self.e2, self.nullifier, self.a, self.b, self.c, self.d]
        return [*head, *pairs, self.r1, self.r2, self.r3]


def digits_of(index: int, count: int) -> tuple[int, ...]:
    """The index in base 4, `count` digits, the lowest first."""
    return tuple(index // BASE**j % BASE for j in range(count))


def commit(
    statement: RingStatement[E, S], secret: S, index: int, coins: Coins[S]
) -> FirstMove[E, S]:
    """Moves 1 to 5 of the prover: everything before the challenge.

    The secret belongs to the key at `index`; the caller has checked that.
    """
    ring = statement.ring
    suite = ring.suite
    digits = digits_of(index, ring.digits)
    points = generators(suite, ring.digits)
    rows = _full_rows(suite, coins.a)
    folded = fold(suite, ring.keys, digits, rows)
    a, b, c, d = _commitments(suite, points, digits, rows, coins)
    base, by, opener = suite.multiply_base, suite.multiply, statement.opener
    return FirstMove(
        e1=base(coins.r),
        e2=ring.keys[index] + by(coins.r, opener),
        nullifier=by(secret, statement.scope_point),
        a=a,
        b=b,
        c=c,
        d=d,
        g=tuple(
            (base(rho), by(rho, opener) - coefficient)
            for rho, coefficient in zip(coins.rho, folded, strict=True)
        ),
        r1=base(coins.s),
        r2=base(coins.t) + by(coins.s, opener),
        r3=by(coins.t, statement.scope_point),
        secret=secret,
        digits=digits,
        coins=coins,
    )


def respond(suite: Suite[E, S], move: FirstMove[E, S], challenge: S) -> RingProof[E, S]:
    """Move 7: the answer to the challenge."""
    coins = move.coins
    zero, one = suite.scalar(0), suite.scalar(1)
    f = tuple(
        tuple(
            (one if digit == i else zero) * challenge + value
            for i, value in enumerate(row, start=1)
        )
        for digit, row in zip(move.digits, coins.a, strict=True)
    )
    power, hidden = one, zero
    for rho in coins.rho:
        hidden = hidden + rho * power
        power = power * challenge
    return RingProof(
        suite,
        move.e1,
        move.e2,
        move.nullifier,
        move.a,
        move.b,
        move.c,
        move.d,
        move.g,
        move.r1,
        move.r2,
        move.r3,
        f=f,
        z_a=coins.r_b * challenge + coins.r_a,
        z_c=coins.r_c * challenge + coins.r_d,
        z=coins.r * power - hidden,
        s_r=coins.s + challenge * coins.r,
        s_x=coins.t + challenge * move.secret,
    )


def fold(
    suite: Suite[E, S], keys: Sequence[E], digits: Sequence[int], rows: Sequence[Sequence[S]]
) -> list[E]:
    """The coefficients of X^0 to X^(m-1) of sum_i p_i(X) Y_i; `rows` are the a_j0 to a_j3."""
    last = keys[-1]
    # A stretch of keys is folded to a polynomial, its coefficients from X^0 upwards. Only those
    # before the last key are kept; all after them are X^j * last.
    folded = [[key] for key in keys[:-1]]
    for j, (digit, row) in enumerate(zip(digits, rows, strict=True)):
        starts = range(0, len(folded), BASE)
        folded = [_fold_four(suite, folded[at : at + BASE], last, j, digit, row) for at in starts]
    nothing = [suite.identity] * len(digits)
    return folded[0][: len(digits)] if folded else nothing


def _fold_four(
    suite: Suite[E, S], kept: list[list[E]], last: E, degree: int, digit: int, row: Sequence[S]
) -> list[E]:
    """(b_0 X + a_0) * kept[0] + ..; what four polynomials of `degree` lack is X^degree * last."""
    lacking = BASE - len(kept)
    lacking_weight = row[-1]
    for value in row[len(kept) : -1]:
        lacking_weight = lacking_weight + value
    constants: list[E] = []
    chosen: list[E] = []
    for k in range(degree + 1):
        top = k == degree
        column = [polynomial[k] for polynomial in kept]
        chosen.append((column + [last if top else suite.identity] * lacking)[digit])
        weights = list(row[: len(kept)])
        if top and lacking:
            column.append(last)
            weights.append(lacking_weight)
        constants.append(suite.weighted_sum(weights, column))
    middle = [one + other for one, other in zip(constants[1:], chosen, strict=False)]
    return [constants[0], *middle, chosen[-1]]


def _full_rows(suite: Suite[E, S], rows: Sequence[Sequence[S]]) -> list[list[S]]:
    """The rows with a_j0 in front, so that each sums to zero."""
    full: list[list[S]] = []
    for row in rows:
        total = suite.scalar(0)
        for value in row:
            total = total + value
        full.append([-total, *row])
    return full


def _commitments(
    suite: Suite[E, S],
    points: Generators[E],
    digits: Sequence[int],
    rows: Sequence[Sequence[S]],
    coins: Coins[S],
) -> tuple[E, E, E, E]:
    """A, B, C, D; B is a sum of the chosen generators, one a digit."""
    zero, one = suite.scalar(0), suite.scalar(1)
    flat = [point for row in points.rows for point in row]
    values = [value for row in rows for value in row]
    bits = [one if digit == i else zero for digit in digits for i in range(BASE)]
    b = suite.multiply(coins.r_b, points.h)
    for digit, row in zip(digits, points.rows, strict=True):
        b = b + row[digit]
    elements = [points.h, *flat]
    crossed = [value * (one - (bit + bit)) for value, bit in zip(values, bits, strict=True)]
    squared = [-(value * value) for value in values]
    return (
        suite.weighted_sum([coins.r_a, *values], elements),
        b,
        suite.weighted_sum([coins.r_c, *crossed], elements),
        suite.weighted_sum([coins.r_d, *squared], elements),
    )
