"""The pace of serving: what one member may take of this node while others need it too.

Rules: a token bucket of bytes for each member, one answer of a member at a time; who asks for more
waits in line, and the mesh bounds that line. Time is the event loop's, in seconds.
"""

from __future__ import annotations

import asyncio
from typing import Final

from bulwark.ledger.ids import MemberId

BYTES_PER_SECOND: Final = 32 * 1024 * 1024
"""What one member gets in the long run: more than a syncing node can verify."""
BURST_BYTES: Final = 16 * 1024 * 1024


class Pace:
    """Byte allowances by member."""

    def __init__(
        self, bytes_per_second: float = BYTES_PER_SECOND, burst: float = BURST_BYTES
    ) -> None:
        self._rate = bytes_per_second
        self._burst = burst
        self._left: dict[MemberId, tuple[float, float]] = {}
        """Bytes left and the moment they were counted."""
        self._lines: dict[MemberId, asyncio.Lock] = {}

    def line(self, member: MemberId) -> asyncio.Lock:
        """Held while one answer of the member is made."""
        return self._lines.setdefault(member, asyncio.Lock())

    async def spend(self, member: MemberId, size: int) -> None:
        """Count bytes; wait until the member's allowance is not overdrawn any more."""
        now = asyncio.get_running_loop().time()
        left, at = self._left.get(member, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate) - size
        self._left[member] = (left, now)
        await asyncio.sleep(max(0.0, -left / self._rate))
