"""The event that a job is over, for the node's log of events.

Rules: it says what became of the job in counts, and holds no name that a person typed, no column
and no row.
"""

from __future__ import annotations

from node.jobs.port import JobView
from node.push.eventlog import Draft
from node.push.port import EventType


def job_event(view: JobView) -> Draft:
    """The event of a job that is over; the same job is the same event."""
    return Draft(
        EventType.JOB_FINISHED,
        name=bytes.fromhex(view.id),
        time_ms=view.ended_ms or 0,
        height=view.height,
        data={
            "job": view.id,
            "state": view.state.value,
            "owner": view.by,
            "rows": view.rows,
            "hits": view.outcomes["hit"],
            "refused": view.outcomes["error"],
        },
    )
