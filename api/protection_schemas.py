"""Schemas of protective registrations and of feedback.

Rules: those of `schemas`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.interaction_schemas import Cursor, Identity, example, person
from api.schemas import CASE, ID_EXAMPLE, REGION, VALUE, Digest, Document, optional_words, words
from bulwark.indicators.model import POLICY_MAX
from bulwark.indicators.vocabulary import FraudType, Kind, LawfulBasis, LossBand
from node.interaction.feedbackport import MAX_RECORDS, Finding, Verdict
from node.interaction.protectionport import DEFAULT_DAYS, MAX_DAYS

DigestIn = Annotated[str, Field(pattern="^(0x)?[0-9a-fA-F]{64}$", examples=[ID_EXAMPLE])]
BandName = Literal["none", "low", "medium", "high", "very_high"]
Share = Annotated[float, Field(ge=0, le=1)]


class ProtectionIn(Document):
    """A person's own identifier that is to be protected."""

    model_config = example(
        person="customer 4711",
        kind="phone",
        value="+44 20 7946 0958",
        role="compromised_victim",
        lawful_basis="legitimate_interests",
    )

    person: str = person("The member's own pseudonym of the person; kept as a keyed hash")
    kind: str = words(Kind, "What sort of identifier it is")
    value: str = VALUE
    region: str = REGION
    role: Literal["compromised_victim", "impersonated", "target"] = Field(
        description="What the person is in the fraud; none of them scores"
    )
    fraud_type: str = optional_words(FraudType, "The fraud that it guards against", "unknown")
    lawful_basis: str = words(LawfulBasis, "Legal basis of the protection", stated=True)
    consent_anchor: str = Field("", max_length=66, description="Where it rests on a consent")
    days: int = Field(DEFAULT_DAYS, ge=1, le=MAX_DAYS, description="How long it lasts")
    policy: str = Field("", max_length=POLICY_MAX)
    case_ref: str = CASE


class ProtectionRenewalIn(Document):
    """How long it lasts from now on."""

    model_config = example(days=365)

    days: int = Field(DEFAULT_DAYS, ge=1, le=MAX_DAYS)


class ProtectionEndIn(Document):
    """The person does not want it any more."""

    model_config = example(erase=True)

    erase: bool = Field(False, description="Have its record destroyed at every member, too")


class ProtectionOut(Document):
    """A protection as it stands."""

    id: Identity
    state: Literal["active", "lapsed", "withdrawn"]
    kind: str
    value: str | None = Field(description="Null in lists and once withdrawn")
    role: str
    lawful_basis: str
    record_id: Digest
    valid_until: str
    renewals: int = Field(ge=0)
    renewal_due: bool
    registered: str
    changed: str


class ProtectionsOut(Document):
    """Protections, newest first."""

    protections: list[ProtectionOut]
    next: Cursor | None


class FeedbackIn(Document):
    """What the desk found about an answer or a record."""

    model_config = example(
        verdict="disagreed", finding="reassigned", record_ids=[ID_EXAMPLE], band="high"
    )

    verdict: str = Field(json_schema_extra={"enum": [str(v.value) for v in Verdict]})
    finding: str = Field("other", json_schema_extra={"enum": [str(f.value) for f in Finding]})
    record_ids: list[DigestIn] = Field(min_length=1, max_length=MAX_RECORDS)
    band: BandName | None = Field(None, description="Of the answer; null: about the record")
    loss_prevented: str = optional_words(LossBand, "Loss that was prevented", "unknown")
    case_ref: str = CASE
    dispute: str | None = Field(None, description="Ground on which the one record is disputed")


class FeedbackOut(Document):
    """Feedback that was taken."""

    id: Identity
    given: str
    verdict: str
    reporters: list[str] = Field(description="Members whose records it is about")
    kinds: list[str]
    replaced: bool = Field(description="It took the place of what this case said before")
    dispute: str | None = Field(description="Reference of the dispute that it opened")
    follow_up: Literal["none", "disputed", "dispute", "retract"]


class ReporterFiguresOut(Document):
    """How the records of one member and kind did."""

    reporter: str
    kind: str
    verdicts: dict[str, int]
    judged: int = Field(ge=0)
    wrong: int = Field(ge=0)
    false_positive_rate: Share | None


class PrecisionOut(Document):
    """Right answers among the judged ones from the action threshold on."""

    threshold: BandName | None
    judged: int = Field(ge=0)
    right: int = Field(ge=0)
    value: Share | None


class FirstShareOut(Document):
    """Time from the intake of a customer's report to its record on the ledger."""

    count: int = Field(ge=0)
    median_seconds: float | None
    p95_seconds: float | None


class DisputeFiguresOut(Document):
    """How disputes of the whole ledger ended."""

    decided: int = Field(ge=0)
    upheld: int = Field(ge=0)
    upheld_share: Share | None
    open: int = Field(ge=0)


class FeedbackSummaryOut(Document):
    """What the feedback of this member shows."""

    verdicts: dict[str, int]
    by_band: dict[str, dict[str, int]]
    precision: PrecisionOut
    reporters: list[ReporterFiguresOut]
    loss_prevented: dict[str, int]
    time_to_first_share: FirstShareOut
    disputes: DisputeFiguresOut
    partial: bool = Field(description="There is more than was looked at")


class StatusIn(Document):
    """A person's code."""

    model_config = example(code="7K3M-9QWE-2F0A-TZ4V-8")

    code: str = Field(min_length=1, max_length=40)
    language: str | None = Field(None, max_length=30)


class StatusOut(Document):
    """How a case stands, in plain words."""

    sort: Literal["report", "dispute"]
    state: str
    state_text: str
    next_text: str
    opened: str | None
    due: str | None
    overdue: bool
    help_text: str
    language: str
    fallback: bool


MODELS = (
    ProtectionIn,
    ProtectionRenewalIn,
    ProtectionEndIn,
    ProtectionOut,
    ProtectionsOut,
    FeedbackIn,
    FeedbackOut,
    FeedbackSummaryOut,
    StatusIn,
    StatusOut,
)
