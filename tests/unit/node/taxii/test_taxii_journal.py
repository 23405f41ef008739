"""Dates of TAXII collections: given once, growing whatever the clock does, and kept."""

from __future__ import annotations

from typing import Any, cast

from bulwark.ledger.ids import MemberId
from node.storage.memory import MemoryStore
from node.taxii.journal import Journal, JournalParts
from node.taxii.port import Collection


class Clock:
    def __init__(self) -> None:
        self.ms = 1_795_000_000_000

    def __call__(self) -> int:
        return self.ms


class EmptyLedger:
    """A ledger of the genesis block alone."""

    def anchors(self, first: int = 0, after: int = 0) -> Any:
        return iter(())


def journal(store: MemoryStore, clock: Clock, *, settled: bool = True) -> Journal:
    return Journal(
        JournalParts(
            store=store,
            scan=lambda: cast(Any, EmptyLedger()),
            member=MemberId("bank-a"),
            named=str,
            is_taken=lambda subject, follow_up: True,
            name=lambda role, record, more, collection: f"{role}/{record.hex()}/{more.hex()}",
            key=bytes(32),
            now_ms=clock,
            is_settled=lambda: settled,
            fixed=3,
        )
    )


def test_dates_grow_also_when_the_clock_is_set_back_and_over_a_restart() -> None:
    store, clock = MemoryStore(), Clock()
    first = journal(store, clock)
    dates = [first.new_date(), first.new_date()]
    clock.ms -= 3_600_000
    dates.append(first.new_date())
    again = journal(store, clock)
    dates.append(again.new_date())
    assert dates == sorted(set(dates))
    assert dates[0] == 1_795_000_000_000_000


async def test_what_every_collection_begins_with_is_written_down_once() -> None:
    store, clock = MemoryStore(), Clock()
    waiting = journal(store, clock, settled=False)
    await waiting.catch_up()
    assert not list(waiting.entries(Collection.RECORDS, -1))
    made = journal(store, clock)
    await made.catch_up()
    before = [list(made.entries(one, -1)) for one in (Collection.RECORDS, Collection.OWN)]
    assert [len(entries) for entries in before] == [4, 4]
    every = [entry.date for entries in before for entry in entries]
    assert len(set(every)) == len(every)
    clock.ms += 1_000
    await journal(store, clock).catch_up()
    assert [list(made.entries(one, -1)) for one in (Collection.RECORDS, Collection.OWN)] == before
    middle = before[0][1].date
    assert [entry.date for entry in made.entries(Collection.RECORDS, middle)] == [
        entry.date for entry in before[0][2:]
    ]
