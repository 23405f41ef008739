"""Schemas of consents: terms, receipts, searches, exports and status of the REST surface."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from api.schemas import Digest, Document, StageName
from bulwark.consents.schema import Schema

EXAMPLE: dict[str, Any] = {
    "subject": "c0ffee-1",
    "purpose": "fraud_prevention",
    "personal_data": ["pd:TelephoneNumber"],
    "jurisdiction": "GB",
    "language": "en",
    "notice": "https://bank.example/privacy/7",
    "controller": {"contact": "dpo@bank.example", "address": "1 High Street, London"},
    "storage": {"locations": ["GB"], "retention": "P1Y"},
    "withdrawal": "https://bank.example/consent",
    "valid_until": "2027-11-20",
}
_TERMS = json.loads(Schema.TERMS.text())
_STATUS = Literal["given", "withdrawn", "expired", "invalidated", "objected", "erased"]


def _stated(name: str) -> str:
    return str(_TERMS["properties"][name].get("description", ""))


class ConsentIn(Document):
    """A consent to record; the receipt is made from it and only its commitment is anchored.

    Held to the JSON Schema urn:bulwark:schema:consent-terms:1 (docs/consents.md).
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    subject: str = Field(min_length=1, max_length=256, description=_stated("subject"))
    phone: str = Field(default="", description=_stated("phone"))
    purpose: str = Field(default="fraud_prevention", description=_stated("purpose"))
    lawful_basis: str = Field(default="consent", description=_stated("lawful_basis"))
    consent_type: Literal["explicit", "expressed", "implied"] = "explicit"
    personal_data: list[str | dict[str, str]] = Field(
        min_length=1, max_length=32, description="DPV categories, as pd:TelephoneNumber"
    )
    scopes: list[str] = Field(default=[], max_length=32, description=_stated("scopes"))
    recipients: list[dict[str, Any]] = Field(
        default=[], max_length=128, description="Recipients; the alliance's members if left out"
    )
    valid_until: str = Field(default="", description=_stated("valid_until"))
    language: str = Field(description=_stated("language"))
    jurisdiction: str | list[str] = Field(description=_stated("jurisdiction"))
    notice: str | dict[str, str] = Field(description=_stated("notice"))
    controller: dict[str, str] = Field(description=_stated("controller"))
    joint_controllers: list[dict[str, str]] = Field(
        default=[], max_length=16, description=_stated("joint_controllers")
    )
    storage: dict[str, Any] = Field(description=_stated("storage"))
    withdrawal: str = Field(description=_stated("withdrawal"))
    rights: str = Field(default="", description=_stated("rights"))
    method: str = Field(default="", max_length=256, description="How consent was indicated")
    service: str = Field(default="", max_length=256)
    processing: list[str] = Field(default=[], max_length=32)
    data_source: str = Field(default="", max_length=256)
    codes_of_conduct: list[str] = Field(default=[], max_length=32)
    authority: str = Field(default="", max_length=256)
    impact_assessment: str = Field(default="", max_length=256)
    legal_reference: str = Field(default="", max_length=256)
    separate_consent: bool = Field(default=False, description="PIPL articles 23 and 29")


class RenewalIn(Document):
    """What changes with a renewal."""

    valid_until: str = Field(default="", description="ISO 8601 date; without end when left out")
    method: str = Field(default="", max_length=256, description="How consent was indicated")


class WithdrawalIn(Document):
    """Why a consent ends."""

    reason: Literal["withdrawn", "expired", "invalidated", "objected"] = "withdrawn"


class ReceiptErasureIn(Document):
    """Nothing is asked of an erasure."""

    model_config = ConfigDict(extra="forbid")


class PersonIn(Document):
    """Who is asked about: exactly one of the two. Never in a URL, which logs keep."""

    subject: str = Field(default="", max_length=256, description="Pairwise id of the person")
    phone: str = Field(default="", pattern=r"^(\+[1-9][0-9]{4,14})?$", description="E.164")


class ConsentOut(Document):
    """A consent with its receipt and where its anchors stand."""

    consent_id: str
    status: _STATUS
    receipt: dict[str, Any] | None = Field(description="Null once it is erased")
    version: int = Field(ge=1)
    anchor_id: Digest
    commitment: Digest
    stage: StageName
    height: int | None = Field(ge=0)
    withdrawn_height: int | None = Field(ge=0)
    records: list[Digest] = Field(description="Own records on the ledger that rest on it")


class ConsentsOut(Document):
    """Some consents."""

    consents: list[ConsentOut]
    next: str | None = Field(description="Id after which the next page begins, null at the end")


class ConsentBundleOut(Document):
    """A person's receipts with salts and proofs; checked by `bulwark verify consent`."""

    format: Literal["bulwark/consent-bundle/1"]
    member: str
    alliance: str
    genesis_hash: Digest
    consents: list[dict[str, Any]]


class KantaraOut(Document):
    """A receipt as a Kantara consent receipt v1.1."""

    model_config = ConfigDict(extra="allow")

    version: Literal["KI-CR-v1.1.0"]
    consentReceiptID: str


class StatusRequestIn(Document):
    """CAMARA Consent Info 0.2.0: RetrieveStatusRequestBody."""

    model_config = ConfigDict(extra="forbid")

    phoneNumber: str = Field(pattern=r"^\+[1-9][0-9]{4,14}$")
    scopes: list[Annotated[str, Field(min_length=1, max_length=256)]] = Field(
        min_length=1, max_length=32
    )
    purpose: str = Field(pattern="^dpv:[a-zA-Z0-9]{1,124}$")
    requestCaptureUrl: bool
    callbackUrl: str = Field(default="", max_length=2048)


class StatusResponseOut(Document):
    """CAMARA Consent Info 0.2.0: RetrieveStatusResponseBody."""

    statusInfo: list[dict[str, Any]] = Field(min_length=1)


class ErrorInfoOut(Document):
    """CAMARA's error: status, code and message."""

    status: int
    code: str
    message: str


MODELS = (
    ConsentIn,
    RenewalIn,
    WithdrawalIn,
    ReceiptErasureIn,
    PersonIn,
    ConsentOut,
    ConsentsOut,
    ConsentBundleOut,
    KantaraOut,
    StatusRequestIn,
    StatusResponseOut,
    ErrorInfoOut,
)
