"""Rows that copy a source name it to all members alike, and to nobody in clear text."""

from __future__ import annotations

from bulwark.indicators.records import source_of
from bulwark.ledger.record import Record
from tests.unit.node.reporting.test_reporter import Bench, row
from tests.unit.node.reporting.test_reporter import bench as bench


def stored(bench: Bench) -> list[Record]:
    entries = [e for p in bench.outbox.parcels() if p.sidecar for e in p.sidecar.entries]
    return [entry for entry in entries if isinstance(entry, Record)]


async def test_copies_of_one_source_are_known_for_such_at_all_members_and_no_others(
    bench: Bench,
) -> None:
    other = Bench()
    await bench.report(row(source="9c1f0b1e"), row("two.example", source="9c1f0b1e"))
    await other.report(row(source="9c1f0b1e"), row("two.example", source="another"))
    mine = {record.tag: source_of(record.payload) for record in stored(bench)}
    theirs = {record.tag: source_of(record.payload) for record in stored(other)}
    first, second = bench.tagger._tag("evil.example"), bench.tagger._tag("two.example")
    assert mine[first] == theirs[first] and mine[second] != theirs[second]
    assert mine[first] != mine[second], "copies of one source are not linked across indicators"
    assert all(record.payload.usage == 9 for record in stored(bench))


async def test_own_knowledge_is_no_duplicate_of_a_copy_and_a_copy_none_of_it(bench: Bench) -> None:
    copied, own = await bench.report(row(source="9c1f0b1e"), row(case_ref="CASE-1"))
    assert not own.duplicate and own.record_id != copied.record_id
    both = await bench.report(row(source="another"), row())
    assert [outcome.record_id for outcome in both] == [copied.record_id, own.record_id]
    assert all(outcome.duplicate for outcome in both)
    told = {record.record_id: source_of(record.payload) for record in stored(bench)}
    assert told[own.record_id] is None and told[copied.record_id] is not None


async def test_a_source_reaches_the_disk_in_no_clear_text(bench: Bench) -> None:
    await bench.report(row(source="event-of-mr-smith"))
    disk = b"".join(key + value for key, value in bench.store.iterate(b""))
    assert b"mr-smith" not in disk
