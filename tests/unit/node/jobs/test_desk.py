"""Jobs of a member: the same result over every death of the process, noted once, seen by few."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from bulwark.jobs.verify import verify_result
from node.jobs.port import State
from node.service import Caller, Role
from tests.unit.node.chain.lifecycle_world import World, follow_up, statement
from tests.unit.node.jobs.office import (
    PHONES,
    REPORTED,
    DyingStore,
    Killed,
    Office,
    csv_of,
    ledger,
    read,
)

OTHER = Caller("desk-8", Role.ANALYST)
ADMIN = Caller("boss", Role.ADMIN)


async def test_every_row_gets_one_row_in_order_and_the_manifest_vouches_for_them(
    office: Office,
) -> None:
    phones = [*PHONES, "no number", *REPORTED]
    view = await office.send(csv_of(*phones), references=("id",))
    done = await office.work(view.id)
    assert done.state is State.DONE and done.rows == len(phones)
    rows = read(await office.rows(view.id))
    assert [row["row"] for row in rows] == list(range(1, len(phones) + 1))
    assert [row["line"] for row in rows] == list(range(2, len(phones) + 2))
    assert [row["ref"]["id"] for row in rows] == [f"K{n}" for n in range(1, len(phones) + 1)]
    outcomes = [row["outcome"] for row in rows]
    assert outcomes == ["hit"] * 5 + ["no_hit"] * 35 + ["error"] + ["hit"] * 5
    assert rows[0]["records"] and rows[0]["reasons"] and rows[0]["complete"]
    (error,) = rows[40]["errors"]
    assert error["field"] == "value" and error["code"].startswith("phone.")
    assert not any("value" in row for row in rows)
    manifest = office.manifest(view.id)
    assert manifest.height == office.node.records.tip.height
    assert manifest.errors == {error["code"]: 1} and manifest.outcomes["hit"] == 10
    lines = (await office.rows(view.id)).splitlines(keepends=True)
    assert verify_result(lines, manifest).hits == 10


async def test_a_death_at_any_write_changes_neither_the_result_nor_what_is_noted(
    tmp_path: Path, world: World
) -> None:
    phones = [PHONES[number * 7 % 40] for number in range(30)]
    body = ("case_ref,value\n" + "".join(f"C{n % 3},{p}\n" for n, p in enumerate(phones))).encode()
    whole = Office(tmp_path / "whole", world.node)
    view = await whole.send(body)
    before = whole.store.writes  # type: ignore[attr-defined]
    await whole.work(view.id)
    writes = whole.store.writes - before  # type: ignore[attr-defined]
    root, result = whole.manifest(view.id).root, await whole.rows(view.id)
    noted, hits = whole.noted(), len(list(whole.store.iterate(b"y\x00")))
    await whole.close()
    assert sum(count for _, count in noted) == 30
    # Five parts of three entries, the parts' own, and what begins and ends a job.
    assert writes >= 5 * 4 + 2
    for dies_at in range(1, writes + 1):
        folder = tmp_path / f"dies-{dies_at}"
        store = DyingStore()
        first = Office(folder, world.node, store)
        view = await first.send(body)
        store.dies_at = store.writes + dies_at
        running = asyncio.create_task(first.desk.run())
        with pytest.raises(BaseExceptionGroup) as caught:
            await asyncio.wait_for(running, 30)
        assert caught.group_contains(Killed)
        store.dies_at = None
        await first.close()
        second = Office(folder, world.node, store)
        done = await second.work(view.id)
        assert done.state is State.DONE, (dies_at, done)
        assert second.manifest(view.id).root == root, dies_at
        assert await second.rows(view.id) == result, dies_at
        assert second.noted() == noted, dies_at
        assert len(list(store.iterate(b"y\x00"))) == hits, dies_at
        await second.close()


async def test_a_torn_frame_behind_the_last_part_is_written_over(
    tmp_path: Path, world: World
) -> None:
    office = Office(tmp_path / "jobs", world.node)
    view = await office.send(csv_of(*PHONES))
    running = asyncio.create_task(office.work(view.id))
    await running
    job = office.desk.jobs_by_id[view.id]
    with office.shelf.result(job).open("ab") as file:
        file.write(b"half a frame")
    assert len(read(await office.rows(view.id))) == 40
    await office.close()


async def test_answers_are_as_after_one_block_whatever_the_ledger_says_meanwhile(
    tmp_path: Path,
) -> None:
    world = ledger()
    office = Office(tmp_path / "jobs", world.node)
    height = world.node.records.tip.height
    early = await office.send(csv_of(*PHONES), at_height=height)
    await office.work(early.id)
    record = statement(world.number(), tag=office.tagger.cached("phone", "+447911123410") or b"")  # type: ignore[arg-type]
    world.say(1, record)
    late = await office.send(csv_of(*PHONES))
    pinned = await office.send(csv_of(*PHONES), at_height=height, name="again")
    assert (await office.work(late.id)).outcomes["hit"] == 6
    assert (await office.work(pinned.id)).outcomes["hit"] == 5
    assert office.manifest(pinned.id).root == office.manifest(early.id).root
    world.say(1, follow_up(world.number(), record.record_id, 6))
    await office.close()


async def test_rows_without_a_tag_wait_and_are_never_shown_as_clean(
    tmp_path: Path, world: World
) -> None:
    office = Office(tmp_path / "jobs", world.node, waits=1)
    view = await office.send(csv_of(PHONES[0], "+44 7911 123499", PHONES[20]))
    done = await office.work(view.id)
    assert done.outcomes == {"hit": 1, "no_hit": 1, "unknown": 1, "error": 0}
    row = read(await office.rows(view.id))[1]
    assert row["complete"] is False and "key is not made yet" in row["incomplete_reason"]
    assert office.noted() == [("", 3)], "asked again, noted once"
    await office.close()


async def test_a_replica_that_stays_behind_answers_nothing_as_complete(
    tmp_path: Path, world: World
) -> None:
    office = Office(tmp_path / "jobs", world.node)
    office.behind = "this node is catching up"
    view = await office.send(csv_of(*PHONES))
    done = await office.work(view.id)
    assert done.outcomes == {"hit": 5, "no_hit": 0, "unknown": 35, "error": 0}
    assert office.manifest(view.id).behind == "this node is catching up"
    await office.close()


async def test_nothing_on_disk_holds_a_value_and_the_input_goes_with_the_end(
    office: Office, tmp_path: Path
) -> None:
    view = await office.send(csv_of(*PHONES), references=("id",), values=True)
    job = office.desk.jobs_by_id[view.id]
    for path in (tmp_path / "jobs").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "jobs").stat().st_mode) == 0o700
    assert b"7911" not in office.shelf.input(job).read_bytes()
    await office.work(view.id)
    assert not office.shelf.input(job).exists()
    rows = read(await office.rows(view.id))
    assert [row["value"] for row in rows] == PHONES
    assert b"7911" not in office.shelf.result(job).read_bytes()
    kept = b"".join(key + value for key, value in office.store.iterate(b""))
    assert b"7911" not in kept and job.key not in kept
