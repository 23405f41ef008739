"""The prover: complete for every member of every ring, and its randomness serves one proof."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.privacy.errors import InputRefused, ProofRefused, RandomnessRefused, WitnessRefused
from bulwark.privacy.group import ZERO, multiply
from bulwark.privacy.ring.batch import verify_batch
from bulwark.privacy.ring.prover import draw_coins, nullifier, prove
from bulwark.privacy.ring.ristretto import RISTRETTO255, Ristretto255
from bulwark.privacy.ring.verifier import verify
from tests.unit.privacy.ring.worlds import World, stream


@pytest.mark.parametrize("members", [1, 2, 3, 4, 5, 15, 16, 17, 63, 64, 65])
def test_every_member_of_a_ring_can_prove(members: int) -> None:
    world = World(members)
    pairs = [(world.statement, world.prove(index)) for index in range(members)]
    assert verify_batch(pairs, world.random_bytes) == [None] * members


@pytest.mark.parametrize(
    ("members", "index"), [(70, 0), (70, 69), (256, 255), (257, 256), (300, 128)]
)
def test_members_of_larger_rings_can_prove(members: int, index: int) -> None:
    world = World(members)
    verify(world.statement, world.prove(index), world.random_bytes)


@settings(deadline=None, max_examples=25)
@given(
    members=st.integers(1, 21),
    place=st.floats(0, 1, exclude_max=True),
    message=st.binary(min_size=64, max_size=64),
    slot=st.integers(0, (1 << 32) - 1),
    chain_id=st.integers(0, (1 << 64) - 1),
)
def test_any_statement_can_be_proved(
    members: int, place: float, message: bytes, slot: int, chain_id: int
) -> None:
    world = World(members)
    changes = {"message": message, "slot": slot, "chain_id": chain_id}
    proof = world.prove(int(place * members), **changes)
    verify(replace(world.statement, **changes), proof, world.random_bytes)


def test_a_secret_of_another_place_is_refused() -> None:
    world = World(4)
    for index in (0, 2, 3, 4, -1):
        with pytest.raises(WitnessRefused):
            prove(world.statement, world.secrets[1], index, world.random_bytes)


def test_a_non_member_and_the_zero_secret_are_refused() -> None:
    world = World(4)
    for secret in (world.scalar(), ZERO):
        with pytest.raises(WitnessRefused):
            prove(world.statement, secret, 1, world.random_bytes)


def test_a_refusal_does_not_show_the_secret() -> None:
    world = World(2)
    with pytest.raises(WitnessRefused) as caught:
        prove(world.statement, world.secrets[1], 0, world.random_bytes)
    assert world.secrets[1].encoding.hex() not in str(caught.value) + repr(vars(caught.value))


@pytest.mark.parametrize("broken", [lambda _: b"", lambda _: bytes(63), lambda _: "x" * 64])
def test_a_source_that_does_not_give_64_bytes_is_refused(broken) -> None:
    world = World(2)
    with pytest.raises(RandomnessRefused):
        prove(world.statement, world.secrets[0], 0, broken)


def all_coins(coins) -> list[bytes]:
    loose = [coins.r, coins.s, coins.t, coins.r_a, coins.r_b, coins.r_c, coins.r_d]
    rows = [value for row in coins.a for value in row]
    return [value.encoding for value in (*loose, *coins.rho, *rows)]


def test_with_a_stuck_source_no_scalar_serves_two_statements_or_two_secrets() -> None:
    """The bytes are always the same; statement or secret differ."""
    world = World(17)
    seen: list[bytes] = []
    for statement in (
        world.statement,
        replace(world.statement, message=bytes(64)),
        replace(world.statement, slot=18),
        replace(world.statement, ring_height=813),
    ):
        for secret in world.secrets[:2]:
            prefix = statement.transcript()
            seen += all_coins(draw_coins(RISTRETTO255, secret, 3, prefix, lambda _: bytes(64)))
    assert len(seen) == 8 * 19
    assert len(set(seen)) == len(seen)


def test_with_a_stuck_source_the_same_statement_has_the_same_proof() -> None:
    """So a second answer to one first move never comes out."""
    world = World(5)
    proofs = [prove(world.statement, world.secrets[2], 2, lambda _: bytes(64)) for _ in range(2)]
    assert proofs[0] == proofs[1]


def test_fresh_bytes_make_another_proof_with_the_same_nullifier() -> None:
    world = World(5)
    one, other = world.prove(2), world.prove(2)
    assert one.nullifier == other.nullifier
    shared = {element.encoding for element in one.elements()} & {
        element.encoding for element in other.elements()
    }
    assert shared == {one.nullifier.encoding}
    assert not set(one.scalars()) & set(other.scalars())


def test_the_nullifier_stays_for_a_slot_whatever_else_changes() -> None:
    """Messages, heights, rings and openers do not give a second use of a slot."""
    world, larger = World(5), World(6, seed="larger")
    joined = replace(larger.ring, keys=(*larger.keys, world.keys[2]))
    changes = [
        {},
        {"message": bytes(64)},
        {"ring_height": 900},
        {"opener": world.point(), "opener_epoch": 4},
    ]
    made = [world.prove(2, **change).nullifier for change in changes]
    elsewhere = replace(world.statement, ring=joined)
    made.append(prove(elsewhere, world.secrets[2], 6, world.random_bytes).nullifier)
    s = world.statement
    made.append(nullifier(world.secrets[2], s.chain_id, s.epoch, s.scope, s.slot))
    assert len(set(made)) == 1


def test_nullifiers_of_different_slots_and_members_differ() -> None:
    secrets = World(3).secrets
    made = {
        nullifier(secret, chain_id, epoch, scope, slot)
        for secret in secrets
        for chain_id in (1, 2)
        for epoch in (0, 1)
        for scope in (1, 2)
        for slot in range(3)
    }
    assert len(made) == 3 * 2 * 2 * 2 * 3
    ones = sum(bin(int.from_bytes(one.encoding, "little")).count("1") for one in made)
    # 72 encodings of 253 free bits: the mean is half of them, 9,108, with a deviation of 67.
    assert abs(ones - 72 * 253 / 2) < 6 * 67


@pytest.mark.parametrize("scope", [0, 256])
def test_a_nullifier_for_a_scope_that_is_none_is_refused(scope: int) -> None:
    with pytest.raises(InputRefused):
        nullifier(World(1).secrets[0], 1, 1, scope, 0)


class ZeroChallenge(Ristretto255):
    """Its twelfth scalar of a proof with one digit, the challenge, is zero."""

    calls = 0

    def reduce(self, wide, /):
        self.calls += 1
        return ZERO if self.calls == 12 else super().reduce(wide)


def test_a_challenge_of_zero_gives_no_proof() -> None:
    suite = ZeroChallenge()
    world = World(4, suite)
    suite.calls = 0
    with pytest.raises(ProofRefused, match="zero"):
        prove(world.statement, world.secrets[1], 1, lambda _: bytes(64))
    assert suite.calls == 12


class Recorded(Ristretto255):
    """Writes down which operation ran with how many operands."""

    def __init__(self) -> None:
        self.trace: list[tuple[str, int]] = []

    def multiply(self, scalar, element, /):
        self.trace.append(("multiply", scalar.is_zero))
        return super().multiply(scalar, element)

    def multiply_base(self, scalar, /):
        self.trace.append(("base", scalar.is_zero))
        return super().multiply_base(scalar)

    def weighted_sum(self, scalars, elements, /):
        zeros = sum(scalar.is_zero for scalar in scalars)
        self.trace.append((f"sum with {zeros} zeros", len(scalars)))
        return super().weighted_sum(scalars, elements)


@pytest.mark.parametrize("members", [1, 2, 4, 6, 16, 18, 33])
def test_proving_runs_the_same_operations_for_every_member(members: int) -> None:
    traces = set()
    for index in range(members):
        suite = Recorded()
        world = World(members, suite)
        suite.trace.clear()
        world.prove(index)
        traces.add(tuple(suite.trace))
    assert len(traces) == 1
    # Nothing is left out for being zero, because no factor is.
    assert {name for name, _ in traces.pop()} <= {"multiply", "base", "sum with 0 zeros"}


def test_proving_time_has_no_gross_dependence_on_the_place() -> None:
    """A smoke test: the fastest of some interleaved runs, which load can only make slower."""
    world = World(16)
    places = (0, 5, 15)
    fastest = dict.fromkeys(places, 1 << 62)
    for _ in range(15):
        for place in places:
            begin = time.process_time_ns()
            world.prove(place)
            fastest[place] = min(fastest[place], time.process_time_ns() - begin)
    assert max(fastest.values()) < 1.5 * min(fastest.values())


def test_the_nullifier_is_the_secret_times_the_scope_point() -> None:
    world = World(2, seed=stream("seed")(4).hex())
    assert world.prove(1).nullifier == multiply(world.secrets[1], world.statement.scope_point)
