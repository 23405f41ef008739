"""IndicatorReport and ScreeningRequest: a client's rows, validated field by field.

Rules: every problem of a row is reported at once; unknown fields are refused; defaults are those of
ReportDefaults and the life span of the kind; dates have day precision. The value is only bounded
here, ``normalise`` gives it its form. ``case_ref``, ``link_group`` and ``source`` are carried as
given: they are hashed under a key before they leave the member. The time is passed in. The two are
structs and not dataclasses because an upload makes a hundred thousand of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Self

import msgspec
from msgspec import Struct

from bulwark.indicators.country import NOT_STATED, Country
from bulwark.indicators.fields import Cells
from bulwark.indicators.lifetime import DAY_MS, LIFETIMES
from bulwark.indicators.vocabulary import (
    Channel,
    EvidenceLevel,
    FraudType,
    Kind,
    LawfulBasis,
    LossBand,
    ObjectRole,
    Operation,
    Purpose,
    Tlp,
)

VALUE_MAX: Final = 2048
CASE_REF_MAX: Final = 128
LINK_GROUP_MAX: Final = 128
SOURCE_MAX: Final = 128
UNKNOWN_SOURCE: Final = "unknown"
"""Source of a copy whose origin has no id: all of them count as one source."""
CUSTOMERS_MAX: Final = 65_535
POLICY_MAX: Final = 64
"""Characters of a policy's id or title."""
VALID_DAYS_MAX: Final = 3650

_REPORTABLE: Final = frozenset({Operation.ADD, Operation.SIGHT})


class ReportDefaults(Struct, frozen=True):
    """What a report row takes for cells it leaves out; a member can set its own."""

    fraud_type: FraudType | None = None
    object_role: ObjectRole = ObjectRole.UNKNOWN
    evidence_level: EvidenceLevel = EvidenceLevel.SUSPECTED
    confidence: int = 50
    lawful_basis: LawfulBasis | None = LawfulBasis.LEGITIMATE_INTERESTS
    purpose: Purpose | None = Purpose.FRAUD_PREVENTION
    region: Country = NOT_STATED
    tlp: Tlp = Tlp.AMBER
    channel: Channel = Channel.UNKNOWN
    country: Country = NOT_STATED
    loss_band: LossBand = LossBand.UNKNOWN
    policy: str = ""
    """Id or title of a policy; '' for the default of the alliance."""


class ScreeningDefaults(Struct, frozen=True):
    """What a screening takes for cells it leaves out; None means that the row must state it."""

    lawful_basis: LawfulBasis | None = None
    purpose: Purpose | None = None
    region: Country = NOT_STATED


REPORT_DEFAULTS: Final = ReportDefaults()
SCREENING_DEFAULTS: Final = ScreeningDefaults()


