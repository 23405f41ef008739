"""How far each of this node's own transactions got, and who waits for it.

Rules: stages only go up; a transaction is forgotten some time after it is finalized, because the
chain itself then answers; who asks a little late still hears whether it was reverted. Waiting never
fails on time: the caller is told the stage that was reached.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec import Struct

from bulwark.ledger.ids import Digest, Height
from node.service import Stage

KEPT = 10_000
"""Reverted transactions that are remembered for callers that ask late: the dear mistake."""
KEPT_SUCCESSES = 2_000
"""Heights of finalized transactions kept for them: those of 20 s at 100 transactions/s; a busy
node fills it within minutes, not within an hour."""


@dataclass(slots=True)
class _Tracked:
    stage: Stage
    height: Height | None = None
    succeeded: bool = True
    waiters: list[tuple[Stage, asyncio.Future[None]]] = field(default_factory=list)


class Progress(Struct, frozen=True):
    """Where a transaction stands."""

    stage: Stage
    height: Height | None
    succeeded: bool
    """False when it was executed and reverted."""


class StageTracker:
    """Stages by transaction hash."""

    def __init__(self) -> None:
        self._tracked: dict[Digest, _Tracked] = {}
        self._by_height: dict[Height, list[Digest]] = {}
        self._unexecuted = 0
        self._done: OrderedDict[Digest, Progress] = OrderedDict()
        self._reverted: OrderedDict[Digest, Progress] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tracked)

    def watch(self, transaction_hash: Digest) -> None:
        """Start to track a transaction that is durable in the outbox."""
        if transaction_hash not in self._tracked:
            self._tracked[transaction_hash] = _Tracked(Stage.ACCEPTED)
            self._unexecuted += 1

    def replace(self, old: Digest, new: Digest) -> None:
        """Another transaction took the place of a tracked one; who waits goes on waiting for it."""
        tracked = self._tracked.pop(old, None)
        if tracked is None:
            return
        taken = self._tracked.pop(new, None)
        if taken is not None:
            tracked.waiters += taken.waiters
            self._unexecuted -= taken.stage < Stage.EXECUTED
        if tracked.stage < Stage.EXECUTED:
            tracked.stage, tracked.height = Stage.ACCEPTED, None
        self._tracked[new] = tracked

    def progress(self, transaction_hash: Digest) -> Progress | None:
        """Where a tracked transaction stands, None if it is not tracked (any more)."""
        tracked = self._tracked.get(transaction_hash)
        if tracked is None:
            return None
        return Progress(tracked.stage, tracked.height, tracked.succeeded)

    def unexecuted(self) -> int:
        """How many tracked transactions are not executed yet."""
        return self._unexecuted

    def ordered(self, hashes: Iterable[Digest], height: Height) -> None:
        """A batch with these has its commit certificate."""
        for transaction_hash in hashes:
            tracked = self._tracked.get(transaction_hash)
            if tracked is not None and tracked.stage < Stage.ORDERED:
                tracked.height = height
                self._advance(tracked, Stage.ORDERED)

    def executed(self, results: Iterable[tuple[Digest, bool]], height: Height) -> None:
        """A block with these (hash, success) pairs is executed and durable."""
        for transaction_hash, succeeded in results:
            tracked = self._tracked.get(transaction_hash)
            if tracked is not None and tracked.stage < Stage.EXECUTED:
                self._unexecuted -= 1
                tracked.height = height
                tracked.succeeded = succeeded
                self._by_height.setdefault(height, []).append(transaction_hash)
                self._advance(tracked, Stage.EXECUTED)

    def finalized(self, height: Height) -> None:
        """Every block up to `height` has a checkpoint certificate."""
        for at in sorted(at for at in self._by_height if at <= height):
            for transaction_hash in self._by_height.pop(at):
                tracked = self._tracked.pop(transaction_hash, None)
                if tracked is None:
                    continue
                self._advance(tracked, Stage.FINALIZED)
                self._keep(
                    transaction_hash, Progress(Stage.FINALIZED, tracked.height, tracked.succeeded)
                )

    def _keep(self, transaction_hash: Digest, progress: Progress) -> None:
        kept, most = self._reverted, KEPT
        if progress.succeeded:
            kept, most = self._done, KEPT_SUCCESSES
        kept[transaction_hash] = progress
        if len(kept) > most:
            kept.popitem(last=False)

    @staticmethod
    def _advance(tracked: _Tracked, stage: Stage) -> None:
        tracked.stage = stage
        left: list[tuple[Stage, asyncio.Future[None]]] = []
        for wanted, future in tracked.waiters:
            if wanted > stage:
                left.append((wanted, future))
            elif not future.done():
                future.set_result(None)
        tracked.waiters = left

    async def wait(self, transaction_hash: Digest, stage: Stage, timeout_ms: int) -> Progress:
        """Wait until the stage is reached or the time is over; where it stands then."""
        tracked = self._tracked.get(transaction_hash)
        if tracked is None:
            late = self._done.get(transaction_hash) or self._reverted.get(transaction_hash)
            return late or Progress(Stage.FINALIZED, None, True)
        if tracked.stage < stage:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            tracked.waiters.append((stage, future))
            try:
                await asyncio.wait((future,), timeout=timeout_ms / 1000)
            finally:
                # Also where the caller gave up: its entry must not stay.
                tracked.waiters = [w for w in tracked.waiters if w[1] is not future]
        return Progress(tracked.stage, tracked.height, tracked.succeeded)
