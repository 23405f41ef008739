"""Erased bytes leave the files of a real database, also after a restart that forgot them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

import node.erasure.scrubber as scrubber_module
from bulwark.ledger.ids import Tag
from bulwark.ledger.lifecycle import Operation
from bulwark.ledger.record import Record, RecordPayload
from node.erasure.book import Stage
from node.erasure.destroyer import Remains
from node.erasure.scrubber import SAMPLE, Scrubber, search
from node.storage import schema
from node.storage.durability import Durability
from node.storage.level import LevelStore
from tests.unit.node.erasure.world import ALPHA, BRAVO, CHARLIE, World, follow_up


def statements(count: int) -> list[Record]:
    payload = RecordPayload(operation=1, kind=1, fraud_type=2)
    return [Record.of(os.urandom(32), Tag(os.urandom(32)), payload) for _ in range(count)]


async def erased(folder: Path, count: int = 300) -> tuple[World, list[Record]]:
    """A world on disk with records of which a third was erased."""
    world = World(LevelStore(folder))  # type: ignore[arg-type]
    records = statements(count)
    world.anchor(ALPHA, *records)
    gone = records[::3]
    world.anchor(ALPHA, *(follow_up(Operation.ERASE, record.record_id) for record in gone))
    await world.follower.follow()
    return world, gone


def left_in(folder: Path, records: list[Record]) -> list[str]:
    """Files with a part of a salt or tag."""
    parts = [part[6:30] for record in records for part in (record.salt, record.tag)]
    return [p.name for p in folder.iterdir() if any(n in p.read_bytes() for n in parts)]


def holds(folder: Path, secret: bytes) -> bool:
    return any(secret in path.read_bytes() for path in folder.iterdir())


async def test_a_pass_takes_every_erased_byte_out_of_the_files(tmp_path: Path) -> None:
    world, gone = await erased(tmp_path)
    assert left_in(tmp_path, gone)
    scrubber = Scrubber(world.store, Durability(world.store), tmp_path)
    assert await scrubber.clean(world.follower.remains, whole=False)
    assert left_in(tmp_path, gone) == []
    world.book.scrubbed(world.book.scrub_due)
    (duty,) = world.book.duties()
    assert duty.stage is Stage.READY and world.book.scrub_due == 0
    scrubber.close()
    world.store.close()


@pytest.mark.parametrize("whole", [True, False])
async def test_a_large_database_is_cleaned_slice_by_slice(
    whole: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrubber_module, "SLICE_BYTES", 10_000)
    world, gone = await erased(tmp_path, 600)
    scrubber = Scrubber(world.store, Durability(world.store), tmp_path)
    assert await scrubber.clean(world.follower.remains, whole=whole)
    assert left_in(tmp_path, gone) == []
    scrubber.close()
    world.store.close()


@pytest.mark.parametrize("whole", [True, False])
async def test_deleted_bytes_of_a_range_without_any_key_left_go_too(
    whole: bool, tmp_path: Path
) -> None:
    world, _ = await erased(tmp_path)
    parcel = os.urandom(200)
    world.store.write({schema.OUTBOX + b"t1": parcel}, sync=True)
    world.store.write({schema.OUTBOX + b"t1": None}, sync=True)
    scrubber = Scrubber(world.store, Durability(world.store), tmp_path)
    assert await scrubber.clean(world.follower.remains, whole=whole)
    assert not holds(tmp_path, parcel[20:80])
    scrubber.close()
    world.store.close()


async def test_after_a_restart_the_whole_range_is_compacted(tmp_path: Path) -> None:
    world, gone = await erased(tmp_path)
    world.store.close()
    again = World(LevelStore(tmp_path))  # type: ignore[arg-type]
    assert again.follower.remains.gone is None and again.book.scrub_due > 0
    scrubber = Scrubber(again.store, Durability(again.store), tmp_path)
    assert await scrubber.clean(again.follower.remains, whole=False)
    assert left_in(tmp_path, gone) == []
    scrubber.close()
    again.store.close()


async def test_what_an_open_view_keeps_alive_is_found_and_goes_with_the_view(
    tmp_path: Path,
) -> None:
    world = World(LevelStore(tmp_path))  # type: ignore[arg-type]
    records = statements(30)
    world.anchor(ALPHA, *records)
    view = world.store.snapshot()
    world.anchor(ALPHA, *(follow_up(Operation.ERASE, r.record_id) for r in records))
    await world.follower.follow()
    scrubber = Scrubber(world.store, Durability(world.store), tmp_path)
    cleaning = asyncio.ensure_future(scrubber.clean(world.follower.remains, whole=True))
    done, _ = await asyncio.wait((cleaning,), timeout=1.0)
    assert not done, "nobody may close the database under a view"
    view.close()
    if not await cleaning:
        assert await scrubber.clean(world.follower.remains, whole=True)
    assert left_in(tmp_path, records) == []
    scrubber.close()
    world.store.close()


async def test_a_tag_that_another_record_has_is_no_remainder_of_the_erased_one(
    tmp_path: Path,
) -> None:
    world = World(LevelStore(tmp_path))  # type: ignore[arg-type]
    first, other, alone = statements(3)
    second = Record.of(os.urandom(32), first.tag, first.payload)
    world.anchor(ALPHA, first, other, alone)
    world.anchor(BRAVO, second)
    world.anchor(ALPHA, *(follow_up(Operation.ERASE, r.record_id) for r in (first, other)))
    await world.follower.follow()
    world.anchor(CHARLIE, Record.of(os.urandom(32), other.tag, other.payload))
    scrubber = Scrubber(world.store, Durability(world.store), tmp_path)
    assert await scrubber.clean(world.follower.remains, whole=False)
    assert not any(holds(tmp_path, record.salt[6:30]) for record in (first, other))
    assert holds(tmp_path, first.tag[6:30]) and holds(tmp_path, other.tag[6:30])
    world.anchor(ALPHA, follow_up(Operation.ERASE, alone.record_id))
    await world.follower.follow()
    assert await scrubber.clean(world.follower.remains, whole=False)
    assert left_in(tmp_path, [alone]) == []
    scrubber.close()
    world.store.close()


async def test_more_erased_during_a_pass_asks_for_another(tmp_path: Path) -> None:
    world, _ = await erased(tmp_path)
    number = world.book.scrub_due
    more = statements(3)
    world.anchor(ALPHA, *more)
    world.anchor(ALPHA, follow_up(Operation.ERASE, more[0].record_id))
    await world.follower.follow()
    assert world.book.scrubbed(number) == 0 and world.book.scrub_due == number + 1
    world.store.close()


@pytest.mark.parametrize("size", [10_000, 5 * 1024 * 1024])
def test_needles_are_found_in_small_files_each_and_in_large_ones_by_sample(
    size: int, tmp_path: Path
) -> None:
    needles = [os.urandom(24) for _ in range(SAMPLE * 4)]
    (tmp_path / "clean").write_bytes(os.urandom(size))
    (tmp_path / "empty").touch()
    assert search(tmp_path, needles) == []
    (tmp_path / "dirty").write_bytes(os.urandom(size) + needles[8] + os.urandom(50))
    assert search(tmp_path, needles) == ["dirty"]
    (tmp_path / "dirty").write_bytes(os.urandom(size) + needles[9])
    assert search(tmp_path, needles) == (["dirty"] if size == 10_000 else [])


def test_remains_are_counted_where_nobody_knows_what_they_were() -> None:
    remains = Remains(gone=None)
    remains.add(statements(3))
    assert (remains.records, remains.gone) == (3, None)
