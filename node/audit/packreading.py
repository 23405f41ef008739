"""One snapshot that a thread reads while the event loop may give up on it.

Rules: the snapshot is let go only when no thread reads it, since LevelDB frees it at once; a reader
that is given up on ends at its next read. One thread reads at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

from node.service import Unavailable
from node.storage.port import ReadView

P = ParamSpec("P")
T = TypeVar("T")


class Reading:
    """A ReadView for work on a thread; `close` may be called at any time, also twice."""

    def __init__(self, view: ReadView, closed: Callable[[], None]) -> None:
        """`closed` is told, on any thread, when the snapshot was let go."""
        self._view = view
        self._closed = closed
        self._is_given_up = False
        self._running: Future[Any] | None = None

    async def run(
        self, pool: Executor, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Do `work` on a thread of `pool`; it goes on there if the caller is cancelled."""
        future = pool.submit(work, *args, **kwargs)
        self._running = future
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Let go of the snapshot as soon as nobody reads it."""
        if self._is_given_up:
            return
        self._is_given_up = True
        if self._running is None:
            self._let_go()
        else:
            self._running.add_done_callback(lambda _: self._let_go())

    def _let_go(self) -> None:
        self._view.close()
        self._closed()

    # The view

    def get(self, key: bytes) -> bytes | None:
        """See ReadView; raises Unavailable once it was given up."""
        self._check()
        return self._view.get(key)

    def iterate(
        self, prefix: bytes, *, start: bytes | None = None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """See ReadView; raises Unavailable once it was given up."""
        self._check()
        for pair in self._view.iterate(prefix, start=start, reverse=reverse):
            yield pair
            self._check()

    def _check(self) -> None:
        if self._is_given_up:
            raise Unavailable("the pack was given up")
