"""What the outside may ask of a node about events and webhooks: a Protocol and its views.

The desk (`node.push.desk`) implements it, the API translates it to HTTP.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from enum import StrEnum
from typing import Final, Protocol

from msgspec import Struct

from node.service import Caller

MAX_PAGE: Final = 1_000
"""Events of one page."""
MAX_REPLAY: Final = 10_000
"""Events that one request puts up for delivery again."""


class EventType(StrEnum):
    """What an event tells. Types are only ever added."""

    RECALL = "recall"
    """A record that answered own questions stands no more."""
    RETRO_HIT = "retro_hit"
    """What own questions were about warns more now than it did then."""
    DISPUTE_OPENED = "dispute_opened"
    """A dispute of an own record, by an own person, or of a record that answered own questions."""
    DISPUTE_RULED = "dispute_ruled"
    """A ruling on such a dispute."""
    PROPOSAL_OPENED = "proposal_opened"
    """A member proposed a change of the alliance."""
    EVIDENCE_FOUND = "evidence_found"
    """This node holds a case against a validator that it did not hold before."""
    ERASURE_CONFIRMED = "erasure_confirmed"
    """A member confirmed the erasure of an own record, or of one that this member ordered."""
    JOB_FINISHED = "job_finished"
    """A batch job of this member ended."""


class State(StrEnum):
    """Whether a subscription is served."""

    ACTIVE = "active"
    PAUSED = "paused"
    """By an administrator."""
    FAILED = "failed"
    """By the node: the receiver took nothing for too long, or said that it is gone."""


class Event(Struct, frozen=True):
    """One event of the log."""

    number: int
    """Rises by one with each event of this log."""
    type: EventType
    time_ms: int
    """Time of the block that made it so; of the node where no block did."""
    height: int | None
    data: Mapping[str, object]
    """As docs/events.json describes it for the type; never clear text, a tag or a secret."""


class Webhook(Struct, frozen=True):
    """A subscription as administrators see it: never its secret."""

    id: str
    url: str
    types: tuple[EventType, ...]
    """Empty: all."""
    description: str
    state: State
    reason: str
    """Why it is paused."""
    created_ms: int
    created_by: str
    """Id of the API key."""
    secrets: int
    """Secrets that sign now: two while one is being changed."""
    is_configured: bool
    """Set in node.toml as the webhook of recalls: can not be changed here."""
    cursor: int
    """Number of the last event that is settled."""
    waiting: int
    """Events of the log behind the cursor, wanted or not."""
    replaying: int
    tries: int
    """Tries of the event under way."""
    next_ms: int | None
    """When the next try is due; None for now or none."""
    dead: int
    delivered: int
    failed: int
    last_status: int | None


class Attempt(Struct, frozen=True):
    """One try of one delivery."""

    number: int
    event: int
    """0 for a test."""
    type: str
    time_ms: int
    tries: int
    status: int | None
    """HTTP status, None where there was no answer."""
    error: str
    """What went wrong without an answer: a class of faults, never a text of the receiver."""
    latency_ms: int
    taken: bool


class DeadLetter(Struct, frozen=True):
    """An event that a receiver did not take."""

    event: int
    type: EventType | None
    """None once the log dropped it: it can not be replayed any more."""
    time_ms: int
    """When it was given up."""
    tries: int
    status: int | None
    error: str


class Change(Struct, frozen=True):
    """What an administrator changes of a subscription; None leaves as it is."""

    url: str | None = None
    types: tuple[EventType, ...] | None = None
    description: str | None = None
    is_active: bool | None = None


class Wanted(Struct, frozen=True):
    """Which events to put up again; exactly one way of saying so."""

    dead: bool = False
    """All dead letters."""
    events: tuple[int, ...] = ()
    first: int | None = None
    last: int | None = None
    """A range of numbers, both included."""
    from_ms: int | None = None
    until_ms: int | None = None
    """A range of the times at which events were logged, both included."""


class Page(Struct, frozen=True):
    """Some events, oldest first."""

    log: str
    """Id of the log: another one after the node's database was made anew or restored."""
    events: tuple[tuple[str, Event], ...]
    """With their ids."""
    next: int | None
    """Number to go on behind; None where there is no more now."""
    first: int
    """Number of the oldest event that is kept."""


class Gap(Struct, frozen=True):
    """Events that a reader missed, since the log dropped them."""

    after: int
    first: int
    """The oldest that is kept."""


class PushService(Protocol):
    """Events and webhooks of one node."""

    member: str

    def events(
        self, after: int, most: int, types: Sequence[EventType], log: str | None = None
    ) -> Page:
        """Events with a number over `after` of a log, at most MAX_PAGE; of another one, all."""
        ...

    def stream(
        self, after: int, types: Sequence[EventType], log: str | None = None
    ) -> AsyncIterator[tuple[str, Event | Gap] | None]:
        """Log id and event as they come; None now and then while there is none.

        `log`: of which log `after` is; of another one than this, the stream begins at the start.
        """
        ...

    def webhooks(self) -> Sequence[Webhook]:
        """All subscriptions, oldest first."""
        ...

    def webhook(self, identity: str) -> Webhook:
        """One subscription. Raises NotFound."""
        ...

    async def add(
        self,
        url: str,
        types: tuple[EventType, ...],
        description: str,
        after: int | None,
        by: Caller,
    ) -> tuple[Webhook, str]:
        """Subscribe; the secret is shown this once. Raises Refused, Busy.

        `after`: number to begin behind, None for what comes from now on.
        """
        ...

    async def change(self, identity: str, change: Change, by: Caller) -> Webhook:
        """Change, pause or resume. Raises NotFound, Conflict, Refused."""
        ...

    async def rotate(self, identity: str, overlap_s: int | None, by: Caller) -> tuple[Webhook, str]:
        """A new secret; the old one signs too for `overlap_s`. Raises NotFound, Conflict."""
        ...

    async def remove(self, identity: str, by: Caller) -> None:
        """Forget a subscription with all that waits for it. Raises NotFound, Conflict."""
        ...

    async def test(self, identity: str) -> Attempt:
        """Post a test event now, once. Raises NotFound."""
        ...

    async def replay(self, identity: str, wanted: Wanted, by: Caller) -> int:
        """Put events up for delivery again; how many. Raises NotFound, Conflict, Busy."""
        ...

    def attempts(self, identity: str, before: int | None, most: int) -> Sequence[Attempt]:
        """The latest tries, newest first. Raises NotFound."""
        ...

    def dead(self, identity: str, after: int, most: int) -> Sequence[DeadLetter]:
        """Dead letters, oldest first. Raises NotFound."""
        ...
