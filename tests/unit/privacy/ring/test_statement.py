"""Statements and rings: what is refused, and that every field reaches the transcript."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from bulwark.privacy.errors import InputRefused, RingRefused
from bulwark.privacy.group import IDENTITY, multiply_base, random_scalar
from bulwark.privacy.ring.ristretto import MemberRing, member_ring
from bulwark.privacy.ring.statement import digits_for
from tests.unit.privacy.ring.worlds import World, stream

WORLD = World(6)
STATEMENT = WORLD.statement


@pytest.mark.parametrize(
    ("members", "digits"),
    [(1, 1), (4, 1), (5, 2), (16, 2), (17, 3), (64, 3), (65, 4), (256, 4), (257, 5), (1024, 5)],
)
def test_the_digits_are_those_of_the_next_power_of_four(members: int, digits: int) -> None:
    assert digits_for(members) == digits


def test_an_empty_ring_is_refused() -> None:
    with pytest.raises(InputRefused):
        member_ring([])


def test_a_ring_of_more_than_1024_keys_is_refused() -> None:
    with pytest.raises(InputRefused):
        member_ring([WORLD.keys[0]] * 1025)


def test_a_ring_with_the_identity_is_refused_and_the_place_named() -> None:
    with pytest.raises(RingRefused) as caught:
        member_ring([*WORLD.keys, IDENTITY])
    assert caught.value.position == 6


def test_a_ring_with_one_key_twice_is_refused_and_the_place_named() -> None:
    with pytest.raises(RingRefused) as caught:
        member_ring([*WORLD.keys, WORLD.keys[2]])
    assert caught.value.position == 6


def test_the_root_is_the_hash_of_the_keys_in_their_order() -> None:
    joined = b"".join(key.encoding for key in WORLD.keys)
    assert WORLD.ring.root == hashlib.sha512(joined).digest()
    assert member_ring(WORLD.keys[::-1]).root != WORLD.ring.root


def test_a_ring_finds_a_key_and_no_other() -> None:
    assert [WORLD.ring.position(key) for key in WORLD.keys] == list(range(6))
    assert WORLD.ring.position(WORLD.point()) is None


def test_rings_of_the_same_keys_are_equal() -> None:
    ring: MemberRing = member_ring(WORLD.keys)
    assert ring == WORLD.ring
    assert hash(ring) == hash(WORLD.ring)


@pytest.mark.parametrize(
    "changes",
    [
        {"chain_id": -1},
        {"chain_id": 1 << 64},
        {"genesis_hash": bytes(31)},
        {"ring_height": -1},
        {"ring_height": 1 << 64},
        {"opener": IDENTITY},
        {"opener_epoch": 1 << 64},
        {"epoch": -1},
        {"scope": 0},
        {"scope": 256},
        {"slot": -1},
        {"slot": 1 << 32},
        {"message": bytes(63)},
    ],
    ids=str,
)
def test_a_field_out_of_its_bounds_is_refused(changes: dict) -> None:
    with pytest.raises(InputRefused):
        replace(STATEMENT, **changes)


def other_statements() -> dict:
    secret = random_scalar(stream("other"))
    other_ring = member_ring([*WORLD.keys[:5], multiply_base(secret)])
    return {
        "chain_id": replace(STATEMENT, chain_id=STATEMENT.chain_id + 1),
        "genesis_hash": replace(STATEMENT, genesis_hash=bytes(32)),
        "ring_height": replace(STATEMENT, ring_height=STATEMENT.ring_height + 1),
        "ring": replace(STATEMENT, ring=other_ring),
        "order of the ring": replace(STATEMENT, ring=member_ring(WORLD.keys[::-1])),
        "smaller ring": replace(STATEMENT, ring=member_ring(WORLD.keys[:5])),
        "opener": replace(STATEMENT, opener=multiply_base(secret)),
        "opener_epoch": replace(STATEMENT, opener_epoch=STATEMENT.opener_epoch + 1),
        "epoch": replace(STATEMENT, epoch=STATEMENT.epoch + 1),
        "scope": replace(STATEMENT, scope=STATEMENT.scope + 1),
        "slot": replace(STATEMENT, slot=STATEMENT.slot + 1),
        "message": replace(STATEMENT, message=bytes(64)),
    }


@pytest.mark.parametrize("name", list(other_statements()))
def test_a_statement_that_differs_in_one_field_has_another_hash(name: str) -> None:
    other = other_statements()[name]
    assert other.statement_hash() != STATEMENT.statement_hash()
    assert other.transcript().digest() != STATEMENT.transcript().digest()


def test_the_statement_hash_names_the_statement_and_not_the_object() -> None:
    same = replace(STATEMENT, ring=member_ring(WORLD.keys))
    assert same.statement_hash() == STATEMENT.statement_hash()
    assert len(STATEMENT.statement_hash()) == 32


@pytest.mark.parametrize("name", ["chain_id", "epoch", "scope", "slot"])
def test_each_part_of_a_slot_s_name_gives_another_scope_point(name: str) -> None:
    assert other_statements()[name].scope_point != STATEMENT.scope_point


@pytest.mark.parametrize("name", ["genesis_hash", "ring_height", "ring", "opener", "message"])
def test_what_does_not_name_the_slot_leaves_the_scope_point(name: str) -> None:
    assert other_statements()[name].scope_point == STATEMENT.scope_point
