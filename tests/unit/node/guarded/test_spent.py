"""An evaluator's nullifiers: one request a slot, over restarts, bounded by epochs."""

from __future__ import annotations

import pytest

from node.guarded.spent import Spending, SpentNullifiers
from node.storage.errors import StoreDamaged
from node.storage.memory import MemoryStore

ONE, TWO = b"\x01" * 32, b"\x02" * 32


def test_a_nullifier_serves_one_request_and_repeats_of_it() -> None:
    spent = SpentNullifiers(MemoryStore())
    assert spent.spend(7, 1, ONE, b"a" * 32) is Spending.FRESH
    assert spent.spend(7, 1, ONE, b"a" * 32) is Spending.REPEATED
    assert spent.spend(7, 1, ONE, b"b" * 32) is Spending.CONFLICT
    assert spent.spend(7, 1, ONE, b"a" * 32) is Spending.REPEATED


def test_looking_spends_nothing() -> None:
    spent = SpentNullifiers(MemoryStore())
    assert spent.look(7, 1, ONE, b"a" * 32) is Spending.FRESH
    assert spent.spend(7, 1, ONE, b"b" * 32) is Spending.FRESH
    assert spent.look(7, 1, ONE, b"a" * 32) is Spending.CONFLICT


def test_epochs_and_scopes_are_apart() -> None:
    spent = SpentNullifiers(MemoryStore())
    for epoch, scope in ((7, 1), (7, 2), (8, 1)):
        assert spent.spend(epoch, scope, ONE, b"a" * 32) is Spending.FRESH
    spent.spend(7, 1, TWO, b"a" * 32)
    assert (spent.count(7, 1), spent.count(7, 2), spent.count(9, 1)) == (2, 1, 0)


def test_a_restart_forgets_nothing() -> None:
    store = MemoryStore()
    SpentNullifiers(store).spend(7, 1, ONE, b"a" * 32)
    assert SpentNullifiers(store).spend(7, 1, ONE, b"b" * 32) is Spending.CONFLICT


def test_pruning_keeps_the_running_epoch_and_the_one_before() -> None:
    spent = SpentNullifiers(MemoryStore())
    for epoch in range(5, 10):
        spent.spend(epoch, 1, ONE, b"a" * 32)
    assert spent.prune(9, most=2) == 2
    assert spent.prune(9) == 1
    assert spent.prune(9) == 0
    assert [spent.count(epoch, 1) for epoch in range(5, 10)] == [0, 0, 0, 1, 1]


def test_rot_in_a_stored_nullifier_is_named_and_never_read_as_fresh() -> None:
    store = MemoryStore()
    SpentNullifiers(store).spend(7, 1, ONE, b"a" * 32)
    ((key, value),) = store.iterate(b"u")
    store.write({key: bytes([value[0] ^ 1]) + value[1:]}, sync=True)
    with pytest.raises(StoreDamaged):
        SpentNullifiers(store).spend(7, 1, ONE, b"b" * 32)
