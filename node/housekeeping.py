"""Housekeeping: brings back what a restart interrupted, then forgets and resends by the clock.

Rules: own anchors and clients' transactions that no block executed are taken in again at a start;
what waits for long is sent to everybody again each second; old idempotency entries and sidecars
that nobody anchored go once an hour.
"""

from __future__ import annotations

import asyncio

from bulwark.ledger.ids import Digest, Height
from node.chain.store import ChainStore
from node.clock import Clock
from node.execution.executor import Executor
from node.intake import Intake
from node.reporting.anchorer import Anchorer
from node.reporting.idempotency import IdempotencyStore

RESEND_S = 1
PRUNE_TURNS = 3_600
SIDECAR_BLOCKS = 1_000
"""An unanchored sidecar is kept for this many blocks: a proposal may still name it."""


class Housekeeping:
    """What is done by the clock."""

    def __init__(
        self,
        *,
        chain: ChainStore,
        executor: Executor,
        intake: Intake,
        anchorer: Anchorer,
        idempotency: IdempotencyStore,
        clock: Clock,
    ) -> None:
        self._chain = chain
        self._executor = executor
        self._intake = intake
        self._anchorer = anchorer
        self._idempotency = idempotency
        self._clock = clock

    def resume(self) -> None:
        """Take in again what the outbox holds."""
        self._intake.resume()
        self._anchorer.resume(
            self._executor.nonce(self._anchorer.address),
            self._succeeded,
        )
        self._prune()

    def _succeeded(self, transaction: Digest) -> bool | None:
        """What became of a transaction in its block; None for one that is in none."""
        place = self._chain.place_of_transaction(transaction)
        block = None if place is None else self._chain.block(place[0])
        if place is None or block is None:
            return None
        return block.receipts[place[1]].succeeded

    async def run(self) -> None:
        """Work until cancelled."""
        turns = 0
        while True:
            await asyncio.sleep(RESEND_S)
            turns += 1
            self._intake.resend()
            if turns % PRUNE_TURNS == 0:
                self._prune()

    def _prune(self) -> None:
        self._idempotency.prune(self._clock.wall_ms())
        self._chain.prune_sidecars(Height(max(0, self._chain.applied - SIDECAR_BLOCKS)))
