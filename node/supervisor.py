"""The supervisor: the node's long-running tasks, and the one way in which it stops or halts.

Rules: a task that ends with an exception halts the node; the first reason counts, is logged and is
one line on standard error; stopping cancels every task and waits for it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any

from node.logs import Log

log = Log("node")


class Supervisor:
    """Tasks of one node, and whether it should go on."""

    def __init__(self) -> None:
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.halted: str | None = None
        """Why the node halted, None while it runs or after a wanted stop."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something for as long as the node lives."""
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            log.error("task failed", reason=repr(task.exception()))
            self.halt(f"internal: {task.exception()!r}")

    def halt(self, reason: str) -> None:
        """Stop at once and say why; nothing is sent any more."""
        if self.halted is None:
            self.halted = reason
            log.error("halted", reason=reason)
            print(f"bulwark: halted: {reason}", file=sys.stderr)  # noqa: T201 - for the operator
        self._stop.set()

    def stop(self) -> None:
        """End the node in good order."""
        self._stop.set()

    async def wait(self) -> None:
        """Until somebody stops or halts the node."""
        await self._stop.wait()

    async def close(self) -> None:
        """Cancel every task and wait for it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
