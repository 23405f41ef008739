"""How far an upload is: while it runs, when it is over, and who is told."""

from __future__ import annotations

import asyncio

from api import upload_schemas as schemas
from api.uploads import MOST
from node.service import Role
from tests.unit.api.world import NOW_MS, QUESTION, World, ndjson, problem_of

ROWS = ndjson([QUESTION, {"kind": "phone"}, QUESTION])
PATH = "/v1/screenings/batches"


def headers(correlator: str) -> dict[str, str]:
    return {"content-type": "application/x-ndjson", "x-correlator": correlator}


async def upload(world: World, correlator: str, role: Role = Role.ANALYST) -> int:
    answer = await world.ask("POST", PATH, role, content=ROWS, headers=headers(correlator))
    return answer.status_code


async def test_a_running_upload_shows_rows_rate_and_ends_as_done(world: World) -> None:
    world.node.held = asyncio.Event()
    running = asyncio.create_task(upload(world, "job-1"))
    await asyncio.wait_for(world.node.waiting.wait(), 30)
    world.now_ms = NOW_MS + 1_500
    shown = await world.ask("GET", "/v1/uploads/job-1", Role.ANALYST)
    found = schemas.UploadOut.model_validate_json(shown.content, strict=True)
    assert (found.state, found.kind, found.key) == ("running", "screening", "analyst")
    assert (found.rows, found.done, found.untagged) == (3, 3, 0)
    assert (found.seconds, found.rows_per_second) == (1.5, 2.0)
    world.node.held.set()
    assert await running == 200
    world.now_ms = NOW_MS + 9_000
    after = (await world.ask("GET", "/v1/uploads/job-1", Role.ANALYST)).json()
    assert (after["state"], after["seconds"]) == ("done", 1.5)


async def test_other_keys_do_not_see_an_upload_but_operators_and_admins_do(world: World) -> None:
    assert await upload(world, "mine") == 200
    problem_of(await world.ask("GET", "/v1/uploads/mine", Role.REPORTER), 404, "not-found")
    assert (await world.ask("GET", "/v1/uploads", Role.REPORTER)).json() == {"uploads": []}
    problem_of(await world.ask("GET", "/v1/uploads", Role.AUDITOR), 403, "forbidden")
    for role in (Role.ANALYST, Role.OPERATOR, Role.ADMIN):
        listed = await world.ask("GET", "/v1/uploads", role)
        found = schemas.UploadsOut.model_validate_json(listed.content, strict=True)
        assert [entry.correlator for entry in found.uploads] == ["mine"]


async def test_an_upload_that_fails_says_so_and_gives_its_place_back(world: World) -> None:
    world.node.failure = RuntimeError("broken")
    for _ in range(9):
        assert await upload(world, "again") == 500
    assert (await world.ask("GET", "/v1/uploads/again", Role.ANALYST)).json()["state"] == "failed"
    world.node.failure = None
    assert await upload(world, "again") == 200
    assert (await world.ask("GET", "/v1/uploads/again", Role.ANALYST)).json()["state"] == "done"


async def test_only_so_many_uploads_are_remembered(world: World) -> None:
    for number in range(MOST + 5):
        assert await upload(world, f"job-{number}") == 200
    listed = (await world.ask("GET", "/v1/uploads", Role.ANALYST)).json()["uploads"]
    assert len(listed) == MOST
    assert listed[0]["correlator"] == f"job-{MOST + 4}"
