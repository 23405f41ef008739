"""Schemas of erasures and recalls of the REST surface."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from api.schemas import ID_EXAMPLE, Digest, Document, Prefixed, StageName

DIGEST_IN = "^(0x)?[0-9a-fA-F]{64}$"
MAX_ORDERS = 2_000

DigestIn = Annotated[str, Field(pattern=DIGEST_IN, examples=[ID_EXAMPLE])]
GroundName = Literal["request", "consent", "retention", "error"]


class ErasureIn(Document):
    """Records that are to be erased at every member."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"records": [ID_EXAMPLE], "ground": "request"}]}
    )

    records: list[DigestIn] = Field(min_length=1, max_length=MAX_ORDERS)
    ground: GroundName = Field("request", description="Why")


class RefusedOut(Document):
    """A record that this member may not erase now."""

    record_id: Digest
    rule: str = Field(description="The lifecycle's rule")
    detail: str


class ErasureOut(Document):
    """What became of a request to erase records."""

    batch: Digest | None = Field(description="Batch that holds the orders; null: all were refused")
    transaction: Prefixed | None
    stage: StageName | None
    height: int | None = Field(ge=0)
    ordered: list[Digest]
    refused: list[RefusedOut]


class ConfirmationOut(Document):
    """One member's word on a batch of orders."""

    member: str
    record_id: Digest = Field(description="The CONFIRM record; its proof is the receipt")
    recalled: bool
    destroyed: bool
    height: int = Field(ge=0)
    at: str


class BatchOut(Document):
    """A batch of orders and who confirmed it."""

    batch: Digest
    height: int = Field(ge=0)
    at: str
    confirmations: list[ConfirmationOut]
    missing: list[str] = Field(description="Members that can confirm and did not yet")


class OrderOut(Document):
    """An order about a record."""

    record_id: Digest = Field(description="The ERASE record")
    member: str
    ground: str
    height: int = Field(ge=0)
    at: str
    refused: str | None = Field(description="The lifecycle's rule where it was refused")
    batch: BatchOut | None


class RecordErasureOut(Document):
    """How the erasure of a record stands."""

    record_id: Digest
    erased_here: bool = Field(description="Whether this node holds nothing of it but the leaf")
    orders: list[OrderOut]


class OfferOut(Document):
    """A consent that ended, and this member's records that still rest on it."""

    consent: Digest
    records: list[Digest]


class OffersOut(Document):
    """What could be ordered to be erased because its consent ended."""

    offers: list[OfferOut]


class ReceiptsOut(Document):
    """Signed receipts of all members; `bulwark verify erasure` checks them offline."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    format: Literal["bulwark-erasure-receipts/1"]
    record_id: Digest


class RecalledQuestionOut(Document):
    """An own question that the record answered."""

    id: int = Field(ge=1)
    time_ms: int = Field(ge=0)
    asked_by: str = Field(description="Id of the API key")
    case_ref: str


class RecallOut(Document):
    """A record that answered this member and stands no more."""

    id: int = Field(ge=1)
    record_id: Digest
    reason: Literal["overruled", "retracted", "erased", "consent_withdrawn"]
    time_ms: int = Field(ge=0, description="Time of the block that made it so")
    height: int = Field(ge=0)
    questions: list[RecalledQuestionOut]
    delivery: Literal["none", "waiting", "delivered", "dead"] = Field(
        description="How far the webhook is"
    )
    tries: int = Field(ge=0)


class RecallsOut(Document):
    """A page of recalls, oldest first."""

    recalls: list[RecallOut]
    next: int | None = Field(description="`after` of the next page, null at the end")


MODELS = (
    ErasureIn,
    ErasureOut,
    BatchOut,
    RecordErasureOut,
    OffersOut,
    ReceiptsOut,
    RecallsOut,
)
