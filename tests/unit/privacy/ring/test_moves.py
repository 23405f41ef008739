"""The interactive protocol: what its transcripts prove (extractor), what they tell (simulator)."""

from __future__ import annotations

import itertools

import pytest

from bulwark.privacy.errors import ProofRefused
from bulwark.privacy.group import IDENTITY, ORDER, Scalar, multiply_base, weighted_sum
from bulwark.privacy.ring.generators import generators
from bulwark.privacy.ring.moves import digits_of, fold, respond
from bulwark.privacy.ring.proof import RingProof
from bulwark.privacy.ring.ristretto import RISTRETTO255
from bulwark.privacy.ring.verifier import Claim, verify
from tests.unit.privacy.ring.slow_verifier import failing_equations, fields_of
from tests.unit.privacy.ring.worlds import World, inverse


def polynomial_product(one: list[int], other: list[int]) -> list[int]:
    product = [0] * (len(one) + len(other) - 1)
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            product[i + j] = (product[i + j] + a * b) % ORDER
    return product


@pytest.mark.parametrize("members", [1, 2, 3, 4, 5, 9, 16, 17, 21])
def test_folding_gives_the_coefficients_of_the_definition(members: int) -> None:
    world = World(members)
    count = world.ring.digits
    rows = [[world.scalar() for _ in range(3)] for _ in range(count)]
    rows = [[-(row[0] + row[1] + row[2]), *row] for row in rows]
    padded = world.keys + [world.keys[-1]] * (4**count - members)
    for index in {0, members // 2, members - 1}:
        digits = digits_of(index, count)
        sums = [IDENTITY] * count
        for i, key in enumerate(padded):
            product = [1]
            for j, digit in enumerate(digits_of(i, count)):
                bit = int(digits[j] == digit)
                product = polynomial_product(product, [int(rows[j][digit]), bit])
            for k in range(count):
                sums[k] = sums[k] + weighted_sum([Scalar.from_int(product[k])], [key])
        assert fold(RISTRETTO255, world.keys, digits, rows) == sums


def at_zero_degree(points: list[tuple[int, int]], degree: int) -> int:
    """Coefficient of X^degree of the polynomial through degree + 1 points (Lagrange)."""
    total = 0
    for i, (x, y) in enumerate(points):
        weight = 1
        for j, (other, _) in enumerate(points):
            if i != j:
                weight = weight * (x - other) % ORDER
        total += y * pow(weight, -1, ORDER)
    assert len(points) == degree + 1
    return total % ORDER


@pytest.mark.parametrize(("members", "index"), [(1, 0), (4, 2), (7, 6), (20, 13)])
def test_a_rewound_prover_gives_its_secret_its_place_and_its_randomness(
    members: int, index: int
) -> None:
    """Special soundness: m + 1 answers to one first move, and never fewer than two."""
    world = World(members)
    move = world.first_move(index)
    challenges = [world.scalar() for _ in range(max(world.ring.digits + 1, 2))]
    answers = [respond(RISTRETTO255, move, challenge) for challenge in challenges]
    for challenge, answer in zip(challenges, answers, strict=True):
        assert Claim(world.statement, answer, int(challenge)).failing() == ()
    step = inverse(RISTRETTO255, challenges[0] - challenges[1])
    assert (answers[0].s_x - answers[1].s_x) * step == world.secrets[index]
    extracted_r = (answers[0].s_r - answers[1].s_r) * step
    assert multiply_base(extracted_r) == move.e1
    place = 0
    for j, (one, other) in enumerate(zip(answers[0].f, answers[1].f, strict=True)):
        bits = [int((a - b) * step) for a, b in zip(one, other, strict=True)]
        assert sum(bits) in (0, 1)
        place += sum(i * bit for i, bit in enumerate(bits, 1)) * 4**j
    # The row says the digit among the padded indices; the last key stands for all beyond it.
    assert min(place, members - 1) == index
    used = world.ring.digits + 1
    curve = [
        (int(challenge), int(answer.z))
        for challenge, answer in zip(challenges[:used], answers[:used], strict=True)
    ]
    assert at_zero_degree(curve, world.ring.digits) == int(extracted_r)


def simulate(world: World, challenge: Scalar) -> RingProof:
    """An accepting transcript for a challenge chosen first, without any secret of a member."""
    suite, ring, statement = RISTRETTO255, world.ring, world.statement
    digits = ring.digits
    powers = [suite.scalar(pow(int(challenge), k, ORDER)) for k in range(digits + 1)]
    f = tuple(tuple(world.scalar() for _ in range(3)) for _ in range(digits))
    z_a, z_c, z, s_r, s_x = (world.scalar() for _ in range(5))
    rows = [[challenge - (row[0] + row[1] + row[2]), *row] for row in f]
    points = generators(suite, digits)
    flat = [points.h, *itertools.chain.from_iterable(points.rows)]
    values = list(itertools.chain.from_iterable(rows))
    crossed = [value * (challenge - value) for value in values]
    e1, e2, nullifier, b, c = (world.point() for _ in range(5))
    products = []
    for i in range(4**digits):
        product = suite.scalar(1)
        for j, digit in enumerate(digits_of(i, digits)):
            product = product * rows[j][digit]
        products.append(product)
    padded = [*ring.keys, *[ring.keys[-1]] * (4**digits - len(ring))]
    later = [(world.point(), world.point()) for _ in range(digits - 1)]
    g1 = suite.multiply(powers[digits], e1) - multiply_base(z)
    g2 = suite.multiply(powers[digits], e2) - weighted_sum(products, padded)
    g2 = g2 - suite.multiply(z, statement.opener)
    for power, (one, other) in zip(powers[1:], later, strict=False):
        g1, g2 = g1 - suite.multiply(power, one), g2 - suite.multiply(power, other)

    def minus(element, other):
        return element - suite.multiply(challenge, other)

    return RingProof(
        suite,
        e1,
        e2,
        nullifier,
        minus(weighted_sum([z_a, *values], flat), b),
        b,
        c,
        minus(weighted_sum([z_c, *crossed], flat), c),
        ((g1, g2), *later),
        minus(multiply_base(s_r), e1),
        minus(multiply_base(s_x) + suite.multiply(s_r, statement.opener), e2),
        minus(suite.multiply(s_x, statement.scope_point), nullifier),
        f,
        z_a,
        z_c,
        z,
        s_r,
        s_x,
    )


@pytest.mark.parametrize("members", [1, 4, 6, 17])
def test_transcripts_can_be_simulated_without_a_secret_but_not_proofs(members: int) -> None:
    """Zero knowledge: for a challenge known first, random answers fix the commitments."""
    world = World(members)
    challenge = world.scalar()
    simulated = simulate(world, challenge)
    assert Claim(world.statement, simulated, int(challenge)).failing() == ()
    encoded, fields = simulated.encode(), fields_of(world.statement)
    assert failing_equations(RISTRETTO255, fields, encoded, int(challenge)) == []
    with pytest.raises(ProofRefused):
        verify(world.statement, simulated, world.random_bytes)
    assert failing_equations(RISTRETTO255, fields, encoded) == [1, 2, 3, 4, 5, 6, 7]
