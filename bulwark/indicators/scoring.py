"""Scoring: what the ledger's records about one identifier amount to, with reasons.

Rules: only offender, mule, infrastructure and (with less weight) unstated roles raise a score;
victim, impersonated and target roles give a protection flag instead. Only records that stand
answer: neither closed nor restricted (`bulwark.ledger.standing`), in time, within their policy and
not marked red; an erased one is as if it had never been. A voice is a member with one record of
its own or one copy of a source outside; a member counts once and a source counts once, however many
copied it. Voices corroborate like independent witnesses (1 - product of doubts). One voice alone
never reaches the highest band, short of a ruling or an authority. All arithmetic is in integers:
the same records give the same answer on every machine and in any order of members. The weights of
the reasons add up to the score. It decides nothing: the member that asked does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import prod
from typing import Final

from msgspec import Struct

from bulwark.indicators.lifetime import DAY_MS, FULL, LIFETIMES, remaining
from bulwark.indicators.usage import Limit, limits_of, permitted_actions
from bulwark.indicators.vocabulary import (
    Band,
    EvidenceLevel,
    FraudType,
    Kind,
    ObjectRole,
    Tlp,
)
from bulwark.ledger.lifecycle import State
from bulwark.ledger.standing import PLAIN, Standing

VERSION: Final = "bulwark-scoring/2"
"""Name of these rules where an answer is kept: the same records give the same answer under it."""
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
LEFT_OUT: Final = {
    "disputed": "under dispute",
    "consent": "the consent they rest on does not stand",
    "expired": "past their time",
    "withdrawn": "withdrawn or overruled",
    "breach": "they break a rule of the alliance or of their policy",
    "red": "marked TLP red, which names recipients that a ledger does not have",
}
"""Codes and words of reasons that say which records did not answer."""
SAME_SOURCE: Final = "copied it from a source that is counted already"
_CLOSED: Final = {
    State.DISPUTED: "disputed",
    State.OVERRULED: "withdrawn",
    State.RETRACTED: "withdrawn",
    State.EXPIRED: "expired",
    State.ERASED: "erased",
}
Voice = tuple[str, bytes | None]
"""A member, and the source it copied or None for its own words."""
Voices = dict[str, bytes | None]
"""Voices that count, by member."""
_PROTECTING: Final = frozenset(role for role, weight in ROLE_WEIGHT.items() if weight == 0)
_AUTHORITATIVE: Final = frozenset({EvidenceLevel.ADJUDICATED, EvidenceLevel.AUTHORITY})


class RecordView(Struct, frozen=True):
    """What scoring needs of one statement; days count from 1970-01-01 UTC, 0 = not stated.

    ``reporter`` names the member; ``breach`` is the id of a rule that the record breaks, if any;
    ``usage`` holds the Usage flags that travel with it; ``source`` is the same for all copies of
    one source, None for what the member says by itself.
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
    distinct_customers: int = 0
    standing: Standing = PLAIN
    breach: str = ""
    tlp: Tlp = Tlp.UNKNOWN
    usage: int = 0
    source: bytes | None = None


class Reason(Struct, frozen=True):
    """One stated reason: stable code, points it adds to (or takes from) the score, plain text."""

    code: str
    weight: int
    text: str


class Assessment(Struct, frozen=True):
    """Answer about one identifier; ``protected`` asks to shield a victim or a genuine party."""

    band: Band
    score: int
    reasons: tuple[Reason, ...]
    reporters: int = 0
    """Distinct members whose statements count, without those that only copied a counted source."""
    customers: int = 0
    """Customers behind them: of each member its largest figure, added up."""
    protected: bool = False
    stands: bool = False
    """Whether any record answers at all."""
    permitted_actions: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()


