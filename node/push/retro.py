"""The retro-hunt: which own questions would be answered with a higher band now, and since when.

Rules: it asks this node's own book and its own replica, nobody else; a tag is looked at when a
block brings a statement about it or a ruling lets one stand again. What is told is the question's
number, time, asker and case reference, both bands, the reasons and the records of the block; never
the tag. An event and what it changes in the book are one write; a question is told again only when
the band rises again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bulwark.indicators.vocabulary import Band
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Height, MemberId, RecordId, Tag
from node.push.eventlog import Draft, EventLog
from node.push.port import EventType
from node.push.questions import BANDS, Asked, QuestionBook
from node.service import ScreeningAnswer

MAX_QUESTIONS: Final = 100
"""Questions named in one event, the newest of those that it is about."""
MAX_RECORDS: Final = 100
"""Records named in one event."""
TURN: Final = 100
"""Tags looked at between two turns of the event loop: about 2 ms."""
Assess = Callable[[Tag], ScreeningAnswer]
"""The answer about a tag from the replica as it is now."""


@dataclass(slots=True)
class News:
    """What a block says about tags."""

    records: dict[Tag, list[tuple[RecordId, MemberId]]] = field(default_factory=dict)
    """Statements of the block, or let stand again by it, with their reporters."""

    def add(self, tag: Tag, record_id: RecordId, reporter: MemberId) -> None:
        """A statement about a tag."""
        self.records.setdefault(tag, []).append((record_id, reporter))


class RetroHunt:
    """Hunts of one member."""

    def __init__(self, book: QuestionBook, events: EventLog, assess: Assess) -> None:
        self._book = book
        self._events = events
        self._assess = assess
        self.looked = 0
        """Tags looked at since start."""
        self.hits = 0
        """Events since start."""

    def take_late(self) -> dict[Tag, Height]:
        """Tags with questions that were answered as of an older block than the last about them."""
        late, self._book.late = self._book.late, {}
        return late

    async def hunt(self, news: News, header: Header) -> int:
        """Tell what a block changed for own questions; how many events. Raises StoreDamaged."""
        count = 0
        for looked, (tag, records) in enumerate(
            news.records.items() if self._book.is_on else (), 1
        ):
            if looked % TURN == 0:
                await asyncio.sleep(0)
            # No turn of the loop from here to the write: a question that is asked or forgotten
            # meanwhile is not written over.
            found = self._book.find(tag)
            if not found:
                continue
            answer = self._assess(tag)
            band = BANDS.get(answer.band, 0)
            raised = [(k, a) for k, a in found if a.band < band and a.height < header.height]
            if raised:
                draft = _draft(tag, records, [asked for _, asked in raised], answer, header)
                puts = self._book.raised(raised, band, header.height)
                count += self._events.add([draft], puts)
                await asyncio.sleep(0)
        self.looked += len(news.records)
        self.hits += count
        return count


def _draft(
    tag: Tag,
    records: Sequence[tuple[RecordId, MemberId]],
    asked: Sequence[Asked],
    answer: ScreeningAnswer,
    header: Header,
) -> Draft:
    data: Mapping[str, object] = {
        "band": answer.band,
        "score": answer.score,
        "reasons": [{"code": r.code, "weight": r.weight, "text": r.text} for r in answer.reasons],
        "records": [
            {"record_id": record_id.hex(), "reporter": reporter}
            for record_id, reporter in records[:MAX_RECORDS]
        ],
        "questions": [
            {
                "id": each.number,
                "time_ms": each.time_ms,
                "asked_by": each.who,
                "case_ref": each.case_ref,
                "band": Band.from_code(each.band).label,
            }
            for each in asked[-MAX_QUESTIONS:]
        ],
        "count": len(asked),
    }
    name = bytes(tag) + header.height.to_bytes(8, "big")
    return Draft(EventType.RETRO_HIT, name, header.timestamp_ms, header.height, data)
