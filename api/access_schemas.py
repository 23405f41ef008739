"""Schemas of access logs: entries, anchors and the check of the REST surface."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.schemas import Digest, Document

KINDS = Literal[
    "screening", "screening-batch", "report", "report-batch", "record", "tagging", "opening",
    "follow-up", "administration", "log-in", "refused-log-in",
]  # fmt: skip
Encoded = Annotated[str, Field(pattern="^[0-9a-f]*$", description="Canonical bytes, hex")]


class HeadOut(Document):
    """The hash chain after so many entries."""

    count: int = Field(ge=0)
    digest: Digest


class GapOut(Document):
    """The first place that is not as it was anchored."""

    number: int = Field(ge=0, description="Entry at which it shows, from 1")
    reason: str


class AccessEntryOut(Document):
    """One request: who asked for what kind of thing and why."""

    number: int = Field(ge=1, description="From 1, without gaps")
    time: str
    who: str = Field(description="Id of the API key, certificate's user or token's subject")
    role: str
    purpose: str
    lawful_basis: str
    case_ref: str = Field(description="The member's own reference, empty for none")
    kind: KINDS
    count: int = Field(ge=0, description="Identifiers in the request; refused log-ins")
    action: str = Field(description="What was done to the node, empty for other kinds")
    subject: str = Field(description="What it was done to, empty for none")
    encoded: Encoded


class AccessLogOut(Document):
    """Consecutive entries of this member's access log."""

    member: str
    start: HeadOut = Field(description="Before the oldest entry that is kept")
    head: HeadOut = Field(description="After the newest entry")
    entries: list[AccessEntryOut]
    next: int | None = Field(description="`after` of the next page, null at the end")
    damaged: GapOut | None = Field(description="The next entry, if it can not be opened")


class AccessAnchorOut(Document):
    """One anchor of a member's access log on the ledger."""

    sequence: int = Field(ge=1)
    count: int = Field(ge=0, description="Entries that it covers")
    digest: Digest
    height: int = Field(ge=0)
    time: str


class AccessAnchorsOut(Document):
    """A member's anchors in their order."""

    member: str
    anchors: list[AccessAnchorOut]
    next: int | None = Field(description="`after` of the next page, null at the end")


class SlotClaimsOut(Document):
    """Slots that this member spent, each with the entries that it was spent for."""

    member: str
    claims: list[Encoded] = Field(description="Canonical bytes of each claim, hex")
    next: str | None = Field(description="`cursor` of the next page, null at the end")


class AccessCheckOut(Document):
    """This member's whole log against the anchors on this node's ledger."""

    complete: bool = Field(description="Whether nothing is changed or missing up to `anchored`")
    entries: int = Field(ge=0)
    dropped: int = Field(ge=0, description="Oldest entries that were dropped after their time")
    anchored: int = Field(ge=0, description="Entries that the newest anchor covers")
    anchors: int = Field(ge=0)
    gap: GapOut | None


MODELS = (AccessLogOut, AccessAnchorsOut, AccessCheckOut, SlotClaimsOut)
