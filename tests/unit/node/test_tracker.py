"""Stages go up, waiters are woken at theirs, and time never fails a wait."""

from __future__ import annotations

import asyncio

from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Height
from node.reporting.tracker import Progress, StageTracker
from node.service import Stage

HASH = sha256(b"transaction")


async def test_waiter_is_woken_at_its_stage_and_not_before() -> None:
    tracker = StageTracker()
    tracker.watch(HASH)
    waiting = asyncio.ensure_future(tracker.wait(HASH, Stage.EXECUTED, 10_000))
    await asyncio.sleep(0)
    tracker.ordered([HASH], Height(4))
    await asyncio.sleep(0)
    assert not waiting.done()
    tracker.executed([(HASH, True)], Height(4))
    assert await waiting == Progress(Stage.EXECUTED, Height(4), True)


async def test_finality_of_a_later_height_covers_earlier_ones() -> None:
    tracker = StageTracker()
    tracker.watch(HASH)
    tracker.executed([(HASH, True)], Height(4))
    waiting = asyncio.ensure_future(tracker.wait(HASH, Stage.FINALIZED, 10_000))
    await asyncio.sleep(0)
    tracker.finalized(Height(9))
    assert (await waiting).stage is Stage.FINALIZED
    assert len(tracker) == 0


async def test_wait_that_runs_out_of_time_says_how_far_it_got() -> None:
    tracker = StageTracker()
    tracker.watch(HASH)
    assert await tracker.wait(HASH, Stage.FINALIZED, 1) == Progress(Stage.ACCEPTED, None, True)


async def test_reverted_transaction_is_executed_and_not_successful() -> None:
    tracker = StageTracker()
    tracker.watch(HASH)
    tracker.executed([(HASH, False)], Height(2))
    assert await tracker.wait(HASH, Stage.EXECUTED, 1) == Progress(Stage.EXECUTED, Height(2), False)


async def test_foreign_transactions_are_ignored() -> None:
    tracker = StageTracker()
    tracker.ordered([HASH], Height(1))
    tracker.executed([(HASH, True)], Height(1))
    tracker.finalized(Height(1))
    assert tracker.progress(HASH) is None
    assert tracker.unexecuted() == 0
