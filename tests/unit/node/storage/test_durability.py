"""A barrier is done when what was written before it is on disk, and one flush serves many."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from node.storage.durability import Durability
from node.storage.errors import StoreWriteFailed
from node.storage.memory import MemoryStore


class HeldStore(MemoryStore):
    """A store whose flush waits for the test."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)

    def flush(self) -> None:
        self.begun.release()
        if not self.go.acquire(timeout=10):
            raise StoreWriteFailed("held store", "the test forgot it")
        super().flush()


@pytest.fixture
async def held() -> AsyncIterator[tuple[HeldStore, Durability]]:
    store = HeldStore()
    durability = Durability(store)
    yield store, durability
    for _ in range(8):
        store.go.release()
    durability.close()


async def test_what_was_written_before_a_barrier_survives_a_power_cut() -> None:
    store = MemoryStore()
    durability = Durability(store)
    store.write({b"a": b"1"}, sync=False)
    await durability.barrier()
    store.write({b"b": b"2"}, sync=False)
    after = store.crash()
    assert (after.get(b"a"), after.get(b"b")) == (b"1", None)
    durability.close()


async def test_a_write_during_a_flush_waits_for_the_next_one(
    held: tuple[HeldStore, Durability],
) -> None:
    store, durability = held
    first = asyncio.ensure_future(durability.barrier())
    await asyncio.to_thread(store.begun.acquire, timeout=10)
    second = asyncio.ensure_future(durability.barrier())
    store.go.release()
    await first
    assert not second.done()
    store.go.release()
    await second
    assert durability.flushes == 2


async def test_everybody_who_comes_during_a_flush_shares_the_next_one(
    held: tuple[HeldStore, Durability],
) -> None:
    store, durability = held
    waiting = [asyncio.ensure_future(durability.barrier()) for _ in range(6)]
    store.go.release()
    store.go.release()
    await asyncio.gather(*waiting)
    assert durability.flushes == 2


async def test_a_failed_flush_fails_everybody_who_waits_and_comes_later() -> None:
    store = MemoryStore()
    durability = Durability(store)
    store.refuse_writes = True
    for _ in range(2):
        with pytest.raises(StoreWriteFailed):
            await durability.barrier()
    durability.close()


async def test_a_waiter_that_gives_up_does_not_take_the_others_with_it(
    held: tuple[HeldStore, Durability],
) -> None:
    store, durability = held
    leaving = asyncio.ensure_future(durability.barrier())
    staying = asyncio.ensure_future(durability.barrier())
    await asyncio.to_thread(store.begun.acquire, timeout=10)
    leaving.cancel()
    store.go.release()
    store.go.release()
    await staying
