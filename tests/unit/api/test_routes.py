"""Who may use which route, and what strangers are told."""

from __future__ import annotations

import pytest

from api.settings import ApiSettings
from node.service import Role
from tests.unit.api.world import PHONE, QUESTION, World, problem_of

ALL = {Role.REPORTER, Role.ANALYST, Role.OPERATOR, Role.AUDITOR, Role.ADMIN}
READ = {Role.REPORTER, Role.ANALYST, Role.AUDITOR}
KEEP = {Role.REPORTER, Role.AUDITOR}
ID = "ab" * 32
ROUTES = [
    ("POST", "/v1/indicators", {Role.REPORTER}),
    ("POST", "/v1/indicators/batches", {Role.REPORTER}),
    ("GET", f"/v1/indicators/{ID}", READ),
    ("POST", "/v1/screenings", {Role.REPORTER, Role.ANALYST}),
    ("POST", "/v1/screenings/batches", {Role.REPORTER, Role.ANALYST}),
    ("POST", "/v1/consents", {Role.REPORTER}),
    ("POST", "/v1/consents/c/withdrawal", {Role.REPORTER}),
    ("POST", "/v1/consents/c/renewal", {Role.REPORTER}),
    ("POST", "/v1/consents/c/erasure", {Role.REPORTER}),
    ("GET", "/v1/consents", KEEP),
    ("POST", "/v1/consents/search", KEEP),
    ("POST", "/v1/consents/export", KEEP),
    ("GET", "/v1/consents/c/kantara", KEEP),
    ("GET", "/v1/consents/c", READ),
    ("GET", "/v1/consents/c/proof", READ),
    ("GET", f"/v1/records/{ID}/proof", READ),
    ("GET", "/v1/blocks/latest", ALL),
    ("GET", "/v1/members", ALL),
    ("GET", "/v1/node", {Role.OPERATOR}),
    ("GET", "/v1/node/diagnosis", {Role.OPERATOR}),
    ("GET", "/v1/evidence", ALL),
    ("GET", f"/v1/evidence/{ID}", ALL),
    ("POST", f"/v1/evidence/{ID}/post", {Role.ADMIN}),
    ("GET", "/metrics", {Role.OPERATOR}),
    ("POST", "/rpc", ALL),
    ("GET", "/v1/openapi.json", ALL),
]


@pytest.mark.parametrize(("method", "path", "allowed"), ROUTES)
async def test_a_route_lets_in_exactly_its_roles(
    world: World, method: str, path: str, allowed: set[Role]
) -> None:
    for role in Role:
        answer = await world.ask(method, path, role)
        assert (answer.status_code != 403) == (role in allowed), role
        if role not in allowed:
            assert role.value in problem_of(answer, 403, "forbidden")["detail"]


@pytest.mark.parametrize(("method", "path", "_"), ROUTES)
async def test_a_route_without_a_key_says_only_that_one_is_needed(
    world: World, method: str, path: str, _: object
) -> None:
    answer = await world.ask(method, path, None)
    problem_of(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "given", ["Basic abc", "Bearer", "Bearer wrong", "Bearer " + "x" * 500, "Bearer \xff"]
)
async def test_another_scheme_or_key_is_refused(world: World, given: str) -> None:
    headers = {"authorization": given.encode("latin-1")}
    answer = await world.ask("GET", "/v1/members", None, headers=headers)
    problem_of(answer, 401, "unauthenticated")


