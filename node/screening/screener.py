"""The screener: a question in, an answer with reasons out, from this node's own replica.

Rules: no consensus round and no other member is needed for a known tag; if the tag can not be
computed, or the replica is behind the alliance, the answer says `complete: false` and why, never a
silent clean. The answer names the state it was read from: height and age. Clear text stays here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from bulwark.indicators.errors import FieldError, NormalisationError
from bulwark.indicators.model import ScreeningRequest
from bulwark.indicators.normalise import normalise
from bulwark.indicators.scoring import RecordView as ScoredRecord
from bulwark.indicators.scoring import assess
from bulwark.indicators.terms import Term
from bulwark.indicators.vocabulary import EvidenceLevel, FraudType, Kind, ObjectRole, Operation
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Height, MemberId, Tag
from node.chain.records import StoredRecord
from node.reporting.payload import fields_of
from node.service import Reason, RecordView, Refusal, ScreeningAnswer, Stage
from node.tagging.tagger import Tagger, TaggingUnavailable

CHUNK = 2_000
TURN = 100
T = TypeVar("T", bound=Term)

MAX_RECORDS = 100
"""Records shown in one answer, the newest; all of them count for the score."""


class Replica(Protocol):
    """What a screening reads."""

    @property
    def tip(self) -> Header:
        """Header of the last executed block."""
        ...

    @property
    def finalized(self) -> Height:
        """Height of the highest checkpoint certificate."""
        ...

    def records_of(self, tag: Tag) -> Sequence[StoredRecord]:
        """All records of a tag, oldest first."""
        ...


class Screener:
    """Screenings of this member."""

    def __init__(
        self,
        *,
        tagger: Tagger,
        replica: Replica,
        member_of: Callable[[bytes], MemberId],
        now_ms: Callable[[], int],
        lag: Callable[[], str | None],
    ) -> None:
        """`member_of` names an account's member; `lag` says why the replica is behind, if it is."""
        self._tagger = tagger
        self._replica = replica
        self._member_of = member_of
        self._now_ms = now_ms
        self._lag = lag
        self.asked = 0
        self.hits = 0

    async def screen(self, requests: Sequence[ScreeningRequest]) -> list[ScreeningAnswer]:
        """One answer a question, in order."""
        answers: list[ScreeningAnswer] = []
        for start in range(0, len(requests), CHUNK):
            answers += await self._chunk(requests[start : start + CHUNK])
        self.asked += len(answers)
        self.hits += sum(answer.hit for answer in answers)
        return answers

    async def _chunk(self, requests: Sequence[ScreeningRequest]) -> list[ScreeningAnswer]:
        found: list[Tag | Refusal | TaggingUnavailable | None] = []
        unknown: list[tuple[int, str, str]] = []
        for number, request in enumerate(requests):
            if number % TURN == TURN - 1:
                await asyncio.sleep(0)
            try:
                value = normalise(request.kind, request.value, str(request.region) or None).value
            except NormalisationError as error:
                found.append(Refusal(error.rule, error.message))
                continue
            tag = self._tagger.cached(request.kind.label, value)
            if tag is None:
                unknown.append((number, request.kind.label, value))
            found.append(tag)
        if unknown:
            tags = await self._tagger.tags([(kind, value) for _, kind, value in unknown])
            for (number, _, _), asked in zip(unknown, tags, strict=True):
                found[number] = asked
        answers: list[ScreeningAnswer] = []
        for number, (request, outcome) in enumerate(zip(requests, found, strict=True)):
            if number % TURN == TURN - 1:
                await asyncio.sleep(0)
            answers.append(self._answer(request.kind, outcome))
        return answers

    def _answer(
        self, kind: Kind, tag: Tag | Refusal | TaggingUnavailable | None
    ) -> ScreeningAnswer:
        tip = self._replica.tip
        now_ms = self._now_ms()
        age_ms = max(0, now_ms - tip.timestamp_ms)
        if isinstance(tag, Refusal):
            return _nothing(tip.height, age_ms, refusal=tag)
        if not isinstance(tag, bytes):
            reason = f"the tag can not be computed now: {tag}"
            return _nothing(tip.height, age_ms, reason=reason)
        records = self._replica.records_of(Tag(tag))
        assessment = assess([self._scored(kind, record) for record in records], now_ms)
        lag = self._lag()
        return ScreeningAnswer(
            hit=bool(records) and not _only_withdrawn(assessment.reasons, len(records)),
            band=assessment.band.label,
            score=assessment.score,
            reasons=tuple(Reason(r.code, r.weight, r.text) for r in assessment.reasons),
            records=tuple(self._shown(record) for record in records[-MAX_RECORDS:]),
            height=tip.height,
            age_ms=age_ms,
            complete=lag is None,
            incomplete_reason=lag,
        )

    def _scored(self, kind: Kind, stored: StoredRecord) -> ScoredRecord:
        payload = stored.payload
        return ScoredRecord(
            kind=kind,
            fraud_type=_term(FraudType, payload.fraud_type, FraudType.UNKNOWN),
            object_role=_term(ObjectRole, payload.object_role, ObjectRole.UNKNOWN),
            evidence_level=_term(EvidenceLevel, payload.evidence_level, EvidenceLevel.UNKNOWN),
            confidence=payload.confidence,
            first_seen_day=payload.first_seen_day,
            last_seen_day=payload.last_seen_day,
            valid_until_day=payload.valid_until_day,
            reporter=self._member_of(stored.reporter),
            operation=_term(Operation, payload.operation, Operation.ADD),
            distinct_customers=payload.distinct_customers,
            record=stored.record_id.hex(),
            previous=payload.previous_record.hex() if payload.previous_record else "",
        )

    def _shown(self, stored: StoredRecord) -> RecordView:
        return RecordView(
            record_id=stored.record_id,
            reporter=self._member_of(stored.reporter),
            height=stored.height,
            timestamp_ms=stored.timestamp_ms,
            fields=fields_of(stored.payload),
            stage=Stage.FINALIZED if stored.height <= self._replica.finalized else Stage.EXECUTED,
        )


def _nothing(
    height: Height, age_ms: int, *, reason: str | None = None, refusal: Refusal | None = None
) -> ScreeningAnswer:
    """An answer that could not be looked up; never one that reads as clean."""
    return ScreeningAnswer(
        hit=False,
        band="unknown",
        score=0,
        reasons=(),
        records=(),
        height=height,
        age_ms=age_ms,
        complete=False,
        incomplete_reason=reason if refusal is None else refusal.detail,
        refusal=refusal,
    )


def _only_withdrawn(reasons: Sequence[object], count: int) -> bool:
    """Whether every record of the indicator was withdrawn, so that nothing stands any more."""
    codes = {getattr(reason, "code", "") for reason in reasons}
    return codes == {"withdrawn"} and count > 0


def _term(vocabulary: type[T], code: int, fallback: T) -> T:
    """A code as its vocabulary's entry; a code of a newer version counts as the fallback."""
    try:
        return vocabulary.from_code(code)
    except FieldError:
        return fallback
