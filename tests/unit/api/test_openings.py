"""Openings over REST: who may do what, what is read, and how a refusal looks."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from api import openings_schemas as schemas
from node.service import Conflict, Forbidden, NotFound, Role, Stage, Unavailable
from tests.unit.api.fake_openings import CASE, VIEW, OpeningsApp
from tests.unit.api.world import problem_of

BASE = "/v1/openings"
ONE = f"{BASE}/{CASE.hex()}"
READERS = {Role.ADMIN, Role.OPERATOR, Role.AUDITOR}
LOG = "/v1/query-logs/bank-b"
ASK = {"statement": "01" * 32, "basis": "0x" + "02" * 32}


@pytest.fixture
def scene() -> OpeningsApp:
    return OpeningsApp()


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", LOG, READERS),
        ("GET", BASE, READERS),
        ("GET", ONE, READERS),
        ("POST", BASE, {Role.ADMIN}),
        ("POST", f"{ONE}/vote", {Role.ADMIN}),
        ("POST", f"{ONE}/finish", {Role.ADMIN}),
        ("GET", f"{ONE}/record", {Role.ADMIN}),
    ],
)
async def test_admins_act_and_auditors_and_operators_read(scene, method, path, allowed) -> None:
    for role in Role:
        answer = await scene.ask(method, path, role)
        assert (answer.status_code != 403) == (role in allowed), role
    problem_of(await scene.ask(method, path, None), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("path", "model"),
    [
        (LOG, schemas.StatementsOut),
        (f"{LOG}?cursor={'07' * 44}", schemas.StatementsOut),
        (BASE, schemas.CasesOut),
        (f"{BASE}?state=open", schemas.CasesOut),
        (ONE, schemas.CaseOut),
        (f"{BASE}/0x{CASE.hex().upper()}", schemas.CaseOut),
        (f"{ONE}/record", schemas.OpeningRecordOut),
    ],
)
async def test_what_is_read_fits_its_model(scene, path, model) -> None:
    answer = await scene.ask("GET", path)
    assert answer.status_code == 200
    model.model_validate_json(answer.content, strict=True)


async def test_open_cases_are_listed_alone(scene) -> None:
    scene.openings.found.append(
        replace(VIEW, case_id=b"\1" * 32, state="closed", result_hash=b"\2" * 32)
    )
    every = (await scene.ask("GET", BASE)).json()["cases"]
    still = (await scene.ask("GET", f"{BASE}?state=open")).json()["cases"]
    assert ([c["state"] for c in every], len(still)) == (["open", "closed"], 1)
    problem_of(await scene.ask("GET", f"{BASE}?state=x"), 400, "invalid")
    problem_of(await scene.ask("GET", f"{BASE}?x=1"), 400, "malformed")


async def test_a_request_is_passed_on_and_answered_with_its_place(scene) -> None:
    answer = await scene.ask(
        "POST", f"{BASE}?wait=finalized", json=ASK, headers={"idempotency-key": "k"}
    )
    assert (answer.status_code, answer.headers["location"]) == (201, ONE)
    schemas.CaseOutcomeOut.model_validate_json(answer.content, strict=True)
    ((what, statement, basis, wait, wish),) = scene.openings.asked
    assert (what, statement, basis, wait) == ("request", b"\1" * 32, b"\2" * 32, Stage.FINALIZED)
    assert wish.key == "k"


async def test_a_vote_and_a_finish_are_passed_on(scene) -> None:
    for approve in (True, False):
        answer = await scene.ask("POST", f"{ONE}/vote", json={"approve": approve})
        assert answer.status_code == 201
        schemas.CaseOutcomeOut.model_validate_json(answer.content, strict=True)
    for body in ({}, {"json": {}}):
        answer = await scene.ask("POST", f"{ONE}/finish", **body)
        finished = schemas.FinishedOut.model_validate_json(answer.content, strict=True)
        assert (finished.member, finished.bad[0].member) == ("bank-a", "bank-d")
    assert [call[0] for call in scene.openings.asked] == ["vote", "vote", "finish", "finish"]
    assert [call[2] for call in scene.openings.asked[:2]] == [True, False]


async def test_what_is_on_its_way_is_202_without_a_case(scene) -> None:
    scene.openings.stage = Stage.ACCEPTED
    for path, body in ((BASE, ASK), (f"{ONE}/vote", {"approve": True}), (f"{ONE}/finish", {})):
        answer = await scene.ask("POST", f"{path}?wait=accepted", json=body)
        assert (answer.status_code, answer.json()["case"]) == (202, None)


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (Conflict("bulwark: voted already"), 409, "conflict"),
        (Forbidden("member bank-a: bulwark: not a regulator"), 403, "forbidden"),
        (NotFound("there is no such case on the ledger"), 404, "not-found"),
    ],
)
async def test_what_the_node_refuses_is_told_with_its_reason(scene, failure, status, code) -> None:
    scene.openings.failure = failure
    for path, body in ((BASE, ASK), (f"{ONE}/vote", {"approve": True}), (f"{ONE}/finish", {})):
        answer = await scene.ask("POST", path, json=body)
        assert problem_of(answer, status, code)["detail"] == failure.detail
    problem_of(await scene.ask("GET", f"{ONE}/record"), status, code)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (BASE, {}, "statement"),
        (BASE, {"statement": "01" * 32}, "basis"),
        (BASE, {**ASK, "statement": "01" * 31}, "statement"),
        (BASE, {**ASK, "statement": 1}, "statement"),
        (BASE, {**ASK, "basis": "00" * 32}, "basis"),
        (BASE, {**ASK, "x": 1}, "x"),
        (f"{ONE}/vote", {}, "approve"),
        (f"{ONE}/vote", {"approve": 1}, "approve"),
        (f"{ONE}/vote", {"approve": True, "x": 1}, "x"),
        (f"{ONE}/finish", {"x": 1}, "x"),
    ],
)
async def test_a_wrong_field_is_named(scene, path, body, field) -> None:
    answer = await scene.ask("POST", path, json=body)
    assert problem_of(answer, 422, "invalid")["errors"][0]["field"] == field
    assert scene.openings.asked == []


async def test_a_bent_id_and_an_unknown_one_are_told_apart(scene) -> None:
    problem_of(await scene.ask("GET", f"{BASE}/xyz"), 400, "invalid")
    problem_of(await scene.ask("GET", f"{BASE}/{'0' * 64}"), 404, "not-found")


async def test_a_log_is_read_page_by_page_and_a_silent_evaluator_is_told(scene) -> None:
    first = (await scene.ask("GET", LOG)).json()
    assert (first["next"], [s["interval"] for s in first["statements"]]) == (
        "07" * 44,
        [[20, 3], None],
    )
    last = (await scene.ask("GET", f"{LOG}?cursor={first['next']}")).json()
    assert last["next"] is None
    assert scene.openings.asked[1] == ("statements", "bank-b", b"\x07" * 44, 16)
    for path in (f"{LOG}?cursor=07", "/v1/query-logs/Bank_B"):
        problem_of(await scene.ask("GET", path), 400, "invalid")
    scene.openings.failure = Unavailable("bank-b does not show its log: down")
    problem_of(await scene.ask("GET", LOG), 503, "unavailable")


async def test_an_exculpation_is_for_an_admin_and_told_why_there_is_none(scene) -> None:
    answer = await scene.ask("GET", f"{ONE}/exculpation")
    assert (answer.status_code, answer.json()["format"]) == (200, "bulwark-exculpation/1")
    for role in (Role.AUDITOR, Role.OPERATOR, Role.REPORTER):
        problem_of(await scene.ask("GET", f"{ONE}/exculpation", role), 403, "forbidden")
    scene.openings.failure = Conflict("the query was made with this key")
    problem_of(await scene.ask("GET", f"{ONE}/exculpation"), 409, "conflict")


async def test_the_documentation_has_every_route(scene) -> None:
    document = (await scene.ask("GET", "/v1/openapi.json")).json()
    paths = {path for path in document["paths"] if path.startswith(BASE)}
    one = f"{BASE}/{{case_id}}"
    assert paths == {
        BASE,
        one,
        f"{one}/vote",
        f"{one}/finish",
        f"{one}/record",
        f"{one}/exculpation",
    }
