"""The node's clock: wall time in milliseconds that never goes back while the process lives.

Consensus compares it with proposers' times, so it must be wall time; it also counts timeouts, so it
must neither jump back nor stand still when the system clock is set back: it then goes on at half
speed until the system clock has caught up.
"""

from __future__ import annotations

import time
from collections.abc import Callable

_MS = 1_000_000


class Clock:
    """Monotonic wall time."""

    def __init__(
        self,
        wall_ns: Callable[[], int] = time.time_ns,
        steady_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """`wall_ns` may be set back, `steady_ns` never goes back; both count nanoseconds."""
        self._wall_ns = wall_ns
        self._steady_ns = steady_ns
        self._last_ns = 0
        self._steady_at_ns = 0

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch, never less than before."""
        wall_ns, steady_ns = self._wall_ns(), self._steady_ns()
        slow_ns = self._last_ns + (steady_ns - self._steady_at_ns) // 2
        self._last_ns = max(wall_ns, slow_ns) if self._last_ns else wall_ns
        self._steady_at_ns = steady_ns
        return self._last_ns // _MS
