"""Members whose connections are refused for a while, because this node caught them in a lie.

Rules: a ban ends by itself; a later one for the same member replaces it. Votes of a banned member
still arrive through the others, so a ban costs the alliance nothing that a crash would not.
"""

from __future__ import annotations

from collections.abc import Callable

from bulwark.ledger.ids import MemberId


class Bans:
    """Who is refused until when, and why."""

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self._clock_ms = clock_ms
        self._bans: dict[MemberId, tuple[int, str]] = {}

    def add(self, member: MemberId, reason: str, for_ms: int) -> None:
        """Refuse a member from now on for so long."""
        self._bans[member] = (self._clock_ms() + for_ms, reason)

    def reason(self, member: MemberId) -> str | None:
        """Why a member is refused now, None if it is not."""
        found = self._bans.get(member)
        if found is None:
            return None
        if self._clock_ms() >= found[0]:
            del self._bans[member]
            return None
        return found[1]
