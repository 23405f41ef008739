"""The query log: intervals, their trees, pages for auditors, retention and restarts."""

from __future__ import annotations

import pytest

from bulwark.ledger.ids import Digest
from bulwark.ledger.merkle import root_of
from node.guarded import querylog
from node.guarded.querylog import SERVED, Anchoring, Interval, QueryLog
from node.storage.errors import StoreDamaged
from node.storage.memory import MemoryStore
from tests.unit.node.guarded.served_world import served

DAY = 86_400
START = 20 * DAY * 1000
ME = b"m0".ljust(32, b"\0")


def book(store: MemoryStore, **how: int) -> QueryLog:
    return QueryLog(store, epoch_seconds=DAY, **how)


def close(log: QueryLog, store: MemoryStore, now_ms: int) -> list[Interval]:
    """Send and anchor what is over, with a ledger that takes everything."""
    over = log.close_before(now_ms)
    for interval in over:
        root, count = log.root(interval)
        anchoring = Anchoring(interval, count, root, b"\1" * 32, now_ms)
        store.write(log.sent(interval, anchoring), sync=False)
        log.anchored(interval, anchoring)
    return over


def test_an_interval_is_a_minute_of_its_epoch_and_ends_with_it() -> None:
    log = book(MemoryStore())
    assert log.interval_at(START) == Interval(20, 0)
    assert log.interval_at(START + 59_999) == Interval(20, 0)
    assert log.interval_at(START + 60_000) == Interval(20, 1)
    assert log.interval_at(START + DAY * 1000 - 1) == Interval(20, 1439)
    assert log.interval_at(START + DAY * 1000) == Interval(21, 0)


def test_leaves_stand_in_their_own_order_and_not_in_that_of_arrival() -> None:
    ones = [served(member, slot) for member in range(3) for slot in range(3)]
    roots = set()
    for order in (ones, ones[::-1]):
        log = book(MemoryStore())
        assert all(log.record(one, START + 7 * at) for at, one in enumerate(order))
        assert log.leaves(Interval(20, 0)) == sorted(one.leaf for one in ones)
        roots.add(log.root(Interval(20, 0)))
    assert roots == {(root_of(sorted(one.leaf for one in ones)), 9)}


def test_the_stored_log_is_the_same_whatever_the_order_and_moment() -> None:
    stores = []
    for order in ((0, 1, 2), (2, 0, 1)):
        store = MemoryStore()
        log = book(store)
        for at, slot in enumerate(order):
            log.record(served(0, slot), START + 100 * slot + at)
        stores.append(list(store.iterate(b"u")))
    assert stores[0] == stores[1]


def test_a_statement_is_recorded_once_over_restarts_and_intervals() -> None:
    store = MemoryStore()
    assert book(store).record(served(0, 1), START)
    again = book(store)
    assert not again.record(served(0, 1), START + 90_000)
    assert again.root(Interval(20, 0))[1] == 1


def test_an_anchored_entry_is_found_with_its_place_and_proof() -> None:
    store = MemoryStore()
    log = book(store)
    for slot in range(5):
        log.record(served(slot % 4, slot), START)
    (entry,) = log.find(served(2, 2).statement_hash)
    assert log.anchorage(entry, ME) is None
    assert close(log, store, START + 60_000) == [Interval(20, 0)]
    (entry,) = book(store).find(served(2, 2).statement_hash)
    place = book(store).anchorage(entry, ME)
    assert place is not None
    assert (place.anchor.evaluator, place.anchor.epoch, place.anchor.interval) == (ME, 20, 0)
    committed = entry.served.proven().committed(place)
    assert committed.anchorage.anchor.root == log.root(Interval(20, 0))[0]
    assert log.find(b"\0" * 32) == []


def test_an_interval_that_was_sent_takes_no_more() -> None:
    store = MemoryStore()
    log = book(store)
    log.record(served(0, 0), START)
    close(log, store, START + 60_000)
    for at in (log, book(store)):
        at.record(served(0, 1 if at is log else 2), START)
        assert at.leaves(Interval(20, 0)) == [served(0, 0).leaf]
    assert book(store).root(Interval(20, 1))[1] == 2


