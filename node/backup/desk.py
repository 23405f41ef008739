"""The backup desk: streams one moment of a running node's database, slowly enough for the votes.

Rules: one stream at a time; pieces are read on a thread and leave at a bounded rate; a stream that
takes too long, or whose reader is gone, lets go of its view, since a view keeps what is erased
meanwhile on the disk. What is streamed is what the database holds: whoever may read it reads all,
so only an admin's key may ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from bulwark.ledger.ids import Address
from node.backup.settings import BackupConfig
from node.backup.source import Message, encoded, messages_of
from node.logs import Log
from node.service import Busy, Caller, Unavailable
from node.storage.port import KeyValueStore, ReadView

MIB: Final = 1024 * 1024

log = Log("backup")


class BackupDesk:
    """Implements `node.backup.port.BackupService`."""

    def __init__(
        self,
        store: KeyValueStore,
        account: Callable[[], Address | None],
        config: BackupConfig,
        steady_ms: Callable[[], int],
    ) -> None:
        """`account`: this member's account on the ledger."""
        self._store = store
        self._account = account
        self._config = config
        self._steady_ms = steady_ms
        self._running: _Stream | None = None
        self._thread = ThreadPoolExecutor(1, "bulwark-backup")

    async def database(self, *, by: Caller) -> _Stream:
        """See BackupService."""
        if self._running is not None:
            raise Busy("another backup of this node is under way")
        view = self._store.snapshot(verify=True)
        self._running = _Stream(
            view,
            messages_of(view, self._account()),
            self._thread,
            self._config,
            self._steady_ms,
            self._ended,
        )
        log.info("backup begins", by=by.key_id)
        return self._running

    def _ended(self, size: int, *, whole: bool) -> None:
        self._running = None
        log.info("backup ends", bytes=size, whole=whole)

    def close(self) -> None:
        """Finish the read under way."""
        self._thread.shutdown(wait=True, cancel_futures=True)


class _Stream:
    """One backup under way."""

    def __init__(
        self,
        view: ReadView,
        messages: Iterator[Message],
        thread: ThreadPoolExecutor,
        config: BackupConfig,
        steady_ms: Callable[[], int],
        ended: Callable[..., None],
    ) -> None:
        self._view = view
        self._messages = messages
        self._thread = thread
        self._rate = config.max_mib_per_second * MIB
        self._most_ms = config.max_seconds * 1000
        self._steady_ms = steady_ms
        self._ended = ended
        self._size = 0
        self._whole = False
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        began = self._steady_ms()
        while True:
            message = await loop.run_in_executor(self._thread, next, self._messages, None)
            if message is None:
                self._whole = True
                return
            data = encoded(message)
            self._size += len(data)
            yield data
            spent = self._steady_ms() - began
            if spent > self._most_ms:
                raise Unavailable(f"the backup took over {self._most_ms // 1000} s")
            ahead_ms = self._size * 1000 // self._rate - spent
            await asyncio.sleep(max(0, ahead_ms) / 1000)

    async def aclose(self) -> None:
        """Let go of the view."""
        if self._closed:
            return
        self._closed = True
        # A read that is under way ends first: the view must not go under it.
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._view.close)
        self._ended(self._size, whole=self._whole)
