"""The courier: runs the lanes of all subscriptions, each on its own.

Rules: every lane has one task and one post under way at most, so as many posts as subscriptions are
the bound, and one slow receiver delays nobody; a fault in one lane ends neither the others nor the
node, only a store that takes no more writes does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Final

from node.logs import Log
from node.push.lane import Lane, Sign
from node.push.port import State
from node.push.subscriptions import Subscription
from node.storage.errors import StoreWriteFailed

AGAIN_S: Final = 60.0
"""Pause of a lane after a fault in it."""

log = Log("push")


class Courier:
    """Lanes by the id of their subscription."""

    def __init__(self) -> None:
        self.lanes: dict[str, Lane] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None

    def open(self, lane: Lane) -> None:
        """Serve a subscription, at once if the courier runs."""
        self.lanes[lane.subscription.id] = lane
        self._start(lane)

    def _start(self, lane: Lane) -> None:
        if self._group is not None and lane.subscription.state is State.ACTIVE:
            identity = lane.subscription.id
            self._tasks[identity] = self._group.create_task(self._served(lane))

    async def stop(self, identity: str) -> None:
        """End a lane's task; a post under way is given up and comes again under the same id."""
        task = self._tasks.pop(identity, None)
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(asyncio.gather(task, return_exceptions=True))

    async def close(self, identity: str) -> None:
        """Serve a subscription no more."""
        await self.stop(identity)
        lane = self.lanes.pop(identity, None)
        if lane is not None:
            await lane.close()

    async def run(self) -> None:
        """Serve all subscriptions until cancelled. Raises StoreWriteFailed."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for lane in self.lanes.values():
                    self._start(lane)
                await asyncio.get_running_loop().create_future()
        finally:
            self._group = None
            self._tasks.clear()
            for lane in self.lanes.values():
                await lane.close()

    async def _served(self, lane: Lane) -> None:
        while True:
            try:
                await lane.run()
            except StoreWriteFailed:
                raise
            except Exception:
                # One subscription's fault, as a damaged value, must not end the node's work.
                log.error("a webhook's lane failed", trace=True, webhook=lane.subscription.id)
                await asyncio.sleep(AGAIN_S)
            else:
                return


def headers_with(wall_ms: Callable[[], int]) -> Sign:
    """The headers of a delivery by the clock: id, type, subscription, signatures."""

    def headers(
        subscription: Subscription, delivery_id: str, kind: str, body: bytes
    ) -> Mapping[str, str]:
        from bulwark.client import webhooks  # brings the HTTP client: not before it is needed

        now_ms = wall_ms()
        secrets = subscription.signing(now_ms)
        return {
            "content-type": "application/json",
            "user-agent": "bulwark-node",
            webhooks.DELIVERY_HEADER: delivery_id,
            webhooks.TYPE_HEADER: kind,
            webhooks.WEBHOOK_HEADER: subscription.id,
            webhooks.SIGNATURE_HEADER: webhooks.signature(
                secrets, delivery_id, now_ms // 1000, body
            ),
        }

    return headers
