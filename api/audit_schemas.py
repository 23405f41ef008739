"""Schemas of the audit desk: reports and samples of the REST surface."""

from __future__ import annotations

from pydantic import Field

from api.schemas import Digest, Document


class BasisOut(Document):
    """The final block that something rests on."""

    height: int = Field(ge=0)
    block_hash: Digest
    time: str


class ReportTitleOut(Document):
    """A report that can be asked for."""

    name: str
    title: str


class ReportsOut(Document):
    """All reports."""

    reports: list[ReportTitleOut]


class ColumnOut(Document):
    """One column of a report."""

    key: str
    title: str
    unit: str = Field(description="What a number counts or a text is, empty where it is plain")


class AuditReportOut(Document):
    """One page of a report."""

    format: str
    name: str
    title: str
    generated_from: BasisOut
    columns: list[ColumnOut]
    rows: list[dict[str, str | int | None]] = Field(description="Cells by column key")
    notes: list[str]
    next: int | None = Field(description="`after` of the next page, null on the last")


class RingKeyOut(Document):
    """Whose ring key this is or was."""

    ring_key: Digest
    member: str | None = Field(description="null for a key of nobody")


class CaseKeyOut(Document):
    """What opens the case commitment of one record, with the reference that the member keeps."""

    record_id: Digest
    key: Digest


class PopulationOut(Document):
    """What a sample was drawn from."""

    kind: str = Field(description="records, anchors or access")
    member: str | None
    size: int = Field(ge=0)
    up_to: BasisOut


class SeedOut(Document):
    """The seed of a sample."""

    block: BasisOut
    iterations: int = Field(ge=1, description="Of PBKDF2-HMAC-SHA256 over the block's hash")
    value: Digest


class ItemOut(Document):
    """One drawn thing."""

    number: int = Field(ge=0, description="In its stratum, from 0 in ledger order")
    member: str
    height: int = Field(ge=0)
    name: str = Field(description="Record id, anchored digest, or number of an access entry")


class StratumOut(Document):
    """What was drawn from one part of the population."""

    member: str | None
    size: int = Field(ge=0)
    items: list[ItemOut]


class SampleOut(Document):
    """A sample that nobody chose, or how far its seed is."""

    state: str = Field(description="drawn, or drawing while the seed is being made")
    done: int | None = Field(default=None, description="Stages of the delay that are done")
    stages: int | None = None
    seed_block: int | None = None
    format: str | None = None
    population: PopulationOut | None = None
    seed: SeedOut | None = None
    strata: list[StratumOut] | None = None
    open_request: dict[str, list[str]] | None = Field(
        default=None, description="What each member is asked to open"
    )


MODELS = (ReportsOut, AuditReportOut, RingKeyOut, CaseKeyOut, SampleOut)
