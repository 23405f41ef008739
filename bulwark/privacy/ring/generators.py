"""Generators: the points of a proof that are hashed from names, so nobody knows their relations.

Rules owned here: the domain separation tags; which bytes name H, H_ji and the scope point U. Every
integer in a name has a fixed length, so no two names coincide. The points H are computed once a
process and suite.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Generic

from msgspec import Struct

from bulwark.privacy.errors import InputRefused
from bulwark.privacy.ring.suite import E, S, Suite

BASE = 4
"""n: a member's index is written in digits of base 4, the size optimum."""

MAX_DIGITS = 5
"""m of the largest ring, 4^5 = 1,024 keys."""

MAX_SCOPE = 255
MAX_SLOT = (1 << 32) - 1
_MAX_INTEGER = (1 << 64) - 1

GENERATOR_DST = b"Bulwark-v1-ARP-1-generator-"
SCOPE_DST = b"Bulwark-v1-ARP-1-nullifier-"


class Generators(Struct, Generic[E], frozen=True):
    """H and H_ji of the commitments; `rows[j][i]` is H_ji, j below the number of digits."""

    h: E
    rows: tuple[tuple[E, ...], ...]


@lru_cache(maxsize=32)
def _generators(suite: Suite[E, S], digits: int) -> Generators[E]:
    dst = GENERATOR_DST + suite.identifier
    rows = tuple(
        tuple(suite.hash_to_group(bytes((1, j, i)), dst) for i in range(BASE))
        for j in range(digits)
    )
    return Generators(suite.hash_to_group(b"\x00", dst), rows)


def generators(suite: Suite[E, S], digits: int) -> Generators[E]:
    """H and the first `digits` rows of H_ji. Raises `InputRefused`."""
    if not 1 <= digits <= MAX_DIGITS:
        raise InputRefused("number of digits", digits, f"1 to {MAX_DIGITS}")
    made: Generators[E] = _generators(suite, digits)
    return made


def scope_point(suite: Suite[E, S], chain_id: int, epoch: int, scope: int, slot: int) -> E:
    """U = hash_to_group(chain_id 8 | epoch 8 | scope 1 | slot 4), big-endian.

    `chain_id` and `epoch` have 8 bytes, `scope` is 1 to 255, `slot` has 4 bytes. Raises
    `InputRefused`.
    """
    for what, value, least, most in (
        ("chain id", chain_id, 0, _MAX_INTEGER),
        ("quota epoch", epoch, 0, _MAX_INTEGER),
        ("scope", scope, 1, MAX_SCOPE),
        ("slot", slot, 0, MAX_SLOT),
    ):
        if not least <= value <= most:
            raise InputRefused(what, value, f"{least} to {most}")
    name = b"".join(
        (
            chain_id.to_bytes(8, "big"),
            epoch.to_bytes(8, "big"),
            scope.to_bytes(1, "big"),
            slot.to_bytes(4, "big"),
        )
    )
    return suite.hash_to_group(name, SCOPE_DST + suite.identifier)
