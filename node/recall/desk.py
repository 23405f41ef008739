"""The recall desk: from what fell on the ledger to what this member's systems are told.

Rules: own hits are looked up here and nowhere else, so nobody learns who asked; every member does
the same work and confirms, with or without hits. Recalls come from erasure's follower, in the order
of the ledger, once each; the webhook has its own task, and what it can not bring waits on disk.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from bulwark.ledger.anchor import AnchorKind
from node.chain.store import StoredBlock
from node.erasure.triggers import Cause, Trigger
from node.logs import Log
from node.recall.hits import HitLog
from node.recall.port import MAX_PAGE, Delivery, Recall
from node.recall.queue import RecallQueue
from node.recall.webhook import Webhook
from node.storage.durability import Durability

MAX_QUESTIONS: Final = 100
"""Own questions named in one recall, the newest."""
MAX_RECORDS: Final = 10_000
"""Answers looked through for records on one consent."""
IDLE_S: Final = 15.0
"""Silence after which a stream shows that it lives."""
PRUNE_S: Final = 600.0
A_TURN: Final = 50
"""Recalls posted between two looks at the queue."""

log = Log("recall")


class RecallDesk:
    """RecallService of one member, and erasure's Recalls port."""

    def __init__(
        self,
        *,
        hits: HitLog,
        queue: RecallQueue,
        webhook: Webhook | None,
        durability: Durability,
        wall_ms: Callable[[], int],
        keep_ms: int,
        first_pause_ms: int,
        tries: int,
    ) -> None:
        """`tries`: posts of one recall before it is a dead letter, the pauses doubling."""
        self._hits = hits
        self._queue = queue
        self._webhook = webhook
        self._durability = durability
        self._wall_ms = wall_ms
        self._keep_ms = keep_ms
        self._first_pause_ms = first_pause_ms
        self._tries = tries
        self._news = asyncio.Condition()

    # What falls

    async def recall(self, triggers: Sequence[Trigger]) -> int:
        """Queue recalls for records that fell; how many. Not flushed."""
        count = 0
        for trigger in triggers:
            count += self._add(trigger.subject, trigger.cause, trigger.timestamp_ms, trigger.height)
            await asyncio.sleep(0)
        if count:
            await self._tell()
        return count

    async def withdrawn(self, block: StoredBlock) -> int:
        """Queue recalls for records whose consent a block ended; how many. Not flushed."""
        count = 0
        header = block.header
        for anchor in block.anchors:
            if anchor.kind is not AnchorKind.CONSENT_WITHDRAWN:
                continue
            for record_id in self._hits.records_on(anchor.reference, MAX_RECORDS):
                count += self._add(
                    record_id, Cause.CONSENT_WITHDRAWN, header.timestamp_ms, header.height
                )
                await asyncio.sleep(0)
        if count:
            await self._durability.barrier()
            await self._tell()
        return count

    def _add(self, record_id: bytes, cause: Cause, time_ms: int, height: int) -> bool:
        questions = self._hits.questions(record_id, MAX_QUESTIONS)
        if not questions:
            return False
        due_ms = None if self._webhook is None else self._wall_ms()
        made = self._queue.add(record_id, cause, time_ms, height, questions, due_ms)
        return made is not None

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    # Who reads

    def recalls(self, after: int, most: int) -> Sequence[Recall]:
        """See RecallService."""
        return self._queue.page(after, min(most, MAX_PAGE))

    async def stream(self, after: int) -> AsyncIterator[Recall | None]:
        """See RecallService."""
        while True:
            for recall in self._queue.page(after, A_TURN):
                after = recall.number
                yield recall
            if self._queue.last > after:
                continue
            is_new = False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE_S), self._news:
                    is_new = await self._news.wait()
            if not is_new:
                yield None

    # The webhook

    async def run(self) -> None:
        """Post what waits, drop what is old, until cancelled. Raises StoreWriteFailed."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._prune())
                if self._webhook is not None:
                    group.create_task(self._post(self._webhook))
        finally:
            if self._webhook is not None:
                await self._webhook.close()

    async def _post(self, webhook: Webhook) -> None:
        while True:
            now_ms = self._wall_ms()
            waiting = list(self._queue.due())
            for _, recall in [pair for pair in waiting if pair[0] <= now_ms][:A_TURN]:
                await self._try(webhook, recall)
            next_ms = min((due_ms for due_ms, _ in self._queue.due()), default=now_ms + 60_000)
            wait_s = max(0.0, (next_ms - self._wall_ms()) / 1000)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(wait_s, 60.0)), self._news:
                    await self._news.wait()

    async def _try(self, webhook: Webhook, recall: Recall) -> None:
        await self._durability.barrier()  # nobody is told what a power cut may undo
        is_taken = await webhook.post(recall, self._wall_ms() // 1000)
        tries = recall.tries + 1
        if is_taken:
            self._queue.settle(recall, Delivery.DELIVERED, tries, None)
        elif tries >= self._tries:
            self._queue.settle(recall, Delivery.DEAD, tries, None)
            log.error("recall given up", recall=recall.number, tries=tries)
        else:
            pause_ms = self._first_pause_ms << min(tries - 1, 12)
            self._queue.settle(recall, Delivery.WAITING, tries, self._wall_ms() + pause_ms)
        await self._durability.barrier()

    async def _prune(self) -> None:
        while True:
            before_ms = self._wall_ms() - self._keep_ms
            dropped = self._hits.prune(before_ms) + self._queue.prune(before_ms)
            await asyncio.sleep(0 if dropped else PRUNE_S)
