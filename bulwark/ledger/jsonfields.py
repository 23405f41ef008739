"""Strict, bounded reading of JSON that other parties hand over: genesis documents and proofs.

Rules: duplicate keys, floats, NaN, unknown fields and missing fields are refused; hex is lower
case, so a document has one meaning and its canonical form one spelling. Every refusal names the
path of its field and raises ValueError; callers turn it into the error of their layer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Final, NoReturn, TypeVar

T = TypeVar("T")
MAX_DEPTH: Final = 16
"""Deepest nesting read; a genesis document has 4."""
_HEX: Final = re.compile(r"(?:[0-9a-f]{2})*")
_TOKEN: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]', re.DOTALL)


class FieldInvalid(ValueError):
    """A field of a JSON document is missing, unknown, of another type or out of bounds."""

    def __init__(self, path: str, detail: str) -> None:
        self.path = path
        self.detail = detail
        super().__init__(f"{path}: {detail}")


def parse(data: bytes, most: int) -> object:
    """JSON value of at most `most` bytes of UTF-8; raises FieldInvalid."""
    if len(data) > most:
        raise FieldInvalid("document", f"{len(data)} bytes given, at most {most} allowed")
    try:
        decoded = data.decode("utf-8")
        if not is_nested_within(decoded, MAX_DEPTH):
            raise FieldInvalid("document", f"nested more than {MAX_DEPTH} deep")
        value: object = json.loads(
            decoded,
            object_pairs_hook=_unique,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
    except FieldInvalid:
        raise
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError, an integer of 4,300 digits
        raise FieldInvalid("document", f"no JSON: {error}") from error
    return value


def loads(data: bytes, most_levels: int) -> object:
    """Any JSON value in UTF-8 that is nested at most so deep; raises ValueError for all else."""
    decoded = data.decode("utf-8")
    if not is_nested_within(decoded, most_levels):
        raise ValueError(f"nested more than {most_levels} deep")
    value: object = json.loads(decoded)
    return value


def is_nested_within(document: str, most: int) -> bool:
    """Whether no list or object lies more than `most` deep: to be asked before `json.loads`.

    Its own bound is Python's recursion limit, which libraries of elliptic curves raise so far that
    a text of brackets ends the process. Tokens are those of the parser up to its first error, so
    it never goes deeper than counted.
    """
    depth = 0
    for token in _TOKEN.finditer(document):
        first = document[token.start()]
        if first in "[{":
            depth += 1
            if depth > most:
                return False
        elif first != '"':
            depth -= 1
    return True


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise FieldInvalid("document", "an object has two fields of one name")
    return found


def _refuse_number(text: str) -> NoReturn:
    raise FieldInvalid("document", f"{text[:40]} is no integer")


def fields(value: object, path: str, names: Iterable[str]) -> dict[str, object]:
    """An object with exactly the fields `names`."""
    found = mapping(value, path)
    wanted = set(names)
    for name in sorted(wanted - found.keys()):
        raise FieldInvalid(join(path, name), "is missing")
    for name in sorted(found.keys() - wanted):
        raise FieldInvalid(join(path, name[:64]), "is unknown")
    return found


def mapping(value: object, path: str) -> dict[str, object]:
    """An object with free keys."""
    if not isinstance(value, dict):
        raise FieldInvalid(path, "an object is needed")
    return value


def items(value: object, path: str, most: int, read: Callable[[object, str], T]) -> tuple[T, ...]:
    """A list of at most `most` values, each through `read`."""
    if not isinstance(value, list):
        raise FieldInvalid(path, "a list is needed")
    if len(value) > most:
        raise FieldInvalid(path, f"{len(value)} items given, at most {most} allowed")
    return tuple(read(item, f"{path}[{index}]") for index, item in enumerate(value))


def integer(value: object, path: str) -> int:
    """An integer 0..2**53-1: what RFC 8785 writes exactly."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise FieldInvalid(path, "an integer is needed")
    if not 0 <= value < 1 << 53:
        raise FieldInvalid(path, "an integer 0..2**53-1 is needed")
    return value


def text(value: object, path: str, most: int) -> str:
    """A string of at most `most` characters."""
    if not isinstance(value, str):
        raise FieldInvalid(path, "a string is needed")
    if len(value) > most:
        raise FieldInvalid(path, f"{len(value)} characters given, at most {most} allowed")
    return value


def hexadecimal(value: object, path: str, *, exactly: int = -1, most: int = -1) -> bytes:
    """Bytes from lower-case hex without prefix: `exactly` so many, or at most `most`."""
    digits = text(value, path, 2 * max(exactly, most))
    if _HEX.fullmatch(digits) is None:
        raise FieldInvalid(path, "an even number of lower-case hex digits is needed")
    if exactly >= 0 and len(digits) != 2 * exactly:
        raise FieldInvalid(path, f"{len(digits) // 2} bytes given, {exactly} needed")
    return bytes.fromhex(digits)


def prefixed(value: object, path: str, *, exactly: int = -1, most: int = -1) -> bytes:
    """As hexadecimal(), behind the prefix 0x."""
    digits = text(value, path, 2 + 2 * max(exactly, most))
    if not digits.startswith("0x"):
        raise FieldInvalid(path, "the prefix 0x is needed")
    return hexadecimal(digits[2:], path, exactly=exactly, most=most)


def quantity(value: object, path: str, bits: int) -> int:
    """An Ethereum quantity: 0x and the shortest lower-case hex of a number below 2**bits."""
    digits = text(value, path, 2 + bits // 4)
    if re.fullmatch(r"0x(?:0|[1-9a-f][0-9a-f]*)", digits) is None:
        raise FieldInvalid(path, "0x and a hex number without leading zeros is needed")
    return int(digits, 16)


def join(path: str, name: str) -> str:
    """Path of the field `name` of the object at `path`."""
    return f"{path}.{name}" if path else name
