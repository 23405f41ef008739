"""How long what a node does by itself lasts, in milliseconds, drawn from the world's numbers."""

from __future__ import annotations

from collections.abc import Callable


class Durations:
    """Seeded delays."""

    def __init__(self, random: Callable[[], float], fsync_ms: int) -> None:
        """`fsync_ms` is the longest synced write."""
        self._random = random
        self._fsync_ms = fsync_ms

    def fsync(self) -> int:
        """One synced write."""
        return int(self._random() * (self._fsync_ms + 1)) if self._fsync_ms else 0

    def check(self) -> int:
        """Checking a batch."""
        return int(self._random() * 4)

    def execution(self) -> int:
        """Executing a block."""
        return 1 + int(self._random() * 10)

    def sync(self) -> int:
        """Fetching blocks."""
        return 50 + int(self._random() * 450)
