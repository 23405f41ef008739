"""JSON text from clients: one object, decoded strictly and fast.

Rules: UTF-8 without unpaired surrogates, no NaN, nesting bounded by the decoder, no bytes after the
value, and no member name twice (RFC 8259 leaves open which would count, so it is refused). The
duplicate check costs a count of colons for a flat object; only where that does not settle it is the
text read a second time.
"""

from __future__ import annotations

import json
from typing import Final

import orjson

MAX_DEPTH: Final = 32
"""Nesting of a client's document; ours need six."""


class JsonInvalid(Exception):
    """The text is not one JSON object as this API reads them."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)


def decode_object(raw: bytes) -> dict[str, object]:
    """The object that the text holds. Raises JsonInvalid, which never repeats the text."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise JsonInvalid(f"not JSON at character {error.pos}") from None
    if type(value) is not dict:
        raise JsonInvalid("a JSON object is wanted")
    if not _surely_unique(raw, value):
        _check_exactly(raw)
    return value


def _surely_unique(raw: bytes, value: dict[str, object]) -> bool:
    """Whether a count of colons shows that no name is there twice.

    Each member of any object has one colon of its own, outside strings, so if there are no more
    colons than distinct names at the top, no member was dropped and nothing is nested. Failing
    that, the colons inside the strings of a flat object are counted too; an escape could hide one
    there, so a text with a backslash is never settled that way.
    """
    colons = raw.count(b":")
    if colons == len(value):
        return True
    if b"\\" in raw:
        return False
    inside = 0
    for name, item in value.items():
        if isinstance(item, str):
            inside += item.count(":")
        elif isinstance(item, dict | list):
            return False
        inside += name.count(":")
    return colons == len(value) + inside


def _check_exactly(raw: bytes) -> None:
    try:
        value = json.loads(raw, object_pairs_hook=_unique)
    except RecursionError as error:
        raise JsonInvalid("nested too deeply") from error
    except ValueError as error:  # an integer with more digits than Python converts
        raise JsonInvalid("a number is too long") from error
    _check_depth(value, MAX_DEPTH)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise JsonInvalid("a member name is given twice")
    return members


def _check_depth(value: object, left: int) -> None:
    if left == 0:
        raise JsonInvalid(f"nested more than {MAX_DEPTH} deep")
    if isinstance(value, dict):
        for item in value.values():
            _check_depth(item, left - 1)
    elif isinstance(value, list):
        for item in value:
            _check_depth(item, left - 1)
