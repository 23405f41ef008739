"""Choosing: which events of the log a wish for replay means."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Final

from node.push.eventlog import EventLog
from node.push.port import Event, Wanted
from node.push.subscriptions import Subscription

TURN: Final = 200
"""Events looked at between two turns of the event loop."""


async def chosen(
    events: EventLog,
    subscription: Subscription,
    dead: Iterable[int],
    wanted: Wanted,
    settled: int,
    most: int,
) -> list[int]:
    """Numbers of the wanted events, oldest first, one more than `most` where there are more.

    `dead`: events of the subscription's dead letters; `settled`: number up to which it was served:
    what lies behind comes anyway. What was named by number or died is sent whatever its type, of a
    range only what the subscription wants.
    """
    found: list[int] = []
    for looked, event in enumerate(_candidates(events, dead, wanted), 1):
        if looked % TURN == 0:
            await asyncio.sleep(0)
        if event.number > settled:
            break
        by_number = wanted.dead or bool(wanted.events)
        if by_number or subscription.wants(event.type):
            found.append(event.number)
            if len(found) > most:
                break
    return found


def _candidates(events: EventLog, dead: Iterable[int], wanted: Wanted) -> Iterator[Event]:
    if wanted.dead or wanted.events:
        for number in dead if wanted.dead else sorted(set(wanted.events)):
            event = events.get(number)
            if event is not None:
                yield event
    elif wanted.first is not None or wanted.last is not None:
        for event in events.after(max(0, (wanted.first or 1) - 1)):
            if wanted.last is not None and event.number > wanted.last:
                return
            yield event
    else:
        until_ms = 2**63 if wanted.until_ms is None else wanted.until_ms
        yield from events.between(wanted.from_ms or 0, until_ms)
