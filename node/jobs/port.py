"""What the outside may ask of a node about screening jobs: a Protocol and its views."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from enum import StrEnum
from typing import Final, Protocol

from msgspec import Struct

from node.service import Caller, ServiceError

FORMATS: Final = ("csv", "ndjson", "parquet")
FIELDS: Final = ("kind", "value", "purpose", "lawful_basis", "case_ref", "region")
"""Fields of a question that a column can hold."""
MAX_REFERENCES: Final = 16
MAX_NAME: Final = 128
"""Characters of a column's name that an option takes."""


class State(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nothing of it will be worked any more."""
        return self in (State.DONE, State.FAILED, State.CANCELLED)


class InputRefused(ServiceError):
    """An input file can not be worked at all; the detail says where and what is allowed."""

    status = 422
    code = "invalid"


class InputTooLarge(ServiceError):
    """An input, or all jobs together, are over a bound."""

    status = 413
    code = "too-large"


class Wish(Struct, frozen=True, kw_only=True):
    """What a job is asked to do, beside its rows."""

    format: str
    """One of FORMATS."""
    columns: Mapping[str, str]
    """Field of FIELDS to the column that holds it, where the names differ."""
    references: tuple[str, ...] = ()
    """Columns that the result repeats."""
    kind: str = ""
    region: str = ""
    purpose: str = ""
    lawful_basis: str = ""
    case_ref: str = ""
    """Defaults of rows that leave them out; '' for none."""
    at_height: int | None = None
    """Block as after which all rows are answered; None for the last one when the job begins."""
    values: bool = False
    """Whether the result repeats the values."""
    result: str = ""
    """Format of the result, one of FORMATS; '' for that of the input."""
    name: str = ""
    """The caller's own name of the job."""


class JobView(Struct, frozen=True, kw_only=True):
    """A job as it stands."""

    id: str
    name: str
    state: State
    reason: str | None
    """Why it is paused, waits or has failed."""
    by: str
    """Id of the API key that sent it."""
    format: str
    result: str
    input_bytes: int
    input_sha256: str
    read_bytes: int
    """Bytes of the input that are worked; rows groups' share for Parquet."""
    expected_rows: int | None
    """Rows of the input where the format says so."""
    rows: int
    outcomes: Mapping[str, int]
    bands: Mapping[str, int]
    errors: Mapping[str, int]
    height: int | None
    """Block as after which the rows are answered, once the job has begun."""
    created_ms: int
    started_ms: int | None
    ended_ms: int | None
    expires_ms: int | None
    rows_per_second: float
    """Of late, while it runs; of the whole once it is over."""
    seconds_left: float | None
    """Estimate from the bytes that are left; None if nobody knows."""
    ignored: tuple[str, ...]
    """Columns of the input that nothing uses."""


class ResultStream(Struct, frozen=True):
    """A result while it is sent."""

    format: str
    pieces: AsyncIterator[bytes]


class JobsService(Protocol):
    """The job desk of one node."""

    async def submit(
        self, wish: Wish, body: AsyncIterator[bytes], *, by: Caller, promise: str
    ) -> tuple[JobView, bool]:
        """Take a file; the job, and whether it is a new one.

        `promise` is the Idempotency-Key, '' for none: the same key, file and wish are one job.
        Raises InputRefused, InputTooLarge, Busy, IdempotencyMismatch.
        """
        ...

    def jobs(self, *, by: Caller) -> list[JobView]:
        """Jobs that this key may see, the newest first."""
        ...

    def job(self, job_id: str, *, by: Caller) -> JobView:
        """One job. Raises NotFound."""
        ...

    async def result(
        self, job_id: str, *, by: Caller, form: str, first: int, most: int | None
    ) -> ResultStream:
        """Rows of the result from number `first` on, as far as the job got. Raises NotFound."""
        ...

    def manifest(self, job_id: str, *, by: Caller) -> bytes:
        """The signed manifest of a job that is done. Raises NotFound, Conflict."""
        ...

    async def pause(self, job_id: str, *, by: Caller) -> JobView:
        """Stop at the next part. Raises NotFound, Conflict."""
        ...

    async def resume(self, job_id: str, *, by: Caller) -> JobView:
        """Go on. Raises NotFound, Conflict."""
        ...

    async def cancel(self, job_id: str, *, by: Caller) -> JobView:
        """Stop for good; what is answered stays readable. Raises NotFound, Conflict."""
        ...

    async def delete(self, job_id: str, *, by: Caller) -> None:
        """Destroy a job that is over, with input and result. Raises NotFound, Conflict."""
        ...

    def changes(self, job_id: str, *, by: Caller) -> AsyncIterator[JobView]:
        """The job now and whenever it moved, until it is over. Raises NotFound."""
        ...
