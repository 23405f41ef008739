"""Administrators manage webhooks at run time; what they say survives, what is secret stays so."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from node.push.desk import PushDesk
from node.push.port import Change, Event, EventType, Gap, State, Wanted
from node.push.receiver import BadReceiver
from node.service import Busy, Conflict, NotFound
from tests.unit.node.push.world import ADMIN, REFUSED, TAKEN, URL, Push, Script, until

FIRST_ID = f"{2:016x}"
"""Of the first webhook of a desk: its secret is drawn before it."""


@contextlib.asynccontextmanager
async def at_work(it: Push) -> AsyncIterator[PushDesk]:
    """The desk while the node runs."""
    desk = it.desk()
    task = asyncio.create_task(desk.run())
    try:
        yield desk
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_new_webhook_gets_what_comes_from_then_on() -> None:
    it = Push()
    it.log(2)
    async with at_work(it) as desk:
        made, secret = await desk.add(URL, (), "fraud desk", None, ADMIN)
        assert secret.startswith("whsec_") and len(secret) > 40
        assert (made.state, made.cursor, made.created_by) == (State.ACTIVE, 2, ADMIN.key_id)
        it.log()
        await until(lambda: desk.webhook(made.id).delivered == 1)
    assert it.receivers[made.id].numbers == [3]


async def test_a_webhook_may_begin_behind_a_number() -> None:
    it = Push()
    it.log(3)
    async with at_work(it) as desk:
        made, _ = await desk.add(URL, (), "", 1, ADMIN)
        late, _ = await desk.add(URL, (), "", 99, ADMIN)
        await until(lambda: desk.webhook(made.id).delivered == 2)
        assert desk.webhook(late.id).cursor == 3, "no number is skipped that is still to come"
    assert it.receivers[made.id].numbers == [2, 3]


async def test_webhooks_are_bounded_and_their_addresses_checked() -> None:
    desk = Push().desk()
    with pytest.raises(BadReceiver):
        await desk.add("http://desk.example/", (), "", None, ADMIN)
    for _ in range(3):
        await desk.add(URL, (), "", None, ADMIN)
    with pytest.raises(Conflict, match="3 webhooks"):
        await desk.add(URL, (), "", None, ADMIN)


async def test_what_was_said_is_there_after_a_restart() -> None:
    it = Push()
    desk = it.desk()
    made, _ = await desk.add(URL, (EventType.RECALL,), "fraud desk", None, ADMIN)
    await desk.change(made.id, Change(description="new", is_active=False), ADMIN)
    (back,) = it.again().desk().webhooks()
    assert (back.id, back.url, back.types) == (made.id, URL, (EventType.RECALL,))
    assert (back.description, back.state) == ("new", State.PAUSED)
    assert back.reason == f"paused by {ADMIN.key_id}"


async def test_a_paused_webhook_misses_nothing() -> None:
    it = Push()
    async with at_work(it) as desk:
        made, _ = await desk.add(URL, (), "", None, ADMIN)
        await desk.change(made.id, Change(is_active=False), ADMIN)
        it.log(2)
        await until(lambda: desk.webhook(made.id).waiting == 2)
        assert it.receivers[made.id].got == []
        await desk.change(made.id, Change(is_active=True), ADMIN)
        await until(lambda: desk.webhook(made.id).delivered == 2)
    assert it.receivers[made.id].numbers == [1, 2]


async def test_a_slow_receiver_delays_no_other() -> None:
    it = Push()
    stuck = asyncio.Event()

    class Slow(Script):
        async def post(self, headers, body):  # type: ignore[no-untyped-def]
            await stuck.wait()
            return await super().post(headers, body)

    async with at_work(it) as desk:
        it.receivers[FIRST_ID] = Slow()
        slow, _ = await desk.add(URL, (), "", None, ADMIN)
        quick, _ = await desk.add(URL, (), "", None, ADMIN)
        assert slow.id == FIRST_ID
        it.log(20)
        await until(lambda: desk.webhook(quick.id).delivered == 20)
        assert desk.webhook(slow.id).delivered == 0
        stuck.set()
        await until(lambda: desk.webhook(slow.id).delivered == 20)


async def test_a_fault_in_one_lane_ends_neither_the_others_nor_the_node() -> None:
    it = Push()

    def broken(_delivery: str) -> object:
        raise RuntimeError("a bug")

    async with at_work(it) as desk:
        it.receivers[FIRST_ID] = Script(broken)  # type: ignore[arg-type]
        bad, _ = await desk.add(URL, (), "", None, ADMIN)
        assert bad.id == FIRST_ID
        good, _ = await desk.add(URL, (), "", None, ADMIN)
        it.log(2)
        await until(lambda: desk.webhook(good.id).delivered == 2)


async def test_a_changed_secret_signs_beside_the_old_one_until_its_time() -> None:
    it = Push()
    desk = it.desk()
    made, old = await desk.add(URL, (), "", None, ADMIN)
    changed, new = await desk.rotate(made.id, None, ADMIN)
    assert changed.secrets == 2 and new != old
    lane = it.core.courier.lanes[made.id]
    assert lane.subscription.signing(it.now_ms) == [new, old]
    it.now_ms += 60_000
    assert lane.subscription.signing(it.now_ms) == [new]
    _, last = await desk.rotate(made.id, 0, ADMIN)
    assert lane.subscription.signing(it.now_ms) == [last], "after a leak the old one ends at once"
    for _ in range(9):
        await desk.rotate(made.id, 600, ADMIN)
    assert desk.webhook(made.id).secrets == 4
    back = it.again()
    back.desk()
    assert len(back.core.courier.lanes[made.id].subscription.secrets) == 4


async def test_a_removed_webhook_leaves_nothing_behind() -> None:
    it = Push(tries=1, pause_ms=10)
    before = dict(it.store.iterate(b"P"))
    async with at_work(it) as desk:
        made, _ = await desk.add(URL, (), "", None, ADMIN)
        it.receivers[made.id].answers = lambda _: REFUSED
        it.log()
        await until(lambda: desk.webhook(made.id).dead == 1)
        await desk.replay(made.id, Wanted(dead=True), ADMIN)
        await desk.remove(made.id, ADMIN)
        with pytest.raises(NotFound):
            desk.webhook(made.id)
        assert it.receivers[made.id].closed == 1
    left = {key for key, _ in it.store.iterate(b"P")} - before.keys()
    assert {key[:2] for key in left} == {b"P\x01", b"P\x02"}, "the event, which is the log's"


async def test_a_change_beside_a_removal_brings_nothing_back() -> None:
    it = Push()
    async with at_work(it) as desk:
        made, _ = await desk.add(URL, (), "", None, ADMIN)
        gone = asyncio.ensure_future(desk.remove(made.id, ADMIN))
        await asyncio.sleep(0)  # it has begun
        with pytest.raises(NotFound):
            await desk.change(made.id, Change(description="new"), ADMIN)
        await gone
        assert desk.webhooks() == [] and it.book.all() == []


async def test_events_are_put_up_again_by_number_range_time_and_death() -> None:
    it = Push()
    async with at_work(it) as desk:
        made, _ = await desk.add(URL, (EventType.RETRO_HIT,), "", None, ADMIN)
        it.log(2)
        it.now_ms += 1_000
        it.log(1, EventType.RECALL)
        it.log(2)
        await until(lambda: desk.webhook(made.id).delivered == 4)
        got = it.receivers[made.id]
        for wanted, expected in (
            (Wanted(events=(5, 3, 99)), [3, 5]),
            (Wanted(first=2, last=4), [2, 4]),
            (Wanted(last=1), [1]),
            (Wanted(from_ms=it.now_ms), [4, 5]),
            (Wanted(until_ms=it.now_ms - 1), [1, 2]),
            (Wanted(dead=True), []),
        ):
            got.got.clear()
            assert await desk.replay(made.id, wanted, ADMIN) == len(expected)
            await until(lambda: not desk.webhook(made.id).replaying)
            assert got.numbers == expected


async def test_what_comes_anyway_is_not_put_up_and_too_much_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    it = Push()
    desk = it.desk()
    made, _ = await desk.add(URL, (), "", 0, ADMIN)
    it.log(3)
    assert await desk.replay(made.id, Wanted(first=1), ADMIN) == 0
    it.core.courier.lanes[made.id].progress.cursor = 3
    monkeypatch.setattr("node.push.desk.MAX_REPLAY", 2)
    with pytest.raises(Busy):
        await desk.replay(made.id, Wanted(first=1), ADMIN)


async def test_a_test_event_is_posted_and_shown_among_the_tries() -> None:
    it = Push()
    desk = it.desk()
    made, _ = await desk.add(URL, (), "", None, ADMIN)
    attempt = await desk.test(made.id)
    assert attempt.taken and attempt.type == "test"
    headers, _ = it.receivers[made.id].got[0]
    assert headers["bulwark-delivery"].startswith(f"{it.events.id}-test")
    assert list(desk.attempts(made.id, None, 10)) == [attempt]


async def test_dead_letters_say_which_of_them_can_not_be_replayed_any_more() -> None:
    it = Push(tries=1, pause_ms=10, dead_in_a_row=9)
    async with at_work(it) as desk:
        made, _ = await desk.add(URL, (), "", None, ADMIN)
        it.receivers[made.id].answers = lambda _: REFUSED
        it.log(2)
        await until(lambda: desk.webhook(made.id).dead == 1)
        it.now_ms += 10_000
        it.core.courier.lanes[made.id].wake()
        await until(lambda: desk.webhook(made.id).dead == 2)
        it.events.prune(it.now_ms + 1, 100)
        assert [letter.type for letter in desk.dead(made.id, 0, 10)] == [
            None,
            EventType.RETRO_HIT,
        ]
        assert desk.webhook(made.id).dead == 1
        it.receivers[made.id].answers = lambda _: TAKEN
        assert await desk.replay(made.id, Wanted(dead=True), ADMIN) == 1


async def test_a_stream_goes_on_behind_an_event_and_shows_what_comes() -> None:
    it = Push()
    it.log(3)
    stream = it.desk().stream(1, ())
    assert await _numbers(stream, 2) == [2, 3]
    coming = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    it.log()
    found = await coming
    assert found is not None and found[0] == f"{it.events.id}-4"
    await stream.aclose()


async def _numbers(stream: AsyncIterator[tuple[str, Event | Gap] | None], count: int) -> list[int]:
    found = []
    for _ in range(count):
        shown = await anext(stream)
        assert shown is not None and isinstance(shown[1], Event)
        found.append(shown[1].number)
    return found


async def test_a_stream_says_what_went_meanwhile() -> None:
    it = Push()
    it.log(5)
    it.events.prune(it.now_ms + 1, 2)
    stream = it.desk().stream(2, ())
    shown = await anext(stream)
    assert shown == (f"{it.events.id}-4", Gap(2, 5))
    assert await _numbers(stream, 1) == [5]
    new = it.desk().stream(0, ())
    assert await _numbers(new, 1) == [5], "who begins anew missed nothing"


async def test_a_stream_behind_an_event_of_another_log_begins_at_the_start() -> None:
    it = Push()
    it.log(2)
    assert await _numbers(it.desk().stream(2, (), "00" * 8), 2) == [1, 2]
    ahead = it.desk().stream(99, (), it.events.id)
    coming = asyncio.ensure_future(anext(ahead))
    await asyncio.sleep(0)
    it.log()
    shown = await coming
    assert shown is not None and shown[0].endswith("-3")


async def test_a_stream_shows_only_the_types_that_are_wanted() -> None:
    it = Push()
    it.log(2)
    it.log(1, EventType.RECALL)
    assert await _numbers(it.desk().stream(0, (EventType.RECALL,)), 1) == [3]
