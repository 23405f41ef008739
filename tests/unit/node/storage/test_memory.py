"""What the memory store adds to the contract: power cuts and refused writes."""

from __future__ import annotations

import pytest

from node.storage.errors import StoreClosed, StoreWriteFailed
from node.storage.memory import MemoryStore


def test_a_power_cut_drops_every_write_after_the_last_synced_one() -> None:
    store = MemoryStore()
    store.write({b"a": b"1"}, sync=False)
    store.write({b"b": b"1"}, sync=True)
    store.write({b"a": None, b"b": b"2"}, sync=False)
    store.write({b"c": b"3"}, sync=False)
    after = store.crash()
    assert dict(after.iterate(b"")) == {b"a": b"1", b"b": b"1"}
    with pytest.raises(StoreClosed):
        store.get(b"a")


def test_a_power_cut_can_keep_the_earliest_unsynced_writes() -> None:
    store = MemoryStore()
    store.write({b"a": b"1"}, sync=False)
    store.write({b"a": b"2"}, sync=False)
    store.write({b"a": b"3"}, sync=False)
    assert store.crash(keep_unsynced=2).get(b"a") == b"2"


def test_refused_writes_change_nothing() -> None:
    store = MemoryStore({b"a": b"1"})
    store.refuse_writes = True
    with pytest.raises(StoreWriteFailed):
        store.write({b"a": b"2"}, sync=True)
    assert store.get(b"a") == b"1"
    assert store.synced_writes == 0
