"""Schemas: the models of the REST surface, for its documentation and its tests.

Rules: names, statuses and vocabularies here are the contract; reading is done by
`bulwark.indicators.model`, so that REST, CSV and command line share one reading, and a test holds
the two together. Vocabulary words come from `bulwark.indicators.vocabulary`; aliases are read, too.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bulwark.indicators.model import (
    CASE_REF_MAX,
    CUSTOMERS_MAX,
    LINK_GROUP_MAX,
    POLICY_MAX,
    SOURCE_MAX,
    VALUE_MAX,
)
from bulwark.indicators.terms import Term
from bulwark.indicators.vocabulary import (
    Channel,
    EvidenceLevel,
    FraudType,
    Kind,
    LawfulBasis,
    LossBand,
    ObjectRole,
    Purpose,
    Tlp,
)

HEX_DIGEST = "^[0-9a-f]{64}$"
PREFIXED_DIGEST = "^0x[0-9a-f]{64}$"
ADDRESS = "^0x[0-9a-fA-F]{40}$"
ID_EXAMPLE = "9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e430635ab"

Digest = Annotated[str, Field(pattern=HEX_DIGEST, examples=[ID_EXAMPLE])]
Prefixed = Annotated[str, Field(pattern=PREFIXED_DIGEST)]
StageName = Literal["accepted", "ordered", "executed", "finalized"]


def words(vocabulary: type[Term], description: str, *, stated: bool = False) -> Any:
    """Field whose values are the labels of a vocabulary; `stated` leaves code 0 out."""
    labels = [entry.label for entry in vocabulary if not (stated and entry == 0)]
    meanings = "; ".join(f"{e.label}: {e.meaning}" for e in vocabulary if e.label in labels)
    extra: dict[str, Any] = {"enum": labels}
    return Field(default=..., description=f"{description}. {meanings}.", json_schema_extra=extra)


def optional_words(vocabulary: type[Term], description: str, default: str) -> Any:
    """As words(), with the default that an absent field takes."""
    field = words(vocabulary, description, stated=False)
    return Field(
        default=default,
        description=field.description,
        json_schema_extra=field.json_schema_extra,
    )


class Document(BaseModel):
    """Base: no unknown members."""

    # Built when somebody asks for the documentation: no request is read through a model.
    model_config = ConfigDict(extra="forbid", defer_build=True)


VALUE = Field(
    min_length=1,
    max_length=VALUE_MAX,
    description="The identifier in clear, in any usual spelling; it stays at this member's node",
    examples=["+44 20 7946 0958"],
)
REGION = Field(
    default="",
    description="ISO 3166-1 country that numbers and accounts without one belong to",
    examples=["GB"],
)
CASE = Field(
    default="",
    max_length=CASE_REF_MAX,
    description="Case number of the member; only a salted commitment leaves the node",
)


class IndicatorIn(Document):
    """One report: an identifier that was met in a fraud."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "kind": "phone",
                    "value": "+44 20 7946 0958",
                    "fraud_type": "imp_bank",
                    "confidence": 80,
                    "object_role": "offender_controlled",
                    "evidence_level": "confirmed",
                }
            ]
        },
    )

    kind: str = words(Kind, "What sort of identifier it is")
    value: str = VALUE
    fraud_type: str = words(FraudType, "Method of the fraud")
    confidence: int = Field(default=50, ge=0, le=100, description="Per cent")
    object_role: str = optional_words(ObjectRole, "What it is in the scheme", "unknown")
    evidence_level: str = optional_words(EvidenceLevel, "How well it is founded", "suspected")
    first_seen: str = Field(default="", description="ISO 8601 date; today when left out")
    last_seen: str = Field(default="", description="ISO 8601 date; first_seen when left out")
    valid_until: str = Field(default="", description="ISO 8601 date; by the kind when left out")
    lawful_basis: str = optional_words(LawfulBasis, "Legal basis", "legitimate_interests")
    purpose: str = optional_words(Purpose, "Purpose of the processing", "fraud_prevention")
    case_ref: str = CASE
    consent_anchor: str = Field(
        default="", description="Anchor id of the consent; needed where lawful_basis is consent"
    )
    region: str = REGION
    tlp: str = optional_words(Tlp, "Traffic Light Protocol marking", "amber")
    channel: str = optional_words(Channel, "Where the fraud met its victim", "unknown")
    country: str = Field(default="", description="ISO 3166-1 country of the fraud")
    distinct_customers: int = Field(
        default=0, ge=0, le=CUSTOMERS_MAX, description="Customers behind this report"
    )
    loss_band: str = optional_words(LossBand, "Loss as a range", "unknown")
    policy: str = Field(
        default="", max_length=POLICY_MAX, description="Policy in force, by id or title"
    )
    link_group: str = Field(
        default="", max_length=LINK_GROUP_MAX, description="Shared by reports of one case"
    )
    operation: Literal["add", "sight"] = Field(default="add", description="New, or met again")
    source: str = Field(
        default="",
        max_length=SOURCE_MAX,
        description="Id of what it was copied from, the same at all who copy it; '' for own facts",
    )


