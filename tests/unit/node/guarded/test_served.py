"""A served statement: everything an auditor needs, and only in one encoding."""

from __future__ import annotations

import pytest

from bulwark.ledger.errors import DecodeError
from bulwark.privacy.errors import ProofRefused
from bulwark.privacy.ring.ristretto import member_ring
from node.guarded.served import (
    ServedStatement,
    decode_ring,
    decode_served,
    decode_with_ring,
    encode_ring,
    ring_root_of,
)
from tests.unit.node.guarded.served_world import WORLD, served


def test_it_comes_back_from_its_bytes_and_proves_itself_again() -> None:
    one = served(1, 4)
    back = decode_served(one.encode())
    assert (back.statement_hash, back.leaf) == (one.statement_hash, one.leaf)
    assert back.proven().leaf == one.leaf
    assert back.encode() == one.encode()


def test_the_stored_form_has_the_ring_by_its_root_only() -> None:
    one = served(1, 4)
    stored = one.encode_without_ring()
    assert len(stored) == len(one.encode()) - 32 * len(WORLD.ring) - 9
    assert ring_root_of(stored) == one.statement.ring.root
    assert decode_with_ring(stored, one.statement.ring).leaf == one.leaf
    with pytest.raises(DecodeError, match="another ring"):
        decode_with_ring(stored, member_ring(WORLD.ring[:3]))


def test_another_members_proof_is_carried_and_refused_when_it_is_verified() -> None:
    mixed = ServedStatement(served(1, 4).statement, served(2, 4).proof)
    with pytest.raises(ProofRefused):
        decode_served(mixed.encode()).proven()


@pytest.mark.parametrize(
    "bend",
    [
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: b"\2" + data[1:],
        lambda data: data[:5] + bytes(32) + data[37:],
        lambda data: data[:5] + data[37:69] + data[37:],
        lambda data: data[:-1] + bytes([data[-1] | 0x80]),
        lambda data: b"",
    ],
)
def test_bent_bytes_are_refused(bend) -> None:
    with pytest.raises(DecodeError):
        decode_served(bend(served(1, 4).encode()))


def test_a_ring_is_whole_keys_and_not_too_many() -> None:
    ring = served(1, 4).statement.ring
    assert decode_ring(encode_ring(ring)).root == ring.root
    for wrong in (encode_ring(ring)[:-1], b"", b"\0" * 32 * 1025):
        with pytest.raises(DecodeError):
            decode_ring(wrong)
