"""The tray of a session: one form is served once, results are few and end."""

from __future__ import annotations

import asyncio

import pytest

from api.console.tray import MOST_KEPT, MOST_TICKETS, Interrupted, NoTicket, Tray
from tests.unit.api.world import Counter


@pytest.fixture
def tray() -> Tray:
    return Tray(Counter())


async def test_two_forms_with_one_ticket_at_the_same_time_are_one_wish(tray: Tray) -> None:
    began, go = asyncio.Event(), asyncio.Event()
    done: list[str] = []

    async def work() -> str:
        began.set()
        await go.wait()
        done.append("once")
        return "/console/there"

    ticket = tray.ticket()
    first = asyncio.create_task(tray.once(ticket, work))
    await began.wait()
    second = asyncio.create_task(tray.once(ticket, work))
    await asyncio.sleep(0)
    go.set()
    assert await first == await second == "/console/there"
    assert done == ["once"]
    assert await tray.once(ticket, work) == "/console/there" and done == ["once"]


async def test_what_failed_may_be_sent_again(tray: Tray) -> None:
    ticket, tries = tray.ticket(), 0

    async def work() -> str:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ValueError("not yet")
        return "/console/there"

    with pytest.raises(ValueError, match="not yet"):
        await tray.once(ticket, work)
    assert await tray.once(ticket, work) == "/console/there"


async def test_who_goes_away_leaves_nothing_that_waits_for_ever(tray: Tray) -> None:
    ticket, began = tray.ticket(), asyncio.Event()

    async def stuck() -> str:
        began.set()
        await asyncio.Event().wait()
        return "never"

    async def work() -> str:
        return "/console/there"

    first = asyncio.create_task(tray.once(ticket, stuck))
    await began.wait()
    second = asyncio.create_task(tray.once(ticket, work))
    await asyncio.sleep(0)
    first.cancel()
    ended = await asyncio.gather(first, second, return_exceptions=True)
    assert isinstance(ended[0], asyncio.CancelledError) and isinstance(ended[1], Interrupted)
    assert await tray.once(ticket, work) == "/console/there"


async def test_a_ticket_of_no_form_is_refused(tray: Tray) -> None:
    async def work() -> str:
        raise AssertionError("it is never begun")

    for ticket in ("", "x", "?" * 32, "a" * 33):
        with pytest.raises(NoTicket):
            await tray.once(ticket, work)


async def test_results_and_tickets_are_bounded_and_the_oldest_go_first(tray: Tray) -> None:
    names = [tray.keep(number) for number in range(MOST_KEPT + 1)]
    assert tray.show(names[0]) is None and tray.show(names[-1]) == MOST_KEPT
    assert tray.take(names[-1]) == MOST_KEPT and tray.show(names[-1]) is None
    served = 0

    async def work() -> str:
        nonlocal served
        served += 1
        return "/console/there"

    tickets = [tray.ticket() for _ in range(MOST_TICKETS + 1)]
    for ticket in tickets:
        await tray.once(ticket, work)
    await tray.once(tickets[-1], work)
    assert served == MOST_TICKETS + 1
