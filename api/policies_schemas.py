"""Schemas of policies on the REST surface.

Rules: the document is described field by field; `bulwark.policies.document` reads it and is
stricter where a schema can not be.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from api.schemas import Digest, Document, Prefixed, StageName
from bulwark.indicators.vocabulary import EvidenceLevel, Kind, LawfulBasis, Purpose, Tlp

TITLE = "^[a-z0-9][a-z0-9.-]{0,62}$"


class GroundIn(Document):
    """What one lawful basis permits."""

    basis: str = Field(json_schema_extra={"enum": [b.label for b in LawfulBasis if b]})
    purposes: list[str] = Field(
        min_length=1, description=f"Of {', '.join(p.label for p in Purpose if p)}"
    )
    operations: list[Literal["add", "sight"]] = Field(min_length=1)
    kinds: list[str] = Field(
        min_length=1, description=f'["*"], or of {", ".join(k.label for k in Kind)}'
    )


class ThresholdsIn(Document):
    """The least that a record must rest on."""

    distinct_customers: dict[str, int] = Field(description="By kind, * for the others")
    evidence_level: str = Field(json_schema_extra={"enum": [e.label for e in EvidenceLevel]})
    greatest_tlp: str = Field(json_schema_extra={"enum": [t.label for t in Tlp if t]})


class PolicyIn(Document):
    """A policy document."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["bulwark-policy/1"]
    version: int = Field(ge=1, le=1_000_000)
    title: str = Field(pattern=TITLE)
    text: str = Field(min_length=1, max_length=1_000)
    jurisdictions: list[str] = Field(min_length=1, description='ISO 3166-1 codes, or ["*"]')
    legal_gateways: list[str] = Field(max_length=32)
    grounds: list[GroundIn] = Field(min_length=1, max_length=32)
    retention_days: dict[str, int] = Field(description="By kind, * for the others")
    thresholds: ThresholdsIn
    consent_receipt: list[str] = Field(description="Kinds that need a receipt on any basis")
    own_assessment: bool = Field(description="Records carry the duty not to decide on them alone")
    dispute_due_days: int = Field(ge=1, le=366)
    data_classes: dict[str, str] = Field(description="Label by kind, * for the others")


class PolicySummaryOut(Document):
    """A policy as the ledger has it."""

    id: Digest
    title: str | None = Field(description="Null where the document can not be read")
    version: int | None
    text: str | None
    state: Literal["published", "adopted", "withdrawn"]
    since: int = Field(description="Block whose vote adopted it, 0 for one of genesis or for none")
    until: int | None = Field(description="Block whose vote withdrew it")
    publisher: str | None = Field(description="Member; null for one of genesis")
    default: bool = Field(description="Whether it holds where a report names none")
    fault: str | None = Field(description="Why the document can not be read")


class PoliciesOut(Document):
    """The newest 256 policies and the default, newest first."""

    policies: list[PolicySummaryOut]


class PolicyOut(PolicySummaryOut):
    """A policy with its document."""

    document: dict[str, Any] | None


class PublicationOut(Document):
    """What became of a publication."""

    id: Digest
    transaction: Prefixed
    stage: StageName
    height: int | None = Field(ge=0)


MODELS = (PolicyIn, PoliciesOut, PolicyOut, PublicationOut)
