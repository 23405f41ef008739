"""The node's two clocks: one for dates, which may be set, and one for waiting, which may not.

Rules: timers, ages and patience count on `now_ms`, which begins at the system's time and then only
goes on evenly; what other members or people read is `wall_ms`, the system's time as it is now. A
clock that was wrong and is set right is right at once, and no timer notices.
"""

from __future__ import annotations

import time
from collections.abc import Callable

_MS = 1_000_000


class Clock:
    """Milliseconds since the Unix epoch, twice."""

    def __init__(
        self,
        wall_ns: Callable[[], int] = time.time_ns,
        steady_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """`wall_ns` may be set back, `steady_ns` never goes back; both count nanoseconds."""
        self._wall_ns = wall_ns
        self._steady_ns = steady_ns
        self._began_ns = wall_ns() - steady_ns()

    def now_ms(self) -> int:
        """The steady clock: never less than before, whatever happens to the system's."""
        return (self._began_ns + self._steady_ns()) // _MS

    def wall_ms(self) -> int:
        """The system's clock."""
        return self._wall_ns() // _MS

    def offset_ms(self) -> int:
        """The system's clock minus the steady one."""
        return self.wall_ms() - self.now_ms()
