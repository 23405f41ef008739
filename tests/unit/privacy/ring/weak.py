"""Verifiers with a hole: challenges that leave named fields out (weak Fiat-Shamir)."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from bulwark.privacy.ring.generators import generators
from bulwark.privacy.ring.moves import respond
from bulwark.privacy.ring.verifier import Claim

PROOF_FIELDS = ("E1", "E2", "T", "A", "B", "C", "D", "G1", "G2", "R1", "R2", "R3")
"""Of a proof with one digit, in the order of the wire."""


def fields(statement, elements) -> dict[str, bytes]:
    """Everything the challenge is hashed from, by name, for a ring of up to four keys."""
    suite = statement.ring.suite

    def number(value: int) -> bytes:
        return value.to_bytes(8, "big")

    named = {
        "label": b"Bulwark-v1-ARP-1",
        "suite": suite.identifier,
        "chain_id": number(statement.chain_id),
        "genesis_hash": statement.genesis_hash,
        "ring_height": number(statement.ring_height),
        "N": number(len(statement.ring)),
        "ring": statement.ring.root,
        "opener": suite.encode_element(statement.opener),
        "opener_epoch": number(statement.opener_epoch),
        "epoch": number(statement.epoch),
        "scope": number(statement.scope),
        "slot": number(statement.slot),
        "U": suite.encode_element(statement.scope_point),
        "message": statement.message,
        "n": number(4),
        "m": number(1),
    }
    encoded = map(suite.encode_element, elements)
    return named | dict(zip(PROOF_FIELDS, encoded, strict=True))


def challenge(statement, elements, omit: set[str], changed: dict[str, bytes] | None = None) -> int:
    """The challenge of a build that leaves `omit` out; `changed` replaces fields."""
    hashed = fields(statement, elements) | (changed or {})
    text = b"".join(
        len(value).to_bytes(4, "big") + value for name, value in hashed.items() if name not in omit
    )
    digest = hashlib.sha512(text).digest()
    return int.from_bytes(digest, "little") % statement.ring.suite.order


def weak_claim(statement, proof, omit: set[str]) -> Claim:
    """What the weak build checks."""
    return Claim(statement, proof, challenge(statement, proof.elements(), omit))


def weak_answer(world, move, omit: set[str]):
    """The honest answer of a first move to the weak challenge, and that challenge."""
    xi = world.suite.scalar(challenge(world.statement, move.elements(), omit))
    return respond(world.suite, move, xi), xi


def colluding_answer(world, omit: set[str]):
    """Members 0 and 1 of up to four stand for 2*Y_0 - Y_1: their row of digits is 2, -1, 0, 0."""
    row = generators(world.suite, 1).rows[0]
    one, other = world.secrets[:2]
    move = world.first_move(0, secret=one + one - other)
    shift = world.keys[0] - world.keys[1]
    move = replace(move, b=move.b + row[0] - row[1], e2=move.e2 + shift)
    proof, xi = weak_answer(world, move, omit)
    digits = proof.f[0]
    return replace(proof, f=((digits[0] - xi, *digits[1:]),)), xi
