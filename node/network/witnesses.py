"""Which members say lately that another node runs under this node's identity.

Rules: one member's word counts once and is forgotten after a while, so that a single liar can never
make a node believe that it is a duplicate (and stop).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bulwark.ledger.ids import MemberId

WINDOW_MS: Final = 60_000
"""How long a word counts: several of the longest pauses between dials."""


class Witnesses:
    """The distinct members that said so within the window."""

    def __init__(self, clock_ms: Callable[[], int], heard: Callable[[int], None]) -> None:
        """`heard(count)` is called at each word with the number of distinct recent witnesses."""
        self._clock_ms = clock_ms
        self._heard = heard
        self._said_ms: dict[MemberId, int] = {}

    def said(self, member: MemberId | None) -> None:
        """A member refused this node as a duplicate."""
        if member is None:
            return
        now = self._clock_ms()
        self._said_ms[member] = now
        self._said_ms = {m: at for m, at in self._said_ms.items() if now - at < WINDOW_MS}
        self._heard(len(self._said_ms))
