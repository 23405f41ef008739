"""Attributes of MISP to identifiers: by type, or by object and relation, with what stands beside.

Rules: a composite `a|b` is taken apart at its first bar; a wallet gets the chain that its type or
the object's symbol names; a bank account gets the bank that its object names; a bare MSISDN is
international. Nothing is normalised here: that is the ledger's own business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct, field

from bulwark.indicators.normalise.wallet import CHAIN_NAMES
from bulwark.indicators.vocabulary import Kind, ObjectRole
from bulwark.interop.words import (
    MISP_EXCLUDED,
    MISP_RELATIONS,
    MISP_TYPES,
    OBJECT_ROLES,
    Place,
)

_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_DIGITS: Final = re.compile(r"[1-9][0-9]{7,14}")
_BLANKS: Final = str.maketrans("", "", " -.\u00a0")


class Identifier(Struct, frozen=True):
    """One identifier of an attribute, as a row takes it."""

    kind: Kind
    value: str
    role: ObjectRole
    loss: str


class Surroundings(Struct, frozen=True):
    """The object that an attribute stands in; plain attributes have none."""

    name: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Values of the object's attributes by relation, the first of each."""

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Surroundings:
        """Those of an object; broken attributes are passed over, they get their items later."""
        texts: dict[str, str] = {}
        attributes = entry.get("Attribute")
        for attribute in attributes if isinstance(attributes, list) else ():
            if isinstance(attribute, dict):
                relation, value = attribute.get("object_relation"), attribute.get("value")
                if isinstance(relation, str) and isinstance(value, str):
                    texts.setdefault(relation, value)
        name = entry.get("name")
        return cls(name if isinstance(name, str) else "", texts)

    def text(self, relation: str) -> str:
        """The value of a relation, '' where there is none."""
        return self.texts.get(relation, "") if self.name else ""

    @property
    def role(self) -> ObjectRole:
        """Role that the object gives to what is in it."""
        role = self.text("role").strip().lower()
        known = OBJECT_ROLES.get((self.name, role))
        return known or OBJECT_ROLES.get((self.name, "")) or ObjectRole.UNKNOWN


ALONE: Final = Surroundings("", {})


def identifiers(kind: str, relation: str, value: str, around: Surroundings) -> list[Identifier]:
    """The identifiers of an attribute of a MISP type; none for what is no identifier."""
    places = MISP_RELATIONS.get((around.name, relation))
    if places is None:
        places = MISP_TYPES.get(kind, ())
    parts = value.split("|", 1) if "|" in kind else [value]
    found: list[Identifier] = []
    for place in places:
        if place.part < len(parts):
            given = parts[place.part].strip()
            role = around.role or place.role
            found.append(Identifier(*_placed(place, given, relation, around), role, place.loss))
    return found


def is_broken(kind: str, value: str) -> bool:
    """Whether a composite type's value is not composite."""
    return "|" in kind and kind in MISP_TYPES and "|" not in value


def left_because(kind: str) -> str:
    """Why a type is left, where there is a reason of its own."""
    return MISP_EXCLUDED.get(kind, "")


def _placed(place: Place, given: str, relation: str, around: Surroundings) -> tuple[Kind, str]:
    match place.kind:
        case Kind.WALLET:
            return place.kind, _wallet(place, given, around)
        case Kind.BANK_ACCOUNT:
            return _account(given, around)
        case Kind.PHONE if relation == "msisdn" and _DIGITS.fullmatch(given.translate(_BLANKS)):
            return place.kind, f"+{given.translate(_BLANKS)}"
    return place.kind, given


def _wallet(place: Place, given: str, around: Surroundings) -> str:
    symbol = around.text("symbol").strip().lower()
    chain = CHAIN_NAMES.get(symbol) or place.prefix
    return given if not chain or ":" in given else f"{chain}:{given}"


def _account(given: str, around: Surroundings) -> tuple[Kind, str]:
    plain = given.translate(_BLANKS).upper()
    if _IBAN.fullmatch(plain):
        return Kind.IBAN, plain
    if ":" in given:
        return Kind.BANK_ACCOUNT, given
    routing = around.text("aba-rtn").translate(_BLANKS)
    if routing:
        return Kind.BANK_ACCOUNT, f"US:{routing}::{given}"
    bank = around.text("institution-code").strip()
    branch = around.text("branch").strip()
    return Kind.BANK_ACCOUNT, f"{bank}:{branch}:{given}" if bank else given
