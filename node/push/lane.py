"""The lane: one subscription's way through the event log, one event at a time, in order.

Rules: the next event is tried until it is taken or a dead letter, then comes the one behind it;
what is put up for replay goes beside it, oldest first, whenever the next event is not due. Pauses
double up to a bound, with jitter, and go on across events while a receiver takes nothing. After
some dead letters in a row, or with 410 Gone, the subscription is paused and an error is logged:
nothing is lost while the log keeps it. How far a lane is, is written with each try, before the next
one: a restart repeats at most the try under way, under the same id.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from node.logs import Log
from node.push.eventlog import EventLog
from node.push.port import Attempt, DeadLetter, Event, State
from node.push.sender import Outcome
from node.push.subscriptions import Progress, Subscription, SubscriptionBook

GONE: Final = 410
MAX_DOUBLINGS: Final = 30
IDLE_MS: Final = 60_000

log = Log("push")


class Patience(Struct, frozen=True):
    """How often and how long a receiver is tried."""

    tries: int
    pause_ms: int
    max_pause_ms: int
    dead_in_a_row: int
    """Dead letters in a row that pause the subscription; 0 for never."""


class Poster(Protocol):
    """What posts to the receiver."""

    async def post(self, headers: Mapping[str, str], body: bytes) -> Outcome:
        """One try; raises nothing for what a receiver does."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


Sign = Callable[[Subscription, str, str, bytes], Mapping[str, str]]
"""Subscription, delivery id, type and body to headers."""
Encode = Callable[[Event], bytes]
Told = Callable[[Event, bool | None, int], None]
"""Event, whether it is taken (None: tried again later), tries."""


def untold(_event: Event, _taken: bool | None, _tries: int) -> None:
    """A Told that nobody hears."""


