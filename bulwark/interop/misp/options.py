"""What an operator decides about an import from MISP: defaults, and what may be shared.

Rules: what is not stated in MISP and has no default here is refused, never guessed; markings are
only ever loosened by name (`red_as`, `take_own_org`, `sharing_groups`). Unknown options are
refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from bulwark.indicators.country import parse_country
from bulwark.indicators.errors import FieldError
from bulwark.indicators.fields import Cells
from bulwark.indicators.model import POLICY_MAX
from bulwark.indicators.vocabulary import (
    EvidenceLevel,
    FraudType,
    LawfulBasis,
    ObjectRole,
    Purpose,
    Tlp,
)

GROUPS_MAX: Final = 256
UUID_CHARS: Final = 36


class OnFalsePositive(StrEnum):
    """What a false-positive sighting does to the record that the same member made."""

    DISPUTE = "dispute"
    """It is disputed: it answers nobody until somebody ruled."""
    RETRACT = "retract"
    """It is taken back."""
    LEAVE = "leave"
    """Nothing; the item says so."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Defaults of rows, and what of MISP's markings is let through."""

    fraud_type: FraudType | None = None
    """For what no tag names; None refuses it."""
    object_role: ObjectRole = ObjectRole.UNKNOWN
    evidence_level: EvidenceLevel = EvidenceLevel.SUSPECTED
    confidence: int = 50
    tlp: Tlp = Tlp.AMBER
    """For what carries no marking."""
    red_as: Tlp | None = None
    """Marking for tlp:red, where its source agreed to share it so; None refuses it."""
    take_context: bool = False
    """Also attributes that are not for detection (to_ids false)."""
    take_own_org: bool = False
    """Also what is distributed to the own organisation only."""
    trust_tags: bool = False
    """Also evidence level, customers, legal basis and purpose from `fraud-alliance` tags."""
    sharing_groups: frozenset[str] = frozenset()
    """UUIDs of sharing groups that cover the alliance."""
    region: str = ""
    """Country that national spellings of phones and accounts belong to."""
    lawful_basis: LawfulBasis = LawfulBasis.LEGITIMATE_INTERESTS
    purpose: Purpose = Purpose.FRAUD_PREVENTION
    policy: str = ""
    on_false_positive: OnFalsePositive = OnFalsePositive.DISPUTE

    @classmethod
    def from_mapping(cls, given: Mapping[str, object]) -> Self:
        """Options as JSON. Raises RowError with every problem."""
        cells = Cells(given, NAMES)
        plain = cls()
        fraud = cells.term("fraud_type", FraudType, FraudType.UNKNOWN, FraudType.UNKNOWN)
        red = cells.term("red_as", Tlp, Tlp.UNKNOWN, Tlp.UNKNOWN)
        if red is Tlp.RED:
            cells.refuse("red_as", "red", "one of clear, green, amber, amber_strict")
        options = cls(
            fraud_type=fraud or None,
            object_role=cells.term("object_role", ObjectRole, plain.object_role, plain.object_role),
            evidence_level=cells.term(
                "evidence_level", EvidenceLevel, plain.evidence_level, plain.evidence_level
            ),
            confidence=cells.number("confidence", plain.confidence, 0, 100),
            tlp=cells.term("tlp", Tlp, plain.tlp, plain.tlp),
            red_as=red or None,
            take_context=_flag(cells, given, "take_context"),
            take_own_org=_flag(cells, given, "take_own_org"),
            trust_tags=_flag(cells, given, "trust_tags"),
            sharing_groups=_groups(cells, given),
            region=_region(cells, given),
            lawful_basis=cells.stated(
                "lawful_basis", LawfulBasis, plain.lawful_basis, plain.lawful_basis
            ),
            purpose=cells.stated("purpose", Purpose, plain.purpose, plain.purpose),
            policy=cells.text("policy", POLICY_MAX),
            on_false_positive=_on_false(cells, given),
        )
        if options.lawful_basis is LawfulBasis.CONSENT:
            cells.refuse("lawful_basis", "consent", "a basis that MISP data can rest on")
        cells.finish()
        return options


NAMES: Final = frozenset(ImportOptions.__dataclass_fields__)


def _flag(cells: Cells, given: Mapping[str, object], name: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        cells.refuse(name, value, "true or false")
    return value is True


def _groups(cells: Cells, given: Mapping[str, object]) -> frozenset[str]:
    value = given.get("sharing_groups", [])
    if isinstance(value, list) and len(value) <= GROUPS_MAX:
        texts = [entry.lower() for entry in value if isinstance(entry, str)]
        if len(texts) == len(value) and all(len(text) == UUID_CHARS for text in texts):
            return frozenset(texts)
    cells.refuse("sharing_groups", value, f"a list of up to {GROUPS_MAX} UUIDs")
    return frozenset()


def _region(cells: Cells, given: Mapping[str, object]) -> str:
    value = given.get("region", "")
    if value in ("", None):
        return ""
    try:
        return str(parse_country(value, "region"))
    except FieldError as problem:
        cells.problems.append(problem)
        return ""


def _on_false(cells: Cells, given: Mapping[str, object]) -> OnFalsePositive:
    value = given.get("on_false_positive", OnFalsePositive.DISPUTE.value)
    known = {entry.value: entry for entry in OnFalsePositive}
    if not isinstance(value, str) or value not in known:
        cells.refuse("on_false_positive", value, f"one of {', '.join(known)}")
        return OnFalsePositive.DISPUTE
    return known[value]
