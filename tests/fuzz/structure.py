"""Structure-aware changes: of trees of frozen dataclasses, and of JSON documents."""

from __future__ import annotations

import dataclasses
import json
import struct
from enum import Enum
from random import Random

from msgspec import Struct

from bulwark.ledger.errors import LedgerError
from tests.fuzz.choices import EDGES, LARGE

MAX_DEPTH = 8
UNENCODABLE = (
    LedgerError,
    struct.error,
    ArithmeticError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    MemoryError,
)
"""What an encoder may raise for a changed tree that has no encoding."""


def change(value: object, rng: Random, depth: int = 0) -> object:
    """A copy with one part changed; numbers stay numbers, tuples tuples of the same things."""
    names = () if isinstance(value, type) or depth >= MAX_DEPTH else _names(value)
    if names:
        name = rng.choice(names)
        given = {each: getattr(value, each) for each in names}
        return type(value)(**given | {name: change(given[name], rng, depth + 1)})
    match value:
        case bool():
            return not value
        case Enum():
            return rng.choice(list(type(value)))
        case int():
            return _integer(value, rng)
        case bytes():
            return _bytes(value, rng)
        case tuple():
            return _tuple(value, rng, depth)
    return value


def _names(value: object) -> tuple[str, ...]:
    """What a value of ours is made of; nothing for any other object."""
    if isinstance(value, Struct):
        return value.__struct_fields__
    if dataclasses.is_dataclass(value):
        return tuple(field.name for field in dataclasses.fields(value) if field.init)
    return ()


def _integer(value: int, rng: Random) -> int:
    if rng.random() < 0.6:
        return max(0, value + rng.choice((-1, 1, 1, 2, -2, 8, -8, 64)))
    return rng.choice(EDGES + LARGE)


def _bytes(value: bytes, rng: Random) -> bytes:
    made = bytearray(value)
    if not made or rng.random() < 0.1:
        return rng.randbytes(rng.choice((0, 1, 20, 32, 65, 300)))
    made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
    return bytes(made)


def _tuple(value: tuple[object, ...], rng: Random, depth: int) -> tuple[object, ...]:
    if not value:
        return value
    at = rng.randrange(len(value))
    how = rng.randrange(6) if len({type(item) for item in value}) == 1 else 6
    if how == 0:
        return value[:at] + value[at + 1 :]
    if how == 1:
        return value[:at] + (value[at],) * rng.choice((2, 3, 70)) + value[at + 1 :]
    if how == 2:
        swapped = list(value)
        rng.shuffle(swapped)
        return tuple(swapped)
    part = value[at]
    # A number in a pair is a signer, which encodes to a bit: 2**64 would be 2**61 bytes.
    changed = rng.randrange(130) if type(part) is int else change(part, rng, depth + 1)
    return (*value[:at], changed, *value[at + 1 :])


STRANGE: tuple[object, ...] = (
    None, True, False, 0, 1, -1, 1.5, 1e308, 2**53, 2**63, 2**64, -(2**63), 2**70, "", "0x", "0x0",
    "0x00", "0x01", "0x1", "0X1", "1", "latest", "pending", "earliest", "finalized", "\u0000",
    "\ud800", "\U0001f600", "0x" + "f" * 16, "0x" + "f" * 64, "0x" + "f" * 65, "0x" + "0" * 40,
    "a" * 300, [], {}, [[]], [None], "2026-02-30T25:61:61Z", "+", "١٢٣", "../..", "%00", "null",
)  # fmt: skip


def change_json(data: bytes, rng: Random, names: tuple[str, ...] = ()) -> bytes | None:
    """A document with one node replaced, removed, renamed, repeated or nested; None if no JSON."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    changed = _node(document, rng, names)
    text = json.dumps(changed, ensure_ascii=rng.random() < 0.5)
    return text.encode("utf-8", "surrogatepass")


def _node(value: object, rng: Random, names: tuple[str, ...], depth: int = 0) -> object:
    inside = isinstance(value, dict | list) and value and rng.random() < 0.85
    if inside and isinstance(value, dict):
        key = rng.choice(list(value))
        how = rng.randrange(10)
        rest = {k: v for k, v in value.items() if k != key}
        if how == 0:
            return rest
        if how == 1:
            return {**rest, rng.choice((*names, key + "x", "")): value[key]}
        if how == 2:
            return {**value, rng.choice((*names, "more")): rng.choice(STRANGE)}
        return {**value, key: _node(value[key], rng, names, depth + 1)}
    if inside and isinstance(value, list):
        at = rng.randrange(len(value))
        how = rng.randrange(8)
        if how == 0:
            return value[:at] + value[at + 1 :]
        if how == 1:
            return value[:at] + [value[at]] * rng.choice((2, 3, 120)) + value[at + 1 :]
        if how == 2:
            return [*value, rng.choice(STRANGE)]
        return [*value[:at], _node(value[at], rng, names, depth + 1), *value[at + 1 :]]
    return _leaf(value, rng, names)


def _leaf(value: object, rng: Random, names: tuple[str, ...]) -> object:
    how = rng.randrange(8)
    if isinstance(value, str) and how < 3 and value:
        at = rng.randrange(len(value))
        return rng.choice(
            (value[:at] + value[at + 1 :], value[:at] + value[at] + value[at:], value.upper(),
             value + rng.choice(("0", "f", " ", "\u200b", "\uff10")), value[::-1])
        )  # fmt: skip
    if isinstance(value, int) and not isinstance(value, bool) and how < 4:
        return value + rng.choice((-1, 1, 2**31, 2**64))
    if how == 4:
        return [value]
    if how == 5 and names:
        return rng.choice(names)
    if how == 6:
        nested: object = value
        for _ in range(rng.choice((2, 30, 200))):
            nested = [nested]
        return nested
    return rng.choice(STRANGE)
