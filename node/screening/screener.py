"""The screener: a question in, an answer with reasons out, from this node's own replica.

Rules: no consensus round and no other member is needed for a known tag; if the tag can not be
computed, or the replica is behind the alliance, the answer says `complete: false` and why, never a
silent clean. The answer names the state it was read from: height and age. Band and reasons follow
from the ledger up to that block and from its timestamp, never from this node's clock, so that they
can be had again for any height, here and elsewhere. Only records that stand are shown. Clear text
stays here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from bulwark.indicators.errors import NormalisationError
from bulwark.indicators.model import ScreeningRequest
from bulwark.indicators.normalise import normalise
from bulwark.indicators.records import view_of
from bulwark.indicators.scoring import RecordView as ScoringView
from bulwark.indicators.scoring import assess, stands
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Height, MemberId, Tag
from bulwark.ledger.lifecycle import STATEMENTS
from bulwark.ledger.standing import Standing
from node.chain.records import StoredRecord
from node.reporting.payload import fields_of
from node.service import (
    NotFound,
    Progress,
    Reason,
    RecordView,
    Refusal,
    ScreeningAnswer,
    Stage,
)
from node.tagging.effort import TagEffort
from node.tagging.tagger import Tagger, TaggingUnavailable

CHUNK = 1_000
"""Questions whose tags are asked for together, and between two steps of the progress."""
TURN = 100
MAX_RECORDS = 100
"""Records shown in one answer, the newest."""
MAX_COUNTED = 1_000
"""Records of one indicator that count, the newest: who repeats itself can not slow others down in
their screenings. An answer that leaves older ones out says so."""

_NOTHING_KNOWN = assess((), 0)
"""What no record at all amounts to, at any time: most questions."""


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

    def header(self, height: Height) -> Header:
        """Header of an executed block."""
        ...

    def records_of(self, tag: Tag, most: int, at: Height | None = None) -> Sequence[StoredRecord]:
        """The newest `most` records of a tag up to a height, oldest first."""
        ...


class Interpreter(Protocol):
    """What says how records stand."""

    def member_of(self, account: bytes) -> MemberId:
        """Member that holds or ever held an account."""
        ...

    def of(self, record: StoredRecord, header: Header) -> Standing:
        """Where a statement stands after a block."""
        ...

    def breach(self, record: StoredRecord) -> str | None:
        """Id of the rule that a statement breaks."""
        ...


Seen = Callable[[Sequence[tuple[ScreeningRequest, Tag, ScreeningAnswer]]], None]
"""Told of questions with their tags and answers, in the turn of the event loop that read them."""


class Screener:
    """Screenings of this member."""

    def __init__(
        self,
        *,
        tagger: Tagger,
        replica: Replica,
        standings: Interpreter,
        now_ms: Callable[[], int],
        lag: Callable[[], str | None],
    ) -> None:
        """`lag` says why the replica is behind, if it is."""
        self._tagger = tagger
        self._replica = replica
        self._standings = standings
        self._now_ms = now_ms
        self._lag = lag
        self.asked = 0
        self.hits = 0

    async def screen(
        self,
        requests: Sequence[ScreeningRequest],
        progress: Progress | None = None,
        at: Height | None = None,
        seen: Seen | None = None,
    ) -> list[ScreeningAnswer]:
        """One answer a question, in order; `progress` is told after each part of an upload.

        With `at` they are those of that block. Raises NotFound for one that is not executed here.
        """
        tip = self._replica.tip.height
        if at is not None and not 0 <= at <= tip:
            raise NotFound(f"there is no block {at} on this node; the last is {tip}")
        answers: list[ScreeningAnswer] = []
        effort = TagEffort(self._tagger, is_alone=len(requests) == 1)
        for start in range(0, len(requests), CHUNK):
            answers += await self._chunk(requests[start : start + CHUNK], effort, at, seen)
            if progress is not None:
                progress(len(answers), effort.untagged)
        self.asked += len(answers)
        self.hits += sum(answer.hit for answer in answers)
        return answers

    async def _chunk(
        self,
        requests: Sequence[ScreeningRequest],
        effort: TagEffort,
        at: Height | None,
        seen: Seen | None,
    ) -> list[ScreeningAnswer]:
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
            tags = await effort.tags([(kind, value) for _, kind, value in unknown])
            for (number, _, _), asked in zip(unknown, tags, strict=True):
                found[number] = asked
        answers: list[ScreeningAnswer] = []
        told = 0
        for number, outcome in enumerate(found):
            if number % TURN == TURN - 1:
                told = _tell(seen, requests, found, answers, told)
                await asyncio.sleep(0)
            answers.append(self._answer(outcome, at))
        _tell(seen, requests, found, answers, told)
        return answers

    def _answer(
        self, tag: Tag | Refusal | TaggingUnavailable | None, at: Height | None
    ) -> ScreeningAnswer:
        header = self._replica.tip if at is None else self._replica.header(at)
        return self.answer(tag, header, self._lag())

    def behind(self) -> str | None:
        """Why this replica is behind the alliance, None while it is in step."""
        return self._lag()

    def count(self, asked: int, hits: int) -> None:
        """Count questions that a job asked through `answer`."""
        self.asked += asked
        self.hits += hits

    def answer(
        self,
        tag: Tag | Refusal | TaggingUnavailable | None,
        header: Header,
        behind: str | None,
    ) -> ScreeningAnswer:
        """The answer about a tag as after the block of a header; `behind`: why it may lack some."""
        age_ms = max(0, self._now_ms() - header.timestamp_ms)
        if isinstance(tag, Refusal):
            return _nothing(header.height, age_ms, refusal=tag)
        if not isinstance(tag, bytes):
            reason = f"the tag can not be computed now: {tag}"
            return _nothing(header.height, age_ms, reason=reason)
        incomplete = behind
        records = self._replica.records_of(Tag(tag), MAX_COUNTED + 1, header.height)
        if len(records) > MAX_COUNTED:
            records = records[-MAX_COUNTED:]
            incomplete = incomplete or f"only the newest {MAX_COUNTED:,} records are counted"
        pairs = [(stored, self._view(stored, header)) for stored in records]
        known = [(stored, view) for stored, view in pairs if view is not None]
        now_ms = header.timestamp_ms
        assessment = assess([view for _, view in known], now_ms) if known else _NOTHING_KNOWN
        standing = [stored for stored, view in known if stands(view, now_ms)]
        return ScreeningAnswer(
            hit=assessment.stands,
            band=assessment.band.label,
            score=assessment.score,
            reasons=tuple(Reason(r.code, r.weight, r.text) for r in assessment.reasons),
            records=tuple(self._shown(record) for record in standing[-MAX_RECORDS:]),
            height=header.height,
            age_ms=age_ms,
            complete=incomplete is None,
            incomplete_reason=incomplete,
            reporters=assessment.reporters,
            customers=assessment.customers,
            is_protected=assessment.protected,
            permitted_actions=assessment.permitted_actions,
            limits=assessment.limits,
        )

    def _view(self, stored: StoredRecord, header: Header) -> ScoringView | None:
        if stored.payload.operation not in STATEMENTS:
            return None
        return view_of(
            stored.payload,
            self._standings.member_of(stored.reporter),
            self._standings.of(stored, header),
            self._standings.breach(stored),
        )

    def _shown(self, stored: StoredRecord) -> RecordView:
        return RecordView(
            record_id=stored.record_id,
            reporter=self._standings.member_of(stored.reporter),
            height=stored.height,
            timestamp_ms=stored.timestamp_ms,
            fields=fields_of(stored.payload),
            stage=Stage.FINALIZED if stored.height <= self._replica.finalized else Stage.EXECUTED,
        )


def _tell(
    seen: Seen | None,
    requests: Sequence[ScreeningRequest],
    tags: Sequence[Tag | Refusal | TaggingUnavailable | None],
    answers: Sequence[ScreeningAnswer],
    told: int,
) -> int:
    """Tell of the answers behind the first `told`, without those that have no tag; how many now."""
    if seen is not None:
        done = zip(requests[told:], tags[told:], answers[told:], strict=False)
        seen(
            [(request, Tag(tag), answer) for request, tag, answer in done if isinstance(tag, bytes)]
        )
    return len(answers)


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
