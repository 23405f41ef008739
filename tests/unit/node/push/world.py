"""One member's push over a store in memory: a clock to set, receivers that do as they are told."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bulwark.ledger.ids import MemberId
from node.push.courier import headers_with
from node.push.desk import DeskParts, PushDesk
from node.push.eventlog import Draft
from node.push.lane import Lane, Patience, body_of
from node.push.port import EventType
from node.push.receiver import Policy, ports_of
from node.push.sender import Outcome
from node.push.settings import PushConfig, RetroConfig
from node.push.subscriptions import Progress, Subscription
from node.push.wiring import CoreHome, PushCore
from node.service import Caller, Role
from node.storage.durability import Durability
from node.storage.memory import MemoryStore
from node.storage.port import KeyValueStore

KEY = b"\x07" * 32
ADMIN = Caller("desk-admin", Role.ADMIN)
URL = "https://desk.northbank.example/events"
TAKEN = Outcome(200, "", 3)
REFUSED = Outcome(500, "", 3)
BEGIN_MS = 1_800_000_000_000


@dataclass
class Script:
    """A receiver: what it answers next, and what it got."""

    answers: Callable[[str], Outcome] = lambda _delivery: TAKEN
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    closed: int = 0

    async def post(self, headers: Mapping[str, str], body: bytes) -> Outcome:
        await asyncio.sleep(0)
        self.got.append((dict(headers), body))
        return self.answers(headers["bulwark-delivery"])

    async def close(self) -> None:
        self.closed += 1

    @property
    def numbers(self) -> list[int]:
        """Numbers of the events that came, in order."""
        return [int(headers["bulwark-delivery"].split("-")[1]) for headers, _ in self.got]


class Push:
    """Push of one member; `again` is what a restart finds."""

    def __init__(self, store: KeyValueStore | None = None, **settings: object) -> None:
        self.store = MemoryStore() if store is None else store
        self.now_ms = BEGIN_MS
        self.settings = settings
        config = PushConfig(**settings)  # type: ignore[arg-type]
        home = CoreHome(Path(), MemberId("alpha"), KEY, KEY, config, RetroConfig())
        self.durability = Durability(self.store)
        self.core = PushCore(home, self.store, self.durability, lambda: self.now_ms)
        self.events, self.book = self.core.events, self.core.book
        self.receivers: dict[str, Script] = {}
        self._names = itertools.count(self.events.last + 1)

    def again(self) -> Push:
        """The same member after a restart, with the receivers as they are."""
        back = Push(self.store, **self.settings)
        back.now_ms, back.receivers = self.now_ms, self.receivers
        return back

    def log(self, count: int = 1, kind: EventType = EventType.RETRO_HIT) -> None:
        """Something happens."""
        for _ in range(count):
            name = str(next(self._names)).encode()
            self.events.add([Draft(kind, name, self.now_ms, 7, {"name": name.decode()})])

    def lane(self, subscription: Subscription, progress: Progress) -> Lane:
        """A lane as the node makes it, to a scripted receiver."""
        config = self.core.config
        return Lane(
            subscription,
            progress,
            events=self.events,
            book=self.book,
            poster=self.receivers.setdefault(subscription.id, Script()),
            patience=Patience(
                config.tries, config.pause_ms, config.max_pause_ms, config.dead_in_a_row
            ),
            sign=headers_with(lambda: self.now_ms),
            encode=lambda event: body_of("alpha", self.events.name_of(event), event),
            wall_ms=lambda: self.now_ms,
            jitter=lambda: 0.5,
        )

    def desk(self, **more: object) -> PushDesk:
        """The desk over it."""
        numbers = itertools.count(len(self.book.all()) + 1)
        parts = DeskParts(
            member="alpha",
            events=self.events,
            book=self.book,
            courier=self.core.courier,
            durability=self.durability,
            policy=Policy(ports_of(("443",))),
            make_lane=self.lane,
            wall_ms=lambda: self.now_ms,
            random_bytes=lambda count: next(numbers).to_bytes(count, "big"),
            keep_ms=10**9,
            max_events=1_000,
            max_webhooks=3,
            overlap_s=60,
        )
        return PushDesk(parts)


async def until(condition: Callable[[], object], turns: int = 20_000) -> None:
    """Turns of the event loop until something holds."""
    for _ in range(turns):
        if condition():
            return
        await asyncio.sleep(0)
    for _ in range(400):  # what waits for a thread, as a flush of the store
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("not in time")
