"""What the outside may ask of a node about feedback: a Protocol and its views.

Feedback says what a member's own desk found about an answer or a record. It stays at the member; a
disagreement can be taken to the ledger as a dispute, which the lifecycle knows (ADR-0032).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, Protocol

from msgspec import Struct

from bulwark.indicators.vocabulary import Band, DisputeGround, LossBand
from bulwark.ledger.ids import RecordId
from node.service import Caller, Stage

MAX_RECORDS: Final = 100


class Verdict(StrEnum):
    """What the desk found or did."""

    AGREED = "agreed"
    DISAGREED = "disagreed"
    ACTIONED = "actioned"
    NO_ACTION = "no_action"
    ENRICHED = "enriched"


class Finding(StrEnum):
    """Why."""

    CONFIRMED_FRAUD = "confirmed_fraud"
    CUSTOMER_STOPPED = "customer_stopped"
    CUSTOMER_KNOWS_PAYEE = "customer_knows_payee"
    REASSIGNED = "reassigned"
    VICTIM = "victim"
    WRONG_DATA = "wrong_data"
    TOO_OLD = "too_old"
    OWN_DATA = "own_data"
    NOT_RELEVANT = "not_relevant"
    OTHER = "other"


class NewFeedback(Struct, frozen=True):
    """What the desk says."""

    verdict: Verdict
    finding: Finding
    records: tuple[RecordId, ...]
    """The records of the answer, or the one record that it is about."""
    band: Band | None
    """Of the answer; None where it is about a record."""
    loss_prevented: LossBand
    case_ref: str = ""
    """Feedback on the same records under the same reference replaces the earlier one."""
    dispute: DisputeGround | None = None
    """Disputes the record on this ground, too."""


class FeedbackView(Struct, frozen=True):
    """Feedback that was taken."""

    feedback_id: str
    given_ms: int
    verdict: Verdict
    reporters: tuple[str, ...]
    """Members whose records it is about."""
    kinds: tuple[str, ...]
    replaced: bool
    """It took the place of an earlier one."""
    dispute: str | None
    """Reference of the dispute that it opened."""
    follow_up: str
    """`none`, `disputed`, `dispute` (could be opened), `retract` (an own record was wrong)."""


class ReporterFigures(Struct, frozen=True):
    """How one member's records of one kind did at this member."""

    reporter: str
    kind: str
    verdicts: Mapping[str, int]
    judged: int
    """Verdicts that say right or wrong."""
    wrong: int

    @property
    def false_positive_rate(self) -> float | None:
        """Share of wrong ones; None where nothing was judged."""
        return self.wrong / self.judged if self.judged else None


class FeedbackSummary(Struct, frozen=True):
    """What the feedback of this member shows."""

    verdicts: Mapping[str, int]
    by_band: Mapping[str, Mapping[str, int]]
    """Verdicts on answers by band."""
    threshold: str | None
    """Band from which this member acts (advice delays); None for never."""
    judged: int
    """Answers from the threshold on that were judged right or wrong."""
    right: int
    reporters: Sequence[ReporterFigures]
    loss_prevented: Mapping[str, int]
    shares: int
    """Customers' reports that became records."""
    share_median_ms: int | None
    """From the intake of such a report to its record."""
    share_p95_ms: int | None
    disputes_decided: int
    disputes_upheld: int
    """Upheld or corrected."""
    disputes_open: int
    is_partial: bool
    """There is more than was looked at: disputes or reports."""

    @property
    def precision(self) -> float | None:
        """Share of right ones at the threshold; None where nothing was judged."""
        return self.right / self.judged if self.judged else None


class Feedback(Protocol):
    """The desk of one node."""

    async def give(self, feedback: NewFeedback, *, by: Caller, wait: Stage) -> FeedbackView:
        """Take feedback. Raises NotFound, RuleRefused, Forbidden."""
        ...

    async def summary(self) -> FeedbackSummary:
        """What the feedback shows."""
        ...
