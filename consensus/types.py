"""The small words of the protocol: status, timers, who leads a view and who proposes a height.

Rules owned: O1 (proposer of a height) and V1 (leader of a view). Nothing here has state.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Final

from bulwark.ledger.ids import Height, ValidatorIndex, View

MAX_WINDOW: Final = 64
"""Most heights a window may hold, so that a VIEW-CHANGE stays under 600 KB with 128 validators."""


FIRST_VIEW: Final = View(0)
"""The view that needs no NEW-VIEW."""


class Status(StrEnum):
    """What a replica is doing about its view."""

    NORMAL = "normal"
    """Ordering in the current view."""
    CHANGING = "changing"
    """Sent VIEW-CHANGE for the current view and waits for its NEW-VIEW."""
    ENDED = "ended"
    """Its epoch is over; the replica of the next one goes on (E3)."""
    HALTED = "halted"
    """Found its own state to contradict a certificate; does nothing any more."""


class TimerName(StrEnum):
    """The replica's timers; setting one replaces its earlier deadline."""

    PROGRESS = "progress"
    """No block was committed although work is pending (T1)."""
    FAIRNESS = "fairness"
    """The oldest request waits too long, whatever else progresses (T2)."""
    NEW_VIEW = "new-view"
    """A quorum asked for the view, but its NEW-VIEW did not come (T3)."""
    RESEND = "resend"
    """Send the own VIEW-CHANGE again (T5)."""
    STATUS = "status"
    """Broadcast STATUS (R1)."""
    HEARTBEAT = "heartbeat"
    """Nothing was proposed for long: ask for an empty batch (T7)."""


class Place(Enum):
    """Where a message for (view, height) belongs now (W1, W2)."""

    NOW = "now"
    LATER = "later"
    NEVER = "never"


def leader_of(view: View, n: int) -> ValidatorIndex:
    """V1: the validator that may send NEW-VIEW for `view` among `n`."""
    return ValidatorIndex(view % n)


def proposer_of(
    view: View, height: Height, first_fresh: Height, rotation: int, n: int
) -> ValidatorIndex:
    """O1: who proposes a fresh `height` >= `first_fresh`; the leader of `view` comes first."""
    return ValidatorIndex((view + (height - first_fresh) // rotation) % n)
