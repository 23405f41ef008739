"""Settings of screening jobs: how many, how large, how long kept, how much of the node's time."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from node.sections import Section


class JobsConfig(Section):
    """Screening jobs: files of up to millions of rows, worked beside everything else."""

    path: Path = Field(Path("jobs"), description="folder of inputs and results, encrypted")
    max_input_bytes: int = Field(
        4 << 30, ge=1 << 10, le=1 << 40, description="largest input file, bytes"
    )
    max_total_bytes: int = Field(
        16 << 30, ge=1 << 20, le=1 << 42, description="inputs and results of all jobs, bytes"
    )
    free_bytes: int = Field(
        1 << 30, ge=0, le=1 << 42, description="disk space that uploads leave free, bytes"
    )
    max_jobs: int = Field(100, ge=1, le=10_000, description="jobs kept, ended ones too")
    max_waiting: int = Field(
        10, ge=1, le=1_000, description="jobs of one API key that are not ended"
    )
    keep_hours: int = Field(
        168, ge=1, le=8_760, description="how long a job and its result are kept after its end"
    )
    chunk_rows: int = Field(
        2_500, ge=1, le=50_000, description="rows worked and made durable together, at most"
    )
    max_row_bytes: int = Field(
        64 << 10, ge=256, le=1 << 20, description="one row of a CSV or NDJSON file, bytes"
    )
    max_columns: int = Field(
        1_024, ge=2, le=10_000, description="columns of a file; only those used are kept"
    )
    max_group_bytes: int = Field(
        256 << 20,
        ge=1 << 20,
        le=1 << 32,
        description="used columns of one Parquet row group, decompressed, bytes",
    )
    share_percent: int = Field(
        70, ge=1, le=100, description="most of the node's time that a job takes"
    )
    slice_ms: float = Field(
        2.0, ge=0.1, le=50.0, description="longest turn of a job before others get theirs"
    )
    remember: bool = Field(
        True, description="remember the questions of jobs for the retro-hunt, as those of persons"
    )
    wait_seconds: int = Field(
        60, ge=1, le=86_400, description="pause before rows without a tag are asked again; it grows"
    )
    waits: int = Field(
        10,
        ge=0,
        le=1_000,
        description="such pauses in a row; after them the rows are marked as not complete",
    )
