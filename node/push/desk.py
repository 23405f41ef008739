"""The push desk: the event log to list and to follow, and the webhooks that administrators manage.

Rules: a secret is shown once, when it is made; a URL and a description go to administrators only
and to no log. The webhook of recalls that the node's own file sets is shown with the others and can
be tested and replayed, not changed.
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from bulwark.privacy.group import RandomBytes
from node.logs import Log
from node.push.choosing import chosen
from node.push.courier import Courier
from node.push.eventlog import EventLog
from node.push.lane import Lane
from node.push.port import (
    MAX_PAGE,
    MAX_REPLAY,
    Attempt,
    Change,
    DeadLetter,
    Event,
    EventType,
    Gap,
    Page,
    State,
    Wanted,
    Webhook,
)
from node.push.receiver import Policy, checked_url
from node.push.subscriptions import Progress, Secret, Subscription, SubscriptionBook
from node.service import Busy, Caller, Conflict, NotFound
from node.storage.durability import Durability

IDLE_S: Final = 15.0
"""Silence after which a stream shows that it lives."""
A_TURN: Final = 50
PRUNE_S: Final = 600.0
MAX_SECRETS: Final = 4
"""Secrets that sign at a time: more changes within the overlap end the oldest."""

log = Log("push")


class DeskParts(Struct, frozen=True):
    """What the desk works with."""

    member: str
    events: EventLog
    book: SubscriptionBook
    courier: Courier
    durability: Durability
    policy: Policy
    make_lane: Callable[[Subscription, Progress], Lane]
    wall_ms: Callable[[], int]
    random_bytes: RandomBytes
    keep_ms: int
    max_events: int
    max_webhooks: int
    overlap_s: int


class PushDesk:
    """PushService of one member."""

    def __init__(self, parts: DeskParts, configured: Lane | None = None) -> None:
        """`configured`: the lane of the webhook in the node's own file. Raises StoreDamaged."""
        self._parts = parts
        self.member = parts.member
        self._configured = None if configured is None else configured.subscription.id
        self._changing = asyncio.Lock()
        self.streams = 0
        """Streams open now."""
        if configured is not None:
            parts.courier.open(configured)
        for subscription, progress in parts.book.all():
            if subscription.id != self._configured:
                parts.courier.open(parts.make_lane(subscription, progress))

    async def run(self) -> None:
        """Post and drop what is old, until cancelled. Raises StoreWriteFailed, StoreDamaged."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._parts.courier.run())
            group.create_task(self._prune())

    async def _prune(self) -> None:
        parts = self._parts
        while True:
            before_ms = parts.wall_ms() - parts.keep_ms
            dropped = parts.events.prune(before_ms, parts.max_events)
            await asyncio.sleep(0 if dropped else PRUNE_S)

    # Events

    def events(
        self, after: int, most: int, types: Sequence[EventType], log: str | None = None
    ) -> Page:
        """See PushService."""
        events = self._parts.events
        found, seen = events.page(events.behind(log, after), min(most, MAX_PAGE), types)
        shown = tuple((events.name_of(event), event) for event in found)
        return Page(events.id, shown, seen if seen < events.last else None, events.first)

    async def stream(
        self, after: int, types: Sequence[EventType], log: str | None = None
    ) -> AsyncIterator[tuple[str, Event | Gap] | None]:
        """See PushService."""
        events = self._parts.events
        after = events.behind(log, after)
        self.streams += 1
        try:
            while True:
                news = events.news()
                if 0 < after < events.first - 1:
                    yield events.name(events.first - 1), Gap(after, events.first)
                    after = events.first - 1
                found, seen = events.page(after, A_TURN, types)
                for event in found:
                    await events.durable(event.number)  # nobody is told what may be undone
                    yield events.name_of(event), event
                after = max(after, seen)
                if events.last > after:
                    await asyncio.sleep(0)
                    continue
                try:
                    async with asyncio.timeout(IDLE_S):
                        await news.wait()
                except TimeoutError:
                    yield None
        finally:
            self.streams -= 1

    # Webhooks

    def webhooks(self) -> Sequence[Webhook]:
        """See PushService."""
        lanes = self._parts.courier.lanes.values()
        ordered = sorted(lanes, key=_age)
        return [self._view(lane) for lane in ordered]

    def webhook(self, identity: str) -> Webhook:
        """See PushService."""
        return self._view(self._lane(identity))

    def _lane(self, identity: str) -> Lane:
        lane = self._parts.courier.lanes.get(identity)
        if lane is None:
            raise NotFound("there is no such webhook")
        return lane

    def _changeable(self, identity: str) -> Lane:
        lane = self._lane(identity)
        if identity == self._configured:
            raise Conflict("this webhook is set in node.toml ([recall]); change it there")
        return lane

    def _view(self, lane: Lane) -> Webhook:
        subscription, progress, book = lane.subscription, lane.progress, self._parts.book
        first, now_ms = self._parts.events.first, self._parts.wall_ms()
        numbers = book.dead_numbers(subscription.id)
        waits = progress.tries > 0 and progress.due_ms > now_ms
        return Webhook(
            id=subscription.id,
            url=subscription.url,
            types=subscription.types,
            description=subscription.description,
            state=subscription.state,
            reason=subscription.reason,
            created_ms=subscription.created_ms,
            created_by=subscription.created_by,
            secrets=len(subscription.signing(now_ms)),
            is_configured=subscription.id == self._configured,
            cursor=progress.cursor,
            waiting=max(0, self._parts.events.last - progress.cursor),
            replaying=sum(1 for _ in book.replays(subscription.id)),
            tries=progress.tries,
            next_ms=progress.due_ms if waits else None,
            dead=sum(number >= first for number in numbers),
            delivered=progress.delivered,
            failed=progress.failed,
            last_status=progress.last_status,
        )

    async def add(
        self,
        url: str,
        types: tuple[EventType, ...],
        description: str,
        after: int | None,
        by: Caller,
    ) -> tuple[Webhook, str]:
        """See PushService."""
        async with self._changing:  # one at a time: none undoes what another does
            return await self._add(url, types, description, after, by)

    async def _add(
        self,
        url: str,
        types: tuple[EventType, ...],
        description: str,
        after: int | None,
        by: Caller,
    ) -> tuple[Webhook, str]:
        parts = self._parts
        if len(parts.courier.lanes) >= parts.max_webhooks:
            raise Conflict(f"{parts.max_webhooks} webhooks are the most (push.max_webhooks)")
        checked_url(url, parts.policy)
        secret = self._new_secret()
        subscription = Subscription(
            id=parts.random_bytes(8).hex(),
            url=url,
            types=types,
            description=description,
            state=State.ACTIVE,
            reason="",
            created_ms=parts.wall_ms(),
            created_by=by.key_id,
            secrets=(secret,),
        )
        last = parts.events.last
        progress = Progress(last if after is None else min(after, last))
        parts.book.put(subscription, progress)
        await parts.durability.barrier()
        lane = parts.make_lane(subscription, progress)
        parts.courier.open(lane)
        log.info("webhook added", webhook=subscription.id, by=by.key_id)
        return self._view(lane), secret.text

    def _new_secret(self) -> Secret:
        text = base64.urlsafe_b64encode(self._parts.random_bytes(32)).rstrip(b"=").decode()
        return Secret(f"whsec_{text}")

    async def change(self, identity: str, change: Change, by: Caller) -> Webhook:
        """See PushService."""
        async with self._changing:  # one at a time: none undoes what another does
            return await self._change(identity, change, by)

    async def _change(self, identity: str, change: Change, by: Caller) -> Webhook:
        lane, parts = self._changeable(identity), self._parts
        was = lane.subscription
        if change.url is not None:
            checked_url(change.url, parts.policy)
        state, reason = was.state, was.reason
        if change.is_active is True:
            state, reason = State.ACTIVE, ""
        elif change.is_active is False and was.state is State.ACTIVE:
            state, reason = State.PAUSED, f"paused by {by.key_id}"
        await parts.courier.close(identity)
        now = replace(
            lane.subscription,
            url=was.url if change.url is None else change.url,
            types=was.types if change.types is None else change.types,
            description=was.description if change.description is None else change.description,
            state=state,
            reason=reason,
        )
        progress = lane.progress
        if change.is_active is True or change.url is not None:
            progress = dataclasses.replace(
                progress, due_ms=0, failures=0, dead_in_a_row=0, tries=0, replay_due_ms=0
            )
        parts.book.put(now, progress)
        await parts.durability.barrier()
        lane = parts.make_lane(now, progress)
        parts.courier.open(lane)
        log.info("webhook changed", webhook=identity, state=state.value, by=by.key_id)
        return self._view(lane)

    async def rotate(self, identity: str, overlap_s: int | None, by: Caller) -> tuple[Webhook, str]:
        """See PushService."""
        async with self._changing:  # one at a time: none undoes what another does
            return await self._rotate(identity, overlap_s, by)

    async def _rotate(
        self, identity: str, overlap_s: int | None, by: Caller
    ) -> tuple[Webhook, str]:
        lane, parts = self._changeable(identity), self._parts
        now_ms = parts.wall_ms()
        overlap_ms = 1000 * (parts.overlap_s if overlap_s is None else overlap_s)
        secret = self._new_secret()
        kept = [secret]
        for old in lane.subscription.secrets:
            until_ms = now_ms + overlap_ms
            until_ms = until_ms if old.until_ms is None else min(old.until_ms, until_ms)
            if until_ms > now_ms:
                kept.append(Secret(old.text, until_ms))
        lane.subscription = replace(lane.subscription, secrets=tuple(kept[:MAX_SECRETS]))
        parts.book.put(lane.subscription)
        await parts.durability.barrier()
        log.info("webhook secret changed", webhook=identity, by=by.key_id)
        return self._view(lane), secret.text

    async def remove(self, identity: str, by: Caller) -> None:
        """See PushService."""
        async with self._changing:  # one at a time: none undoes what another does
            await self._remove(identity, by)

    async def _remove(self, identity: str, by: Caller) -> None:
        self._changeable(identity)
        await self._parts.courier.close(identity)
        self._parts.book.remove(identity)
        await self._parts.durability.barrier()
        log.info("webhook removed", webhook=identity, by=by.key_id)

    async def test(self, identity: str) -> Attempt:
        """See PushService."""
        lane, parts = self._lane(identity), self._parts
        name = f"{parts.events.id}-test{parts.random_bytes(4).hex()}"
        body = {
            "id": name,
            "number": 0,
            "type": "test",
            "member": self.member,
            "time_ms": parts.wall_ms(),
            "height": None,
            "data": {},
        }
        return await lane.test(name, json.dumps(body, separators=(",", ":")).encode())

    async def replay(self, identity: str, wanted: Wanted, by: Caller) -> int:
        """See PushService."""
        lane, parts = self._lane(identity), self._parts
        numbers = await chosen(
            parts.events,
            lane.subscription,
            parts.book.dead_numbers(identity),
            wanted,
            lane.progress.cursor,
            MAX_REPLAY,
        )
        waiting = sum(1 for _ in parts.book.replays(identity))
        if len(numbers) + waiting > MAX_REPLAY:
            raise Busy(f"{MAX_REPLAY} events are put up at a time, the most; choose fewer")
        parts.book.put_up(identity, numbers)
        await parts.durability.barrier()
        lane.wake()
        log.info("events put up again", webhook=identity, events=len(numbers), by=by.key_id)
        return len(numbers)

    def attempts(self, identity: str, before: int | None, most: int) -> Sequence[Attempt]:
        """See PushService."""
        self._lane(identity)
        return self._parts.book.attempts(identity, before, most)

    def dead(self, identity: str, after: int, most: int) -> Sequence[DeadLetter]:
        """See PushService."""
        self._lane(identity)
        first = self._parts.events.first
        letters = self._parts.book.dead(identity, after, most)
        return [each if each.event >= first else replace(each, type=None) for each in letters]


def _age(lane: Lane) -> tuple[int, str]:
    return lane.subscription.created_ms, lane.subscription.id
