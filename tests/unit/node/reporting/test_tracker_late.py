"""Who asks late, gives up early or waits for a replaced transaction is answered rightly."""

from __future__ import annotations

import asyncio

import pytest

from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Height
from node.reporting import tracker as tracker_module
from node.reporting.tracker import Progress, StageTracker
from node.service import Stage

HASH, OTHER = sha256(b"transaction"), sha256(b"its replacement")


async def test_a_reverted_transaction_is_not_called_a_success_after_it_is_final() -> None:
    tracker = StageTracker()
    tracker.watch(HASH)
    tracker.executed([(HASH, False)], Height(3))
    tracker.finalized(Height(3))
    assert await tracker.wait(HASH, Stage.FINALIZED, 1) == Progress(
        Stage.FINALIZED, Height(3), False
    )


async def test_outcomes_of_final_transactions_are_kept_in_bounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracker_module, "KEPT", 1)
    tracker = StageTracker()
    for number, transaction in enumerate((HASH, OTHER)):
        tracker.watch(transaction)
        tracker.executed([(transaction, False)], Height(number))
        tracker.finalized(Height(number))
    assert (await tracker.wait(HASH, Stage.FINALIZED, 1)).succeeded
    assert not (await tracker.wait(OTHER, Stage.FINALIZED, 1)).succeeded


async def test_successes_are_forgotten_sooner_and_push_no_revert_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracker_module, "KEPT_SUCCESSES", 1)
    tracker = StageTracker()
    late = (sha256(b"one"), sha256(b"two"))
    for number, transaction in enumerate((HASH, *late), start=1):
        tracker.watch(transaction)
        tracker.executed([(transaction, transaction != HASH)], Height(number))
        tracker.finalized(Height(number))
    found = [await tracker.wait(transaction, Stage.FINALIZED, 1) for transaction in (HASH, *late)]
    assert [each.succeeded for each in found] == [False, True, True]
    assert [each.height for each in found] == [Height(1), None, Height(3)]


async def test_who_waits_for_a_replaced_transaction_hears_of_the_new_one() -> None:
    tracker = StageTracker()
    tracker.watch(HASH)
    tracker.ordered([HASH], Height(1))
    waiting = asyncio.ensure_future(tracker.wait(HASH, Stage.EXECUTED, 10_000))
    await asyncio.sleep(0)
    tracker.watch(OTHER)
    tracker.replace(HASH, OTHER)
    assert tracker.unexecuted() == 1
    assert tracker.progress(OTHER) == Progress(Stage.ACCEPTED, None, True)
    tracker.executed([(OTHER, True)], Height(2))
    async with asyncio.timeout(5):
        assert await waiting == Progress(Stage.EXECUTED, Height(2), True)
    assert tracker.unexecuted() == 0


def test_replacing_what_is_not_tracked_changes_nothing() -> None:
    tracker = StageTracker()
    tracker.watch(OTHER)
    tracker.replace(HASH, OTHER)
    assert tracker.unexecuted() == len(tracker) == 1


async def test_a_caller_that_gives_up_leaves_no_waiter() -> None:
    tracker = StageTracker()
    tracker.watch(HASH)
    waiting = asyncio.ensure_future(tracker.wait(HASH, Stage.EXECUTED, 10_000))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert tracker._tracked[HASH].waiters == []
