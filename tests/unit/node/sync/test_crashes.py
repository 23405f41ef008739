"""A sync that is killed at any of its writes, or by a power cut, goes on and ends the same."""

from __future__ import annotations

import asyncio

import pytest

from bulwark.ledger.ids import Height
from node.chain.store import ChainStore
from node.storage.errors import StoreWriteFailed
from node.storage.memory import MemoryStore
from tests.unit.node.execution.alliance import Node
from tests.unit.node.sync.support import (
    GOOD,
    NOT_INSTALLED,
    DyingStore,
    Mesh,
    Syncing,
    clean,
    contents,
    grow,
    pairs_of,
    servers,
    source,
)

LAST = 12
STARTED = 2
"""Blocks that the node had executed before."""


def mesh() -> Mesh:
    return Mesh({GOOD: servers(source())})


async def sync(node: Node) -> None:
    async with asyncio.timeout(20):
        await Syncing(node, mesh()).sync.run(Height(LAST), None)


def begin() -> dict[bytes, bytes]:
    node = grow(Node(), STARTED, interval=3)
    assert isinstance(node.store, MemoryStore)
    return pairs_of(node.store)


async def killed_after(lives: int) -> DyingStore | None:
    """The store of a sync that was killed after some writes, None if it was done by then."""
    store = DyingStore(begin(), lives)
    try:
        await sync(Node(store))
    except StoreWriteFailed:
        return store
    return None


async def comes_through(store: MemoryStore) -> None:
    """What a restart finds is sound, and leads to the same chain."""
    node = Node(store)
    assert isinstance(ChainStore.open(store, node.genesis), ChainStore)
    assert node.chain.applied in (STARTED, LAST)
    assert clean(node)
    await sync(node)
    assert contents(node, *NOT_INSTALLED) == contents(source(), *NOT_INSTALLED)
    assert clean(node)


async def test_killed_at_any_write_it_is_sound_and_goes_on() -> None:
    lives = 0
    while (store := await killed_after(lives)) is not None:
        await comes_through(MemoryStore(pairs_of(store)))
        lives += 1
    assert lives > LAST - STARTED


@pytest.mark.parametrize("lost", [0.0, 0.5, 0.9])
async def test_a_power_cut_at_any_write_loses_work_and_nothing_else(lost: float) -> None:
    lives = 0
    while (store := await killed_after(lives)) is not None:
        kept = int(len(store._undo) * (1 - lost)) if lost else 0
        await comes_through(store.crash(keep_unsynced=kept))
        lives += 1


async def test_a_node_killed_in_mid_sync_may_execute_instead() -> None:
    store = await killed_after(8)
    assert store is not None
    node = Node(MemoryStore(pairs_of(store)))
    grow(node, LAST - STARTED, interval=3)
    assert node.chain.tip == source().chain.tip
    assert clean(node)
