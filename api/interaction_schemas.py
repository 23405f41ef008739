"""Schemas of the interaction with customers: their reports and cooling-offs.

Rules: those of `schemas`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from api.advice_schemas import LevelName
from api.interaction_bounds import (
    CURSOR,
    DEFAULT_CONFIDENCE,
    ID,
    MAX_FRAUD_TYPES,
    MAX_IDENTIFIERS,
    NOTE_MAX,
    PAUSE_MAX_S,
    PERSON_MAX,
    TEXT_MAX,
)
from api.schemas import CASE, REGION, VALUE, Digest, Document, optional_words, words
from api.screening_schemas import ScreeningIn
from bulwark.indicators.model import POLICY_MAX
from bulwark.indicators.vocabulary import (
    Channel,
    FraudType,
    Kind,
    LawfulBasis,
    LossBand,
    ObjectRole,
)
from node.interaction.reportport import DeclineReason

Identity = Annotated[str, Field(pattern=ID)]
Cursor = Annotated[str, Field(pattern=CURSOR)]
ReportStateName = Literal["received", "triaged", "reported", "declined", "merged", "erased"]
CoolingStateName = Literal["held", "confirmed", "refused", "cancelled", "expired"]
_EXAMPLE_ID = "5f0c3b6f8f1e4d0a9b7c2d1e0f3a4b5c"


def person(what: str) -> Any:
    """A reference of the member's own systems."""
    return Field(min_length=1, max_length=PERSON_MAX, description=what)


def example(**values: Any) -> ConfigDict:
    """Configuration of a body with one example."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [values]})


class IdentifierIn(Document):
    """An identifier that a customer names."""

    kind: str = words(Kind, "What sort of identifier it is")
    value: str = VALUE
    region: str = REGION


class CustomerReportIn(Document):
    """What a customer or victim says."""

    model_config = example(
        customer="customer 4711",
        channel="voice_call",
        language="de",
        text="Somebody called in the name of my bank.",
        identifiers=[{"kind": "phone", "value": "+44 20 7946 0958"}],
        loss_band="under_1k",
        fraud_types=["imp_bank"],
    )

    customer: str = person("The member's own pseudonym of the customer; kept as a keyed hash")
    channel: str = optional_words(Channel, "Where the fraud met the customer", "unknown")
    language: str = Field("", max_length=30, description="Language of the person, as de")
    text: str = Field("", max_length=TEXT_MAX, description="In the person's words; never shared")
    identifiers: list[IdentifierIn] = Field(min_length=1, max_length=MAX_IDENTIFIERS)
    happened: str | int | None = Field(None, description="Day or time of it, ISO 8601")
    loss_band: str = optional_words(LossBand, "Loss", "unknown")
    fraud_types: list[str] = Field(
        [], max_length=MAX_FRAUD_TYPES, description="What it may have been"
    )
    case_ref: str = CASE


class ChosenOut(Document):
    """What an analyst chose to state of an identifier."""

    number: int = Field(ge=0)
    fraud_type: str
    object_role: str
    confidence: int = Field(ge=0, le=100)
    lawful_basis: str
    policy: str


class ReportIdentifierOut(Document):
    """An identifier of a report with what became of it."""

    number: int = Field(ge=0)
    kind: str
    value: str | None = Field(description="Null in lists")
    customers: int = Field(ge=0, description="Distinct customers of this member who named it")
    two_customers: bool = Field(description="Two or more did (EU PSR art. 83)")
    chosen: ChosenOut | None
    record_id: Digest | None
    duplicate: bool
    rule: str | None = Field(description="Rule that refused it")
    detail: str | None


class CustomerReportOut(Document):
    """A customer's report as the member's staff sees it."""

    id: Identity
    code: str | None = Field(description="For the person; null in lists and once erased")
    state: ReportStateName
    received: str
    changed: str
    due: str = Field(description="When the person should have an answer")
    overdue: bool
    reported: str | None
    kept_until: str = Field(description="When the text is erased if nothing happens")
    channel: str
    language: str
    happened: str | None
    loss_band: str
    fraud_types: list[str]
    text: str | None = Field(description="Null in lists and once erased")
    case_ref: str
    identifiers: list[ReportIdentifierOut]
    note: str
    decline_reason: str | None
    merged_into: Identity | None


class CustomerReportsOut(Document):
    """Customers' reports, newest first."""

    customer_reports: list[CustomerReportOut]
    next: Cursor | None = Field(description="Cursor of the next page, null on the last")


