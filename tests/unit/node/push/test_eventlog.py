"""Events are numbered, logged once, found again, waited for, and dropped by age and number."""

from __future__ import annotations

import asyncio

from node.push.eventlog import NAMES, Draft
from node.push.port import EventType
from node.storage.memory import MemoryStore
from node.storage.schema import META_RESTORED
from tests.unit.node.push.world import BEGIN_MS, Push


def draft(name: bytes, kind: EventType = EventType.RECALL) -> Draft:
    return Draft(kind, name, BEGIN_MS, 7, {"case_ref": "CASE-1"})


def test_numbers_rise_by_one_and_what_is_told_twice_is_logged_once() -> None:
    events = Push().events
    assert events.add([draft(b"a"), draft(b"b"), draft(b"a")]) == 2
    assert events.add([draft(b"b")]) == 0
    assert events.add([draft(b"a", EventType.RETRO_HIT)]) == 1, "of another type it is another"
    assert [event.number for event in events.after(0)] == [1, 2, 3] and events.last == 3
    assert events.number_of(draft(b"b")) == 2 and events.number_of(draft(b"c")) is None


def test_the_callers_puts_and_the_events_are_one_write() -> None:
    it = Push()
    writes: list[int] = []
    write = it.store.write

    def counted(puts: dict[bytes, bytes | None], *, sync: bool) -> None:
        writes.append(len(puts))
        write(puts, sync=sync)

    it.store.write = counted  # type: ignore[method-assign, assignment]
    it.events.add([draft(b"a")], {b"Pown": b"1"})
    assert writes == [3] and it.store.get(b"Pown") == b"1"


def test_a_log_keeps_its_id_over_restarts_and_another_database_has_another() -> None:
    it = Push()
    assert it.again().events.id == it.events.id != Push(MemoryStore()).events.id
    it.log(2)
    back = it.again().events
    assert (back.first, back.last) == (1, 2)


def test_pages_go_on_behind_a_number_and_say_how_far_they_looked() -> None:
    it = Push()
    it.log(3)
    it.log(2, EventType.RECALL)
    found, seen = it.events.page(1, 1)
    assert ([event.number for event in found], seen) == ([2], 2)
    found, seen = it.events.page(0, 10, (EventType.RECALL,))
    assert ([event.number for event in found], seen) == ([4, 5], 5)
    assert it.events.page(5, 10) == ([], 5)


def test_old_and_surplus_events_go_with_their_names_and_the_newest_stays() -> None:
    it = Push()
    it.log(3)
    it.now_ms += 1_000
    it.log(3)
    assert it.events.prune(it.now_ms - 500, 100) == 3
    assert (it.events.first, it.events.last) == (4, 6)
    assert it.events.prune(0, 2) == 1 and it.events.first == 5
    assert it.events.prune(it.now_ms + 10**9, 100) == 1
    assert [event.number for event in it.events.after(0)] == [6]
    assert sum(1 for _ in it.store.iterate(NAMES)) == 1
    back = it.again()
    assert (back.events.first, back.events.last) == (6, 6)


async def test_news_wakes_who_waits_and_is_never_missed() -> None:
    it = Push()
    news = it.events.news()
    waiting = asyncio.ensure_future(news.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    it.log()
    await waiting
    assert not it.events.news().is_set()


async def test_durable_waits_for_a_flush_once() -> None:
    it = Push()
    it.log(2)
    before = it.durability.flushes
    await it.events.durable(1)
    await it.events.durable(2)
    assert it.durability.flushes == before + 1


def test_the_disk_shows_nothing_of_an_event() -> None:
    it = Push()
    it.events.add([draft(b"ZEPPELIN")])
    stored = b"".join(key + value for key, value in it.store.iterate(b""))
    for secret in (b"CASE-1", b"recall", b"ZEPPELIN"):
        assert secret not in stored


def test_a_restored_log_goes_on_under_a_new_id_and_keeps_the_old_ones() -> None:
    it = Push()
    it.log(3)
    old = it.events.id
    it.store.write({META_RESTORED: b"restored once"}, sync=False)
    back = it.again()
    assert back.events.id != old and it.again().events.id == back.events.id
    back.log(2)
    names = [back.events.name_of(event) for event in back.events.after(0)]
    assert names == [f"{old}-{n}" for n in (1, 2, 3)] + [f"{back.events.id}-{n}" for n in (4, 5)]
    assert back.events.behind(old, 2) == 2
    assert back.events.behind(old, 9) == 3, "what came after the backup is not in this log"
    assert back.events.behind(back.events.id, 9) == back.events.behind(None, 9) == 5
    assert back.events.behind("00" * 8, 2) == 0
    it.store.write({META_RESTORED: None}, sync=False)
    assert it.again().events.id == back.events.id, "the mark goes when the node is in step"
    it.store.write({META_RESTORED: b"restored twice"}, sync=False)
    assert it.again().events.id not in (old, back.events.id)
