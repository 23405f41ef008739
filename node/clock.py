"""The node's clock: wall time in milliseconds that never goes back while the process lives.

Consensus compares it with proposers' times, so it must be wall time; it also counts timeouts, so it
must not jump back when the system clock is set. After a step back it stands still until caught up.
"""

from __future__ import annotations

import time


class Clock:
    """Monotonic wall time."""

    def __init__(self) -> None:
        self._last = 0

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch, never less than before."""
        now = time.time_ns() // 1_000_000
        if now > self._last:
            self._last = now
        return self._last
