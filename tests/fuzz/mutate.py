"""Mutators: a changed copy of an input, chosen by a seeded generator of random numbers.

Havoc stacks small changes of bytes; lengths and counts of the canonical codec are 4-byte big-endian
numbers, so these are changed as numbers too. What knows a structure is in `reshape`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from tests.fuzz.choices import EDGES, LARGE

MAX_STACKED = 6
Change = Callable[[bytearray, Random], None]


def havoc(data: bytes, rng: Random, words: Sequence[bytes], others: Sequence[bytes]) -> bytes:
    """One to six changes; `others` are inputs to splice with."""
    made = bytearray(data)
    for _ in range(1 + rng.randrange(MAX_STACKED)):
        chance = rng.random()
        if words and chance < 0.15:
            _word(made, rng, words)
        elif others and chance < 0.22:
            _splice(made, rng, others)
        else:
            rng.choice(_CHANGES)(made, rng)
    return bytes(made)


def _word(made: bytearray, rng: Random, words: Sequence[bytes]) -> None:
    word = rng.choice(words)
    at = rng.randrange(len(made) + 1)
    replaced = len(word) if rng.random() < 0.5 else 0
    made[at : at + replaced] = word


def _splice(made: bytearray, rng: Random, others: Sequence[bytes]) -> None:
    other = rng.choice(others)
    at, start = rng.randrange(len(made) + 1), rng.randrange(len(other) + 1)
    end = rng.randint(start, len(other))
    made[at : rng.randint(at, len(made))] = other[start:end]


def _flip(made: bytearray, rng: Random) -> None:
    if made:
        made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)


def _set(made: bytearray, rng: Random) -> None:
    if made:
        made[rng.randrange(len(made))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))


def _number(made: bytearray, rng: Random) -> None:
    width = rng.choice((1, 2, 4, 4, 8))
    if len(made) < width:
        return
    at = rng.randrange(len(made) - width + 1)
    value = int.from_bytes(made[at : at + width], "big")
    if rng.random() < 0.5:
        value += rng.choice((-2, -1, 1, 2, 16, -16))
    else:
        value = rng.choice(EDGES + LARGE)
    made[at : at + width] = (value % (1 << 8 * width)).to_bytes(width, "big")


def _remove(made: bytearray, rng: Random) -> None:
    at = rng.randrange(len(made) + 1)
    del made[at : at + 1 + rng.randrange(min(64, len(made) + 1))]


def _cut(made: bytearray, rng: Random) -> None:
    del made[rng.randrange(len(made) + 1) :]


def _insert(made: bytearray, rng: Random) -> None:
    at = rng.randrange(len(made) + 1)
    count = rng.choice((1, 1, 2, 4, 8, 32, 65))
    made[at:at] = (
        rng.randbytes(count) if rng.random() < 0.5 else bytes([rng.randrange(256)] * count)
    )


def _repeat(made: bytearray, rng: Random) -> None:
    at = rng.randrange(len(made) + 1)
    piece = made[at : at + 1 + rng.randrange(128)]
    made[at:at] = piece * rng.choice((1, 1, 2, 8))


def _move(made: bytearray, rng: Random) -> None:
    at = rng.randrange(len(made) + 1)
    piece = made[at : at + 1 + rng.randrange(64)]
    del made[at : at + len(piece)]
    to = rng.randrange(len(made) + 1)
    made[to:to] = piece


_CHANGES: tuple[Change, ...] = (
    _flip, _flip, _set, _set, _number, _number, _number,
    _remove, _cut, _insert, _insert, _repeat, _move,
)  # fmt: skip
