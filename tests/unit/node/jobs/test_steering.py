"""Jobs of a member are steered, seen by few, bounded, told of, and end by themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from api.push_schemas import JobFinishedData
from bulwark.indicators.errors import FieldError
from node.jobs.news import job_event
from node.jobs.port import InputRefused, InputTooLarge, JobView, State
from node.jobs.report import JobReport
from node.service import Busy, Caller, Conflict, IdempotencyMismatch, NotFound, Role
from tests.unit.node.chain.lifecycle_world import World
from tests.unit.node.jobs.office import (
    BY,
    PHONES,
    Office,
    csv_of,
    read,
    tag_of,
)

OTHER = Caller("desk-8", Role.ANALYST)
ADMIN = Caller("boss", Role.ADMIN)


async def test_a_job_is_paused_resumed_cancelled_and_destroyed(
    office: Office, tmp_path: Path
) -> None:
    view = await office.send(csv_of(*PHONES))
    assert (await office.desk.pause(view.id, by=BY)).state is State.PAUSED
    with pytest.raises(Conflict, match="paused"):
        await office.desk.pause(view.id, by=BY)
    with pytest.raises(Conflict, match="a manifest is made when it is done"):
        office.desk.manifest(view.id, by=BY)
    with pytest.raises(Conflict, match="cancel it"):
        await office.desk.delete(view.id, by=BY)
    assert (await office.desk.resume(view.id, by=BY)).state is State.QUEUED
    assert (await office.work(view.id)).state is State.DONE
    with pytest.raises(Conflict, match="done already"):
        await office.desk.cancel(view.id, by=BY)
    other = await office.send(csv_of(*PHONES), name="other")
    assert (await office.desk.cancel(other.id, by=ADMIN)).state is State.CANCELLED
    await office.desk.delete(other.id, by=BY)
    await office.desk.delete(view.id, by=BY)
    assert list((tmp_path / "jobs").iterdir()) == []
    assert list(office.store.iterate(b"J")) == []
    with pytest.raises(NotFound):
        office.desk.job(view.id, by=BY)


async def test_a_paused_job_stays_paused_over_a_restart_and_orphan_files_go(
    tmp_path: Path, world: World
) -> None:
    first = Office(tmp_path / "jobs", world.node)
    view = await first.send(csv_of(*PHONES))
    await first.desk.pause(view.id, by=BY)
    (tmp_path / "jobs" / f"{'0' * 32}.input").write_bytes(b"of an upload that never ended")
    await first.close()
    second = Office(tmp_path / "jobs", world.node, first.store)
    assert second.desk.job(view.id, by=BY).state is State.PAUSED
    assert [path.stem for path in (tmp_path / "jobs").iterdir()] == [view.id]
    await second.desk.resume(view.id, by=BY)
    assert (await second.work(view.id)).rows == 40
    await second.close()


async def test_a_job_is_seen_by_its_key_and_by_those_who_run_the_node(office: Office) -> None:
    view = await office.send(csv_of(*PHONES))
    assert [job.id for job in office.desk.jobs(by=BY)] == [view.id]
    assert office.desk.jobs(by=OTHER) == []
    assert [job.id for job in office.desk.jobs(by=ADMIN)] == [view.id]
    with pytest.raises(NotFound):
        office.desk.job(view.id, by=OTHER)
    await office.work(view.id)
    with pytest.raises(NotFound):
        await office.desk.result(view.id, by=OTHER, form="", first=1, most=None)
    with pytest.raises(NotFound):
        office.desk.manifest(view.id, by=OTHER)
    for reader in (BY, ADMIN):
        result = await office.desk.result(view.id, by=reader, form="", first=1, most=None)
        assert b"".join([piece async for piece in result.pieces]).count(b"\n") == 1 + len(PHONES)
        assert office.desk.manifest(view.id, by=reader)


async def test_who_listens_is_told_once_of_a_job_that_is_over(office: Office) -> None:
    told: list[JobView] = []

    def fails(view: JobView) -> None:
        raise RuntimeError("a listener's own fault")

    office.desk.listen(fails)
    office.desk.listen(told.append)
    view = await office.send(csv_of(*PHONES))
    await office.work(view.id)
    assert [(job.id, job.state) for job in told] == [(view.id, State.DONE)]


async def test_a_job_whose_end_nobody_was_told_is_told_after_the_restart(
    tmp_path: Path, world: World
) -> None:
    first = Office(tmp_path / "jobs", world.node)
    view = await first.send(csv_of(*PHONES))
    await first.work(view.id)
    job = first.desk.jobs_by_id[view.id]
    job.told = False
    first.desk._ground.book.put(job)
    await first.close()
    told: list[JobView] = []
    for _ in range(2):
        second = Office(tmp_path / "jobs", world.node, first.store)
        second.desk.listen(told.append)
        other = await second.send(csv_of(PHONES[0]), name=str(len(told)))
        await second.work(other.id)
        await second.close()
    assert [each.id for each in told].count(view.id) == 1
    events = [job_event(each) for each in told]
    assert len({event.name for event in events}) == 3
    data = JobFinishedData.model_validate(events[0].data)
    assert (data.job, data.state, data.hits, data.rows) == (view.id, "done", 5, 40)


async def test_questions_of_a_job_are_remembered_once_for_each_case(office: Office) -> None:
    cases = ["A", "B", "A", "A", ""]
    body = "value,case_ref\n" + "".join(f"{PHONES[0]},{case}\n" for case in cases)
    view = await office.send((body + f"{PHONES[20]},A\nno number,A\n").encode(), case_ref="Z")
    await office.work(view.id)
    found = sorted((who, case, band) for who, case, _, band in office.remembered)
    (band,) = {band for _, _, tag, band in office.remembered if tag == tag_of(0)}
    assert band != "none"
    assert found == [
        ("desk-7", "A", band),
        ("desk-7", "A", "none"),
        ("desk-7", "B", band),
        ("desk-7", "Z", band),
    ]
    height = office.node.records.tip.height
    past = await office.send(csv_of(*PHONES), at_height=height)
    await office.work(past.id)
    assert len(office.remembered) == 4, "who asks about a past block wants no later news"


async def test_one_key_is_one_job_and_another_file_under_it_is_refused(
    office: Office, tmp_path: Path
) -> None:
    first = await office.send(csv_of(*PHONES), promise="night-7")
    again = await office.send(csv_of(*PHONES), promise="night-7")
    assert first.id == again.id and len(list((tmp_path / "jobs").iterdir())) == 1
    with pytest.raises(IdempotencyMismatch):
        await office.send(csv_of(*PHONES[1:]), promise="night-7")
    assert len(list((tmp_path / "jobs").iterdir())) == 1


async def test_bounds_refuse_a_file_and_leave_nothing(tmp_path: Path, world: World) -> None:
    office = Office(tmp_path / "jobs", world.node, max_input_bytes=2_048, max_waiting=1)
    with pytest.raises(InputTooLarge, match="2,048 bytes"):
        await office.send(csv_of(*PHONES * 5))
    assert list((tmp_path / "jobs").iterdir()) == []
    await office.send(csv_of(*PHONES))
    with pytest.raises(Busy, match="not over yet"):
        await office.send(csv_of(*PHONES))
    await office.close()
    tiny = Office(tmp_path / "tiny", world.node, free_bytes=1 << 41)
    with pytest.raises(InputTooLarge, match="no room"):
        await tiny.send(csv_of(*PHONES))
    await tiny.close()


@pytest.mark.parametrize(
    ("body", "wish", "says"),
    [
        (b"", {}, "empty"),
        (b"id,number\n1,2\n", {}, "no column is named value"),
        (b"id,value\n1,2\n", {"references": ("branch",)}, "no column 'branch'"),
        (b"id,value\n1,2\n", {"columns": {"kind": "sort"}}, "no column 'sort'"),
        (b"id,value\n1,2\n", {"kind": ""}, "of which kind"),
        (b"id,value\n1,2\n", {"purpose": ""}, "the purpose"),
        (b"id,value\n1,2\n", {"at_height": 10_000}, "the last block here"),
        ("id,value\n".encode("utf-16"), {}, "UTF-16"),
        (b"value,value\n1,2\n", {}, "a column twice"),
    ],
)
async def test_what_can_not_be_worked_is_refused_before_it_is_a_job(
    office: Office, tmp_path: Path, body: bytes, wish: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputRefused, match=says):
        await office.send(body, **wish)
    assert list((tmp_path / "jobs").iterdir()) == [] and office.desk.jobs(by=ADMIN) == []


async def test_a_word_that_is_none_is_refused_with_those_that_are_allowed(office: Office) -> None:
    with pytest.raises(FieldError, match="phone"):
        await office.send(csv_of(*PHONES), kind="telephone-ish")


async def test_a_damaged_input_fails_the_job_and_keeps_what_is_answered(
    tmp_path: Path, world: World
) -> None:
    office = Office(tmp_path / "jobs", world.node)
    view = await office.send(csv_of(*PHONES))
    path = office.shelf.input(office.desk.jobs_by_id[view.id])
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    done = await office.work(view.id)
    assert done.state is State.FAILED and done.reason == "input, piece 0: does not open"
    await office.close()


async def test_a_full_disk_pauses_a_job_that_goes_on_when_there_is_room(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(tmp_path / "jobs", world.node)
    view = await office.send(csv_of(*PHONES))
    with monkeypatch.context() as patch:
        patch.setattr(office.shelf, "free", lambda: 0)
        paused = await office.work(view.id, "paused")
    assert paused.state is State.PAUSED and "no room" in str(paused.reason)
    await office.desk.resume(view.id, by=BY)
    assert (await office.work(view.id)).outcomes["hit"] == 5
    assert office.noted() and sum(count for _, count in office.noted()) == 40
    await office.close()


async def test_metrics_count_jobs_and_rows(office: Office) -> None:
    view = await office.send(csv_of(*PHONES))
    await office.work(view.id)
    found = {
        (sample.name, sample.labels.get("state")): sample.value
        for family in JobReport(office.desk).families()
        for sample in family.samples
    }
    assert found["bulwark_jobs", "done"] == 1 and found["bulwark_jobs", "running"] == 0
    assert found["bulwark_job_rows_total", None] == 40
    assert found["bulwark_job_bytes", None] > 0


async def test_a_result_whose_file_is_gone_is_told_so(office: Office) -> None:
    view = await office.send(csv_of(*PHONES))
    await office.work(view.id)
    office.shelf.result(office.desk.jobs_by_id[view.id]).unlink()
    with pytest.raises(Conflict, match="is not here"):
        await office.rows(view.id)


async def test_old_jobs_go_by_themselves(tmp_path: Path, world: World) -> None:
    office = Office(tmp_path / "jobs", world.node, keep_hours=1)
    view = await office.send(csv_of(*PHONES))
    await office.work(view.id)
    assert office.desk.job(view.id, by=BY).expires_ms == office.now_ms + 3_600_000
    office.now_ms += 3_600_000
    other = await office.send(csv_of(*PHONES), name="later")
    await office.work(other.id)
    assert [job.id for job in office.desk.jobs(by=BY)] == [other.id]
    await office.close()


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
async def test_a_part_of_a_result_is_had_by_row_numbers(office: Office, form: str) -> None:
    view = await office.send(csv_of(*PHONES), references=("id",), result=form)
    await office.work(view.id)
    lines = read(await office.rows(view.id, first=6, most=10))
    assert [row["row"] for row in lines] == list(range(6, 16))
    assert (await office.rows(view.id, "ndjson", first=41)) == b""
    whole = await office.rows(view.id, form)
    assert whole, json.dumps(form)
