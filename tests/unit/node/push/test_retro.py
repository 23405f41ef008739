"""Own questions are remembered without what they were about, and told when the band rises."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from msgspec.structs import replace

from bulwark.ledger.header import Header
from bulwark.ledger.ids import Height, MemberId, RecordId, Tag
from node.push.port import EventType
from node.push.questions import MARKS, Noted, QuestionBook
from node.push.retro import News, RetroHunt
from node.service import Reason, ScreeningAnswer
from node.storage.schema import PUSH
from tests.unit.node.execution.alliance import Node
from tests.unit.node.push.world import Push

FIRST, SECOND = Tag(b"\x11" * 32), Tag(b"\x22" * 32)
RECORD = RecordId(b"\x33" * 32)
DAY_MS = 86_400_000


def header(height: int) -> Header:
    """The header of some block."""
    return replace(Node().chain.tip, height=Height(height))


@dataclass
class Hunting:
    """A book, a hunt over it, and a replica that answers with a band of the test's choosing."""

    it: Push = field(default_factory=Push)
    bands: dict[Tag, str] = field(default_factory=dict)

    @property
    def book(self) -> QuestionBook:
        return self.it.core.questions

    def asks(self, case_ref: str, tag: Tag = FIRST, band: str = "none", height: int = 5) -> None:
        self.book.note([Noted(tag, "desk-1", case_ref, band, Height(height))])

    def _answer(self, tag: Tag) -> ScreeningAnswer:
        band = self.bands.get(tag, "none")
        return ScreeningAnswer(
            True, band, 42, (Reason("report", 42, "text"),), (), Height(9), 0, True
        )

    async def block(self, *tags: Tag, height: int = 9) -> int:
        """A block with a statement about each tag; events made of it."""
        news = News()
        for tag in tags:
            news.add(tag, RECORD, MemberId("beta"))
        hunt = RetroHunt(self.book, self.it.events, self._answer)
        return await hunt.hunt(news, header(height))


async def test_a_question_that_had_no_hit_is_told_of_a_later_record() -> None:
    it = Hunting(bands={FIRST: "medium"})
    it.asks("CASE-1")
    it.it.now_ms += 5
    it.asks("CASE-2")
    it.asks("CASE-3", SECOND)
    assert await it.block(FIRST) == 1
    (event,) = it.it.events.after(0)
    assert (event.type, event.height) == (EventType.RETRO_HIT, 9)
    assert event.data["band"] == "medium" and event.data["score"] == 42
    assert event.data["records"] == [{"record_id": RECORD.hex(), "reporter": "beta"}]
    questions = event.data["questions"]
    assert isinstance(questions, list)
    assert [(q["id"], q["case_ref"], q["band"]) for q in questions] == [
        (1, "CASE-1", "none"),
        (2, "CASE-2", "none"),
    ]
    assert questions[1]["time_ms"] == questions[0]["time_ms"] + 5


async def test_a_question_is_told_again_only_when_the_band_rises_again() -> None:
    it = Hunting(bands={FIRST: "low"})
    it.asks("CASE-1")
    assert await it.block(FIRST, height=9) == 1
    assert await it.block(FIRST, height=10) == 0
    it.bands[FIRST] = "none"
    assert await it.block(FIRST, height=11) == 0
    it.bands[FIRST] = "very_high"
    assert await it.block(FIRST, height=12) == 1
    assert await it.block(FIRST, height=12) == 0, "a block that is repeated after a kill"


async def test_what_the_asker_was_told_already_is_not_told() -> None:
    it = Hunting(bands={FIRST: "high"})
    it.asks("CASE-1", band="high")
    it.asks("CASE-2", height=9)  # answered from the block itself
    assert await it.block(FIRST, height=9) == 0


async def test_the_same_case_asked_again_takes_the_place_of_the_question_before() -> None:
    it = Hunting(bands={FIRST: "high"})
    it.asks("CASE-1")
    it.asks("CASE-1", band="high", height=6)
    assert [asked.number for _, asked in it.book.find(FIRST)] == [2]
    assert await it.block(FIRST) == 0


