"""A member's slots: each one once, over restarts, and no more than the quota."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from bulwark.privacy.query import Scope
from node.guarded.slotbook import STRIDE, QuotaExhausted, SlotBook
from node.storage.durability import Durability
from node.storage.memory import MemoryStore

KEY = bytes(range(32))


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def durability(store: MemoryStore) -> Iterator[Durability]:
    made = Durability(store)
    yield made
    made.close()


async def draw(book: SlotBook, times: int, *, epoch: int = 1, quota: int = 300) -> list[int]:
    return await asyncio.gather(*(book.draw(epoch, Scope.SMALL, quota) for _ in range(times)))


async def test_no_slot_is_drawn_twice_and_the_order_is_not_counting(
    store: MemoryStore, durability: Durability
) -> None:
    slots = await draw(SlotBook(store, durability, KEY), 300)
    assert sorted(slots) == list(range(300))
    assert slots != sorted(slots)


async def test_past_the_quota_the_member_is_told(
    store: MemoryStore, durability: Durability
) -> None:
    book = SlotBook(store, durability, KEY)
    await draw(book, 5, quota=5)
    with pytest.raises(QuotaExhausted) as told:
        await draw(book, 1, quota=5)
    assert (told.value.scope, told.value.quota) == (Scope.SMALL, 5)
    assert await draw(book, 5, epoch=2, quota=5)


async def test_a_restart_draws_no_slot_again(store: MemoryStore, durability: Durability) -> None:
    before = await draw(SlotBook(store, durability, KEY), 70)
    after = await draw(SlotBook(store, durability, KEY), 100)
    assert not set(before) & set(after)
    assert SlotBook(store, durability, KEY).used(1, Scope.SMALL) <= 70 + 100 + 2 * STRIDE


async def test_a_quota_changed_in_the_epoch_gives_no_slot_out_again(
    store: MemoryStore, durability: Durability
) -> None:
    book = SlotBook(store, durability, KEY)
    slots = (
        await draw(book, 50, quota=200)
        + await draw(book, 50, quota=400)
        + await draw(book, 20, quota=150)
    )
    assert len(set(slots)) == 120
    with pytest.raises(QuotaExhausted):
        await draw(book, 1, quota=120)
    assert all(slot < 200 for slot in slots)


async def test_one_flush_serves_many_draws(store: MemoryStore, durability: Durability) -> None:
    await draw(SlotBook(store, durability, KEY), 2 * STRIDE)
    assert durability.flushes == 2


async def test_old_epochs_are_forgotten(store: MemoryStore, durability: Durability) -> None:
    book = SlotBook(store, durability, KEY)
    await draw(book, 3, epoch=1)
    await draw(book, 3, epoch=2)
    book.prune(2)
    assert book.used(1, Scope.SMALL) == 0
    assert book.used(2, Scope.SMALL) == 3
    assert len(list(store.iterate(b"u"))) == 1


async def test_a_leap_gets_past_slots_that_an_earlier_life_gave_out(
    store: MemoryStore, durability: Durability
) -> None:
    used = set(await draw(SlotBook(store, durability, KEY), 200, quota=1000))
    lost = MemoryStore()
    again = SlotBook(lost, durability, KEY)
    leaps = 0
    while (await again.draw(1, Scope.SMALL, 1000)) in used:
        await again.leap(1, Scope.SMALL)
        leaps += 1
    assert leaps == 3
    await again.leap(2, Scope.SMALL)
    after = SlotBook(lost, durability, KEY)
    assert not used & set(await draw(after, 50, quota=1000))
