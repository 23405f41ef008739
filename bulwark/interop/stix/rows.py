"""Rows of statements from STIX objects: dates, confidence, marking, and the ledger's own words.

Rules: what the object says goes before what its labels say, and both before the defaults of the
import; our own extension goes before everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct, field

from bulwark.indicators.model import SOURCE_MAX, UNKNOWN_SOURCE
from bulwark.indicators.terms import Term
from bulwark.indicators.vocabulary import FraudType, ObjectRole, Tlp
from bulwark.interop import words
from bulwark.interop.misp.options import ImportOptions
from bulwark.interop.rowcheck import RowCheck
from bulwark.interop.stix.checks import instant
from bulwark.interop.stix.context import Context, Entry, listed
from bulwark.interop.stix.names import EXTENSION
from bulwark.interop.stix.selection import Identifier

_DAY_S: Final = 86_400
_EARLIEST: Final = "1990-01-01"
_LABELS_MAX: Final = 1_000
_OWN_NUMBERS: Final = ("distinct_customers", "confidence")
_OWN_TEXTS: Final = ("country", "operation", "first_seen", "last_seen")


class Said(Struct, frozen=True):
    """What labels and our extension say about an object."""

    words: Mapping[str, object] = field(default_factory=dict)
    """Fields of a row."""
    tlp: Tlp | None = None
    record: str = ""
    """Record id in hex that the object says it is."""
    left: int = 0
    """Labels that nothing has a place for."""
    is_false: bool = False


def said_by(entry: Entry) -> Said:
    """What labels and our extension say."""
    found: dict[str, object] = {}
    tlp: Tlp | None = None
    left = 0
    is_false = False
    for label in list(listed(entry.get("labels")))[:_LABELS_MAX]:
        own, fraud = words.own_word(label), words.fraud_of(label) or _plain_fraud(label)
        marking, confidence = words.tlp_of(label), words.confidence_of(label)
        if own is not None and own[0] in words.OWN_WORDS:
            found.setdefault(own[0], own[1])
        elif fraud is not None:
            found.setdefault("fraud_type", fraud.label)
        elif marking is not None:
            tlp = words.stricter(tlp, marking)
        elif confidence is not None:
            found.setdefault("confidence", confidence)
        elif label.lower() == words.CONFIRMED_FALSE_TAG:
            is_false = True
        else:
            left += 1
    own_words, record = extension_of(entry)
    return Said({**found, **own_words}, tlp, record, left, is_false)


def extension_of(entry: Entry) -> tuple[dict[str, object], str]:
    """Fields of a row and the record id in our extension; what is no word of ours is left."""
    extensions = entry.get("extensions")
    given = extensions.get(EXTENSION) if isinstance(extensions, dict) else None
    if not isinstance(given, dict):
        return {}, ""
    found: dict[str, object] = {}
    for name, vocabulary in words.OWN_WORDS.items():
        if _is_word(vocabulary, given.get(name)):
            found[name] = given[name]
    for name in _OWN_NUMBERS:
        value = given.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            found[name] = value
    for name in _OWN_TEXTS:
        value = given.get(name)
        if isinstance(value, str) and value:
            found[name] = value[:16]
    record = given.get("record")
    return found, record[:64] if isinstance(record, str) else ""


@dataclass(slots=True)
class Rows:
    """Makes and checks the rows of one document."""

    options: ImportOptions
    check: RowCheck

    @property
    def today(self) -> str:
        """ISO date of the import."""
        return datetime.fromtimestamp(self.check.now_ms / 1000, UTC).date().isoformat()

    def row(
        self, entry: Entry, named: Identifier, said: Said, tlp: Tlp | None, context: Context
    ) -> dict[str, object]:
        """The row that states an identifier of an object."""
        options, name = self.options, str(entry["id"])
        fraud = said.words.get("fraud_type") or context.fraud_of(name)
        if fraud is None and options.fraud_type is not None:
            fraud = options.fraud_type.label
        group = context.group.get(name, "")
        confidence = entry.get("confidence")
        marking = options.tlp if tlp is None else tlp
        if tlp is Tlp.RED and options.red_as is not None:
            marking = options.red_as
        row: dict[str, object] = {
            "kind": named.kind.label,
            "value": named.value,
            "fraud_type": str(fraud or ""),
            "object_role": (named.role or _role(entry) or options.object_role).label,
            "evidence_level": options.evidence_level.label,
            "confidence": _whole(confidence, options.confidence),
            "tlp": marking.label,
            "lawful_basis": options.lawful_basis.label,
            "purpose": options.purpose.label,
            "region": options.region,
            "policy": options.policy,
            "case_ref": f"stix:{group}" if group else "",
            "link_group": f"stix:{group or name}",
            "source": _source(entry, group),
            **self._dates(entry, context),
        }
        stated = {"confidence"} if "confidence" in entry else set()
        row |= {key: value for key, value in said.words.items() if key not in stated}
        return {key: value for key, value in row.items() if value not in ("", None)}

    def _dates(self, entry: Entry, context: Context) -> dict[str, str]:
        observed = context.observed.get(str(entry["id"]), {})
        first = day(entry.get("valid_from")) or day(observed.get("first_observed"))
        last = day(observed.get("last_observed")) or day(entry.get("modified")) or first
        seen = context.seen.get(str(entry["id"]))
        if seen is not None:
            last = max(last, seen.date().isoformat())
        last = max(first, last)
        if last < _EARLIEST:
            return {}
        return {
            "first_seen": max(first, _EARLIEST) if first else last,
            "last_seen": last,
            "valid_until": self.ends(entry),
        }

    def ends(self, entry: Entry) -> str:
        """ISO date of valid_until; '' where it is not stated, or farther than records may say."""
        until = day(entry.get("valid_until"))
        limit = datetime.fromtimestamp(self.check.now_ms / 1000 + 3650 * _DAY_S, UTC)
        return until if until <= limit.date().isoformat() else ""


def day(value: object) -> str:
    """ISO date of a STIX timestamp, '' for anything else."""
    moment = instant(value)
    return "" if moment is None else moment.date().isoformat()


def _source(entry: Entry, group: str) -> str:
    """What an object was copied from: the same whichever bundle brought it.

    An object that MISP wrote stands for its event, which is the report's UUID, as it would had it
    come as MISP JSON. The id of an observable follows from its value, so that unrelated authors
    give it the same one: the report around it tells them apart, if there is one.
    """
    is_from_misp = any(label.startswith("misp:") for label in listed(entry.get("labels")))
    is_observable = "created" not in entry
    name = group if group and (is_from_misp or is_observable) else str(entry["id"])
    return name.partition("--")[2].lower()[:SOURCE_MAX] or UNKNOWN_SOURCE


def _role(entry: Entry) -> ObjectRole:
    types = set(listed(entry.get("indicator_types")))
    compromised = "compromised" in types and "malicious-activity" not in types
    return ObjectRole.COMPROMISED_VICTIM if compromised else ObjectRole.UNKNOWN


def _plain_fraud(label: str) -> FraudType | None:
    """A label that is one of our own words for a fraud type."""
    folded = label.strip().lower()[:64]
    return next((fraud for fraud in FraudType if fraud and fraud.label == folded), None)


def _is_word(vocabulary: type[Term], value: object) -> bool:
    return any(term.label == value for term in vocabulary)


def _whole(value: object, otherwise: int) -> int:
    """A number that the checks found whole, which JSON may write as 80.0."""
    return int(value) if isinstance(value, int | float) else otherwise
