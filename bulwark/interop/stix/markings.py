"""Markings of STIX objects: TLP 1 and 2.0, on whole objects and on parts of them.

Rules: of several markings the strictest holds; a granular marking counts when it covers a property
that a statement would carry. A marking that is not in the document and is not one of the TLP ids
that everybody knows may forbid anything, and so may one of an unknown type: nothing so marked is
shared. Statements such as copyright lines and PAP say nothing about sharing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from bulwark.indicators.vocabulary import Tlp
from bulwark.interop import words
from bulwark.interop.stix.names import (
    COMMUNITY,
    EXTENSION,
    SCO_EXTENSION,
    TLP_EXTENSION,
    TLP_IDS,
)

CARRIED: Final = frozenset(
    (
        "id", "type", "pattern", "pattern_type", "valid_from", "valid_until", "confidence",
        "labels", "indicator_types", "value", "address", "iban", "account_number", "object_refs",
        "opinion", "first_seen", "last_seen", "sighting_of_ref", "extensions", "modified",
    )
)  # fmt: skip
"""Properties whose content goes into a statement."""

_KNOWN: Final = frozenset(
    {"spec_version", "created", "revoked", "pattern_version", "object_marking_refs",
     "granular_markings", "defanged", "identifier_kind"}
)  # fmt: skip
"""Properties that say how to read an object, besides those that a statement carries."""
_EXTENSIONS: Final = frozenset({EXTENSION, SCO_EXTENSION, *COMMUNITY.values()})


class Marking(Struct, frozen=True):
    """What a marking definition says about sharing."""

    tlp: Tlp | None = None
    is_understood: bool = True


class Marked(Struct, frozen=True):
    """What all markings of an object say together."""

    tlp: Tlp | None = None
    unknown: str = ""
    """Id of a marking that is not understood, '' where all are."""


def definition(document: Mapping[str, object]) -> Marking:
    """What a marking-definition object means."""
    known = TLP_IDS.get(str(document.get("id")))
    said = _tlp_of(document)
    tlp = words.stricter(known, said)
    if tlp is not None:
        return Marking(tlp)
    name = str(document.get("name", "")).upper()
    harmless = document.get("definition_type") == "statement" or name.startswith("PAP:")
    return Marking(None, harmless)


def marked(document: Mapping[str, object], known: Mapping[str, Marking]) -> Marked:
    """What the markings of an object say; `known` are the definitions of its document."""
    tlp: Tlp | None = None
    unknown = ""
    for name in _refs(document):
        found = known.get(name)
        if found is None:
            fixed = TLP_IDS.get(name)
            found = Marking(fixed, fixed is not None)
        tlp = words.stricter(tlp, found.tlp)
        if not found.is_understood:
            unknown = unknown or name
    return Marked(tlp, unknown)


def uncarried(document: Mapping[str, object]) -> list[str]:
    """Names of the properties of an object that a statement has no place for."""
    rest = sorted(name for name in document if name not in CARRIED and name not in _KNOWN)
    extensions = document.get("extensions")
    names = extensions if isinstance(extensions, dict) else {}
    return [*rest, "extensions"] if any(name not in _EXTENSIONS for name in names) else rest


def _refs(document: Mapping[str, object]) -> list[str]:
    whole = document.get("object_marking_refs")
    found = [str(name) for name in whole] if isinstance(whole, list) else []
    parts = document.get("granular_markings")
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, dict) and isinstance(part.get("marking_ref"), str):
            selectors = part.get("selectors")
            if isinstance(selectors, list) and any(_covers(one) for one in selectors):
                found.append(part["marking_ref"])
    return found


def _covers(selector: object) -> bool:
    return str(selector).partition(".")[0] in CARRIED


def _tlp_of(document: Mapping[str, object]) -> Tlp | None:
    extensions = document.get("extensions")
    entry = extensions.get(TLP_EXTENSION) if isinstance(extensions, dict) else None
    if isinstance(entry, dict):
        return words.tlp_of(f"tlp:{str(entry.get('tlp_2_0'))[:32]}") or Tlp.RED
    given = document.get("definition")
    if document.get("definition_type") == "tlp" and isinstance(given, dict):
        return words.tlp_of(f"tlp:{str(given.get('tlp'))[:32]}") or Tlp.RED
    return words.tlp_of(str(document.get("name", ""))[:32])