def stands(view: RecordView, now_ms: int) -> bool:
    """Whether a record answers at a time: not closed, not restricted, lawful, in time."""
    return _left_out_as(view, now_ms // DAY_MS) is None


def assess(records: Sequence[RecordView], now_ms: int) -> Assessment:
    """Band, score (0-100) and reasons of an identifier's statements at a time."""
    today = now_ms // DAY_MS
    left_out: Counter[str] = Counter()
    standing: list[RecordView] = []
    for view in records:
        if view.standing.state is State.ERASED:
            continue
        why = _left_out_as(view, today)
        if why is None:
            standing.append(view)
        else:
            left_out[why] += 1
    protecting = [view for view in standing if view.object_role in _PROTECTING]
    counted = [view for view in standing if view.object_role not in _PROTECTING]
    voices = _voices(counted, today)
    score, reasons = _points(counted, voices, today)
    copied = len({view.reporter for view in counted}) - len(voices)
    if copied:
        reasons.append(Reason("same_source", 0, f"{copied} more member(s) {SAME_SOURCE}"))
    behind = _customers(counted, voices)
    customers = sum(behind)
    if behind:
        text = f"{customers} distinct customer(s) of {len(behind)} member(s) are behind it"
        reasons.append(Reason("customers", 0, text))
    reasons += _protection(protecting)
    reasons += [_not_counted(why, left_out[why]) for why in LEFT_OUT if left_out[why]]
    reporters = len(voices)
    duties = [(view.usage, view.tlp) for view in standing]
    limits = limits_of(duties)
    founded = reporters > 1 or any(v.evidence_level in _AUTHORITATIVE for v in counted)
    return Assessment(
        band=band_of(score),
        score=score,
        reasons=tuple(reasons),
        reporters=reporters,
        customers=customers,
        protected=bool(protecting),
        stands=bool(standing),
        permitted_actions=permitted_actions(
            band_of(score), limits, is_protected=bool(protecting), is_founded=founded
        ),
        limits=limits,
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


def _left_out_as(view: RecordView, today: int) -> str | None:
    """Key of LEFT_OUT under which a record does not answer, None where it does."""
    standing = view.standing
    if not standing.counts:
        if standing.state is State.ACTIVE:
            return "consent"
        return _CLOSED[standing.state]
    if view.tlp is Tlp.RED:
        return "red"
    if view.breach:
        return "breach"
    return None if _valid_until(view) >= today else "expired"


def _points(counted: list[RecordView], voices: Voices, today: int) -> tuple[int, list[Reason]]:
    if not counted:
        return 0, []
    strongest = _strongest(counted, None)
    fresh = [strongest[voice] for voice in voices.items()]
    aged = _strongest(counted, today)
    best, together = _percent([max(fresh)]), _percent(fresh)
    now = _percent([aged[voice] for voice in voices.items()])
    level = max(view.evidence_level for view in counted)
    methods = ", ".join(sorted({view.fraud_type.label for view in counted}))
    reasons = [Reason("evidence", best, f"evidence: {level.label}; method: {methods}")]
    if len(fresh) > 1:
        text = f"{len(fresh)} members report it independently"
        reasons.append(Reason("corroboration", together - best, text))
    if now != together:
        latest = today - max(view.last_seen_day for view in counted)
        reasons.append(Reason("age", now - together, f"last seen {max(0, latest)} days ago"))
    if now > SINGLE_REPORTER_MAX and _is_alone(counted, voices):
        text = "only one member reports it"
        reasons.append(Reason("single_reporter", SINGLE_REPORTER_MAX - now, text))
        now = SINGLE_REPORTER_MAX
    return now, reasons


def _is_alone(counted: list[RecordView], voices: Voices) -> bool:
    return len(voices) == 1 and not any(v.evidence_level in _AUTHORITATIVE for v in counted)


def _strongest(counted: list[RecordView], today: int | None) -> dict[Voice, int]:
    """The strongest record of each member by itself and from each source, at a day or fresh."""
    best: dict[Voice, int] = {}
    for view in counted:
        age = 0 if today is None else today - view.last_seen_day
        name = view.reporter, view.source
        best[name] = max(strength(view, age), best.get(name, 0))
    return best


def _voices(counted: list[RecordView], today: int) -> Voices:
    """Independent voices: each member once and each source once.

    Strongest first, own words before copies of equal strength; or every member's own words first,
    where that amounts to more. Either counts nothing twice, and in neither do the records of one
    member take from what the others' amount to without it.
    """
    best = _strongest(counted, today)
    ranked = sorted(best, key=lambda name: (-best[name], name[1] or b"", name[0]))
    voices = _chosen(ranked)
    if len(voices) == len(best):
        return voices
    own_first = _chosen(sorted(ranked, key=lambda name: name[1] is not None))

    def amount(choice: Voices) -> tuple[int, int]:
        score = _percent([best[voice] for voice in choice.items()])
        most = SINGLE_REPORTER_MAX if _is_alone(counted, choice) else 100
        return min(score, most), len(choice)

    return max(voices, own_first, key=amount)


def _chosen(ranked: list[Voice]) -> Voices:
    voices: Voices = {}
    heard: set[bytes] = set()
    for reporter, source in ranked:
        if reporter in voices or source in heard:
            continue
        voices[reporter] = source
        if source is not None:
            heard.add(source)
    return voices


def _percent(strengths: list[int]) -> int:
    """100 * (1 - product of doubts), rounded down, at least 1 where anything counts."""
    doubt = prod(FULL - value for value in strengths)
    whole: int = FULL ** len(strengths)
    return max(100 * (whole - doubt) // whole, 1 if any(strengths) else 0)


def _protection(protecting: list[RecordView]) -> list[Reason]:
    roles = sorted({view.object_role for view in protecting})
    return [
        Reason(f"protect.{role.label}", 0, f"do not penalise: {role.meaning}") for role in roles
    ]


def _customers(counted: list[RecordView], voices: Voices) -> list[int]:
    """Of each voice with customers the largest figure in its own words and in its copy."""
    most: dict[str, int] = {}
    for view in counted:
        who = view.reporter
        counts = who in voices and view.source in (None, voices[who])
        if counts and view.distinct_customers:
            most[who] = max(view.distinct_customers, most.get(who, 0))
    return list(most.values())


def _not_counted(why: str, count: int) -> Reason:
    return Reason(why, 0, f"{count} record(s) not counted: {LEFT_OUT[why]}")