async def test_a_stranger_can_not_tell_an_unknown_path_from_a_known_one(world: World) -> None:
    problem_of(await world.ask("GET", "/v1/nothing", None), 401, "unauthenticated")
    problem_of(await world.ask("GET", "/v1/nothing"), 404, "not-found")
    problem_of(await world.ask("GET", "/v1/members/"), 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v1/indicators", "POST"),
        ("PUT", "/v1/consents", "GET, POST"),
        ("GET", "/v1/indicators/batches", "POST"),
        ("GET", "/rpc", "POST"),
        ("POST", "/v1/members", "GET"),
        ("DELETE", f"/v1/indicators/{ID}", "GET"),
        ("OPTIONS", "/v1/node", "GET"),
    ],
)
async def test_an_unknown_method_names_the_known_one(
    world: World, method: str, path: str, allow: str
) -> None:
    answer = await world.ask(method, path)
    problem_of(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == allow


async def test_wrong_keys_from_one_address_are_answered_429_after_a_while() -> None:
    world = World(ApiSettings(bad_attempts=3))
    wrong = {"authorization": "Bearer wrong"}
    for _ in range(3):
        answer = await world.ask("GET", "/v1/members", None, headers=wrong)
        problem_of(answer, 401, "unauthenticated")
    answer = await world.ask("GET", "/v1/members", None, headers=wrong)
    problem_of(answer, 429, "too-many-attempts")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert (await world.ask("GET", "/v1/members")).status_code == 200
    problem_of(await world.ask("GET", "/v1/members", None), 401, "unauthenticated")


async def test_health_and_readiness_need_no_key(world: World) -> None:
    answer = await world.ask("GET", "/healthz", None)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    answer = await world.ask("GET", "/readyz", None)
    assert answer.status_code == 200 and answer.json()["ready"] is True
    world.node.ready = False
    answer = await world.ask("GET", "/readyz", None)
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "checks": {"storage": True, "quorum": False}}


async def test_metrics_join_the_node_and_the_api(world: World) -> None:
    await world.ask("POST", "/v1/screenings", json=QUESTION)
    await world.ask("GET", f"/v1/indicators/{ID}")
    answer = await world.ask("GET", "/metrics", Role.OPERATOR)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    assert "bulwark_height 4" in lines
    sample = 'bulwark_http_requests_total{method="POST",route="/v1/screenings",status="200"} 1'
    assert sample in lines
    assert 'bulwark_http_request_seconds_count{route="/v1/indicators/{record_id}"} 1' in lines
    assert ID not in answer.text


async def test_metrics_can_be_opened_by_the_operator() -> None:
    world = World(ApiSettings(open_metrics=True))
    assert (await world.ask("GET", "/metrics", None)).status_code == 200


async def test_blocks_are_shown_by_height_latest_and_finalized(world: World) -> None:
    latest = (await world.ask("GET", "/v1/blocks/latest")).json()
    assert latest["height"] == 4 and latest["finalized"] is False and latest["certificate"] is None
    final = (await world.ask("GET", "/v1/blocks/finalized")).json()
    assert final["height"] == 3 and final["certificate"]["signers"] == [0, 1, 2]
    second = (await world.ask("GET", "/v1/blocks/2")).json()
    assert second["hash"] == "0x" + world.chain.blocks[2].hash.hex()
    assert second["header"] == world.chain.blocks[2].header.encode().hex()
    assert len(second["transactions"]) == 3
    problem_of(await world.ask("GET", "/v1/blocks/5"), 404, "not-found")
    for text in ("-1", "01", "1.5", "pending", "9" * 40):
        problem_of(await world.ask("GET", f"/v1/blocks/{text}"), 400, "invalid")


async def test_members_and_the_node_are_shown(world: World) -> None:
    members = (await world.ask("GET", "/v1/members")).json()["members"]
    assert [member["id"] for member in members] == ["bank-a", "telco-b"]
    assert members[0]["connected"] is None and members[1]["roles"] == ["validator", "reporter"]
    node = (await world.ask("GET", "/v1/node", Role.OPERATOR)).json()
    assert node["member"] == "bank-a" and node["height"] == 4


async def test_a_report_without_the_reporter_role_leaves_no_trace(world: World) -> None:
    await world.ask("POST", "/v1/indicators", Role.ANALYST, json=PHONE)
    assert world.node.seen == []
