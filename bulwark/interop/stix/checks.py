"""Whether an object is sound STIX 2.1: its properties, their forms, and what must be there.

Rules: the tables are the standard's, for the objects that it defines; what is checked is what the
published JSON Schemas check of them, and besides that the order of dates and real calendar days.
Of an object whose type the standard does not define the common properties are checked. The first
fault is told, with its JSON pointer and what is allowed; a value is never repeated.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from bulwark.interop.carried import plain, pointer
from bulwark.interop.stix.document import SHOWN, kind_of

IDENTIFIER: Final = re.compile(
    r"[a-z][a-z0-9-]+[a-z0-9]--[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-5][0-9a-fA-F]{3}"
    r"-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}\Z"
)
_TYPE: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*-?\Z")
_NAME: Final = re.compile(r"(?:[a-z][a-z0-9_]{2,249}|id)\Z")
_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}):([0-9]{2})(\.[0-9]{1,40})?Z\Z"
)
_SELECTOR: Final = re.compile(r"(?:[a-z0-9_-]{3,249}(?:\.(?:\[\d+\]|[a-z0-9_-]{1,250}))*|id)\Z")
_EXTENSION: Final = re.compile(r"extension-definition--[0-9a-fA-F-]{36}\Z")
_PREDEFINED: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*-ext\Z")
_LETTERS: Final = re.compile(r"[a-z0-9-]+\Z")
_EXTENSION_TYPES: Final = (
    "new-sdo", "new-sco", "new-sro", "property-extension", "toplevel-property-extension",
)  # fmt: skip
_OPINIONS: Final = ("strongly-disagree", "disagree", "neutral", "agree", "strongly-agree")


class Fault(Struct, frozen=True):
    """What is wrong with an object."""

    where: str
    """JSON pointer within the object."""
    found: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.where or '/'}: found {self.found}, allowed: {self.allowed}"


Form = Callable[[object], "tuple[str, str, str] | None"]
"""Judges a value: None where it is right, else pointer below it, what was found, what is allowed"""


def instant(text: object) -> datetime | None:
    """The moment of a STIX timestamp; None for anything else. A leap second is the one before."""
    found = _TIME.match(text) if isinstance(text, str) and len(text) <= 64 else None
    if found is None or int(found[2]) > 60:
        return None
    seconds = min(int(found[2]), 59)
    try:
        moment = datetime.strptime(f"{found[1]}:{seconds:02d}", "%Y-%m-%dT%H:%M:%S")
    except ValueError:
        return None
    micros = int(((found[3] or ".")[1:] + "000000")[:6])
    return moment.replace(microsecond=micros, tzinfo=UTC)


def _one(name: str, right: Callable[[object], bool]) -> Form:
    def form(value: object) -> tuple[str, str, str] | None:
        return None if right(value) else ("", kind_of(value), name)

    return form


def _many(each: Form) -> Form:
    def form(value: object) -> tuple[str, str, str] | None:
        if not isinstance(value, list) or not value:
            return "", "an empty list" if value == [] else kind_of(value), "a list of one or more"
        for at, entry in enumerate(value):
            fault = each(entry)
            if fault is not None:
                return pointer(at) + fault[0], fault[1], fault[2]
        return None

    return form


def _record(required: Mapping[str, Form], optional: Mapping[str, Form]) -> Form:
    def form(value: object) -> tuple[str, str, str] | None:
        if not isinstance(value, dict):
            return "", kind_of(value), "an object"
        for name in required:
            if name not in value:
                return pointer(name), "nothing", "this property, which must be there"
        for name, entry in value.items():
            wanted = required.get(name) or optional.get(name)
            fault = wanted(entry) if wanted is not None else None
            if fault is not None:
                return pointer(name) + fault[0], fault[1], fault[2]
        return None

    return form


def _is_integer(value: object) -> bool:
    whole = isinstance(value, float) and value.is_integer()  # JSON Schema: 1.0 is an integer
    return (isinstance(value, int) and not isinstance(value, bool)) or whole


def _is_address(value: object, version: int) -> bool:
    try:
        return isinstance(value, str) and ipaddress.ip_interface(value).version == version
    except ValueError:
        return False


def _between(least: int, most: int) -> Form:
    def right(value: object) -> bool:
        return _is_integer(value) and least <= value <= most  # type: ignore[operator]

    return _one(f"a whole number from {least} to {most}", right)


def _word(pattern: re.Pattern[str], name: str) -> Form:
    return _one(name, lambda value: isinstance(value, str) and pattern.match(value) is not None)


def _choice(*words: str) -> Form:
    return _one(f"one of {', '.join(words)}", lambda value: value in words)


def reference(*kinds: str) -> Form:
    """An identifier, of one of these types if any are named."""
    wanted = f"an id of {' or '.join(kinds)}" if kinds else "type--UUID, UUID of version 1 to 5"

    def right(value: object) -> bool:
        if not isinstance(value, str) or IDENTIFIER.match(value) is None:
            return False
        return not kinds or value.partition("--")[0] in kinds

    return _one(wanted, right)


TEXT: Final = _one("text", lambda value: isinstance(value, str))
FLAG: Final = _one("true or false", lambda value: isinstance(value, bool))
NUMBER: Final = _one(
    "a number", lambda value: isinstance(value, int | float) and not isinstance(value, bool)
)
INTEGER: Final = _one("a whole number", _is_integer)
COUNT: Final = _between(0, 999_999_999)
TIME: Final = _one(
    "a timestamp as 2026-11-22T10:00:00.000Z", lambda value: instant(value) is not None
)
MILLIS: Final = _one(
    "a timestamp with milliseconds, as 2026-11-22T10:00:00.000Z",
    lambda value: instant(value) is not None and len(str(value)) >= 24,
)
OBJECT: Final = _one("an object", lambda value: isinstance(value, dict))
FILLED: Final = _one("an object that is not empty", lambda v: isinstance(v, dict) and bool(v))
ID: Final = reference()
SIZE: Final = _between(0, 2**63)
IPV4: Final = _one("an IPv4 address or network", lambda value: _is_address(value, 4))
IPV6: Final = _one("an IPv6 address or network", lambda value: _is_address(value, 6))
TEXTS: Final = _many(TEXT)
IDS: Final = _many(ID)
PHASES: Final = _many(_record({"kill_chain_name": TEXT, "phase_name": TEXT}, {}))
_EXTERNAL: Final = _many(
    _record(
        {"source_name": TEXT},
        {"description": TEXT, "url": TEXT, "external_id": TEXT, "hashes": FILLED},
    )
)
_GRANULAR: Final = _many(
    _record(
        {"selectors": _many(_word(_SELECTOR, "the path of a property"))},
        {"marking_ref": reference("marking-definition"), "lang": TEXT},
    )
)


def _extensions(value: object) -> tuple[str, str, str] | None:
    fault = FILLED(value)
    if fault is not None or not isinstance(value, dict):
        return fault
    for name, entry in value.items():
        shown = pointer(plain(name, SHOWN))
        if not isinstance(entry, dict) or not entry:
            return shown, kind_of(entry), "an object that is not empty"
        if _EXTENSION.match(name) is not None and IDENTIFIER.match(name) is not None:
            if entry.get("extension_type") not in _EXTENSION_TYPES:
                where = shown + "/extension_type"
                return where, kind_of(entry.get("extension_type")), ", ".join(_EXTENSION_TYPES)
        elif _PREDEFINED.match(name) is None:
            return shown, "another name", "the id of an extension-definition"
    return None


MARKED: Final[Mapping[str, Form]] = {
    "spec_version": _choice("2.1"),
    "object_marking_refs": _many(reference("marking-definition")),
    "granular_markings": _GRANULAR,
    "extensions": _extensions,
}
OBSERVABLE: Final[Mapping[str, Form]] = {**MARKED, "defanged": FLAG}
"""Common properties of cyber observables."""
CREATED: Final[Mapping[str, Form]] = {
    **MARKED,
    "created_by_ref": ID,
    "created": MILLIS,
    "modified": MILLIS,
    "revoked": FLAG,
    "labels": TEXTS,
    "confidence": _between(0, 100),
    "lang": TEXT,
    "external_references": _EXTERNAL,
}
"""Common properties of domain and relationship objects."""
LETTERS: Final = _word(_LETTERS, "lower-case letters, digits and hyphens")
OPINION: Final = _choice(*_OPINIONS)
EXTENSION_TYPE: Final = _choice(*_EXTENSION_TYPES)
many: Final = _many


def type_of(document: Mapping[str, object]) -> str | Fault:
    """The type of an object, which decides what else is checked."""
    given = document.get("type")
    if not isinstance(given, str):
        return Fault("/type", kind_of(given), "the name of a STIX type")
    if not 3 <= len(given) <= 250 or _TYPE.match(given) is None or given == "action":
        return Fault("/type", "another word", "3 to 250 of a-z, 0-9 and hyphens")
    return given


def common_fault(
    document: Mapping[str, object], kind: str, forms: Mapping[str, Form], required: tuple[str, ...]
) -> Fault | None:
    """The first fault of an object held against the forms of its properties."""
    for name in ("id", *required):
        if name not in document:
            return Fault(pointer(name), "nothing", "this property, which must be there")
    found = document["id"]
    fault = reference(kind)(found)
    if fault is not None:
        return Fault("/id", fault[1] if not isinstance(found, str) else "another", fault[2])
    for name, value in document.items():
        where = pointer(plain(name, SHOWN))
        if _NAME.match(name) is None:
            return Fault(where, "a name", "3 to 250 of a-z, 0-9 and underscores")
        if value is None:
            return Fault(where, "null", "a property is left out where it has no value")
        if value == []:
            return Fault(where, "an empty list", "a list of one or more")
        form = forms.get(name)
        fault = form(value) if form is not None else None
        if fault is not None:
            return Fault(where + fault[0], fault[1], fault[2])
    return _order(document)


_ORDERED: Final = (
    ("created", "modified", False),
    ("valid_from", "valid_until", True),
    ("first_seen", "last_seen", False),
    ("first_observed", "last_observed", False),
    ("start_time", "stop_time", True),
)


def _order(document: Mapping[str, object]) -> Fault | None:
    for early, late, strictly in _ORDERED:
        first, second = instant(document.get(early)), instant(document.get(late))
        if first is None or second is None:
            continue
        if second < first or (strictly and second == first):
            word = "after" if strictly else "not before"
            return Fault(pointer(late), "an earlier time", f"a time {word} {early}")
    return None
