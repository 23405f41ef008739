"""The tag cache on a real disk: restarts, the bound, another key, damage, and what a thief sees."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulwark.ledger.ids import Tag
from bulwark.privacy.tags import tag_input
from node.guarded.atrest import AtRest
from node.storage.level import LevelStore
from node.storage.schema import TAG_CACHE
from node.tagging.cache import NAME_BYTES, TagCache
from node.tagging.shelf import LIVE, STATE, TAGS, TagShelf

INDEX_KEY, VAULT_KEY = b"i" * 32, b"v" * 32


class Disk:
    """A cache over a folder, as a node opens it."""

    def __init__(self, path: Path, capacity: int = 1_000) -> None:
        self.path, self.capacity = path, capacity
        self.open()

    def open(self, capacity: int | None = None, vault_key: bytes = VAULT_KEY) -> None:
        self.capacity = capacity or self.capacity
        self.store = LevelStore(self.path)
        at_rest = AtRest(vault_key, b"tag-cache", os.urandom)
        self.shelf = TagShelf(self.store, at_rest, self.capacity)
        self.cache = TagCache(INDEX_KEY, self.capacity, self.shelf)

    def again(self, capacity: int | None = None, vault_key: bytes = VAULT_KEY) -> None:
        self.store.close()
        self.open(capacity, vault_key)

    def put(self, *numbers: int) -> None:
        self.cache.put_all({self.name(number): tag(number) for number in numbers})

    def name(self, number: int) -> bytes:
        return self.cache.name(value(number))

    def has(self, number: int) -> bool:
        found = self.cache.get(self.name(number))
        assert found in (None, tag(number))
        return found is not None

    @property
    def stored(self) -> int:
        """Entries on disk, dropped ones that are not deleted yet included."""
        return sum(1 for _ in self.store.iterate(TAGS))


def value(number: int) -> bytes:
    return tag_input(1, "phone", f"+4420794{number:06d}")


def tag(number: int) -> Tag:
    return Tag(hashlib.sha256(b"tag %d" % number).digest())


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path / "data")
    yield made
    made.store.close()


def test_what_was_asked_before_a_restart_is_known_after_it(disk: Disk) -> None:
    disk.cache.turn_to(3)
    disk.put(*range(700))
    disk.again()
    assert not disk.cache.turn_to(3)
    assert len(disk.cache) == 700
    assert all(disk.has(number) for number in range(700))
    assert not disk.has(700)
    assert (disk.cache.hits, disk.cache.misses) == (700, 1)


@pytest.mark.parametrize("capacity", [9, 37, 1_000])
def test_the_disk_never_holds_more_than_the_capacity_and_keeps_the_newest(
    disk: Disk, capacity: int
) -> None:
    disk.again(capacity)
    generation = capacity // (LIVE + 1)
    for number in range(4 * capacity):
        disk.put(number)
        if number % generation == 0:
            assert disk.stored <= capacity and len(disk.cache) <= capacity
    disk.again()
    names = {key[-NAME_BYTES:] for key, _ in disk.store.iterate(TAGS)}
    newest = range(4 * capacity - (LIVE - 1) * generation, 4 * capacity)
    assert {disk.name(number) for number in newest} <= names and len(names) <= capacity


def test_seven_ninths_of_the_capacity_are_read_over_and_over_without_losing_one(
    disk: Disk,
) -> None:
    disk.put(*range(777))
    for _ in range(4):
        disk.again()
        assert all(disk.has(number) for number in range(777))
        assert len(disk.cache) == 777


def test_what_is_asked_again_outlives_what_is_not(disk: Disk) -> None:
    disk.again(100)
    disk.put(*range(20))
    for number in range(1_000, 2_000):
        disk.put(number)
        disk.cache._tags.clear()  # as if memory were full of others
        if number % 10 == 0:
            assert disk.has(7)
    disk.cache._tags.clear()
    assert not any(disk.has(number) for number in (0, 6, 8, 19))


def test_another_tag_key_clears_the_disk_and_a_restart_brings_nothing_back(disk: Disk) -> None:
    disk.cache.turn_to(1)
    disk.put(*range(600))
    old = disk.name(5)
    assert disk.cache.turn_to(2)
    assert (len(disk.cache), disk.has(5), disk.cache.get(old)) == (0, False, None)
    disk.again()
    assert disk.cache.key_id == 2
    while disk.cache.sweep():
        pass
    assert disk.stored == 0
    disk.put(5)
    disk.again()
    assert disk.has(5) and len(disk.cache) == 1
    assert disk.cache.turn_to(1)
    assert disk.cache.get(old) is None


def test_a_smaller_capacity_holds_from_the_next_start(disk: Disk) -> None:
    disk.put(*range(1_000))
    disk.again(50)
    assert len(disk.cache) <= 50
    while disk.cache.sweep():
        pass
    assert disk.stored <= 50
    disk.put(*range(5_000, 5_010))
    assert all(disk.has(number) for number in range(5_000, 5_010))


def test_the_bytes_of_the_disk_show_no_value_no_tag_and_no_name_without_the_key(
    disk: Disk,
) -> None:
    disk.put(*range(900))
    disk.store.compact()
    disk.put(*range(900, 1_000))
    disk.store.close()
    held = b"".join(file.read_bytes() for file in sorted(disk.path.iterdir()))
    keyed = TagCache(bytes(32), 1)
    for number in range(1_000):
        data = value(number)
        for needle in (
            data, data[-13:], tag(number), tag(number)[:16], hashlib.sha256(data).digest()[:16],
            hashlib.blake2b(data, digest_size=16).digest(), keyed.name(data),
        ):  # fmt: skip
            assert needle not in held
    assert any(disk.name(number) in held for number in range(1_000)), "the scan sees names"
    disk.open()


def test_an_entry_that_was_moved_or_bent_is_dropped_and_asked_for_again(disk: Disk) -> None:
    disk.put(1, 2)
    pairs = dict(disk.store.iterate(TAGS))
    (first, one), (second, two) = pairs.items()
    disk.store.write({first: two, second: two[:-1] + bytes([two[-1] ^ 1])}, sync=True)
    assert one != two
    disk.again()
    assert not disk.has(1) and not disk.has(2)
    assert disk.stored == 0
    disk.put(1)
    disk.again(vault_key=b"w" * 32)
    assert not disk.has(1)


def test_all_keys_lie_under_the_prefix_of_the_cache(disk: Disk) -> None:
    disk.put(*range(10))
    disk.cache.turn_to(9)
    keys = [key for key, _ in disk.store.iterate(b"q")]
    assert STATE in keys and len(keys) == 11
    assert all(key.startswith(TAG_CACHE) for key in keys)
