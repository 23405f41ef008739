"""Figures: what was measured, and percentiles of what was timed.

A percentile is the nearest rank: the smallest sample that at least that share does not exceed, so
it is always a time that somebody waited.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number."""

    key: str
    """Name in the table of goals."""
    value: float | None
    """None when it could not be measured; then the note says why."""
    note: str = ""


def percentile(samples: Sequence[float], share: float) -> float:
    """Nearest-rank percentile, `share` in (0, 1]; raises ValueError without samples."""
    if not samples or not 0 < share <= 1:
        raise ValueError(f"{len(samples)} samples and a share of {share}")
    ordered = sorted(samples)
    return ordered[math.ceil(share * len(ordered)) - 1]


def latency_figures(prefix: str, seconds: Sequence[float], note: str = "") -> list[Figure]:
    """p50, p99 and the longest as `prefix.p50`, `prefix.p99`, `prefix.max`, milliseconds."""
    if not seconds:
        return [Figure(f"{prefix}.{name}", None, "no answer") for name in ("p50", "p99", "max")]
    text = f"{len(seconds)} answers" + (f"; {note}" if note else "")
    return [
        Figure(f"{prefix}.p50", percentile(seconds, 0.50) * 1000),
        Figure(f"{prefix}.p99", percentile(seconds, 0.99) * 1000, text),
        Figure(f"{prefix}.max", max(seconds) * 1000),
    ]
