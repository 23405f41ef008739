"""Retention: this member's node orders by itself what has outlived its last day and the grace.

Rules: only own statements that name a last day; the time is that of the last block, so a wrong
clock of this node erases nothing early; one batch a look, the next look at once while there is
more. An operator can switch it off; then somebody has to order it.
"""

from __future__ import annotations

from collections.abc import Callable

from node.erasure.orders import OrderDesk
from node.erasure.port import MAX_ORDERS, Ground
from node.logs import Log
from node.sections import ErasureConfig
from node.service import ServiceError, Stage

RETRY_MS = 60_000

log = Log("erasure")


class Retention:
    """The clock of one member's own records."""

    def __init__(self, orders: OrderDesk, config: ErasureConfig, now_ms: Callable[[], int]) -> None:
        self._orders = orders
        self._config = config
        self._now_ms = now_ms
        self._due_ms = 0

    async def work(self) -> None:
        """Order what is overdue, if it is time to look. Raises StoreWriteFailed, StoreDamaged."""
        if not self._config.order_expired or self._now_ms() < self._due_ms:
            return
        self._due_ms = self._now_ms() + self._config.check_seconds * 1000
        overdue = await self._orders.overdue()
        if not overdue:
            return
        try:
            outcome = await self._orders.order(
                overdue, Ground.RETENTION, wait=Stage.FINALIZED, idempotency=None
            )
        except ServiceError as error:
            self._due_ms = self._now_ms() + RETRY_MS
            log.warning("overdue records could not be ordered to be erased", reason=error.detail)
            return
        log.info("overdue records ordered to be erased", records=len(outcome.ordered))
        if len(overdue) >= MAX_ORDERS and outcome.ordered:
            self._due_ms = 0
