"""The view of a job: its record and its last part as those who wait for it see them."""

from __future__ import annotations

from bulwark.jobs.row import OUTCOMES
from node.jobs.book import JobRecord
from node.jobs.port import JobView, State
from node.jobs.worker import Going


def view_of(job: JobRecord, going: Going, now: float, expires_ms: int | None) -> JobView:
    """A job's view; `now` is monotonic, in seconds."""
    last = going.last
    speed = going.speed(now) if job.state is State.RUNNING else 0.0
    if job.state.is_over and last.busy_ms:
        speed = last.all_rows * 1000 / last.busy_ms
    return JobView(
        id=job.id,
        name=job.name,
        state=job.state,
        reason=job.reason,
        by=job.by,
        format=job.format,
        result=job.result,
        input_bytes=job.input_bytes,
        input_sha256=job.input_sha256,
        read_bytes=_read_bytes(job, going),
        expected_rows=job.expected_rows,
        rows=last.all_rows,
        outcomes=dict.fromkeys(OUTCOMES, 0) | last.outcomes,
        bands=last.bands,
        errors=last.errors,
        height=job.at_height,
        created_ms=job.created_ms,
        started_ms=job.started_ms,
        ended_ms=job.ended_ms,
        expires_ms=expires_ms,
        rows_per_second=round(speed, 1),
        seconds_left=_left(job, going, speed),
        ignored=tuple(job.ignored),
    )


def _read_bytes(job: JobRecord, going: Going) -> int:
    """Bytes of the input that are worked; of row groups, their share of the file."""
    if job.state is State.DONE:
        return job.input_bytes
    read = going.last.read_bytes
    if job.format != "parquet":
        return min(read, job.input_bytes)
    if not job.expected_rows:
        return 0
    return job.input_bytes * min(going.last.all_rows, job.expected_rows) // job.expected_rows


def _left(job: JobRecord, going: Going, speed: float) -> float | None:
    """Seconds that a running job will take, by rows where their number is known."""
    done = going.last.all_rows
    if job.state is not State.RUNNING or not speed or not done:
        return None
    if job.expected_rows is not None:
        return round((job.expected_rows - done) / speed, 1)
    read = _read_bytes(job, going)
    return round((job.input_bytes - read) * (done / max(1, read)) / speed, 1)
