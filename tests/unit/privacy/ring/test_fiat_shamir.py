"""Weak Fiat-Shamir: for each field a forgery that a build without it in the challenge accepts.

Every forgery is crafted against the weak build and refused by the real one. Two kinds cannot say
more than that a proof would be malleable: A and B, whose equation (1) is not what binds the digits
alone. Fields that also act through the scope point (chain id, epoch, scope, slot) are bound twice:
there the weak build takes U as given.
"""

from __future__ import annotations

import dataclasses

import pytest

from bulwark.privacy.errors import ProofRefused
from bulwark.privacy.group import ONE, Scalar, multiply, multiply_base, weighted_sum
from bulwark.privacy.ring.generators import generators
from bulwark.privacy.ring.moves import respond
from bulwark.privacy.ring.proof import RingProof
from bulwark.privacy.ring.ristretto import RISTRETTO255, member_ring
from bulwark.privacy.ring.verifier import claim, verify
from tests.unit.privacy.ring import weak
from tests.unit.privacy.ring.weak import colluding_answer, weak_answer
from tests.unit.privacy.ring.worlds import World, inverse

H = generators(RISTRETTO255, 1).h
ROW = generators(RISTRETTO255, 1).rows[0]


def assert_only_the_weak_build_accepts(statement, proof, omit: set[str], world: World) -> None:
    weak.weak_claim(statement, proof, omit).check_all(world.random_bytes)
    with pytest.raises(ProofRefused):
        verify(statement, proof, world.random_bytes)


def opened(world: World, proof: RingProof):
    """What regulator and council together find in the ciphertext."""
    return proof.e2 - multiply(world.opener_secret, proof.e1)


def take_as_given(statement, point) -> None:
    """A scope point from outside, in the equations and in the challenge."""
    object.__setattr__(statement, "scope_point", point)
    object.__setattr__(statement, "_prefix", statement._hashed())


def test_the_list_of_fields_is_the_real_challenge() -> None:
    world = World(4)
    proof = world.prove(2)
    real = claim(world.statement, proof).challenge
    assert weak.challenge(world.statement, proof.elements(), set()) == real
    for name in weak.fields(world.statement, proof.elements()):
        assert weak.challenge(world.statement, proof.elements(), {name}) != real


