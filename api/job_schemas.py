"""Schemas of screening jobs of the REST surface.

Rules: those of `schemas`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.schemas import Document


class JobInputOut(Document):
    """The file of a job."""

    format: Literal["csv", "ndjson", "parquet"]
    bytes: int = Field(ge=0)
    sha256: str = Field(description="Hex digest of the file as it was sent")
    read_bytes: int = Field(ge=0, description="How much of it is worked")
    expected_rows: int | None = Field(None, description="Where the format says it (Parquet)")
    ignored_columns: list[str] = Field(description="Columns that nothing uses, the first 64")


class JobOut(Document):
    """A screening job as it stands."""

    id: str
    name: str
    state: Literal["queued", "running", "paused", "done", "failed", "cancelled"]
    reason: str | None = Field(None, description="Why it waits or failed")
    key: str = Field(description="Id of the key that sent it")
    input: JobInputOut
    result_format: Literal["csv", "ndjson", "parquet"]
    height: int | None = Field(None, description="Block as after which all rows are answered")
    rows: int = Field(ge=0, description="Rows that are answered and on disk")
    outcomes: dict[str, int] = Field(description="Rows by outcome: hit, no_hit, unknown, error")
    bands: dict[str, int]
    errors: dict[str, int] = Field(description="Errors of rows by code")
    created: str
    started: str | None = None
    ended: str | None = None
    expires: str | None = Field(None, description="When the job and its result are destroyed")
    rows_per_second: float = Field(ge=0)
    seconds_left: float | None = Field(None, description="Estimate while it runs")


class JobsOut(Document):
    """Screening jobs, the newest first."""

    jobs: list[JobOut]


class ManifestMakerOut(Document):
    """Whose node made a manifest."""

    member: str
    key: str = Field(pattern="^0x[0-9a-f]{40}$", description="Address of the key that signs")


class ManifestInputOut(Document):
    """The file that a manifest is about."""

    format: Literal["csv", "ndjson", "parquet"]
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class ManifestLedgerOut(Document):
    """The block as after which all rows are answered."""

    height: int = Field(ge=0)
    block_hash: str = Field(pattern="^[0-9a-f]{64}$")
    time_ms: int
    behind: str | None


class ManifestOut(Document):
    """The signed manifest of a job, canonical JSON (RFC 8785)."""

    format: Literal["bulwark-screening-job/1"]
    alliance: str
    genesis_hash: str = Field(pattern="^[0-9a-f]{64}$")
    created_by: ManifestMakerOut
    job: str
    input: ManifestInputOut
    ledger: ManifestLedgerOut
    scoring: str
    tool_version: str
    started_ms: int
    ended_ms: int
    references: list[str]
    values: bool
    rows: int = Field(ge=0)
    outcomes: dict[str, int]
    bands: dict[str, int]
    errors: dict[str, int]
    result_root: str = Field(pattern="^[0-9a-f]{64}$")
    parts: list[list[int | str]] = Field(description="Rows and SHA-256 of each part")
    signature: str = Field(pattern="^[0-9a-f]{130}$")


MODELS = (JobInputOut, JobOut, JobsOut, ManifestOut)
