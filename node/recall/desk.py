"""The recall desk: from what fell on the ledger to what this member's systems are told.

Rules: own hits are looked up here and nowhere else, so nobody learns who asked; every member does
the same work and confirms, with or without hits. Recalls come from erasure's follower, in the order
of the ledger, once each, and go into the event log, from which all webhooks and streams are served.
What it is told of the webhook that the node's own file sets is written beside each recall.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from bulwark.ledger.anchor import AnchorKind
from node.chain.store import StoredBlock
from node.erasure.triggers import Cause, Trigger
from node.push.eventlog import Draft, EventLog
from node.push.port import Event, EventType
from node.recall.hits import HitLog
from node.recall.port import MAX_PAGE, Delivery, Recall
from node.recall.queue import RecallQueue
from node.recall.webhook import data_of
from node.storage.durability import Durability

MAX_QUESTIONS: Final = 100
"""Own questions named in one recall, the newest."""
PAGE: Final = 200
"""Answers looked through at once for records on one consent: about 5 ms."""
IDLE_S: Final = 15.0
"""Silence after which a stream shows that it lives."""
PRUNE_S: Final = 600.0
A_TURN: Final = 50
"""Recalls posted between two looks at the queue."""


class RecallDesk:
    """RecallService of one member, and erasure's Recalls port."""

    def __init__(
        self,
        *,
        hits: HitLog,
        queue: RecallQueue,
        events: EventLog,
        has_webhook: bool,
        durability: Durability,
        wall_ms: Callable[[], int],
        keep_ms: int,
    ) -> None:
        """`has_webhook`: the node's own file sets one."""
        self._hits = hits
        self._queue = queue
        self._events = events
        self._has_webhook = has_webhook
        self._durability = durability
        self._wall_ms = wall_ms
        self._keep_ms = keep_ms
        self._news = asyncio.Condition()

    def resume(self, cursor: int, is_dead: Callable[[int], bool]) -> None:
        """Bring the list in step with the configured webhook, which is at this event.

        What an earlier version of the node queued and did not bring goes into the event log. Raises
        StoreDamaged, StoreWriteFailed.
        """
        for recall in self._queue.waiting():
            draft = _draft(recall)
            number = self._events.number_of(draft)
            if number is None:
                self._events.add([draft])
            elif number <= cursor:
                how = Delivery.DEAD if is_dead(number) else Delivery.DELIVERED
                self._queue.settle(recall, how, max(1, recall.tries))

    def told(self, event: Event, is_taken: bool | None, tries: int) -> None:
        """What became of a try of the configured webhook; None: it is tried again."""
        recall = self._queue.get(int(str(event.data["recall"])))
        if recall is not None:
            ends = {True: Delivery.DELIVERED, False: Delivery.DEAD, None: Delivery.WAITING}
            self._queue.settle(recall, ends[is_taken], tries)

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
            after: int | None = 0
            while after is not None:
                # All of them, however many: a record that is met again on a later page is queued
                # already, and a node that is killed here follows the block again from its start.
                records, after = self._hits.records_on(anchor.reference, after, PAGE)
                for record_id in records:
                    count += self._add(
                        record_id, Cause.CONSENT_WITHDRAWN, header.timestamp_ms, header.height
                    )
                    await asyncio.sleep(0)
                await asyncio.sleep(0)
        if count:
            await self._durability.barrier()
            await self._tell()
        return count

    def _add(self, record_id: bytes, cause: Cause, time_ms: int, height: int) -> bool:
        questions = self._hits.questions(record_id, MAX_QUESTIONS)
        if not questions:
            return False
        made = self._queue.add(
            record_id, cause, time_ms, height, questions, has_webhook=self._has_webhook
        )
        recall = self._queue.find(record_id, cause) if made is None else made
        # Also where it was queued before: the node may have been killed between the two writes.
        return recall is not None and self._events.add([_draft(recall)]) > 0

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

    async def run(self) -> None:
        """Drop what is old, until cancelled. Raises StoreWriteFailed."""
        while True:
            before_ms = self._wall_ms() - self._keep_ms
            dropped = self._hits.prune(before_ms) + self._queue.prune(before_ms)
            await asyncio.sleep(0 if dropped else PRUNE_S)


def _draft(recall: Recall) -> Draft:
    name = recall.record_id + recall.cause.encode()
    return Draft(EventType.RECALL, name, recall.time_ms, recall.height, data_of(recall))
