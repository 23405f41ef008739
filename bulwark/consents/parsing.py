"""Bytes to a JSON document: strict and bounded before anything looks at it.

Rules: UTF-8 without a mark, one object, no member twice (JSON-LD readers disagree about which one
counts), at most MAX_DOCUMENT_BYTES long and MAX_DEPTH deep, numbers that RFC 8785 can write. So
every document that is read has exactly one canonical form.
"""

from __future__ import annotations

import json
from typing import Final

import rfc8785

from bulwark.consents.faults import DocumentRefused, Fault, found_of, path_of
from bulwark.ledger.jsonfields import is_nested_within

MAX_DOCUMENT_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 16
_ROOT: Final = "$"


def parse(raw: bytes, most: int = MAX_DOCUMENT_BYTES) -> dict[str, object]:
    """The object in these bytes; raises DocumentRefused."""
    if len(raw) > most:
        raise refused(f"{len(raw)} bytes", f"at most {most} bytes")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refused(f"no UTF-8 at byte {error.start}", "UTF-8 text") from None
    if not is_nested_within(text, MAX_DEPTH):
        raise refused(f"more than {MAX_DEPTH} levels", f"at most {MAX_DEPTH} levels")
    twice: list[str] = []

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [name for name, _ in pairs]
            twice.append(next(name for name in names if names.count(name) > 1))
        return found

    try:
        document = json.loads(text, object_pairs_hook=members, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"no JSON at line {error.lineno}, column {error.colno}"
        raise refused(place, "one JSON object") from None
    except ValueError:
        raise refused("a number that JSON has not", "JSON numbers") from None
    if twice:
        fault = Fault(f"{_ROOT}..{path_of(twice[:1])[1:]}", "a member twice", "each member once")
        raise DocumentRefused([fault])
    if not isinstance(document, dict):
        raise refused(found_of(document), "one JSON object")
    check_bounds(document)
    return document


def check_bounds(document: object) -> None:
    """Depth, and that RFC 8785 can write it; raises DocumentRefused."""
    level: list[object] = [document]
    depth = 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise refused(f"more than {MAX_DEPTH} levels", f"at most {MAX_DEPTH} levels")
        level = [below for each in level for below in _below(each)]
    try:
        size = len(rfc8785.dumps(document))  # type: ignore[arg-type]
    except (rfc8785.CanonicalizationError, UnicodeError, RecursionError):
        raise refused("text or numbers without a canonical form", "what RFC 8785 writes") from None
    if size > MAX_DOCUMENT_BYTES:
        raise refused(f"{size} bytes", f"at most {MAX_DOCUMENT_BYTES} bytes")


def refused(found: str, allowed: str) -> DocumentRefused:
    """The refusal of a whole document."""
    return DocumentRefused([Fault(_ROOT, found, allowed)])


def _below(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _no_constant(name: str) -> object:
    raise ValueError(name)
