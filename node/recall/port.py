"""What the outside may ask of a node about recalls: a Protocol and its views."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from enum import IntEnum
from typing import Final, Protocol

from msgspec import Struct

MAX_PAGE: Final = 1_000


class Delivery(IntEnum):
    """How far the webhook is with a recall."""

    NONE = 0
    """No webhook is configured: systems read the stream or the list."""
    WAITING = 1
    DELIVERED = 2
    DEAD = 3
    """Given up after the last try; the list shows it until it is too old."""

    @property
    def label(self) -> str:
        """The name over the API."""
        return self.name.lower()


class OwnQuestion(Struct, frozen=True):
    """A question of this member that a record answered."""

    number: int
    """This member's own count of answers with records."""
    time_ms: int
    who: str
    """Id of the API key that asked."""
    case_ref: str
    """The asker's own case reference, as it gave it."""


class Recall(Struct, frozen=True):
    """One message to this member's systems: a record that answered them stands no more."""

    number: int
    """Rises by one with each recall of this member."""
    record_id: bytes
    cause: str
    """overruled, retracted, erased or consent_withdrawn."""
    time_ms: int
    """Time of the block that made it so."""
    height: int
    questions: tuple[OwnQuestion, ...]
    """Own questions that it answered, the newest MAX_QUESTIONS of them."""
    delivery: Delivery = Delivery.NONE
    tries: int = 0


class RecallService(Protocol):
    """Recalls of one member."""

    def recalls(self, after: int, most: int) -> Sequence[Recall]:
        """Recalls with a number over `after`, oldest first, at most MAX_PAGE."""
        ...

    def stream(self, after: int) -> AsyncIterator[Recall | None]:
        """Recalls as they come, from a number on; None now and then while there is none."""
        ...
