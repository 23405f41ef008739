"""Recalls are events, and the webhook in node.toml goes on where an earlier version stood."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from node.push.port import EventType
from node.recall.port import Delivery
from node.recall.webhook import CONFIGURED
from tests.unit.node.recall.test_recall import ASKER, FIRST, SECOND, Desk, Receiver, until


async def test_a_recall_is_an_event_of_the_log_once() -> None:
    it = Desk()
    await it.asked("CASE-1", FIRST)
    await it.falls(FIRST)
    await Desk(it.store).falls(FIRST)
    (event,) = it.core.events.after(0)
    assert (event.type, event.height, event.data["recall"]) == (EventType.RECALL, 9, 1)
    assert event.data["questions"] == [
        {"id": 1, "time_ms": it.now_ms, "asked_by": ASKER.key_id, "case_ref": "CASE-1"}
    ]


async def test_a_recall_that_an_earlier_version_queued_is_posted_by_this_one(
    tmp_path: Path,
) -> None:
    receiver = await Receiver().start()
    it = Desk()
    await it.asked("CASE-1", FIRST)
    questions = it.hits.questions(FIRST, 10)
    it.queue.add(FIRST, "erased", it.now_ms, 9, questions, has_webhook=True)
    assert list(it.core.events.after(0)) == []
    back = Desk(it.store, tmp_path, receiver.port)
    task = asyncio.create_task(back.courier.run())
    await until(lambda: back.desk.recalls(0, 1)[0].delivery is Delivery.DELIVERED)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await receiver.stop()
    ((_, body),) = receiver.got
    assert json.loads(body)["questions"][0]["case_ref"] == "CASE-1"


async def test_a_kill_between_the_answer_and_the_note_leaves_no_recall_waiting(
    tmp_path: Path,
) -> None:
    it = Desk(home=tmp_path, port=9)
    await it.asked("CASE-1", FIRST, SECOND)
    await it.falls(FIRST, SECOND)
    progress = it.core.book.progress(CONFIGURED)
    progress.cursor = 1  # the lane noted that it is past the first; the list did not hear of it
    it.core.book.settle(CONFIGURED, progress)
    back = Desk(it.store, tmp_path, 9)
    found = [recall.delivery for recall in back.desk.recalls(0, 10)]
    assert found == [Delivery.DELIVERED, Delivery.WAITING]