class Lane:
    """Deliveries of one subscription."""

    def __init__(
        self,
        subscription: Subscription,
        progress: Progress,
        *,
        events: EventLog,
        book: SubscriptionBook,
        poster: Poster,
        patience: Patience,
        sign: Sign,
        encode: Encode,
        wall_ms: Callable[[], int],
        jitter: Callable[[], float],
        told: Told = untold,
    ) -> None:
        """`jitter`: a number from 0 to 1, another one each time."""
        self.subscription = subscription
        self.progress = progress
        self.poster = poster
        self._events = events
        self._book = book
        self._patience = patience
        self._sign = sign
        self._encode = encode
        self._wall_ms = wall_ms
        self._jitter = jitter
        self._told = told
        self._changed = asyncio.Event()
        self._kept = progress.cursor
        self.latencies_ms = 0
        """Sum over all tries since start."""
        self.dead_letters = 0
        """Events given up since start."""

    def wake(self) -> None:
        """Something was put up or resumed."""
        self._changed.set()

    async def run(self) -> None:
        """Deliver until cancelled or paused. Raises StoreWriteFailed, StoreDamaged."""
        while self.subscription.state is State.ACTIVE:
            news = self._events.news()
            self._changed.clear()
            now_ms = self._wall_ms()
            head = await self._head()
            if head is not None and self.progress.due_ms <= now_ms:
                await self._deliver(head)
                continue
            replay = self._replay()
            if replay is not None and self.progress.replay_due_ms <= now_ms:
                await self._deliver_again(replay)
                continue
            due = [self.progress.due_ms] if head is not None else []
            due += [self.progress.replay_due_ms] if replay is not None else []
            await self._rest(news, min(due, default=now_ms + IDLE_MS) - now_ms, head is None)

    async def _rest(self, news: asyncio.Event, wait_ms: int, is_for_news: bool) -> None:
        waiting = [asyncio.ensure_future(self._changed.wait())]
        if is_for_news:
            waiting.append(asyncio.ensure_future(news.wait()))
        try:
            # A wall clock that is set may bring the time nearer: look again now and then.
            wait_s = min(max(wait_ms, 0), IDLE_MS) / 1000
            await asyncio.wait(waiting, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    async def _head(self) -> Event | None:
        """The next wanted event; the cursor goes past the others."""
        progress, first = self.progress, self._events.first
        if progress.cursor + 1 < first:
            lost = first - 1 - progress.cursor
            log.error(
                "events went before they were posted", webhook=self.subscription.id, lost=lost
            )
            progress.expired += lost
            progress.cursor, progress.tries = first - 1, 0
            self._book.settle(self.subscription.id, progress)
        while progress.cursor < self._events.last:
            found, seen = self._events.page(progress.cursor, 1, self.subscription.types)
            if found:
                progress.cursor = found[0].number - 1
                return found[0]
            if seen == progress.cursor:
                return None
            progress.cursor = seen
            await asyncio.sleep(0)
        if progress.cursor != self._kept:
            # Else a restart would find that events went which nobody here wanted.
            self._kept = progress.cursor
            self._book.settle(self.subscription.id, progress)
        return None

    def _replay(self) -> Event | None:
        """The oldest event that is put up and that the log still has."""
        for number in self._book.replays(self.subscription.id):
            event = self._events.get(number)
            if event is not None:
                return event
            self._book.settle(self.subscription.id, self.progress, replayed=number)
        return None

    async def _deliver(self, event: Event) -> None:
        progress = self.progress
        outcome = await self._post(event)
        progress.tries += 1
        attempt = self._noted(event, outcome, progress.tries)
        if outcome.is_taken:
            progress.cursor, progress.tries, progress.due_ms = event.number, 0, 0
            progress.failures = progress.dead_in_a_row = 0
            self._book.settle(self.subscription.id, progress, attempt)
            self._told(event, True, attempt.tries)
            return
        progress.failures += 1
        progress.due_ms = self._wall_ms() + self._pause_ms(progress.failures, outcome)
        dead = None
        if progress.tries >= self._patience.tries:
            dead = self._given_up(event, attempt)
            progress.cursor, progress.tries = event.number, 0
            progress.dead_in_a_row += 1
        self._book.settle(self.subscription.id, progress, attempt, dead=dead)
        self._told(event, None if dead is None else False, attempt.tries)
        most = self._patience.dead_in_a_row
        if outcome.status == GONE and most:
            self._fail("the receiver answered 410 Gone")
        elif most and progress.dead_in_a_row >= most:
            self._fail(f"{progress.dead_in_a_row} dead letters in a row")

    async def _deliver_again(self, event: Event) -> None:
        progress = self.progress
        outcome = await self._post(event)
        progress.replay_tries += 1
        attempt = self._noted(event, outcome, progress.replay_tries)
        if outcome.is_taken:
            progress.replay_tries = progress.replay_due_ms = 0
            self._book.settle(
                self.subscription.id, progress, attempt, done=event.number, replayed=event.number
            )
            self._told(event, True, attempt.tries)
            return
        pause_ms = self._pause_ms(progress.replay_tries, outcome)
        progress.replay_due_ms = self._wall_ms() + pause_ms
        dead, replayed = None, None
        if progress.replay_tries >= self._patience.tries:
            dead, replayed = self._given_up(event, attempt), event.number
            progress.replay_tries = 0
        self._book.settle(self.subscription.id, progress, attempt, dead=dead, replayed=replayed)

    async def _post(self, event: Event) -> Outcome:
        await self._events.durable(event.number)  # nobody is told what a power cut may undo
        body = self._encode(event)
        name = self._events.name_of(event)
        return await self.poster.post(self._sign(self.subscription, name, event.type, body), body)

    def _noted(self, event: Event, outcome: Outcome, tries: int) -> Attempt:
        progress = self.progress
        progress.attempts += 1
        progress.last_status = outcome.status
        progress.delivered += outcome.is_taken
        progress.failed += not outcome.is_taken
        self.latencies_ms += outcome.latency_ms
        if not outcome.is_taken:
            log.warning(
                "webhook did not take an event",
                webhook=self.subscription.id,
                event_number=event.number,
                status=outcome.status,
                reason=outcome.error,
                tries=tries,
            )
        return Attempt(
            number=progress.attempts,
            event=event.number,
            type=event.type.value,
            time_ms=self._wall_ms(),
            tries=tries,
            status=outcome.status,
            error=outcome.error,
            latency_ms=outcome.latency_ms,
            taken=outcome.is_taken,
        )

    def _given_up(self, event: Event, attempt: Attempt) -> DeadLetter:
        self.dead_letters += 1
        log.error(
            "event given up",
            webhook=self.subscription.id,
            event_number=event.number,
            tries=attempt.tries,
        )
        return DeadLetter(
            event=event.number,
            type=event.type,
            time_ms=attempt.time_ms,
            tries=attempt.tries,
            status=attempt.status,
            error=attempt.error,
        )

    def _pause_ms(self, failures: int, outcome: Outcome) -> int:
        """Doubling, up to a bound, 0 to 20 % longer; at least what the receiver asked for."""
        patience = self._patience
        doubled = patience.pause_ms << min(failures - 1, MAX_DOUBLINGS)
        pause_ms = min(doubled, patience.max_pause_ms)
        return max(int(pause_ms * (1 + 0.2 * self._jitter())), outcome.retry_after_s * 1000)

    def _fail(self, reason: str) -> None:
        self.subscription = replace(self.subscription, state=State.FAILED, reason=reason)
        self._book.put(self.subscription)
        log.error("webhook paused", webhook=self.subscription.id, reason=reason)

    async def test(self, delivery_id: str, body: bytes) -> Attempt:
        """Post something that is not in the log, once, and keep what became of it."""
        headers = self._sign(self.subscription, delivery_id, "test", body)
        outcome = await self.poster.post(headers, body)
        self.progress.attempts += 1
        attempt = Attempt(
            number=self.progress.attempts,
            event=0,
            type="test",
            time_ms=self._wall_ms(),
            tries=1,
            status=outcome.status,
            error=outcome.error,
            latency_ms=outcome.latency_ms,
            taken=outcome.is_taken,
        )
        self._book.settle(self.subscription.id, self.progress, attempt)
        return attempt

    async def close(self) -> None:
        """Close connections."""
        with contextlib.suppress(Exception):
            await self.poster.close()


def body_of(member: str, name: str, event: Event) -> bytes:
    """The JSON body of a delivery: the event as it is listed and streamed."""
    return json.dumps(document_of(member, name, event), separators=(",", ":")).encode()


def document_of(member: str, name: str, event: Event) -> dict[str, object]:
    """An event as everybody sees it; `name`: its id."""
    return {
        "id": name,
        "number": event.number,
        "type": event.type.value,
        "member": member,
        "time_ms": event.time_ms,
        "height": event.height,
        "data": dict(event.data),
    }
