"""Schemas of the exchange with MISP: documents in, reports, events out, search sets."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import Document, optional_words
from bulwark.indicators.vocabulary import (
    EvidenceLevel,
    FraudType,
    LawfulBasis,
    ObjectRole,
    Purpose,
    Tlp,
)

SOURCE = "^[A-Za-z0-9._:-]{1,64}$"
SOURCE_IN = "^[A-Za-z0-9._:-]{0,64}$"


class MispOptionsIn(Document):
    """What the member decides about an import: defaults, and what may be shared."""

    fraud_type: str = optional_words(FraudType, "For what no tag names; unknown refuses", "unknown")
    object_role: str = optional_words(ObjectRole, "For what no object says", "unknown")
    evidence_level: str = optional_words(EvidenceLevel, "Of all statements", "suspected")
    confidence: int = Field(50, ge=0, le=100, description="Where no tag states it")
    tlp: str = optional_words(Tlp, "For what carries no marking", "amber")
    red_as: str = optional_words(Tlp, "Marking for tlp:red; unknown refuses it", "unknown")
    take_context: bool = Field(False, description="Also attributes with to_ids false")
    take_own_org: bool = Field(False, description="Also distribution 0")
    trust_tags: bool = Field(
        False, description="Also evidence, customers, basis and purpose from fraud-alliance tags"
    )
    sharing_groups: list[str] = Field([], description="UUIDs of groups that cover the alliance")
    region: str = Field("", description="ISO 3166-1 country of national spellings")
    lawful_basis: str = optional_words(LawfulBasis, "Legal basis", "legitimate_interests")
    purpose: str = optional_words(Purpose, "Purpose", "fraud_prevention")
    policy: str = Field("", description="Policy that the records name")
    on_false_positive: Literal["dispute", "retract", "leave"] = Field(
        "dispute", description="What a false-positive sighting does to this member's record"
    )


class ImportIn(Document):
    """A document of any form and how to take it in."""

    document: Any
    options: MispOptionsIn = Field(default_factory=MispOptionsIn)
    dry_run: bool = Field(False, description="Say what would happen, change nothing")
    keep_clear: bool = Field(False, description="Keep clear values for own exports, encrypted")
    source: str = Field("", pattern=SOURCE_IN, description="Name of the server it is from")
    cursor: str = Field("", max_length=64, description="Where the next pull from it begins")


class MispImportIn(ImportIn):
    """A MISP document and how to take it in."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "document": {"Attribute": [{"type": "domain", "value": "evil.example.net"}]},
                    "options": {"fraud_type": "phishing"},
                    "dry_run": True,
                }
            ]
        },
    )

    document: dict[str, Any] | list[Any] = Field(description="Any form in which MISP writes events")


class MispItemOut(Document):
    """One thing of the document and what became of it; never its clear value."""

    where: str = Field(description="JSON pointer into the document")
    ref: str = Field(description="UUID in MISP, or empty")
    what: str
    fate: Literal["taken", "left", "refused"]
    reason: str = Field(description="Stable code; docs/misp.md lists them")
    detail: str


class MispImportOut(Document):
    """What became of a MISP document, item by item."""

    dry_run: bool
    statements: int = Field(ge=0)
    new: int = Field(ge=0, description="Records made")
    known: int = Field(ge=0, description="Statements that were made before")
    replaced: int = Field(ge=0, description="Records that ended because a newer version came")
    ended: int = Field(ge=0, description="Records that ended because the source says so")
    disputed: int = Field(ge=0)
    kept: int = Field(ge=0, description="Clear values kept")
    counts: dict[str, dict[str, int]] = Field(description="Items by fate and reason")
    items: list[MispItemOut]


class MispExportIn(Document):
    """Which records to write as MISP events."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"own_only": True}]})

    since: int = Field(0, ge=0, le=10**11, description="Stated from then on, seconds since 1970")
    most: int = Field(10_000, ge=1, le=50_000, description="The newest records")
    own_only: bool = Field(False, description="Records of this member alone")
    clear: bool = Field(False, description="Clear values where this member kept them")


class MispEventsOut(Document):
    """MISP events, as MISP's own API answers."""

    response: list[dict[str, Any]]


class MispSearchSetIn(Document):
    """A Private Search Set of kept values."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "partner", "key": "00" * 32, "key_id": "partner-2026"}]
        },
    )

    name: str = Field(pattern="^[A-Za-z0-9._-]{1,64}$")
    key: str = Field(pattern="^([0-9a-fA-F]{2}){16,64}$", description="Key in hexadecimal")
    key_id: str = Field(pattern="^[A-Za-z0-9._-]{1,64}$")
    algorithm: Literal["HMAC-SHA-256", "HMAC-SHA-512", "Blake2b"] = "HMAC-SHA-256"
    probability: float = Field(0.0001, ge=1e-9, le=0.1, description="Of a false positive")
    capacity: int = Field(0, ge=0, le=10_000_000, description="0: twice the values")
    kinds: list[str] = Field([], description="Kinds of identifiers; all when left out")


class MispSearchSetOut(Document):
    """Files of a Private Search Set, base64 by name."""

    files: dict[str, str]


class MispSourceOut(Document):
    """A source of imports and where its next pull begins."""

    name: str
    cursor: str


class MispForgetIn(Document):
    """Nothing: all kept clear text is meant."""


class MispForgottenOut(Document):
    """How many kept values are gone."""

    forgotten: int = Field(ge=0)


MODELS: tuple[type[BaseModel], ...] = (
    MispImportIn,
    MispImportOut,
    MispExportIn,
    MispEventsOut,
    MispSearchSetIn,
    MispSearchSetOut,
    MispSourceOut,
    MispForgetIn,
    MispForgottenOut,
)