def test_what_is_over_waits_for_its_end_and_comes_in_order() -> None:
    log = book(MemoryStore())
    log.record(served(0, 1), START + 120_000)
    log.record(served(0, 0), START)
    assert log.close_before(START + 59_999) == []
    assert log.close_before(START + 60_000) == [Interval(20, 0)]
    over = [Interval(20, 0), Interval(20, 2)]
    assert log.close_before(START + DAY * 1000) == over


def test_a_full_interval_hands_over_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(querylog, "MAX_IN_INTERVAL", 2)
    store = MemoryStore()
    for slot in range(5):
        book(store).record(served(0, slot), START)
    counts = [book(store).root(Interval(20, number))[1] for number in range(4)]
    assert counts == [2, 2, 1, 0]


def test_auditors_read_page_by_page_what_was_sent_and_nothing_that_still_collects() -> None:
    store = MemoryStore()
    log = book(store)
    for slot in range(7):
        log.record(served(0, slot), START + 30_000 * slot)
    assert log.page().entries == ()
    close(log, store, START + 180_000)
    seen, cursor = [], None
    for _ in range(9):
        page = book(store).page(cursor, 2)
        seen += page.entries
        cursor = page.next
        if cursor is None:
            break
    assert [entry.interval.number for entry in seen] == [0, 0, 1, 1, 2, 2]
    assert {entry.leaf for entry in seen} == {served(0, slot).leaf for slot in range(6)}
    assert [entry.served.leaf for entry in seen] == [entry.leaf for entry in seen]


def test_anchored_intervals_are_listed_in_order() -> None:
    store = MemoryStore()
    log = book(store)
    for slot in range(4):
        log.record(served(0, slot), START + 60_000 * slot)
    close(log, store, START + 180_000)
    listed = [interval.number for interval, _ in log.anchorings()]
    assert listed == [0, 1, 2]
    assert [i.number for i, _ in log.anchorings(Interval(20, 0), 1)] == [1]
    assert log.waiting() == []


def test_old_epochs_go_and_rings_with_them_but_never_what_waits() -> None:
    store = MemoryStore()
    log = book(store, keep_epochs=2)
    for epoch in (20, 21, 22):
        log.record(served(0, 1, epoch), epoch * DAY * 1000)
    assert log.prune(23) == 0
    close(log, store, 24 * DAY * 1000)
    assert log.prune(23, most=1) == 1
    assert log.prune(23) == 1
    assert log.find(served(0, 1, 20).statement_hash) == []
    assert len(log.find(served(0, 1, 22).statement_hash)) == 1
    assert [i.epoch for i, _ in log.anchorings()] == [22]
    assert log.prune(40) == 1
    assert log.prune(40) == 0
    assert [key[1] for key, _ in store.iterate(b"u")] == [8]


def test_a_cut_keeps_whole_entries_or_none() -> None:
    for kept in range(3):
        store = MemoryStore()
        log = book(store)
        log.record(served(0, 0), START)
        log.record(served(0, 1), START)
        after = book(store.crash(kept))
        assert after.root(Interval(20, 0))[1] == kept
        assert len(after.close_before(START + 60_000)) == (1 if kept else 0)


def test_rot_is_named() -> None:
    store = MemoryStore()
    log = book(store)
    log.record(served(0, 0), START)
    close(log, store, START + 60_000)
    ((key, value),) = store.iterate(SERVED)
    store.write({key: bytes([value[0] ^ 1]) + value[1:]}, sync=True)
    with pytest.raises(StoreDamaged):
        book(store).find(served(0, 0).statement_hash)
    store.write({key: None}, sync=True)
    with pytest.raises(StoreDamaged):
        book(store).find(served(0, 0).statement_hash)
    assert Digest(key[-32:]) == served(0, 0).leaf
