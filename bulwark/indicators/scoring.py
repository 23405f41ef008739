"""Scoring: what the ledger's records about one identifier amount to, with reasons.

Rules: only offender, mule, infrastructure and (with less weight) unstated roles raise a score;
victim, impersonated and target roles give a protection flag instead. Expired, retracted, erased and
openly disputed records do not count. A member counts once, by its strongest record; members
corroborate like independent witnesses (1 - product of doubts). One member alone never reaches the
highest band, short of a ruling or an authority. All arithmetic is in integers: the same records
give the same answer on every machine and in any order of members. The weights of the reasons add
up to the score. It decides nothing: the member that asked does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from bulwark.indicators.lifetime import DAY_MS, FULL, LIFETIMES, remaining
from bulwark.indicators.vocabulary import (
    Band,
    EvidenceLevel,
    FraudType,
    Kind,
    ObjectRole,
    Operation,
    Ruling,
)

ROLE_WEIGHT: Final[dict[ObjectRole, int]] = {
    ObjectRole.OFFENDER_CONTROLLED: 100,
    ObjectRole.MULE: 100,
    ObjectRole.INFRASTRUCTURE: 100,
    ObjectRole.UNKNOWN: 60,
    ObjectRole.COMPROMISED_VICTIM: 0,
    ObjectRole.IMPERSONATED: 0,
    ObjectRole.TARGET: 0,
}
EVIDENCE_WEIGHT: Final[dict[EvidenceLevel, int]] = {
    EvidenceLevel.UNKNOWN: 50,
    EvidenceLevel.SUSPECTED: 50,
    EvidenceLevel.REPORTED_BY_CUSTOMER: 65,
    EvidenceLevel.CONFIRMED: 85,
    EvidenceLevel.ADJUDICATED: 95,
    EvidenceLevel.AUTHORITY: 100,
}
SECOND_CUSTOMER_BONUS: Final = 10
"""Added to the evidence weight when two or more customers reported it (EU PSR art. 83)."""
SINGLE_REPORTER_MAX: Final = 74
BANDS: Final = ((75, Band.VERY_HIGH), (50, Band.HIGH), (25, Band.MEDIUM), (1, Band.LOW))
_PROTECTING: Final = frozenset(role for role, weight in ROLE_WEIGHT.items() if weight == 0)
_STATEMENTS: Final = frozenset({Operation.ADD, Operation.SIGHT})
_RULINGS: Final = frozenset({Ruling.UPHELD, Ruling.REJECTED, Ruling.CORRECTED})
_AUTHORITATIVE: Final = frozenset({EvidenceLevel.ADJUDICATED, EvidenceLevel.AUTHORITY})


@dataclass(frozen=True, slots=True)
class RecordView:
    """What scoring needs of one ledger record; days count from 1970-01-01 UTC, 0 = not stated.

    ``reporter`` names the member. ``record`` and ``previous`` are any ids under which later records
    point back at earlier ones; a dispute or retraction without ``previous`` means all earlier
    records (of the same member, for a retraction). ``reason`` is a Ruling's code, for a ruling.
    """

    kind: Kind
    fraud_type: FraudType
    object_role: ObjectRole
    evidence_level: EvidenceLevel
    confidence: int
    first_seen_day: int
    last_seen_day: int
    valid_until_day: int
    reporter: str
    operation: Operation = Operation.ADD
    distinct_customers: int = 0
    record: str = ""
    previous: str = ""
    reason: int = 0


@dataclass(frozen=True, slots=True)
class Reason:
    """One stated reason: stable code, points it adds to (or takes from) the score, plain text."""

    code: str
    weight: int
    text: str


@dataclass(frozen=True, slots=True)
class Assessment:
    """Answer about one identifier; ``protected`` asks to shield a victim or a genuine party."""

    band: Band
    score: int
    reasons: tuple[Reason, ...]
    reporters: int = 0
    protected: bool = False


@dataclass(slots=True)
class _Standing:
    """A statement together with what later records did to it."""

    view: RecordView
    disputed: bool = False
    withdrawn: bool = False


def assess(records: Sequence[RecordView], now_ms: int) -> Assessment:
    """Band, score (0-100) and reasons of an identifier's records in ledger order, at a time."""
    today = now_ms // DAY_MS
    standing = _after_later_records(records)
    kept = [entry for entry in standing if not entry.withdrawn]
    live = [entry for entry in kept if _valid_until(entry.view) >= today]
    open_ones = [entry.view for entry in live if not entry.disputed]
    protecting = [view for view in open_ones if view.object_role in _PROTECTING]
    counted = [view for view in open_ones if view.object_role not in _PROTECTING]
    score, reasons = _points(counted, today)
    reasons += _protection(protecting)
    reasons += _left_out("disputed", "under dispute", len(live) - len(open_ones))
    reasons += _left_out("expired", "past its time", len(kept) - len(live))
    reasons += _left_out("withdrawn", "withdrawn or overruled", len(standing) - len(kept))
    return Assessment(
        band=band_of(score),
        score=score,
        reasons=tuple(reasons),
        reporters=len({view.reporter for view in counted}),
        protected=bool(protecting),
    )


