"""Refused log-ins as audit events: counted, and told once a minute at most for each way in.

Rules: the first one is told at once, those of the minute after it together when it is over, with
their number and the address of the last one. So the log grows by a bounded number of entries,
whoever tries keys.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

PAUSE_S: Final = 60.0


@dataclass(slots=True)
class _Way:
    """One way in."""

    told_s: float
    waiting: int = 0
    client: str = ""


class Refusals:
    """Counts refusals; the names of the ways in are the caller's and few."""

    def __init__(self, tell: Callable[[str, str, int], None]) -> None:
        """`tell` gets the way in, the last address and how many."""
        self._tell = tell
        self._ways: dict[str, _Way] = {}

    def add(self, how: str, client: str, now_s: float) -> None:
        """Somebody was refused."""
        way = self._ways.get(how)
        if way is None or (now_s - way.told_s >= PAUSE_S and not way.waiting):
            self._ways[how] = _Way(now_s)
            self._tell(how, client, 1)
            return
        way.waiting += 1
        way.client = client

    def tell_due(self, now_s: float) -> None:
        """Tell what waits for long enough."""
        for how, way in self._ways.items():
            if way.waiting and now_s - way.told_s >= PAUSE_S:
                self._tell(how, way.client, way.waiting)
                way.told_s, way.waiting = now_s, 0
