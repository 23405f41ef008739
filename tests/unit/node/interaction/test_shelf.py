"""Shelves: every write under a new key, names that say nothing, and damage that is named."""

from __future__ import annotations

import asyncio
import os
from types import SimpleNamespace
from typing import cast

import pytest

from bulwark.ledger.ids import RecordId
from node.disputes.casebook import Case, Casebook
from node.disputes.port import DisputeView
from node.interaction.shelf import CHUNK, NO_VALUE, Shelf
from node.interaction.statusdesk import StatusDesk
from node.interaction.statusport import Sort
from node.storage.errors import StoreDamaged
from node.storage.memory import MemoryStore
from node.storage.schema import INTERACTION

KEY = b"v" * 32
DOCUMENT = {"text": "what a person said"}


def kept(store: MemoryStore, shelf: Shelf) -> bytes:
    identity = shelf.new_id()
    names = {shelf.name("customer", "c-1"): b"x" * 16}
    store.write(shelf.puts(identity, DOCUMENT, 7, names), sync=False)
    return identity


async def test_a_document_is_found_by_id_time_and_name_and_by_its_own_shelf_alone() -> None:
    store = MemoryStore()
    shelf, other = Shelf(store, b"\x01", KEY, os.urandom), Shelf(store, b"\x02", KEY, os.urandom)
    identity = kept(store, shelf)
    assert shelf.get(identity) == DOCUMENT and other.get(identity) is None
    assert shelf.named(shelf.name("customer", "c-1")) == [(identity, b"x" * 16)]
    assert shelf.named(shelf.name("person", "c-1")) == []
    assert shelf.name("customer", "c-1") != other.name("customer", "c-1")
    assert [found async for found in shelf.oldest()] == [(7, identity)]
    assert list(other.newest()) == [] and await shelf.count() == 1
    assert all(key.startswith(INTERACTION + b"\x01") for key, _ in store.iterate(b""))


def test_a_document_does_not_open_under_another_key_or_at_another_place() -> None:
    store = MemoryStore()
    identity = kept(store, Shelf(store, b"\x01", KEY, os.urandom))
    with pytest.raises(StoreDamaged):
        Shelf(store, b"\x01", b"w" * 32, os.urandom).get(identity)
    shelf = Shelf(store, b"\x01", KEY, os.urandom)
    moved = kept(store, shelf)
    base = INTERACTION + b"\x01d"
    store.write({base + identity: store.get(base + moved)}, sync=False)
    with pytest.raises(StoreDamaged):
        shelf.get(identity)


def test_an_earlier_form_opens_with_no_key_that_is_left() -> None:
    store = MemoryStore()
    shelf = Shelf(store, b"\x01", KEY, os.urandom)
    identity = kept(store, shelf)
    at = INTERACTION + b"\x01d" + identity
    earlier = store.get(at)
    store.write(shelf.puts(identity, {"text": None}, 7), sync=False)
    assert shelf.get(identity) == {"text": None}
    store.write({at: earlier}, sync=False)
    with pytest.raises(StoreDamaged):
        shelf.get(identity)


async def test_a_removal_leaves_nothing_of_a_document() -> None:
    store = MemoryStore()
    shelf = Shelf(store, b"\x01", KEY, os.urandom)
    identity = kept(store, shelf)
    name = shelf.name("customer", "c-1")
    store.write(shelf.removal(identity, 7, {name: NO_VALUE}), sync=False)
    assert list(store.iterate(INTERACTION)) == []
    await shelf.shred()
    assert shelf.get(identity) is None


def test_a_dispute_s_code_leads_to_its_state_and_to_nothing_else() -> None:
    store = MemoryStore()
    book = Casebook(store, KEY, os.urandom)
    case = Case(book.new_code(), RecordId(b"d" * 32), RecordId(b"s" * 32))
    store.write(book.puts(case), sync=False)
    views: dict[RecordId, DisputeView] = {}
    desk = StatusDesk(lambda plain: None, book, views.get, lambda: 0)
    plain = case.code.replace("-", "")
    waiting = desk.look(plain)
    assert waiting is not None and (waiting.sort, waiting.state) == (Sort.DISPUTE, "sent")
    found = SimpleNamespace(status="open", opened_ms=5, due_ms=9, is_overdue=True)
    views[case.dispute_id] = cast(DisputeView, found)
    stood = desk.look(plain)
    assert stood is not None
    assert (stood.state, stood.opened_ms, stood.due_ms, stood.is_overdue) == ("open", 5, 9, True)
    found.status = "upheld"
    decided = desk.look(plain)
    assert decided is not None and decided.due_ms is None
    assert desk.look("0" * 16) is None


async def test_a_walk_sees_each_document_once_and_gives_others_their_turn() -> None:
    store = MemoryStore()
    shelf = Shelf(store, b"\x01", KEY, os.urandom)
    for number in range(2 * CHUNK + 5):
        store.write(shelf.puts(number.to_bytes(16, "big"), DOCUMENT, number // 3), sync=False)
    turns = 0

    async def counts() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(counts())
    seen = [int.from_bytes(identity, "big") async for _, identity in shelf.oldest()]
    other.cancel()
    assert seen == list(range(2 * CHUNK + 5)) and turns >= 2
    assert await shelf.count() == len(seen)