async def test_only_the_newest_questions_are_named() -> None:
    it = Hunting(bands={FIRST: "high"})
    for number in range(120):
        it.asks(f"CASE-{number}")
    await it.block(FIRST)
    (event,) = it.it.events.after(0)
    questions = event.data["questions"]
    assert isinstance(questions, list)
    assert [q["case_ref"] for q in questions] == [f"CASE-{n}" for n in range(20, 120)]
    assert event.data["count"] == 120
    assert await it.block(FIRST, height=10) == 0, "nor are the others told later"


async def test_questions_survive_a_restart_and_their_numbers_go_on() -> None:
    it = Hunting(bands={FIRST: "high"})
    it.asks("CASE-1")
    back = Hunting(it.it.again(), it.bands)
    back.asks("CASE-2")
    assert await back.block(FIRST) == 1
    assert [asked.number for _, asked in back.book.find(FIRST)] == [1, 2]


async def test_the_disk_shows_neither_tag_nor_case_nor_asker() -> None:
    it = Hunting(bands={FIRST: "high"})
    it.asks("CASE-ZEPPELIN")
    await it.block(FIRST)
    stored = b"".join(key + value for key, value in it.it.store.iterate(b""))
    for secret in (FIRST, FIRST.hex().encode(), b"CASE-ZEPPELIN", b"desk-1", RECORD):
        assert secret not in stored


async def test_questions_are_forgotten_with_the_tag_by_age_and_by_number() -> None:
    it = Hunting()
    it.asks("CASE-1")
    it.asks("CASE-2", SECOND)
    assert await it.book.forget([FIRST]) == 1
    assert it.book.find(FIRST) == [] and len(it.book.find(SECOND)) == 1
    it.it.now_ms += 31 * DAY_MS
    it.asks("CASE-3", SECOND)
    while it.book.prune(it.it.now_ms - 30 * DAY_MS):
        pass
    assert [asked.case_ref for _, asked in it.book.find(SECOND)] == ["CASE-3"]
    few = QuestionBook(it.it.store, it.book._at_rest, b"\x07" * 32, lambda: 0, 1)
    it.asks("CASE-4", SECOND)
    few.last = it.book.last
    while few.prune(0):
        pass
    assert [asked.case_ref for _, asked in it.book.find(SECOND)] == ["CASE-4"]


async def test_numbers_go_on_also_when_everything_was_forgotten() -> None:
    it = Hunting()
    it.asks("CASE-1")
    it.asks("CASE-2")
    while it.book.prune(it.it.now_ms + 1):
        pass
    assert it.book.find(FIRST) == []
    assert sum(1 for _ in it.it.store.iterate(PUSH + b"\x10")) == 0
    assert sum(1 for _ in it.it.store.iterate(MARKS)) == 0
    back = Hunting(it.it.again())
    back.asks("CASE-3")
    assert [asked.number for _, asked in back.book.find(FIRST)] == [3]


async def test_a_book_that_is_off_remembers_nothing() -> None:
    it = Hunting(bands={FIRST: "high"})
    it.book.is_on = False
    it.asks("CASE-1")
    assert it.book.find(FIRST) == [] and await it.block(FIRST) == 0


async def test_a_question_asked_while_a_block_is_hunted_is_not_written_over() -> None:
    it = Hunting(bands={Tag(n.to_bytes(32, "big")): "high" for n in range(500)})
    tags = [Tag(n.to_bytes(32, "big")) for n in range(500)]
    for tag in tags:
        it.asks("CASE-1", tag)
    hunting = asyncio.ensure_future(it.block(*tags))
    await asyncio.sleep(0)
    it.asks("CASE-1", tags[-1], "high", 9)
    await it.book.forget([tags[-2]])
    assert await hunting == 498
    assert [asked.number for _, asked in it.book.find(tags[-1])] == [501]
    assert it.book.find(tags[-2]) == []


async def test_a_question_that_a_job_answered_from_an_older_block_is_hunted_late() -> None:
    it = Hunting(bands={FIRST: "high"})
    it.book.follow(lambda: Height(12), lambda tag, height: tag == FIRST and height < 9)
    it.asks("CASE-1", height=5)
    it.asks("CASE-2", SECOND, height=5)
    it.asks("CASE-3", height=12)
    assert it.book.late == {FIRST: 5}