class ChoiceIn(Document):
    """What to state of one identifier of a report."""

    number: int = Field(ge=0, lt=MAX_IDENTIFIERS, description="Its place in the report, from 0")
    fraud_type: str = words(FraudType, "Method of the fraud")
    object_role: str = words(ObjectRole, "What the identifier is in the scheme")
    confidence: int = Field(DEFAULT_CONFIDENCE, ge=0, le=100)
    lawful_basis: str = optional_words(LawfulBasis, "Not consent", "legitimate_interests")
    policy: str = Field("", max_length=POLICY_MAX, description="Id or title; '' for the default")


class TriageIn(Document):
    """An analyst's choice."""

    model_config = example(
        identifiers=[{"number": 0, "fraud_type": "imp_bank", "object_role": "offender_controlled"}]
    )

    identifiers: list[ChoiceIn] = Field(min_length=1, max_length=MAX_IDENTIFIERS)
    note: str = Field("", max_length=NOTE_MAX, description="For the member's staff alone")


class DeclineIn(Document):
    """Why a report is not passed on."""

    model_config = example(reason="too_little")

    reason: str = Field(json_schema_extra={"enum": [str(r.value) for r in DeclineReason]})
    note: str = Field("", max_length=NOTE_MAX)


class MergeIn(Document):
    """The report that it is joined with."""

    model_config = example(into=_EXAMPLE_ID)

    into: Identity


class EmptyIn(Document):
    """No fields."""


class ObservableOut(Document):
    """One identifier in the form of case tools."""

    dataType: str
    data: str | None
    tags: list[str]
    message: str


class AlertOut(Document):
    """A report as an alert for case tools."""

    type: str
    source: str
    sourceRef: str
    title: str
    description: str
    date: int = Field(description="Milliseconds since 1970")
    tags: list[str]
    status: str
    tlp: int
    pap: int
    observables: list[ObservableOut]


class CoolingOffIn(Document):
    """A payment that is to be held for a pause."""

    model_config = example(
        question={
            "kind": "iban",
            "value": "DE89 3704 0044 0532 0130 00",
            "purpose": "fraud_prevention",
            "lawful_basis": "legitimate_interests",
        },
        customer="customer 4711",
        payment="payment 2026-0815",
    )

    question: ScreeningIn = Field(description="About the other side of the payment")
    customer: str = person("The member's own reference of its customer")
    payment: str = person("The payment system's reference")
    seconds: int | None = Field(None, ge=1, le=PAUSE_MAX_S, description="The pause")


class ExtensionIn(Document):
    """How much longer it is held."""

    model_config = example(seconds=1800)

    seconds: int = Field(ge=1, le=PAUSE_MAX_S)


class CoolingOffOut(Document):
    """A cooling-off as it stands."""

    id: Identity
    state: CoolingStateName
    token: str | None = Field(description="Hold token while held, release token once confirmed")
    opening: str | None = Field(description="Opens the token's commitments; 64 hex digits")
    band: str
    level: LevelName
    issued: str
    not_before: str = Field(description="Earliest time of a yes")
    expires: str
    extensions: int = Field(ge=0)
    ended: str | None


class CoolingOffsOut(Document):
    """Cooling-offs, newest first."""

    cooling_offs: list[CoolingOffOut]
    next: Cursor | None


class CoolingKeyOut(Document):
    """What a payment system checks tokens with."""

    member: str
    algorithm: Literal["Ed25519"]
    public_key: str = Field(pattern="^[0-9a-f]{64}$")


MODELS = (
    CustomerReportIn,
    CustomerReportOut,
    CustomerReportsOut,
    TriageIn,
    DeclineIn,
    MergeIn,
    EmptyIn,
    AlertOut,
    CoolingOffIn,
    ExtensionIn,
    CoolingOffOut,
    CoolingOffsOut,
    CoolingKeyOut,
)
