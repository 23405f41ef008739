"""Durability: waits for the disk without holding up the event loop, one flush for all who wait.

Rules: writes go to the store at once and unsynced, so they are visible and in order; `barrier` is
done when all that was written before its call is on disk. A caller that comes during a flush
waits for the next one, since the running one may have missed its write. A failed flush fails every
waiting and every later barrier: nobody is told that something is durable when that is unknown
(ADR-0009).
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from node.storage.port import KeyValueStore


class Durability:
    """Group commit over one store."""

    def __init__(self, store: KeyValueStore) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, "bulwark-flush")
        self._running: asyncio.Future[None] | None = None
        self._next: asyncio.Future[None] | None = None
        self.flushes = 0
        """Flushes since start."""

    async def barrier(self) -> None:
        """Wait until everything written so far is on disk; raises StoreWriteFailed."""
        if self._running is None:
            waiting = self._running = asyncio.get_running_loop().create_future()
            self._start()
        elif self._next is None:
            waiting = self._next = asyncio.get_running_loop().create_future()
        else:
            waiting = self._next
        await asyncio.shield(waiting)

    def _start(self) -> None:
        work = asyncio.get_running_loop().run_in_executor(self._thread, self._store.flush)
        self.flushes += 1
        work.add_done_callback(self._finished)

    def _finished(self, work: asyncio.Future[None]) -> None:
        settled, self._running, self._next = self._running, self._next, None
        if settled is not None and not settled.done():
            error = None if work.cancelled() else work.exception()
            if work.cancelled():
                settled.cancel()
            elif error is not None:
                settled.set_exception(error)
                settled.exception()  # a waiter that gave up must not leave a warning
            else:
                settled.set_result(None)
        if self._running is not None:
            self._start()

    def close(self) -> None:
        """Finish the flush under way."""
        self._thread.shutdown(wait=True)
