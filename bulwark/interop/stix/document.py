"""Bytes to STIX objects: strict JSON, bounded in size, depth and number before anything looks.

Rules: UTF-8, no member twice, no NaN, at most MAX_BYTES, MAX_DEPTH and MAX_OBJECTS. A document is a
bundle, a single object, or what a TAXII envelope holds. What is wrong with the document as a whole
is a `DocumentRefused`; what is wrong with one object is that object's own fate.
"""

from __future__ import annotations

import json
import math
from typing import Final

from msgspec import Struct

from bulwark.interop.carried import plain, pointer
from bulwark.ledger.jsonfields import is_nested_within

MAX_BYTES: Final = 32 * 1024 * 1024
MAX_DEPTH: Final = 24
MAX_OBJECTS: Final = 50_000
SHOWN: Final = 60
"""Characters of a stranger's word that a refusal repeats."""


class DocumentRefused(Exception):
    """A document that is no STIX 2.1 bundle or object."""

    def __init__(self, where: str, found: str, allowed: str) -> None:
        self.where = where
        """JSON pointer."""
        self.found = plain(found, SHOWN)
        self.allowed = allowed
        super().__init__(f"{where or '/'}: found {self.found}, allowed: {allowed}")


class Document(Struct, frozen=True):
    """Objects of a document with the JSON pointers at which they stand."""

    objects: tuple[tuple[str, object], ...]
    bundle: str = ""
    """Id of the bundle; '' for anything else."""


def read_document(raw: bytes, most: int = MAX_BYTES) -> Document:
    """The objects in these bytes. Raises DocumentRefused."""
    return split_document(read_json(raw, most))


def read_json(raw: bytes, most: int = MAX_BYTES) -> object:
    """Strict JSON. Raises DocumentRefused."""
    if len(raw) > most:
        raise DocumentRefused("", f"{len(raw)} bytes", f"at most {most} bytes")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DocumentRefused("", f"no UTF-8 at byte {error.start}", "UTF-8 text") from None
    if not is_nested_within(text, MAX_DEPTH):
        raise DocumentRefused("", f"more than {MAX_DEPTH} levels", f"at most {MAX_DEPTH} levels")
    try:
        document = json.loads(
            text,
            object_pairs_hook=_members,
            parse_constant=_no_constant,
            parse_int=_integer,
            parse_float=_decimal,
        )
    except json.JSONDecodeError as error:
        place = f"no JSON at line {error.lineno}, column {error.colno}"
        raise DocumentRefused("", place, "one JSON document") from None
    _check_texts(document)
    return document


def split_document(document: object) -> Document:
    """A bundle, a TAXII envelope or one object, as its objects. Raises DocumentRefused."""
    if not isinstance(document, dict):
        raise DocumentRefused("", kind_of(document), "a STIX bundle or object")
    given = document.get("type")
    if given is None and "objects" in document and document.keys() <= {"objects", "more", "next"}:
        return Document(_listed(document["objects"]))
    if not isinstance(given, str):
        raise DocumentRefused("/type", kind_of(given), "the name of a STIX type")
    if given != "bundle":
        return Document((("", document),))
    for name in document:
        if name not in ("type", "id", "objects", "spec_version"):
            where = pointer(plain(name, SHOWN))
            raise DocumentRefused(where, "an unknown property", "type, id, objects")
    if document.get("spec_version", "2.1") != "2.1":
        raise DocumentRefused("/spec_version", str(document["spec_version"]), "STIX 2.1")
    name = document.get("id")
    if not isinstance(name, str) or not name.startswith("bundle--"):
        raise DocumentRefused("/id", kind_of(name), "bundle-- and a UUID")
    return Document(_listed(document.get("objects", [])), plain(name, 64))


def kind_of(value: object) -> str:
    """What kind of JSON a value is, for a refusal."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    if value is None:
        return "nothing"
    return names.get(type(value), "a number")


def _listed(objects: object) -> tuple[tuple[str, object], ...]:
    if not isinstance(objects, list):
        raise DocumentRefused("/objects", kind_of(objects), "a list of objects")
    if len(objects) > MAX_OBJECTS:
        raise DocumentRefused("/objects", f"{len(objects)} objects", f"at most {MAX_OBJECTS}")
    return tuple((pointer("objects", at), each) for at, each in enumerate(objects))


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise DocumentRefused("", f"the member {twice!r} twice", "each member once")
    return found


def _no_constant(name: str) -> object:
    raise DocumentRefused("", name, "JSON numbers")


def _integer(digits: str) -> int:
    if len(digits) > 20:
        raise DocumentRefused("", f"a number of {len(digits)} digits", "numbers of 64 bits")
    return int(digits)


def _decimal(digits: str) -> float:
    found = float(digits)
    if not math.isfinite(found):
        raise DocumentRefused("", "a number without end", "numbers of 64 bits")
    return found


def _check_texts(document: object) -> None:
    """Every text is one: a lone surrogate can be stored nowhere."""
    level: list[object] = [document]
    while level:
        if any(isinstance(each, str) and not _is_text(each) for each in level):
            raise DocumentRefused("", "half a character", "text of whole characters")
        level = [below for each in level for below in _below(each)]


def _below(value: object) -> list[object]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list) else []


def _is_text(text: str) -> bool:
    try:
        return text.isascii() or bool(text.encode("utf-8"))
    except UnicodeEncodeError:
        return False