class ReportOut(Document):
    """What became of a report."""

    record_id: Digest = Field(description="Permanent id of the record")
    stage: StageName | None = Field(description="How far it got; null for an old duplicate")
    height: int | None = Field(ge=0, description="Block that holds it, once executed")
    duplicate: bool = Field(description="True when this member had reported it already")


class FieldProblemOut(Document):
    """One field that was refused."""

    field: str
    detail: str
    rule: str | None = Field(default=None, description="Stable id of the rule that it broke")


class ProblemOut(Document):
    """RFC 9457 problem document."""

    type: str = Field(examples=["urn:bulwark:problem:invalid"])
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    instance: str = Field(description="Names the request by its correlator")
    errors: list[FieldProblemOut] | None = None


class RowProblemOut(Document):
    """Why a row of an upload was refused."""

    type: str
    detail: str
    errors: list[FieldProblemOut]


class ReportRowOut(Document):
    """One row of an upload."""

    line: int = Field(ge=1, description="Line of the upload, from 1; a CSV header is line 1")
    status: Literal["taken", "duplicate", "refused"]
    record_id: Digest | None = None
    problem: RowProblemOut | None = None


class ReportBatchOut(Document):
    """What became of an upload of reports."""

    taken: int = Field(ge=0)
    duplicates: int = Field(ge=0)
    refused: int = Field(ge=0)
    stage: StageName | None = Field(description="Stage that all taken rows reached")
    height: int | None = Field(ge=0, description="Highest block that holds a row of it")
    rows: list[ReportRowOut]


class RecordOut(BaseModel):
    """A record as entitled readers see it: never clear text, salt or tag."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    record_id: Digest
    reporter: str = Field(description="Member that reported it")
    height: int = Field(ge=0)
    timestamp: str = Field(description="Time of its block, RFC 3339 UTC")
    age_ms: int = Field(ge=0, description="Now minus that time")
    stage: StageName
    erased: bool = Field(description="True: only the leaf is left, further fields are absent")
    state: str | None = Field(None, description="State of a statement in its lifecycle")
    restricted: bool | None = Field(None, description="Disputed, or its consent does not stand")
    open_disputes: int | None = Field(None, ge=0)
    consent: str | None = Field(None, description="How the consent stands that it rests on")


class CertificateOut(Document):
    """The quorum of checkpoint votes that makes a block final."""

    view: int = Field(ge=0)
    signers: list[int] = Field(description="Validators by their position")
    encoded: str = Field(pattern="^[0-9a-f]*$", description="Certificate for offline checks, hex")


class BlockOut(Document):
    """A block; Ethereum-facing hashes have 0x, digests of the ledger alone have not."""

    height: int = Field(ge=0)
    hash: Prefixed
    parent_hash: Prefixed
    batch_digest: Digest
    timestamp: str
    transactions_root: Prefixed
    receipts_root: Prefixed
    state_root: Prefixed
    record_log_size: int = Field(ge=0)
    record_log_root: Digest
    next_validators_hash: Digest
    gas_used: int = Field(ge=0)
    gas_limit: int = Field(ge=0)
    transactions: list[Prefixed]
    record_count: int = Field(ge=0)
    finalized: bool
    certificate: CertificateOut | None
    header: str = Field(pattern="^[0-9a-f]+$", description="Encoded header, hex")


class MemberOut(Document):
    """A member of the alliance."""

    id: str
    name: str
    roles: list[str]
    node: str = Field(description="Vote address of its node")
    account: str = Field(description="Account that signs its transactions")
    connected: bool | None = Field(description="Whether this node reaches it; null for itself")


class MembersOut(Document):
    """All members in ledger order."""

    members: list[MemberOut]


class NodeOut(BaseModel):
    """State of this node: member, roles, heights, view, peers, queues, versions."""

    model_config = ConfigDict(extra="allow", defer_build=True)


class HealthOut(Document):
    """The process answers."""

    status: Literal["ok"]


class ReadinessOut(Document):
    """Whether the node serves, and if not what is missing."""

    ready: bool
    checks: dict[str, bool]
    voting: dict[str, int | None] = Field(
        default={}, description="Epoch, silent_until, validators, how many are heard and needed"
    )


class ProofOut(Document):
    """A proof for `bulwark verify proof FILE --genesis FILE`."""

    format: str
    proof: dict[str, Any]
