"""Recent answers are bounded, and copies of one request take turns."""

from __future__ import annotations

import asyncio

import pytest

from bulwark.privacy.query import EvaluationAnswer
from bulwark.privacy.threshold import Evaluation
from node.guarded.recent import RecentAnswers

ANSWER = EvaluationAnswer(
    request=bytes(64),
    key_id=1,
    share_epoch=0,
    evaluation=Evaluation(1, (bytes(32),), bytes(64)),
    signature=bytes(65),
)


def test_the_oldest_answer_goes_first() -> None:
    recent = RecentAnswers(2)
    for name in (b"a", b"b", b"c"):
        recent.put(name, ANSWER)
    assert (recent.get(b"a"), recent.get(b"c"), len(recent)) == (None, ANSWER, 2)


async def test_copies_take_turns_and_others_do_not_wait() -> None:
    recent = RecentAnswers()
    order: list[str] = []
    gate = asyncio.Event()

    async def work(name: bytes, label: str) -> None:
        async with recent.turn(name):
            order.append(label)
            if label == "first":
                await gate.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(work(b"a", "first"))
        group.create_task(work(b"a", "copy"))
        await asyncio.wait_for(group.create_task(work(b"b", "other")), 10)
        gate.set()
    assert order == ["first", "other", "copy"]
    assert recent.under_way == 0


async def test_a_failed_turn_frees_the_next() -> None:
    recent = RecentAnswers()
    for _ in range(2):
        with pytest.raises(KeyError):
            async with recent.turn(b"a"):
                raise KeyError
    assert recent.under_way == 0
