"""Schemas of disputes and other follow-ups of records: wishes, outcomes, histories."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from api.schemas import CASE, ID_EXAMPLE, Digest, Document, RecordOut, StageName, words
from bulwark.indicators.vocabulary import DisputeGround, Ruling

DIGEST_IN = "^(0x)?[0-9a-fA-F]{64}$"
DigestIn = Annotated[str, Field(pattern=DIGEST_IN, examples=[ID_EXAMPLE])]
Status = Literal["open", "upheld", "rejected", "corrected", "moot", "refused"]
StateName = Literal["active", "disputed", "overruled", "retracted", "expired", "erased"]


class DisputeIn(Document):
    """A record is contested, by this member or by a person through it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"record_id": ID_EXAMPLE, "ground": "reassigned", "for_person": True}]
        },
    )

    record_id: DigestIn
    ground: str = words(DisputeGround, "Why the record is contested", stated=True)
    for_person: bool = Field(False, description="The person concerned asks; it gets a code")
    case_ref: str = CASE


class RulingIn(Document):
    """A dispute is decided."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"ruling": "upheld"}]}
    )

    ruling: str = words(Ruling, "How the disputes of the record end", stated=True)
    case_ref: str = CASE


class RecordErasureIn(Document):
    """A record is to be destroyed at every node."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"ground": "request"}]}
    )

    ground: Literal["request", "consent", "retention", "error"] = Field(
        "request", description="Why: the person or a court, the consent, its time, a mistake"
    )
    case_ref: str = CASE


class RecordCaseIn(Document):
    """The member's own reference, for its access log alone."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"case_ref": "fraud desk 7"}]}
    )

    case_ref: str = CASE


class FollowUpOut(Document):
    """A follow-up of this member and what it made of the record."""

    id: Digest = Field(description="The follow-up's own record id")
    record_id: Digest = Field(description="The record that it is about")
    operation: Literal["dispute", "rule", "retract", "expire", "erase"]
    stage: StageName
    height: int | None = Field(ge=0)
    taken: bool | None = Field(description="Whether the ledger took it; null until it is executed")
    rule: str | None = Field(description="Rule id where the ledger refused it: others came first")
    state: StateName = Field(description="State of the record in the last block")
    reference: str = Field(description="A person's code, else the follow-up's id")


class DisputeOut(Document):
    """A dispute as it stands in the last block."""

    reference: str = Field(description="A person's code, else the dispute's id")
    id: Digest
    record_id: Digest
    reporter: str = Field(description="Member that made the statement")
    member: str = Field(description="Member that disputes it")
    ground: str
    status: Status
    rule: str | None = Field(description="Rule id where the ledger refused the dispute")
    height: int = Field(ge=0)
    opened: str
    due: str = Field(description="When it should be ruled on")
    overdue: bool
    for_person: bool = Field(description="Known at the member alone through which it came")


class DisputesOut(Document):
    """Disputes, newest first."""

    disputes: list[DisputeOut]
    next: str | None = Field(description="Cursor of the next page, null on the last")


class StepOut(Document):
    """One follow-up in a record's history."""

    id: Digest
    operation: str
    reason: str | None
    member: str
    height: int = Field(ge=0)
    timestamp: str
    taken: bool
    rule: str | None = Field(description="Rule id of the refusal")
    state: StateName = Field(description="State of the record after it")


class OpenDisputeOut(Document):
    """A dispute of the record."""

    id: Digest
    member: str
    ground: str
    opened: str
    due: str
    ruling: str | None


class HistoryOut(Document):
    """A statement with all that followed it, the same at every node."""

    record: RecordOut
    history: list[StepOut]
    disputes: list[OpenDisputeOut]


MODELS = (
    DisputeIn,
    RulingIn,
    RecordErasureIn,
    RecordCaseIn,
    FollowUpOut,
    DisputeOut,
    DisputesOut,
    HistoryOut,
)
