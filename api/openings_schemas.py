"""Schemas of openings: cases, requests, votes and results of the REST surface."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from api.schemas import ID_EXAMPLE, Digest, Document, Prefixed, StageName

DIGEST_IN = "^(0x)?[0-9a-fA-F]{64}$"
STATES = Literal["open", "approved", "refused", "closed", "expired"]

DigestIn = Annotated[str, Field(pattern=DIGEST_IN, examples=[ID_EXAMPLE])]


class CaseVoteOut(Document):
    """One member's vote in a case."""

    member: str
    approve: bool


class CaseOut(Document):
    """A case as it stands in the last block."""

    id: Digest
    state: STATES
    regulator: str = Field(description="Member that asks")
    evaluator: str = Field(description="Member whose query log the statement stands in")
    statement: Digest = Field(description="Hash of the statement")
    basis: Digest = Field(description="SHA-256 of the legal basis")
    needed: int = Field(ge=1, description="Approvals that grant it")
    voters: int = Field(ge=1)
    approvals: int = Field(ge=0)
    rejections: int = Field(ge=0)
    partials: int = Field(ge=0, description="Parts that members posted and that count")
    height: int = Field(ge=0, description="Block that opened it")
    deadline: str = Field(description="When it expires")
    result: Digest | None = Field(description="Hash of what came out, null until it is closed")
    votes: list[CaseVoteOut] = Field(description="Empty in a list")
    posted: list[str] = Field(description="Members that posted a part; empty in a list")
    stale: list[str] = Field(
        description="Members whose part is of an earlier sharing of the council's key"
    )
    obstacle: str | None = Field(description="Why this node took no part in it so far")


class CasesOut(Document):
    """Cases, newest first."""

    cases: list[CaseOut]


class CaseIn(Document):
    """A regulator asks who made a question."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"statement": ID_EXAMPLE, "basis": ID_EXAMPLE}]}
    )

    statement: DigestIn = Field(description="Hash of the statement, as an evaluator's log has it")
    basis: DigestIn = Field(description="SHA-256 of the document with the legal basis")


class CaseVoteIn(Document):
    """A vote of this member."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"approve": True}]})

    approve: bool


class FinishIn(Document):
    """Nothing: the path says which case is finished."""


class CaseOutcomeOut(Document):
    """What became of a request or a vote."""

    transaction: Prefixed
    stage: StageName
    height: int | None = Field(ge=0)
    case: CaseOut | None = Field(description="Null until the transaction is executed")


class BadPartOut(Document):
    """A posted part that does not hold."""

    member: str
    reason: str


class FinishedOut(CaseOutcomeOut):
    """A case that was opened."""

    member: str | None = Field(description="Who registered the ring key that asked")
    member_key: Digest
    result: Digest = Field(description="Hash that the ledger holds of the result")
    bad: list[BadPartOut] = Field(description="Members whose parts do not hold")


class OpeningRecordOut(Document):
    """The court's file, for `bulwark opening verify FILE --genesis FILE`."""

    format: Literal["bulwark-opening/1"]
    result: str = Field(pattern="^[0-9a-f]+$", description="The result, hex")
    served: str = Field(pattern="^[0-9a-f]+$", description="The statement with its ring proof")
    sealed: dict[str, Any] = Field(description="A certified header")
    state: list[str] = Field(description="Nodes of its state that show the closed case, hex")


class ExculpationOut(Document):
    """A member's proof that it did not ask, for `bulwark opening verify FILE --genesis FILE`."""

    format: Literal["bulwark-exculpation/1"]
    exculpation: str = Field(pattern="^[0-9a-f]+$", description="Own nullifier and proof, hex")
    member_key: Digest = Field(description="The ring key that it clears")
    served: str = Field(pattern="^[0-9a-f]+$", description="The statement with its ring proof")
    sealed: dict[str, Any] = Field(description="A certified header")
    state: list[str] = Field(description="Nodes of its state that show whose key it is, hex")


class StatementOut(Document):
    """A statement of an evaluator's log, verified by this node."""

    statement: Digest = Field(description="Its hash; what a request for an opening names")
    nullifier: Digest
    epoch: int = Field(ge=0, description="Quota epoch that it spent a slot of")
    scope: int = Field(ge=1)
    slot: int = Field(ge=0)
    ring_size: int = Field(ge=1)
    interval: list[int] | None = Field(
        max_length=2, description="Epoch and number of its anchored interval, null for none yet"
    )
    obstacle: str | None = Field(description="Why it does not hold, null if it does")


class StatementsOut(Document):
    """A page of an evaluator's log."""

    statements: list[StatementOut]
    next: str | None = Field(pattern="^[0-9a-f]{88}$", description="Cursor of the next page")


MODELS = (
    StatementsOut,
    CasesOut,
    CaseOut,
    CaseIn,
    CaseVoteIn,
    FinishIn,
    CaseOutcomeOut,
    FinishedOut,
    OpeningRecordOut,
    ExculpationOut,
)
