"""A lane delivers every event in order, whatever the receiver does and whenever the node dies."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.client.webhooks import verify_delivery
from node.push.lane import Lane
from node.push.port import EventType, State
from node.push.sender import Outcome
from node.push.subscriptions import Progress, Secret, Subscription
from tests.unit.node.push.world import REFUSED, TAKEN, URL, Push, Script, until

ID = "00000000000000aa"
SECRET = "whsec_shared"


def subscription(*types: EventType) -> Subscription:
    return Subscription(ID, URL, types, "", State.ACTIVE, "", 1, "desk", (Secret(SECRET),))


@dataclass
class Running:
    """A lane at work."""

    it: Push
    lane: Lane
    script: Script
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


@contextlib.asynccontextmanager
async def running(it: Push, given: Subscription | None = None) -> AsyncIterator[Running]:
    """A lane of a subscription that is on disk, until the node dies."""
    if given is not None:
        it.book.put(given, Progress(0))
    ((stored, progress),) = it.book.all()
    lane = it.lane(stored, progress)
    task = asyncio.create_task(lane.run())
    try:
        yield Running(it, lane, it.receivers[ID])
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_events_arrive_once_in_order_and_signed() -> None:
    it = Push()
    it.log(3)
    async with running(it, subscription()) as run:
        await until(lambda: len(run.script.got) == 3)
        it.log()
        await until(lambda: run.lane.progress.cursor == 4)
    assert run.script.numbers == [1, 2, 3, 4]
    headers, body = run.script.got[0]
    found = verify_delivery(headers, body, [SECRET], it.now_ms / 1000, frozenset())
    assert found.id == f"{it.events.id}-1" and found.event["member"] == "alpha"
    assert headers["bulwark-webhook"] == ID and headers["bulwark-event"] == "retro_hit"


async def test_an_event_is_on_disk_before_anybody_is_told() -> None:
    it = Push()
    it.log()
    flushed: list[int] = []
    it.receivers[ID] = Script(lambda _: flushed.append(it.durability.flushes) or TAKEN)
    async with running(it, subscription()):
        await until(lambda: flushed)
    assert flushed[0] >= 1


async def test_only_wanted_types_are_posted_and_the_cursor_goes_past_the_others() -> None:
    it = Push()
    it.log(2)
    it.log(1, EventType.RECALL)
    it.log(2)
    async with running(it, subscription(EventType.RECALL)) as run:
        # Written, too: a restart must not take what nobody wanted for lost.
        await until(lambda: it.book.progress(ID).cursor == 5)
    assert run.script.numbers == [3]


async def test_pauses_double_with_jitter_up_to_a_bound_and_the_next_event_waits() -> None:
    it = Push(pause_ms=1_000, max_pause_ms=5_000, tries=50)
    it.receivers[ID] = Script(lambda _: REFUSED)
    it.log(2)
    pauses = []
    async with running(it, subscription()) as run:
        for tries in range(1, 6):
            await until(lambda tries=tries: run.lane.progress.tries == tries)
            pauses.append(run.lane.progress.due_ms - it.now_ms)
            it.now_ms = run.lane.progress.due_ms
            run.lane.wake()
        run.script.answers = lambda _: TAKEN
        await until(lambda: run.lane.progress.tries > 5 or run.lane.progress.cursor)
        it.now_ms += 10_000
        run.lane.wake()
        await until(lambda: run.lane.progress.cursor == 2)
    assert pauses == [1_100, 2_200, 4_400, 5_500, 5_500]
    assert run.script.numbers[:5] == [1] * 5 and run.script.numbers[-1] == 2


async def test_a_receiver_that_asks_for_a_pause_gets_it() -> None:
    it = Push(pause_ms=1_000)
    it.receivers[ID] = Script(lambda _: Outcome(429, "", 1, retry_after_s=120))
    it.log()
    async with running(it, subscription()) as run:
        await until(lambda: run.lane.progress.tries == 1)
        assert run.lane.progress.due_ms - it.now_ms == 120_000


async def poisoned(it: Push, *numbers: int) -> None:
    """The receiver refuses some events for good."""
    names = {f"{it.events.id}-{number}" for number in numbers}
    it.receivers[ID] = Script(lambda delivery: REFUSED if delivery in names else TAKEN)


async def test_what_is_refused_for_good_is_a_dead_letter_and_the_next_has_its_turn() -> None:
    it = Push(tries=2, pause_ms=10)
    await poisoned(it, 2)
    it.log(3)
    async with running(it, subscription()) as run:
        await until(lambda: run.lane.progress.tries == 1)
        it.now_ms += 100
        run.lane.wake()
        await until(lambda: run.lane.progress.cursor == 2)
        it.now_ms += 100
        run.lane.wake()
        await until(lambda: run.lane.progress.cursor == 3)
    assert run.script.numbers == [1, 2, 2, 3]
    (letter,) = it.book.dead(ID, 0, 10)
    assert (letter.event, letter.tries, letter.status) == (2, 2, 500)
    assert run.lane.subscription.state is State.ACTIVE, "one in a row is no dead endpoint"


async def test_an_endpoint_that_takes_nothing_is_paused_and_stays_so_after_a_restart() -> None:
    it = Push(tries=1, pause_ms=10, dead_in_a_row=2)
    it.receivers[ID] = Script(lambda _: REFUSED)
    it.log(5)
    async with running(it, subscription()) as run:
        for _ in range(2):
            await until(lambda: run.lane.progress.due_ms > it.now_ms)
            it.now_ms += 10_000
            run.lane.wake()
        await until(lambda: run.lane.subscription.state is State.FAILED)
    assert run.script.numbers == [1, 2]
    async with running(it.again()) as run:
        await asyncio.sleep(0)
        assert run.lane.subscription.state is State.FAILED
        assert "2 dead letters in a row" in run.lane.subscription.reason
    assert run.script.numbers == [1, 2], "nothing more is posted"


async def test_a_receiver_that_says_that_it_is_gone_is_asked_no_more() -> None:
    it = Push()
    it.receivers[ID] = Script(lambda _: Outcome(410, "", 1))
    it.log(2)
    async with running(it, subscription()) as run:
        await until(lambda: run.lane.subscription.state is State.FAILED)
    assert run.script.numbers == [1] and it.book.progress(ID).cursor == 0


async def test_a_replay_goes_beside_the_line_while_its_head_waits() -> None:
    it = Push(pause_ms=60_000)
    it.log(2)
    async with running(it, subscription()) as run:
        await until(lambda: run.lane.progress.cursor == 2)
        await poisoned(it, 3)
        run.lane.poster = it.receivers[ID]
        it.log()
        await until(lambda: run.lane.progress.tries == 1)
        it.book.put_up(ID, [1, 2])
        run.lane.wake()
        await until(lambda: not list(it.book.replays(ID)))
    assert it.receivers[ID].numbers == [3, 1, 2]


async def test_a_replay_that_fails_for_good_is_a_dead_letter_again() -> None:
    it = Push(tries=1, pause_ms=10, dead_in_a_row=9)
    await poisoned(it, 1)
    it.log(2)
    async with running(it, subscription()) as run:
        await until(lambda: run.lane.progress.dead_in_a_row)
        it.now_ms += 1_000
        run.lane.wake()
        await until(lambda: run.lane.progress.cursor == 2)
        it.book.put_up(ID, [1])
        run.lane.wake()
        await until(lambda: run.script.numbers.count(1) == 2)
        await until(lambda: not list(it.book.replays(ID)))
        assert it.book.is_dead(ID, 1)
        run.script.answers = lambda _: TAKEN
        it.now_ms += 10_000
        it.book.put_up(ID, [1])
        run.lane.wake()
        await until(lambda: not it.book.is_dead(ID, 1))


async def test_events_that_went_by_age_are_counted_and_the_rest_goes_on() -> None:
    it = Push()
    it.log(5)
    it.events.prune(it.now_ms + 1, 2)
    async with running(it, subscription()) as run:
        await until(lambda: run.lane.progress.cursor == 5)
    assert run.script.numbers == [5] and run.lane.progress.expired == 4


async def test_the_disk_shows_no_secret_no_url_and_nothing_of_an_event() -> None:
    it = Push()
    it.log()
    async with running(it, subscription()) as run:
        await until(lambda: run.lane.progress.cursor == 1)
    stored = b"".join(key + value for key, value in it.store.iterate(b""))
    for secret in (SECRET.encode(), b"northbank", b"retro_hit"):
        assert secret not in stored


async def test_a_test_is_among_the_tries_and_moves_nothing() -> None:
    it = Push()
    async with running(it, subscription()) as run:
        attempt = await run.lane.test(f"{it.events.id}-test00000000", b"{}")
        assert attempt.taken and attempt.event == 0
    (kept,) = it.book.attempts(ID, None, 10)
    assert kept == attempt and it.book.progress(ID).cursor == 0


@dataclass
class Model:
    """A receiver that does its work and may say something else, at a node that dies at will."""

    moods: list[str]
    done: list[int] = field(default_factory=list)
    bodies: dict[int, bytes] = field(default_factory=dict)
    crash: asyncio.Event = field(default_factory=asyncio.Event)

    def answer(self, delivery: str) -> Outcome:
        number = int(delivery.split("-")[1])
        mood = self.moods.pop() if self.moods else "take"
        if mood in ("take", "lost", "taken and crash") and number not in self.done:
            self.done.append(number)
        if mood.endswith("crash"):
            self.crash.set()
        return TAKEN if mood.startswith("take") else Outcome(None, "timeout", 1)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["take", "refuse", "lost", "crash", "taken and crash"]), max_size=40),
    st.lists(st.integers(0, 5), min_size=1, max_size=8),
)
def test_every_event_is_done_once_in_order_whatever_fails_and_dies(
    moods: list[str], bursts: list[int]
) -> None:
    asyncio.run(_play(moods, bursts))


async def _play(moods: list[str], bursts: list[int]) -> None:
    model = Model(moods)
    it = Push(tries=100, pause_ms=10)
    it.receivers[ID] = Script(model.answer)
    it.book.put(subscription(), Progress(0))
    total = sum(bursts)
    left = list(bursts)
    while len(model.done) < total or left:
        model.crash.clear()
        async with running(it) as run:
            for _ in range(2_000):
                if left:
                    it.log(left.pop())
                if model.crash.is_set() or (len(model.done) == total and not left):
                    break
                it.now_ms += 10_000
                run.lane.wake()
                await until(lambda: True)
                await asyncio.sleep(0.0001)
        it = it.again()  # killed: what was not written is tried again
    assert model.done == list(range(1, total + 1))
    bodies: dict[str, bytes] = {}
    for headers, body in it.receivers[ID].got:
        told = json.loads(body)
        assert told["id"] == headers["bulwark-delivery"]
        assert bodies.setdefault(told["id"], body) == body, "the same event at every try"


def test_a_secret_is_in_no_text_of_its_subscription() -> None:
    assert SECRET not in repr(subscription())


@pytest.mark.parametrize("state", [State.PAUSED, State.FAILED])
async def test_a_lane_that_is_not_active_ends_at_once(state: State) -> None:
    it = Push()
    it.log()
    paused = subscription()
    lane = it.lane(Subscription(ID, URL, (), "", state, "", 1, "desk", paused.secrets), Progress(0))
    await asyncio.wait_for(lane.run(), 5)
    assert it.receivers[ID].got == []
