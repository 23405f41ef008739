"""What a node tells of screening jobs: metric families, without ids or names of jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from node.jobs.desk import JobDesk
from node.jobs.port import State


class JobReport:
    """Read-only view of a running node's jobs."""

    def __init__(self, desk: JobDesk) -> None:
        self._desk = desk

    def families(self) -> Iterable[Metric]:
        """Jobs by state, rows worked since the start, bytes on disk."""
        desk = self._desk
        states = Counter(job.state for job in desk.jobs_by_id.values())
        jobs = GaugeMetricFamily("bulwark_jobs", "Screening jobs by state", labels=["state"])
        for state in State:
            jobs.add_metric([state.value], float(states[state]))
        yield jobs
        yield CounterMetricFamily(
            "bulwark_job_rows", "Rows of screening jobs worked", value=float(desk.rows_worked)
        )
        yield GaugeMetricFamily(
            "bulwark_job_bytes", "Bytes of inputs and results of jobs", value=float(desk.used_bytes)
        )
