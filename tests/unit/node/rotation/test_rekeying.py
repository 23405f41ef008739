"""What is stored follows a new vault or index key whole, and over any cut."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bulwark.privacy.query import Scope
from node.guarded.atrest import use_key
from node.guarded.slotbook import SlotBook
from node.rotation.keyline import KeyLine, Renaming, first_key, generations
from node.rotation.rekeying import ROWS, KeyOfRowsMissing, rekey
from node.rotation.rekeynote import Progress
from node.rotation.rekeytables import TABLES
from node.storage.durability import Durability
from node.storage.level import LevelStore
from node.storage.memory import MemoryStore
from node.storage.port import KeyValueStore
from node.storage.schema import META_REKEYED, META_REKEYING, META_STAGED
from tests.unit.node.rotation.stored import Stored

V = [bytes([1, number]) * 16 for number in range(4)]
I = [bytes([2, number]) * 16 for number in range(4)]  # noqa: E741 - the index key's letter
ROOT = Path(__file__).resolve().parents[4]


def line(keys: list[bytes], upto: int) -> KeyLine:
    return KeyLine(keys[upto], keys[:upto])


def written(store: KeyValueStore, vault: bytes, index: bytes, *numbers: int) -> None:
    it = Stored(store, vault, index)
    for number in numbers:
        it.write(number)
    it.close()


def checked(store: KeyValueStore, vault: bytes, index: bytes, *numbers: int) -> None:
    it = Stored(store, vault, index)
    for number in numbers:
        it.check(number)
    it.close()


def rows(store: KeyValueStore) -> Iterator[tuple[bytes, bytes]]:
    return (pair for table in TABLES for pair in store.iterate(table.prefix))


def opens(store: KeyValueStore, vault: bytes) -> int:
    """Values that open under a vault key."""
    count = 0
    for table in TABLES:
        for key, value in store.iterate(table.prefix) if table.derive else ():
            try:
                AESGCM(table.derive(vault)).decrypt(value[:12], value[12:], key)
                count += 1
            except InvalidTag:
                continue
    return count


@pytest.mark.parametrize(("vault", "index"), [(1, 0), (0, 1), (1, 1), (3, 2)])
def test_everything_is_found_under_the_new_keys_and_nothing_opens_under_the_old(
    vault: int, index: int
) -> None:
    store = MemoryStore()
    written(store, V[0], I[0], 1, 2)
    before = dict(rows(store))
    done = rekey(store, line(V, vault), line(I, index))
    assert done.is_done and done.unreadable == 0 and done.moved == 2 * len(before)
    checked(store, line(V, vault), line(I, index), 1, 2)
    assert len(dict(rows(store))) == len(before)
    assert not list(store.iterate(META_STAGED)) and store.get(META_REKEYING) is None
    if vault:
        assert opens(store, V[0]) == 0 and opens(store, V[vault]) > 20
    kept_names = set(before) & set(dict(rows(store)))
    named = {key for table in TABLES if table.names for key, _ in store.iterate(table.prefix)}
    if vault and index:
        assert not named & kept_names


def test_what_is_written_after_a_rotation_stands_beside_what_was_before_over_several() -> None:
    store = MemoryStore()
    rekey(store, V[0], I[0])
    written(store, V[0], I[0], 1)
    for number in (1, 2, 3):
        vault, index = line(V, number), line(I, number)
        rekey(store, vault, index)
        written(store, vault, index, number + 1)
        checked(store, vault, index, *range(1, number + 2))
    it = Stored(store, line(V, 3), line(I, 3))
    for number in (1, 2, 3, 4):
        it.tell_twice(number)
    it.close()


def test_a_cut_at_any_write_loses_nothing_and_the_next_start_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("node.rotation.rekeying.ROWS", 7)
    whole = MemoryStore()
    written(whole, V[0], I[0], 1)
    whole.flush()
    cuts = 0
    for stop_at in range(1, 1000):
        store = MemoryStore(dict(whole.iterate(b"")))
        if not is_cut(store, stop_at):
            break
        cuts += 1
        for kept in (0, 10_000):
            found = store.after_power_cut(kept)
            rekey(found, line(V, 1), line(I, 1))
            checked(found, line(V, 1), line(I, 1), 1)
            assert opens(found, V[0]) == 0
    assert cuts > 10


def is_cut(store: MemoryStore, stop_at: int) -> bool:
    """Rekey and fail at a write; False when there were fewer."""
    write, count = store.write, 0

    def counted(puts: dict[bytes, bytes | None], *, sync: bool) -> None:
        nonlocal count
        count += 1
        if count == stop_at:
            raise OSError("the power is gone")
        write(puts, sync=sync)

    store.write = counted  # type: ignore[method-assign, assignment]
    try:
        rekey(store, line(V, 1), line(I, 1))
    except OSError:
        return True
    finally:
        store.write = write  # type: ignore[method-assign]
    return False


def test_another_rotation_after_a_cut_ends_the_first_one_before_it() -> None:
    store = MemoryStore()
    written(store, V[0], I[0], 1)
    assert is_cut(store, 3)
    rekey(store, line(V, 2), line(I, 1))
    checked(store, line(V, 2), line(I, 1), 1)


def test_it_holds_on_a_real_disk_and_tells_how_far_it_is(tmp_path: Path) -> None:
    store = LevelStore(tmp_path / "data")
    written(store, V[0], I[0], *range(1, 30))
    told: list[Progress] = []
    rekey(store, line(V, 1), line(I, 1), told.append)
    assert [each.moved for each in told] == sorted(each.moved for each in told)
    assert told[-1].moved == told[-1].rows > 4 * ROWS
    store.close()
    store = LevelStore(tmp_path / "data")
    checked(store, line(V, 1), line(I, 1), *range(1, 30))
    told.clear()
    assert rekey(store, line(V, 1), line(I, 1), told.append).moved == 0 and not told
    store.close()


def test_a_keystore_without_the_key_of_the_rows_is_refused_and_nothing_is_touched() -> None:
    store = MemoryStore()
    rekey(store, line(V, 1), I[0])
    written(store, line(V, 1), I[0], 1)
    before = dict(store.iterate(b""))
    with pytest.raises(KeyOfRowsMissing, match=r"vault key [0-9a-f]{16}"):
        rekey(store, V[3], I[0])
    assert dict(store.iterate(b"")) == before


def test_a_damaged_row_is_kept_and_counted() -> None:
    store = MemoryStore()
    written(store, V[0], I[0], 1)
    key, value = next(iter(store.iterate(TABLES[0].prefix)))
    bent = value[:-1] + bytes([value[-1] ^ 1])
    store.write({key: bent}, sync=True)
    done = rekey(store, line(V, 1), I[0])
    assert done.unreadable == 1 and store.get(key) == bent
    assert store.get(META_REKEYED) is not None


async def test_slots_of_a_running_quota_period_are_not_given_out_again_by_a_new_index_key() -> None:
    store = MemoryStore()
    durability = Durability(store)
    first = SlotBook(store, durability, I[0])
    given = [await first.draw(1, Scope.SMALL, 400) for _ in range(70)]
    after = SlotBook(store, durability, line(I, 1))
    given += [await after.draw(1, Scope.SMALL, 400) for _ in range(70)]
    fresh = [await after.draw(2, Scope.SMALL, 400) for _ in range(5)]
    assert len(set(given)) == len(given)
    old = SlotBook(MemoryStore(), durability, I[0])
    assert fresh != [await old.draw(2, Scope.SMALL, 400) for _ in range(5)]
    durability.close()


def test_every_use_of_the_vault_key_in_the_code_is_in_the_table() -> None:
    text = "\n".join(path.read_text("utf-8") for path in (ROOT / "node").rglob("*.py"))
    uses = set(re.findall(r'AtRest\(\s*[\w.]+,\s*b"([^"]+)"', text))
    uses |= {f"interaction/{number:02x}" for number in range(1, 5)}
    known = {table.derive(V[0]) for table in TABLES if table.derive}
    assert len(uses) > 12
    assert {use for use in uses if use_key(V[0], use.encode()) not in known} == set()


def test_no_row_is_in_two_tables() -> None:
    prefixes = [table.prefix for table in TABLES]
    assert not [(a, b) for a in prefixes for b in prefixes if a is not b and b.startswith(a)]


def test_a_line_tells_its_keys_apart_and_shows_none() -> None:
    both = line(V, 1)
    assert both == V[1] and generations(both) == (V[0], V[1]) and first_key(both) == V[0]
    assert generations(V[0]) == (V[0],) and Renaming(V[0])(b"name") == b"name"
    assert V[1].hex() not in repr(both) and repr(V[1]) not in repr(both)
    assert Renaming(line(V, 2))(b"name") == Renaming(line(V, 2), 1)(Renaming(both)(b"name"))
    for bad in ((V[0], [V[0]]), (b"short", []), (V[0], [b"short"])):
        with pytest.raises(ValueError, match="different keys of 32 bytes"):
            KeyLine(*bad)
