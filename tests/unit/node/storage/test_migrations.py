"""Migrations: a step is done whole or begun again, whatever falls between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from node.storage import schema
from node.storage.errors import StoreWriteFailed
from node.storage.memory import MemoryStore
from node.storage.migrations import MIGRATIONS, OWN, LayoutUnknown, Migration, migrate, version_of
from node.storage.port import KeyValueStore

OLD, NEW = b"Z", b"Y"
KEYS = 200


class Failing(MemoryStore):
    """Fails at the n-th write, as a process that is killed there."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.left = at

    def write(self, puts: Mapping[bytes, bytes | None], *, sync: bool) -> None:
        self.left -= 1
        if self.left == 0:
            raise StoreWriteFailed("memory", "killed here")
        super().write(puts, sync=sync)


def _move(store: KeyValueStore) -> Iterator[tuple[Mapping[bytes, bytes | None], float]]:
    """Old keys to new ones, seven at a time, the old going in the write that puts the new."""
    pairs = list(store.iterate(OLD))
    for first in range(0, len(pairs), 7):
        some = pairs[first : first + 7]
        puts: dict[bytes, bytes | None] = {NEW + key[1:]: value[::-1] for key, value in some}
        yield puts | {key: None for key, _ in some}, first / len(pairs)


TABLE = (
    Migration(1, "moves every key", _move),
    Migration(2, "nothing", lambda _store: iter(())),
)


def _fill(store: MemoryStore) -> None:
    values: dict[bytes, bytes | None] = {
        OLD + number.to_bytes(2, "big"): b"value %d" % number for number in range(KEYS)
    }
    store.write({**values, schema.META_FORMAT: b"bulwark-store/1"}, sync=True)


def test_the_table_has_no_gap_and_ends_at_the_layout_of_this_version() -> None:
    sources = [step.source for step in MIGRATIONS]
    assert sources == list(range(sources[0], OWN))


def test_an_old_store_is_migrated_with_its_progress_told() -> None:
    store = MemoryStore()
    _fill(store)
    told: list[tuple[int, int, float]] = []
    assert migrate(store, lambda *args: told.append(args), TABLE) == 1
    assert store.get(schema.META_FORMAT) == b"bulwark-store/3"
    assert len(list(store.iterate(NEW))) == KEYS
    assert not list(store.iterate(OLD))
    assert told[0] == (1, 2, 0.0)
    assert told[-1] == (2, 3, 1.0)
    shares = [done for _, target, done in told if target == 2]
    assert shares == sorted(shares)
    assert migrate(store, table=TABLE) == 3


def test_a_migration_that_is_killed_at_any_write_ends_the_same() -> None:
    wanted = MemoryStore()
    _fill(wanted)
    migrate(wanted, table=TABLE)
    for at in range(2, KEYS // 7 + 4):
        store = Failing(at)
        _fill(store)
        try:
            migrate(store, table=TABLE)
        except StoreWriteFailed:
            migrate(store, table=TABLE)
        assert list(store.iterate(b"")) == list(wanted.iterate(b"")), f"killed at write {at}"


@pytest.mark.parametrize("value", [b"bulwark-store/4", b"bulwark-store/0", b"else", b""])
def test_a_layout_outside_the_table_is_refused_and_nothing_is_written(value: bytes) -> None:
    store = MemoryStore()
    store.write({schema.META_FORMAT: value, b"Zk": b"v"}, sync=True)
    before = list(store.iterate(b""))
    with pytest.raises(LayoutUnknown, match="this version reads 3"):
        migrate(store, table=TABLE)
    assert list(store.iterate(b"")) == before


def test_only_numbers_of_this_product_are_versions() -> None:
    assert version_of(b"bulwark-store/17") == 17
    assert version_of(b"bulwark-store/") is None
    assert version_of(b"bulwark-store/-1") is None
    assert version_of(None) is None
