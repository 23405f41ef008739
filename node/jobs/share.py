"""The share of the node's time that a job takes: short turns, and rest in proportion.

Rules: a job gives way after every slice, so that whoever asks meanwhile waits for one slice at
most; over time it takes no more than its share of the event loop, whatever the machine does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

LEAST_S: Final = 0.001
"""Rest that is owed is taken in pieces of at least this length: timers are no finer."""
LOOK_EVERY: Final = 16
"""Steps between two looks at the clock."""


class Share:
    """Turns of one job."""

    def __init__(
        self,
        percent: int,
        slice_ms: float,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._slice_s = slice_ms / 1000
        self._rest = (100 - percent) / percent
        self._clock = clock
        self._sleep = sleep
        self._began = clock()
        self._owed = 0.0
        self._steps = 0

    def due(self) -> bool:
        """Call once a step; whether the turn is over."""
        self._steps += 1
        return self._steps % LOOK_EVERY == 0 and self._clock() - self._began >= self._slice_s

    async def rest(self) -> None:
        """Let others work, as long as is owed to them."""
        self._owed += (self._clock() - self._began) * self._rest
        pause = self._owed if self._owed >= LEAST_S else 0.0
        before = self._clock()
        await self._sleep(pause)
        if pause:
            self._owed = max(0.0, self._owed - (self._clock() - before))
        self._began = self._clock()

    def begin(self) -> None:
        """A turn begins after a wait for something else than the loop."""
        self._began = self._clock()