class IndicatorReport(msgspec.Struct, frozen=True, gc=False):
    """One reported indicator; days count from 1970-01-01 UTC.

    ``consent_anchor`` is 32 bytes, or b'' where not stated; texts and countries are '' then.
    ``source`` is the id of what it was copied from, '' for the member's own knowledge.
    """

    kind: Kind
    value: str
    fraud_type: FraudType
    object_role: ObjectRole
    evidence_level: EvidenceLevel
    confidence: int
    first_seen_day: int
    last_seen_day: int
    valid_until_day: int
    lawful_basis: LawfulBasis
    purpose: Purpose
    case_ref: str
    consent_anchor: bytes
    region: Country
    tlp: Tlp
    channel: Channel
    country: Country
    distinct_customers: int
    loss_band: LossBand
    policy: str
    link_group: str
    operation: Operation
    source: str = ""

    def __repr__(self) -> str:
        return f"IndicatorReport({self.kind.label}, {self.fraud_type.label})"

    @classmethod
    def from_mapping(
        cls, row: Mapping[str, object], *, defaults: ReportDefaults = REPORT_DEFAULTS, now_ms: int
    ) -> Self:
        """The report that a JSON object or CSV row states; RowError with all problems otherwise."""
        cells = Cells(row, REPORT_FIELDS)
        kind = cells.term("kind", Kind, None, Kind.PHONE)
        first, last, until = _days(cells, kind, now_ms // DAY_MS)
        report = cls(
            kind,
            cells.text("value", VALUE_MAX, needed=True),
            cells.term("fraud_type", FraudType, defaults.fraud_type, FraudType.UNKNOWN),
            cells.term("object_role", ObjectRole, defaults.object_role, ObjectRole.UNKNOWN),
            cells.term(
                "evidence_level", EvidenceLevel, defaults.evidence_level, EvidenceLevel.UNKNOWN
            ),
            cells.number("confidence", defaults.confidence, 0, 100),
            first,
            last,
            until,
            cells.stated("lawful_basis", LawfulBasis, defaults.lawful_basis, LawfulBasis.CONSENT),
            cells.stated("purpose", Purpose, defaults.purpose, Purpose.FRAUD_PREVENTION),
            cells.text("case_ref", CASE_REF_MAX),
            cells.digest("consent_anchor"),
            cells.country("region", defaults.region),
            cells.term("tlp", Tlp, defaults.tlp, Tlp.UNKNOWN),
            cells.term("channel", Channel, defaults.channel, Channel.UNKNOWN),
            cells.country("country", defaults.country),
            cells.number("distinct_customers", 0, 0, CUSTOMERS_MAX),
            cells.term("loss_band", LossBand, defaults.loss_band, LossBand.UNKNOWN),
            cells.text("policy", POLICY_MAX) or defaults.policy,
            cells.text("link_group", LINK_GROUP_MAX),
            cells.term("operation", Operation, Operation.ADD, Operation.ADD),
            cells.text("source", SOURCE_MAX),
        )
        if report.operation not in _REPORTABLE:
            cells.refuse("operation", report.operation.label, "one of add, sight")
        if report.lawful_basis is LawfulBasis.CONSENT and not report.consent_anchor:
            cells.refuse("consent_anchor", None, "64 hex digits where lawful_basis is consent")
        cells.finish()
        return report


class ScreeningRequest(msgspec.Struct, frozen=True, gc=False):
    """One question about an identifier, with the purpose and basis that make it lawful."""

    kind: Kind
    value: str
    purpose: Purpose
    lawful_basis: LawfulBasis
    case_ref: str
    region: Country

    def __repr__(self) -> str:
        return f"ScreeningRequest({self.kind.label}, {self.purpose.label})"

    @classmethod
    def from_mapping(
        cls, row: Mapping[str, object], *, defaults: ScreeningDefaults = SCREENING_DEFAULTS
    ) -> Self:
        """The question that a JSON object or CSV row states; RowError with all its problems."""
        cells = Cells(row, SCREENING_FIELDS)
        request = cls(
            cells.term("kind", Kind, None, Kind.PHONE),
            cells.text("value", VALUE_MAX, needed=True),
            cells.stated("purpose", Purpose, defaults.purpose, Purpose.FRAUD_PREVENTION),
            cells.stated("lawful_basis", LawfulBasis, defaults.lawful_basis, LawfulBasis.CONSENT),
            cells.text("case_ref", CASE_REF_MAX),
            cells.country("region", defaults.region),
        )
        cells.finish()
        return request


REPORT_FIELDS: Final = frozenset(
    name.removesuffix("_day") for name in IndicatorReport.__struct_fields__
)
SCREENING_FIELDS: Final = frozenset(ScreeningRequest.__struct_fields__)


def _days(cells: Cells, kind: Kind, today: int) -> tuple[int, int, int]:
    """First seen, last seen and valid until: each defaults to what the others and the kind say."""
    given_first = cells.day("first_seen", today + 1)
    given_last = cells.day("last_seen", today + 1)
    # Who reports without a date says that it is so today.
    last = given_last if given_last is not None else max(today, given_first or 0)
    first = given_first if given_first is not None else min(today, last)
    until = cells.day("valid_until", today + VALID_DAYS_MAX)
    if last < first:
        cells.refuse("last_seen", "a date before first_seen", "a date from first_seen on")
    if until is None:
        # The report itself says that the sighting still matters; its age lowers the score.
        return first, last, max(last, today) + LIFETIMES[kind].days
    if until < today:
        cells.refuse("valid_until", "a past date", "a date from today on")
    elif until < last:
        cells.refuse("valid_until", "a date before last_seen", "a date from last_seen on")
    return first, last, until
