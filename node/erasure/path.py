"""Erasure at one node: follows final blocks, destroys, scrubs files, confirms, orders by the clock.

Rules: orders are carried out whatever role the node has; only a reporter or regulator confirms and
orders. Scrubbing runs beside the rest, since it takes as long as the disk does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from node.erasure.bare import BareLeaves
from node.erasure.book import ErasureBook
from node.erasure.confirmer import Confirmer
from node.erasure.destroyer import Remains
from node.erasure.follower import ErasureFollower
from node.erasure.scrubber import Scrubber
from node.logs import Log
from node.storage.durability import Durability

POLL_S: Final = 0.2
"""Longest time from a checkpoint to the orders under it."""
SETTLE_S: Final = 0.5
"""From an erasure to the scrubbing of files, so that a wave of orders is scrubbed once."""
AGAIN_S: Final = 5.0
"""Pause after a scrubbing that left something."""
SHARE: Final = 10
"""A scrubbing waits this many times as long as the last one took: it rewrites what it compacts, so
a tenth of the time is the most that orders can make a node spend on it."""

log = Log("erasure")


class ErasurePath:
    """The running parts of erasure."""

    def __init__(
        self,
        *,
        book: ErasureBook,
        follower: ErasureFollower,
        scrubber: Scrubber,
        confirmer: Confirmer,
        bare: BareLeaves,
        durability: Durability,
        retention: Callable[[], Coroutine[Any, Any, None]],
        may_act: Callable[[], bool],
        now_ms: Callable[[], int],
    ) -> None:
        """`retention` orders what is due now and returns; `may_act`: not while the node syncs."""
        self.book = book
        self.follower = follower
        self.scrubber = scrubber
        self.confirmer = confirmer
        self.bare = bare
        self._durability = durability
        self._retention = retention
        self._may_act = may_act
        self._now_ms = now_ms

    async def run(self) -> None:
        """Work until cancelled. Raises StoreWriteFailed, StoreDamaged."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow())
            group.create_task(self._scrub())
            group.create_task(self._retain())

    async def _follow(self) -> None:
        while True:
            await self.follower.follow()
            await self.bare.settle()
            if self._may_act():
                self.confirmer.work()
            await asyncio.sleep(POLL_S)

    async def _retain(self) -> None:
        while True:
            if self._may_act():
                await self._retention()
            await asyncio.sleep(POLL_S)

    async def _scrub(self) -> None:
        tries, rest_s = 0, 0.0
        while True:
            number = self.book.scrub_due
            if not number:
                await asyncio.sleep(POLL_S)
                continue
            await asyncio.sleep(max(rest_s, AGAIN_S if tries else SETTLE_S))
            number = self.book.scrub_due
            remains, self.follower.remains = self.follower.remains, Remains(gone=[])
            began_ms = self._now_ms()
            is_clean = await self.scrubber.clean(remains, whole=tries > 0)
            took_ms = self._now_ms() - began_ms
            rest_s = took_ms * SHARE / 1000
            if not is_clean:
                tries += 1
                self._put_back(remains)
                continue
            ready = self.book.scrubbed(number)
            await self._durability.barrier()
            tries = 0
            log.info("files scrubbed", records=remains.records, batches=ready, ms=took_ms)

    def _put_back(self, remains: Remains) -> None:
        newer = self.follower.remains.gone
        if remains.gone is not None and newer is not None:
            remains.gone += newer
        remains.records += self.follower.remains.records
        self.follower.remains = remains

    def close(self) -> None:
        """Stop what runs in threads."""
        self.scrubber.close()
