"""Both stores keep one contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.storage.errors import StoreClosed
from node.storage.level import LevelStore
from node.storage.memory import MemoryStore
from node.storage.port import KeyValueStore, after_prefix

OPENERS: dict[str, Callable[[Path], KeyValueStore]] = {
    "level": LevelStore,
    "memory": lambda _path: MemoryStore(),
}


@pytest.fixture(params=sorted(OPENERS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyValueStore]:
    opened = OPENERS[request.param](tmp_path / "db")
    yield opened
    opened.close()


def test_a_written_value_is_read_back_and_a_missing_key_is_none(store: KeyValueStore) -> None:
    store.write({b"a": b"1", b"b": b""}, sync=True)
    assert store.get(b"a") == b"1"
    assert store.get(b"b") == b""
    assert store.get(b"c") is None


def test_none_deletes_a_key_in_the_same_batch_as_puts(store: KeyValueStore) -> None:
    store.write({b"a": b"1", b"b": b"2"}, sync=False)
    store.write({b"a": None, b"c": b"3"}, sync=True)
    assert dict(store.iterate(b"")) == {b"b": b"2", b"c": b"3"}


def test_iteration_stays_inside_the_prefix_in_both_directions(store: KeyValueStore) -> None:
    store.write(dict.fromkeys((b"a", b"b", b"b\x00", b"b\xff", b"b\xff\xff", b"c"), b""), sync=True)
    inside = [b"b", b"b\x00", b"b\xff", b"b\xff\xff"]
    assert [k for k, _ in store.iterate(b"b")] == inside
    assert [k for k, _ in store.iterate(b"b", reverse=True)] == inside[::-1]


def test_start_is_included_and_begins_the_walk_in_either_direction(store: KeyValueStore) -> None:
    store.write({b"p" + bytes([i]): b"" for i in range(5)}, sync=True)
    assert [k[1] for k, _ in store.iterate(b"p", start=b"p\x02")] == [2, 3, 4]
    assert [k[1] for k, _ in store.iterate(b"p", start=b"p\x02", reverse=True)] == [2, 1, 0]
    assert list(store.iterate(b"p", start=b"q")) == []
    assert [k[1] for k, _ in store.iterate(b"p", start=b"q", reverse=True)] == [4, 3, 2, 1, 0]
    assert [k[1] for k, _ in store.iterate(b"p", start=b"o")] == [0, 1, 2, 3, 4]
    assert list(store.iterate(b"p", start=b"o", reverse=True)) == []


def test_a_snapshot_does_not_see_later_writes(store: KeyValueStore) -> None:
    store.write({b"a": b"1"}, sync=True)
    view = store.snapshot(verify=True)
    store.write({b"a": b"2", b"b": b"3"}, sync=True)
    assert view.get(b"a") == b"1"
    assert list(view.iterate(b"")) == [(b"a", b"1")]
    view.close()
    assert store.get(b"a") == b"2"


def test_a_closed_store_refuses_reads_and_writes(store: KeyValueStore) -> None:
    store.compact()
    store.close()
    with pytest.raises(StoreClosed):
        store.get(b"a")
    with pytest.raises(StoreClosed):
        store.write({b"a": b"1"}, sync=True)
    with pytest.raises(StoreClosed):
        list(store.iterate(b""))
    with pytest.raises(StoreClosed):
        store.snapshot()


def test_the_key_after_a_prefix_skips_trailing_ones() -> None:
    assert after_prefix(b"a") == b"b"
    assert after_prefix(b"a\xff\xff") == b"b"
    assert after_prefix(b"\xff") is None
    assert after_prefix(b"") is None


_KEYS = st.binary(min_size=1, max_size=3)
_BATCHES = st.lists(st.dictionaries(_KEYS, st.none() | st.binary(max_size=4), max_size=6))


@settings(deadline=None, max_examples=30)
@given(
    batches=_BATCHES, prefix=st.binary(max_size=2), start=st.none() | _KEYS, reverse=st.booleans()
)
def test_disk_and_memory_give_equal_answers(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[dict[bytes, bytes | None]],
    prefix: bytes,
    start: bytes | None,
    reverse: bool,
) -> None:
    disk, memory = LevelStore(tmp_path_factory.mktemp("db")), MemoryStore()
    try:
        for batch in batches:
            disk.write(batch, sync=False)
            memory.write(batch, sync=False)
        mine = list(memory.iterate(prefix, start=start, reverse=reverse))
        assert list(disk.iterate(prefix, start=start, reverse=reverse)) == mine
    finally:
        disk.close()