@pytest.mark.parametrize(
    "change",
    [
        {"genesis_hash": bytes(32)},
        {"ring_height": 1},
        {"opener_epoch": 1},
        {"message": bytes(64)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_proof_moves_to_another_statement_if_the_field_is_left_out(change: dict) -> None:
    world = World(4)
    omit = set(change)
    proof, _ = weak_answer(world, world.first_move(1), omit)
    assert_only_the_weak_build_accepts(
        dataclasses.replace(world.statement, **change), proof, omit, world
    )


@pytest.mark.parametrize("name", ["label", "suite", "N", "n", "m"])
def test_a_proof_made_under_another_constant_passes_if_it_is_left_out(name: str) -> None:
    """N, n and m follow from the ring; label and suite tell protocols apart."""
    world = World(4)
    move = world.first_move(1)
    xi = weak.challenge(world.statement, move.elements(), {name}, {name: b"another"})
    proof = respond(RISTRETTO255, move, Scalar.from_int(xi))
    assert_only_the_weak_build_accepts(world.statement, proof, {name}, world)


@pytest.mark.parametrize("name", ["chain_id", "epoch", "scope", "slot"])
def test_a_proof_moves_to_another_slot_if_it_is_left_out_and_u_taken_as_given(name: str) -> None:
    world = World(4)
    proof, _ = weak_answer(world, world.first_move(1), {name})
    other = dataclasses.replace(world.statement, **{name: getattr(world.statement, name) + 1})
    with pytest.raises(ProofRefused):
        weak.weak_claim(other, proof, {name}).check_all(world.random_bytes)
    take_as_given(other, world.statement.scope_point)
    assert_only_the_weak_build_accepts(other, proof, {name}, world)


def test_without_u_in_the_challenge_and_taken_as_given_any_nullifier_passes() -> None:
    world = World(4)
    wanted = world.point()
    move = dataclasses.replace(world.first_move(1), nullifier=wanted, r3=world.point())
    proof, xi = weak_answer(world, move, {"U"})
    given = multiply(inverse(RISTRETTO255, proof.s_x), proof.r3 + multiply(xi, wanted))
    statement = dataclasses.replace(world.statement)
    take_as_given(statement, given)
    assert_only_the_weak_build_accepts(statement, proof, {"U"}, world)


def test_without_the_ring_in_the_challenge_the_signer_can_be_written_out_of_it() -> None:
    world = World(4)
    proof, xi = weak_answer(world, world.first_move(1), {"ring"})
    row = [xi - (proof.f[0][0] + proof.f[0][1] + proof.f[0][2]), *proof.f[0]]
    instead = world.point()
    shift = multiply(row[1] * inverse(RISTRETTO255, row[0]), world.keys[1] - instead)
    ring = member_ring([world.keys[0] + shift, instead, *world.keys[2:]])
    assert ring.position(opened(world, proof)) is None
    statement = dataclasses.replace(world.statement, ring=ring)
    assert_only_the_weak_build_accepts(statement, proof, {"ring"}, world)


def test_without_the_opener_in_the_challenge_a_key_nobody_holds_can_be_the_opener() -> None:
    """V, W random; E2 = Y + V, R2 = t*G + W and PK = (W + xi*V) / (s + xi*r) afterwards."""
    world = World(4)
    v, w = world.point(), world.point()
    move = world.first_move(1)
    coins = dataclasses.replace(move.coins, rho=(-move.coins.s,))
    # G_02 of the honest move is rho*PK - P; here it is -P - W, and G_01 = -s*G.
    pad = move.g[0][1] - multiply(move.coins.rho[0], world.statement.opener)
    move = dataclasses.replace(
        move,
        coins=coins,
        e2=world.keys[1] + v,
        r2=multiply_base(coins.t) + w,
        g=((multiply_base(coins.rho[0]), pad - w),),
    )
    proof, xi = weak_answer(world, move, {"opener"})
    opener = multiply(inverse(RISTRETTO255, proof.s_r), w + multiply(xi, v))
    statement = dataclasses.replace(world.statement, opener=opener)
    assert_only_the_weak_build_accepts(statement, proof, {"opener"}, world)


def test_without_t_a_member_has_any_number_of_nullifiers() -> None:
    world = World(4)
    move = dataclasses.replace(world.first_move(1), r3=world.point())
    proof, xi = weak_answer(world, move, {"T"})
    point = world.statement.scope_point
    made = multiply(inverse(RISTRETTO255, xi), multiply(proof.s_x, point) - proof.r3)
    proof = dataclasses.replace(proof, nullifier=made)
    assert made != multiply(world.secrets[1], point)
    assert_only_the_weak_build_accepts(world.statement, proof, {"T"}, world)


def test_without_r3_a_member_has_any_number_of_nullifiers() -> None:
    world = World(4)
    move = dataclasses.replace(world.first_move(1), nullifier=world.point())
    proof, xi = weak_answer(world, move, {"R3"})
    point = world.statement.scope_point
    made = multiply(proof.s_x, point) - multiply(xi, proof.nullifier)
    proof = dataclasses.replace(proof, r3=made)
    assert_only_the_weak_build_accepts(world.statement, proof, {"R3"}, world)


def test_without_r2_a_stranger_proves_in_a_member_s_name() -> None:
    world = World(4)
    proof, xi = weak_answer(world, world.first_move(1, secret=world.scalar()), {"R2"})
    made = multiply_base(proof.s_x) + multiply(proof.s_r, world.statement.opener)
    proof = dataclasses.replace(proof, r2=made - multiply(xi, proof.e2))
    assert opened(world, proof) == world.keys[1]
    assert_only_the_weak_build_accepts(world.statement, proof, {"R2"}, world)


def other_secret(world: World, index: int, step: Scalar) -> Scalar:
    """x' with x'*G + (r - step)*PK = Y + r*PK: a member who knows the opener's secret finds it."""
    return world.secrets[index] + step * world.opener_secret


def test_without_r1_a_member_with_the_opener_s_secret_has_any_number_of_nullifiers() -> None:
    world = World(4)
    step = world.scalar()
    move = world.first_move(1, secret=other_secret(world, 1, step))
    proof, xi = weak_answer(world, move, {"R1"})
    proof = dataclasses.replace(proof, s_r=proof.s_r - xi * step)
    proof = dataclasses.replace(proof, r1=multiply_base(proof.s_r) - multiply(xi, proof.e1))
    assert_only_the_weak_build_accepts(world.statement, proof, {"R1"}, world)


def test_without_g1_a_member_with_the_opener_s_secret_opens_to_nobody() -> None:
    world = World(4)
    step = world.scalar()
    move = world.first_move(1, secret=other_secret(world, 1, step))
    move = dataclasses.replace(move, e1=multiply_base(move.coins.r - step))
    proof, xi = weak_answer(world, move, {"G1"})
    proof = dataclasses.replace(proof, s_r=proof.s_r - xi * step)
    made = multiply(xi, proof.e1) - multiply_base(proof.z)
    proof = dataclasses.replace(proof, g=((made, proof.g[0][1]),))
    assert world.ring.position(opened(world, proof)) is None
    assert_only_the_weak_build_accepts(world.statement, proof, {"G1"}, world)


def test_without_g2_a_stranger_proves() -> None:
    world = World(4)
    stranger = world.scalar()
    move = world.first_move(1, secret=stranger)
    instead = move.e2 - world.keys[1] + multiply_base(stranger)
    proof, xi = weak_answer(world, dataclasses.replace(move, e2=instead), {"G2"})
    row = [xi - (proof.f[0][0] + proof.f[0][1] + proof.f[0][2]), *proof.f[0]]
    made = multiply(xi, proof.e2) - weighted_sum(row, world.keys)
    made = made - multiply(proof.z, world.statement.opener)
    proof = dataclasses.replace(proof, g=((proof.g[0][0], made),))
    assert opened(world, proof) == multiply_base(stranger)
    assert_only_the_weak_build_accepts(world.statement, proof, {"G2"}, world)


def test_without_e1_a_member_opens_to_nobody() -> None:
    """R1 = (s - d)*G, so that E1 comes out as (r + d/xi)*G; G_02 takes up what (4) then lacks."""
    world = World(4)
    d = world.scalar()
    move = world.first_move(1)
    lacking = multiply(d, world.statement.opener)
    g = ((move.g[0][0], move.g[0][1] - lacking),)
    move = dataclasses.replace(move, r1=move.r1 - multiply_base(d), g=g)
    proof, xi = weak_answer(world, move, {"E1"})
    made = multiply(inverse(RISTRETTO255, xi), multiply_base(proof.s_r) - proof.r1)
    proof = dataclasses.replace(proof, e1=made, z=proof.z + d)
    assert world.ring.position(opened(world, proof)) is None
    assert_only_the_weak_build_accepts(world.statement, proof, {"E1"}, world)


def test_without_e2_a_member_opens_to_nobody() -> None:
    """R2 less D, G_02 more D, E2 more D/xi for any element D."""
    world = World(4)
    d = world.point()
    move = world.first_move(1)
    move = dataclasses.replace(move, r2=move.r2 - d, g=((move.g[0][0], move.g[0][1] + d),))
    proof, xi = weak_answer(world, move, {"E2"})
    proof = dataclasses.replace(proof, e2=proof.e2 + multiply(inverse(RISTRETTO255, xi), d))
    assert world.ring.position(opened(world, proof)) is None
    assert_only_the_weak_build_accepts(world.statement, proof, {"E2"}, world)


@pytest.mark.parametrize("name", ["C", "D"])
def test_without_c_or_d_two_members_open_to_nobody(name: str) -> None:
    world = World(4)
    proof, xi = colluding_answer(world, {name})
    row = [xi - (proof.f[0][0] + proof.f[0][1] + proof.f[0][2]), *proof.f[0]]
    products = [value * (xi - value) for value in row]
    crossed = weighted_sum([proof.z_c, *products], [H, *ROW])
    if name == "C":
        made = multiply(inverse(RISTRETTO255, xi), crossed - proof.d)
        proof = dataclasses.replace(proof, c=made)
    else:
        proof = dataclasses.replace(proof, d=crossed - multiply(xi, proof.c))
    assert world.ring.position(opened(world, proof)) is None
    assert_only_the_weak_build_accepts(world.statement, proof, {name}, world)


@pytest.mark.parametrize("name", ["A", "B"])
def test_without_a_or_b_anyone_makes_another_proof_of_a_proof(name: str) -> None:
    world = World(4)
    proof, xi = weak_answer(world, world.first_move(1), {name})
    if name == "A":
        proof = dataclasses.replace(proof, a=proof.a + H, z_a=proof.z_a + ONE)
    else:
        proof = dataclasses.replace(proof, b=proof.b + H, z_a=proof.z_a + xi)
    assert_only_the_weak_build_accepts(world.statement, proof, {name}, world)
