"""Figures: what this member's feedback says about the answers, by band, by reporter and in time.

Rules: members and counts, never a person or a record. A share of few is no share: below ten it is
told as a count alone.
"""

from __future__ import annotations

from typing import Final

from api.console.screening import BANDS
from api.console.visit import View, Visit
from node.interaction.feedbackport import Feedback, FeedbackSummary, ReporterFigures, Verdict

PATH: Final = "/console/feedback"
FEWEST: Final = 10
"""Judged answers from which a share is shown."""


class FigurePages:
    """Handler of /console/feedback."""

    def __init__(self, feedback: Feedback) -> None:
        self._feedback = feedback

    async def show(self, visit: Visit) -> View:
        """GET /console/feedback."""
        visit.exchange.query()
        found = await self._feedback.summary()
        words = [verdict.value for verdict in Verdict]
        bands = [
            (BANDS.get(band, band), [row.get(word, 0) for word in words])
            for band, row in found.by_band.items()
        ]
        losses = [(band.replace("_", " "), count) for band, count in found.loss_prevented.items()]
        values = {
            "found": found,
            "words": [word.replace("_", " ") for word in words],
            "total": [found.verdicts.get(word, 0) for word in words],
            "bands": bands,
            "precision": precision_text(found),
            "reporters": [(row, rate_text(row)) for row in found.reporters],
            "losses": losses,
            "has_any": any(found.verdicts.values()),
        }
        return View("figures.html", "How good the answers are", values)


def precision_text(found: FeedbackSummary) -> str:
    """How often acting was right, from the band on from which this member acts."""
    if found.threshold is None:
        return "this member acts on no band"
    band = BANDS.get(found.threshold, found.threshold).lower()
    if not found.judged:
        return f"no answer that is {band} or higher was judged yet"
    return f"{_share(found.right, found.judged)} of the answers that are {band} or higher"


def rate_text(row: ReporterFigures) -> str:
    """How often a member's records of a kind were wrong."""
    return _share(row.wrong, row.judged)


def _share(part: int, whole: int) -> str:
    if whole < FEWEST:
        return f"{part:,} of {whole:,}"
    return f"{part * 100 / whole:.0f} % ({part:,} of {whole:,})"
