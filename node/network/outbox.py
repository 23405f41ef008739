"""What waits to be sent to one peer: three lanes, each bounded in bytes.

Rules: a full lane refuses the newcomer and counts it; nothing that was taken in is thrown away.
Taking empties the lanes in their order, so votes overtake calls, and calls overtake gossip.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from node.network.kinds import Lane


class Outbox:
    """Bounded queue of encoded frames with strict priorities."""

    __slots__ = ("_bytes", "_lanes", "_limits", "dropped")

    def __init__(self, limits: Mapping[Lane, int]) -> None:
        """`limits`: most bytes waiting in each lane."""
        self._limits = [limits[lane] for lane in Lane]
        self._lanes: list[deque[bytes]] = [deque() for _ in Lane]
        self._bytes = [0 for _ in Lane]
        self.dropped = [0 for _ in Lane]
        """Frames refused by lane because it was full."""

    def put(self, lane: Lane, frame: bytes) -> bool:
        """Queue a frame; False if its lane is full."""
        after = self._bytes[lane] + len(frame)
        if after > self._limits[lane]:
            self.dropped[lane] += 1
            return False
        self._bytes[lane] = after
        self._lanes[lane].append(frame)
        return True

    def take(self, enough: int) -> list[bytes]:
        """Frames to write now: whole frames until `enough` bytes are together, at least one."""
        taken: list[bytes] = []
        total = 0
        for lane, waiting in enumerate(self._lanes):
            while waiting and total < enough:
                frame = waiting.popleft()
                self._bytes[lane] -= len(frame)
                total += len(frame)
                taken.append(frame)
        return taken

    def waiting(self, lane: Lane) -> int:
        """Bytes waiting in a lane."""
        return self._bytes[lane]