def band_of(score: int) -> Band:
    """The band of a score between 0 and 100."""
    return next((band for least, band in BANDS if score >= least), Band.NONE)


def strength(view: RecordView, age_days: int) -> int:
    """Thousandths of certainty that one record gives at an age in days."""
    evidence = EVIDENCE_WEIGHT[view.evidence_level]
    if view.distinct_customers >= 2:
        evidence = min(100, evidence + SECOND_CUSTOMER_BONUS)
    life = _valid_until(view) - view.last_seen_day + 1
    left = remaining(age_days, life, LIFETIMES[view.kind].speed)
    confidence = max(0, min(100, view.confidence))
    return confidence * evidence * ROLE_WEIGHT[view.object_role] * left // 1_000_000


def _valid_until(view: RecordView) -> int:
    return view.valid_until_day or view.last_seen_day + LIFETIMES[view.kind].days


def _after_later_records(records: Iterable[RecordView]) -> list[_Standing]:
    standing: list[_Standing] = []
    for view in records:
        if view.operation in _STATEMENTS:
            standing.append(_Standing(view))
            continue
        for entry in standing:
            if not view.previous or entry.view.record == view.previous:
                _apply(view, entry)
    return standing


def _apply(later: RecordView, entry: _Standing) -> None:
    own = later.reporter == entry.view.reporter
    if later.operation is Operation.DISPUTE:
        entry.disputed = True
    elif later.operation is Operation.RULE and later.reason in _RULINGS:
        entry.disputed = False
        entry.withdrawn = entry.withdrawn or later.reason != Ruling.REJECTED
    elif later.operation is Operation.RETRACT:
        entry.withdrawn = entry.withdrawn or own
    elif later.operation in (Operation.EXPIRE, Operation.ERASE):
        entry.withdrawn = entry.withdrawn or own or bool(later.previous)


def _points(counted: list[RecordView], today: int) -> tuple[int, list[Reason]]:
    if not counted:
        return 0, []
    fresh = _by_reporter((view.reporter, strength(view, 0)) for view in counted)
    aged = _by_reporter(
        (view.reporter, strength(view, today - view.last_seen_day)) for view in counted
    )
    best, together = _percent([max(fresh)]), _percent(fresh)
    now = _percent(aged)
    level = max(view.evidence_level for view in counted)
    methods = ", ".join(sorted({view.fraud_type.label for view in counted}))
    reasons = [Reason("evidence", best, f"evidence: {level.label}; method: {methods}")]
    if len(fresh) > 1:
        text = f"{len(fresh)} members report it independently"
        reasons.append(Reason("corroboration", together - best, text))
    if now != together:
        latest = today - max(view.last_seen_day for view in counted)
        reasons.append(Reason("age", now - together, f"last seen {max(0, latest)} days ago"))
    alone = len(fresh) == 1 and not any(v.evidence_level in _AUTHORITATIVE for v in counted)
    if alone and now > SINGLE_REPORTER_MAX:
        text = "only one member reports it"
        reasons.append(Reason("single_reporter", SINGLE_REPORTER_MAX - now, text))
        now = SINGLE_REPORTER_MAX
    return now, reasons


def _by_reporter(strengths: Iterable[tuple[str, int]]) -> list[int]:
    """The strongest record of each member."""
    best: dict[str, int] = {}
    for reporter, value in strengths:
        best[reporter] = max(value, best.get(reporter, 0))
    return list(best.values())


def _percent(strengths: list[int]) -> int:
    """100 * (1 - product of doubts), rounded down, at least 1 where anything counts."""
    doubt = 1
    for value in strengths:
        doubt *= FULL - value
    whole: int = FULL ** len(strengths)
    return max(100 * (whole - doubt) // whole, 1 if any(strengths) else 0)


def _protection(protecting: list[RecordView]) -> list[Reason]:
    roles = sorted({view.object_role for view in protecting})
    return [
        Reason(f"protect.{role.label}", 0, f"do not penalise: {role.meaning}") for role in roles
    ]


def _left_out(code: str, why: str, count: int) -> list[Reason]:
    return [Reason(code, 0, f"{count} record(s) not counted: {why}")] if count else []
