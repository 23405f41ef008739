"""Figures of feedback: counts by verdict, band, reporter and kind, and what follows from them.

Rules: counts only, so they outlive the entries that they are of; agreed, actioned and enriched say
that an answer was right, disagreed that it was wrong, no_action says neither. Pure: no clock, no
disk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from bulwark.indicators.vocabulary import Band
from node.interaction.feedbackport import ReporterFigures, Verdict

RIGHT: Final = frozenset({Verdict.AGREED, Verdict.ACTIONED, Verdict.ENRICHED})
WRONG: Final = frozenset({Verdict.DISAGREED})
RECORD: Final = "record"
"""In place of a band: the feedback is about a record."""
_BETWEEN: Final = "|"


class Figures:
    """Counts of one member's feedback."""

    def __init__(self, kept: Mapping[str, Any] | None = None) -> None:
        """`kept`: what to_dict gave."""
        kept = kept or {}
        self._bands: Counter[str] = Counter(kept.get("bands", {}))
        self._reporters: Counter[str] = Counter(kept.get("reporters", {}))
        self._losses: Counter[str] = Counter(kept.get("losses", {}))

    def to_dict(self) -> dict[str, Any]:
        """What is kept on disk."""
        counters = {"bands": self._bands, "reporters": self._reporters, "losses": self._losses}
        return {name: {k: n for k, n in c.items() if n} for name, c in counters.items()}

    def count(self, entry: Mapping[str, Any], sign: int = 1) -> None:
        """Count an entry, or with -1 take it out again.

        An entry has verdict, band (a label or RECORD), pairs of (reporter, kind) and loss.
        """
        verdict = entry["verdict"]
        self._bands[_BETWEEN.join((entry["band"], verdict))] += sign
        for reporter, kind in entry["pairs"]:
            self._reporters[_BETWEEN.join((reporter, kind, verdict))] += sign
        if entry["loss"] is not None:
            self._losses[entry["loss"]] += sign

    def verdicts(self) -> dict[str, int]:
        """Entries by verdict; every verdict is there."""
        found = dict.fromkeys((verdict.value for verdict in Verdict), 0)
        for name, number in self._bands.items():
            found[name.rpartition(_BETWEEN)[2]] += number
        return found

    def by_band(self) -> dict[str, dict[str, int]]:
        """Entries by band and verdict; those about records under RECORD."""
        found: dict[str, dict[str, int]] = {}
        for name, number in self._bands.items():
            band, _, verdict = name.rpartition(_BETWEEN)
            if number:
                found.setdefault(band, {})[verdict] = number
        return found

    def at_threshold(self, threshold: Band | None) -> tuple[int, int]:
        """(judged, right) answers of bands from the threshold on; zeros for no threshold."""
        if threshold is None:
            return 0, 0
        wanted = {band.label for band in Band if band >= threshold}
        rows = [rows for band, rows in self.by_band().items() if band in wanted]
        right = sum(_sum(row, RIGHT) for row in rows)
        return right + sum(_sum(row, WRONG) for row in rows), right

    def reporters(self) -> list[ReporterFigures]:
        """Figures by reporter and kind, in order of their names."""
        rows: dict[tuple[str, str], dict[str, int]] = {}
        for name, number in self._reporters.items():
            reporter, kind, verdict = name.split(_BETWEEN)
            if number:
                rows.setdefault((reporter, kind), {})[verdict] = number
        return [
            ReporterFigures(
                reporter=reporter,
                kind=kind,
                verdicts=verdicts,
                judged=_sum(verdicts, RIGHT) + _sum(verdicts, WRONG),
                wrong=_sum(verdicts, WRONG),
            )
            for (reporter, kind), verdicts in sorted(rows.items())
        ]

    def losses(self) -> dict[str, int]:
        """Entries by band of the loss that was prevented."""
        return {name: number for name, number in self._losses.items() if number}


def percentile(values: Sequence[int], percent: int) -> int | None:
    """The nearest-rank percentile of some values; None for none."""
    if not values:
        return None
    ranked = sorted(values)
    return ranked[max(0, -(-percent * len(ranked) // 100) - 1)]


def _sum(row: Mapping[str, int], verdicts: Iterable[Verdict]) -> int:
    return sum(row.get(verdict.value, 0) for verdict in verdicts)
