"""Block watch: when another node saw each height, and the gap that a fault left.

Rules: a gap is the longest time between two heights that one observer saw, the second of them after
the fault; blocks under way when the fault happened may still come. Pure but for `BlockWatch`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from bench.alliance import Node
from bench.client import RequestFailed

POLL_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class Seen:
    """A height when it was first seen."""

    at: float
    """perf_counter()."""
    height: int


@dataclass(frozen=True, slots=True)
class Gap:
    """The interruption that a fault caused."""

    before: Seen
    after: Seen
    fault_at: float

    @property
    def seconds(self) -> float:
        """Between the two blocks."""
        return self.after.at - self.before.at

    @property
    def since_fault(self) -> float:
        """From the fault to the first block after the gap."""
        return self.after.at - self.fault_at


def find_gap(seen: Sequence[Seen], fault_at: float) -> Gap | None:
    """The longest gap that ended after the fault; None when nothing was seen after it."""
    pairs = [Gap(a, b, fault_at) for a, b in pairwise(seen) if b.at > fault_at]
    return max(pairs, key=lambda gap: gap.seconds, default=None)


class BlockWatch:
    """Polls one node's height until it is stopped."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.seen: list[Seen] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> BlockWatch:
        self._task = asyncio.get_running_loop().create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def height(self) -> int:
        """Last height seen."""
        return self.seen[-1].height if self.seen else 0

    async def moved(self, since: float, blocks: int, seconds: float) -> bool:
        """Wait until `blocks` more heights were seen after `since`; False when time is up."""
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline:
            if len([s for s in self.seen[-blocks:] if s.at > since]) >= blocks:
                return True
            await asyncio.sleep(POLL_S)
        return False

    async def _run(self) -> None:
        while True:
            try:
                height = await self._node.height()
            except (RequestFailed, ValueError, KeyError):
                # The node is down or does not answer yet.
                await asyncio.sleep(POLL_S)
                continue
            if not self.seen or height > self.seen[-1].height:
                self.seen.append(Seen(time.perf_counter(), height))
            await asyncio.sleep(POLL_S)
