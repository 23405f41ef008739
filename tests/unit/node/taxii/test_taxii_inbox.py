"""The inbox of the TAXII server: versions, bounds, ages, and nothing readable on the disk."""

from __future__ import annotations

import itertools
import os
from typing import Any

from node.storage.memory import MemoryStore
from node.storage.schema import TAXII
from node.taxii.inbox import Inbox, InboxParts
from node.taxii.port import Status, StatusEntry, timestamp

DAY_US = 86_400_000_000
KEY = bytes(range(32))
STATUS_ID = "5f0d8b1e-3c1b-4b52-9a0f-6d3b0d4f9a06"


def inbox(store: MemoryStore, *, most: int = 100, start: int = 1_795_000_000_000_000) -> Inbox:
    dates = itertools.count(start)
    return Inbox(
        InboxParts(
            store=store,
            vault_key=KEY,
            random_bytes=os.urandom,
            new_date=lambda: next(dates),
            days=30,
            most=most,
        )
    )


def entry(number: int, modified: str = "2026-11-01T10:00:00.000Z") -> dict[str, Any]:
    name = f"indicator--5f0d8b1e-3c1b-4b52-9a0f-{number:012d}"
    pattern = f"[email-addr:value = 'clear{number}@scam-post.net']"
    return {"type": "indicator", "id": name, "modified": modified, "pattern": pattern}


def test_versions_of_an_object_are_kept_once_each_and_read_back_in_order() -> None:
    held = inbox(MemoryStore())
    newer = entry(1, "2026-11-02T10:00:00.000Z")
    for document in (entry(1), entry(2), newer):
        assert not held.has(document)
        held.keep(document)
        assert held.has(document)
    assert [one.object for one in held.objects(-1)] == [entry(1), entry(2), newer]
    assert [one.version for one in held.of(entry(1)["id"])] == [
        entry(1)["modified"], newer["modified"],
    ]  # fmt: skip
    held.remove(held.of(entry(1)["id"])[0])
    assert [one.object for one in held.of(entry(1)["id"])] == [newer]
    assert held.count == 2


def test_what_is_kept_outlives_a_restart_and_nothing_of_it_is_readable_on_the_disk() -> None:
    store = MemoryStore()
    before = inbox(store)
    before.keep(entry(1))
    before.keep_status(Status(STATUS_ID, 5, (StatusEntry("id-in-clear", "v", "clear words"),), ()))
    after = inbox(store, start=1_796_000_000_000_000)
    assert after.count == 1 and after.has(entry(1))
    found = after.status(STATUS_ID)
    assert found is not None and found.successes[0].message == "clear words"
    assert after.status("5f0d8b1e-3c1b-4b52-9a0f-6d3b0d4f9a07") is None
    for key, value in store.iterate(TAXII):
        assert b"clear" not in key + value and b"indicator" not in key + value


def test_an_inbox_is_bounded_and_lets_go_of_what_is_old() -> None:
    held = inbox(MemoryStore(), most=2)
    held.keep(entry(1))
    held.keep(entry(2))
    assert held.is_full
    start = 1_795_000_000_000_000
    held.sweep(start + 29 * DAY_US)
    assert held.count == 2
    held.sweep(start + 30 * DAY_US + 1)
    assert [one.object for one in held.objects(-1)] == [entry(2)]
    assert not held.is_full and not held.of(entry(1)["id"])
    held.sweep(start + 31 * DAY_US)
    assert held.count == 0


def test_statuses_are_bounded() -> None:
    store = MemoryStore()
    held = inbox(store)
    for number in range(1_005):
        name = f"5f0d8b1e-3c1b-4b52-9a0f-{number:012d}"
        held.keep_status(Status(name, 1_795_000_000_000_000 + number, (), ()))
    held.sweep(1_795_000_000_000_000)
    assert held.status("5f0d8b1e-3c1b-4b52-9a0f-000000000004") is None
    assert held.status("5f0d8b1e-3c1b-4b52-9a0f-000000000005") is not None


def test_timestamps_have_microseconds() -> None:
    assert timestamp(1_795_000_000_000_001) == "2026-11-18T11:06:40.000001Z"
