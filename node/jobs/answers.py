"""Answers of a job: a part of its rows asked and written as canonical lines of the result.

Rules: every row is answered as after one block; that a part is asked is in the access log before
anything else, once, also if the part is worked again after the end of the process; tags and records
are looked up once for what occurs often. What is remembered from part to part goes with every block
that is executed meanwhile, since a record may have been erased. Hits are not noted here but handed
over, to be written in one with the part.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from bulwark.indicators.model import ScreeningRequest
from bulwark.jobs.row import OUTCOMES, canonical, verdict
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Tag
from node.guarded.accessdesk import AccessDesk, Noted
from node.jobs.questions import Known, Question, Questions
from node.jobs.rowsource import Raw
from node.jobs.share import Share
from node.recall.hits import HitLog
from node.screening.screener import Screener, Seen
from node.service import Caller, ScreeningAnswer
from node.tagging.effort import TagEffort
from node.tagging.tagger import Tagger, TaggingUnavailable

MEMO: Final = 20_000
"""Answers remembered; all go when there are more."""
Puts = dict[bytes, bytes | None]
Key = tuple[str, str]
"""Kind and canonical value."""


class Untagged(Exception):
    """Rows of a part have no tag now; `reason` is for people."""

    def __init__(self, rows: int, reason: str) -> None:
        self.rows = rows
        self.reason = reason
        super().__init__(f"{rows} values have no tag now: {reason}")


class Answered(Struct, frozen=True):
    """The answer about one value."""

    rest: bytes
    """Its part of a canonical line."""
    outcome: str
    answer: ScreeningAnswer


@dataclass(slots=True)
class Made:
    """A part of the result."""

    lines: bytes
    digest: bytes
    outcomes: Counter[str] = field(default_factory=Counter)
    bands: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    hits: Puts = field(default_factory=dict)
    """Entries of the hit log, to be written with the part."""


class AnswerGround(Struct, frozen=True):
    """What answers are made from."""

    tagger: Tagger
    screener: Screener
    access: AccessDesk
    hits: HitLog
    tip: Callable[[], Header]
    now_ms: Callable[[], int]
    remember: Callable[[Caller], Seen] | None
    """What keeps a caller's questions for the retro-hunt; None where jobs' are not kept."""


class Answers:
    """Answers of one job."""

    def __init__(
        self,
        ground: AnswerGround,
        questions: Questions,
        by: Caller,
        header: Header,
        behind: str | None,
        *,
        values: bool,
        is_past: bool,
    ) -> None:
        """All as after the block of `header`; `behind`: why no answer is complete, if so.

        With `is_past` that block was asked for, and nothing is kept for the retro-hunt.
        """
        self._ground = ground
        self._questions = questions
        self._by = by
        self._header = header
        self._behind = behind
        self._values = values
        self._seen = None if is_past or ground.remember is None else ground.remember(by)
        self._memo: dict[Key, tuple[Tag, Answered]] = {}
        self._kept: set[tuple[Key, str]] = set()
        """Questions that are remembered since the memo began, with their cases."""
        self._memo_tip: Header | None = None
        self._nothing: Answered | None = None
        """The answer where the ledger has nothing."""

    async def part(
        self,
        raws: Sequence[Raw],
        first: int,
        share: Share,
        noted: Noted,
        mark: Callable[[Noted], Mapping[bytes, bytes | None]],
        *,
        is_last_try: bool,
    ) -> Made:
        """Answer rows, the first of which is number `first`. Raises Untagged, StoreDamaged.

        With `is_last_try` rows without a tag are answered as not complete.
        """
        questions: list[Question] = []
        for raw in raws:
            questions.append(self._questions.read(raw))
            if share.due():
                await share.rest()
        groups = _groups(questions)
        await self._ground.access.part_of_job(self._by, groups, noted, mark)
        share.begin()
        answers = await self._answers(questions, share, is_last_try=is_last_try)
        return await self._lines(questions, answers, first, share)

    async def _answers(
        self, questions: Sequence[Question], share: Share, *, is_last_try: bool
    ) -> dict[Key, Answered]:
        """The answers about the distinct values of a part."""
        tip = self._ground.tip()
        if self._memo_tip != tip or len(self._memo) > MEMO or len(self._kept) > MEMO:
            self._memo.clear()
            self._kept.clear()
            self._memo_tip = tip
        found: dict[Key, Answered] = {}
        tags: dict[Key, Tag | TaggingUnavailable] = {}
        unknown: list[Key] = []
        asked: dict[Key, dict[str, ScreeningRequest]] = {}
        for question in questions:
            known = question.known
            key = (known.kind, known.value)
            if known.request is None or known.errors:
                continue
            cases = asked.setdefault(key, {})
            cases[question.case_ref] = known.request
            if len(cases) > 1 or key in found or key in tags:
                continue
            held = self._memo.get(key)
            if held is not None:
                found[key] = held[1]
                continue
            tag = self._ground.tagger.cached(*key)
            if tag is None:
                unknown.append(key)
                tags[key] = _UNKNOWN
            else:
                tags[key] = tag
            if share.due():
                await share.rest()
        if unknown:
            effort = TagEffort(self._ground.tagger, is_alone=False)
            tags |= zip(unknown, await effort.tags(unknown), strict=True)
            share.begin()
            missing = [tag for tag in tags.values() if isinstance(tag, TaggingUnavailable)]
            if missing and not is_last_try:
                raise Untagged(len(missing), str(missing[0]))
        for key, outcome in tags.items():
            answer = self._ground.screener.answer(outcome, self._header, self._behind)
            if answer.complete and not answer.reasons and not answer.records:
                # Nothing is known of most values, and that is said in one way.
                if self._nothing is None:
                    self._nothing = answered(answer)
                found[key] = self._nothing
            else:
                found[key] = answered(answer)
            if isinstance(outcome, bytes):
                self._memo[key] = outcome, found[key]
                self._remember(key, asked[key])
            if share.due():
                await share.rest()
        for key, cases in asked.items():
            self._remember(key, cases)
            if share.due():
                await share.rest()
        return found

    def _remember(self, key: Key, cases: Mapping[str, ScreeningRequest]) -> None:
        """Keep the questions about a value for the retro-hunt, each case once."""
        held = self._memo.get(key)
        if self._seen is None or held is None:
            return
        tag, found = held
        new = [case for case in cases if (key, case) not in self._kept]
        if new:
            self._seen([(replace(cases[case], case_ref=case), tag, found.answer) for case in new])
            self._kept.update((key, case) for case in new)

    async def _lines(
        self,
        questions: Sequence[Question],
        answers: Mapping[Key, Answered],
        first: int,
        share: Share,
    ) -> Made:
        made = Made(b"", b"", Counter(dict.fromkeys(OUTCOMES, 0)))
        lines: list[bytes] = []
        noted: set[tuple[str, int]] = set()
        for number, question in enumerate(questions, first):
            known = question.known
            value = question.shown if self._values else None
            if known.errors:
                rest = _refused(known)
                made.outcomes["error"] += 1
                made.errors.update(code for _, code, _ in known.errors)
            else:
                answer = answers[known.kind, known.value]
                rest = answer.rest
                made.outcomes[answer.outcome] += 1
                made.bands[answer.answer.band] += 1
                same = (question.case_ref, id(answer))
                records = answer.answer.records
                if records and same not in noted:
                    noted.add(same)
                    made.hits |= self._ground.hits.entry(
                        self._by.key_id,
                        question.case_ref,
                        records,
                        self._ground.now_ms(),
                    )
            lines.append(canonical(number, question.line, question.ref, value, rest))
            if share.due():
                await share.rest()
        self._ground.screener.count(len(questions) - made.outcomes["error"], made.outcomes["hit"])
        made.lines = b"".join(lines)
        made.digest = hashlib.sha256(made.lines).digest()
        return made


_UNKNOWN: Final = TaggingUnavailable(0, 0, "not asked yet")


def _groups(questions: Sequence[Question]) -> list[tuple[tuple[str, str, str], int]]:
    """How many rows have which purpose, basis and case, in the order in which they occur."""
    groups: Counter[tuple[str, str, str]] = Counter()
    for question in questions:
        request = question.known.request
        if request is not None:
            key = request.purpose.label, request.lawful_basis.label, question.case_ref
            groups[key] += 1
    return list(groups.items())


def _refused(known: Known) -> bytes:
    return verdict("error", errors=known.errors)


def answered(answer: ScreeningAnswer) -> Answered:
    """An answer as part of a result's line."""
    outcome = "hit" if answer.hit else "no_hit" if answer.complete else "unknown"
    rest = verdict(
        outcome,
        band=answer.band,
        score=answer.score,
        complete=answer.complete,
        incomplete_reason=answer.incomplete_reason,
        reporters=answer.reporters,
        customers=answer.customers,
        protected=answer.is_protected,
        reasons=[(r.code, r.weight, r.text) for r in answer.reasons],
        records=[record.record_id.hex() for record in answer.records],
        actions=answer.permitted_actions,
        limits=[(limit.code, limit.text) for limit in answer.limits],
    )
    return Answered(rest, outcome, answer)
