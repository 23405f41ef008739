"""What every request passes: correlators, headers, deadlines, the access log."""

from __future__ import annotations

import asyncio
import logging

import httpx
import pytest

from api.settings import ApiSettings
from node.service import Role
from tests.unit.api.world import PHONE, QUESTION, World, problem_of


async def test_a_correlator_is_echoed(world: World) -> None:
    answer = await world.ask("GET", "/healthz", headers={"x-correlator": "case-7/a:b.c_d"})
    assert answer.headers["x-correlator"] == "case-7/a:b.c_d"


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a\tb", "ü".encode(), '"><script>'])
async def test_a_correlator_of_another_form_is_replaced(world: World, given: str | bytes) -> None:
    answer = await world.ask("GET", "/healthz", headers={"x-correlator": given})
    assert answer.headers["x-correlator"] == "00000000000000000000000000000001"


@pytest.mark.parametrize("path", ["/healthz", "/v1/nothing", "/v1/members"])
async def test_security_headers_are_on_every_answer(world: World, path: str) -> None:
    headers = (await world.ask("GET", path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["x-frame-options"] == "DENY"
    assert "access-control-allow-origin" not in headers


async def test_the_access_log_holds_no_value_key_query_or_path(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bulwark.api.access")
    record_id = "ab" * 32
    await world.ask("POST", "/v1/indicators?wait=accepted", json=PHONE)
    await world.ask("POST", "/v1/screenings", Role.ANALYST, json=QUESTION)
    await world.ask("GET", f"/v1/indicators/{record_id}")
    lines = [record for record in caplog.records if record.name == "bulwark.api.access"]
    assert [line.fields["route"] for line in lines] == [
        "/v1/indicators",
        "/v1/screenings",
        "/v1/indicators/{record_id}",
    ]
    assert [line.fields["status"] for line in lines] == [202, 200, 404]
    assert [line.fields["key"] for line in lines] == ["reporter", "analyst", "reporter"]
    everything = str([vars(line) for line in lines])
    for secret in ("7946", record_id, "accepted", *world.clear.values()):
        assert secret not in everything


async def test_a_failure_is_logged_by_type_and_place_without_its_message(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.node.failure = RuntimeError("value +442079460958")
    await world.ask("POST", "/v1/screenings", json=QUESTION)
    (line,) = [record for record in caplog.records if record.name == "bulwark.api"]
    assert line.fields["error"] == "RuntimeError" and "_fail:" in line.fields["where"]
    assert "7946" not in str(vars(line))


async def test_a_node_that_does_not_finish_is_a_504() -> None:
    world = World(ApiSettings(request_timeout_ms=20))
    never = asyncio.Event()

    async def screen(requests: object, **how: object) -> object:
        return await never.wait()

    world.node.screen = screen
    problem_of(await world.ask("POST", "/v1/screenings", json=QUESTION), 504, "timeout")


def scope_of(world: World, path: str, length: int = 10) -> dict[str, object]:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % length),
        (b"authorization", f"Bearer {world.clear['reporter']}".encode()),
    ]
    return {
        "type": "http",
        "method": "POST",
        "path": path,
        "headers": headers,
        "query_string": b"",
        "client": ("127.0.0.1", 1),
    }


@pytest.mark.parametrize("path", ["/v1/indicators", "/v1/consents"])
async def test_a_client_that_leaves_gets_no_answer_and_breaks_nothing(
    world: World, path: str
) -> None:
    sent: list[object] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        sent.append(message)

    await world.app(scope_of(world, path), receive, send)
    assert sent == []


async def test_a_body_that_never_comes_is_a_408() -> None:
    world = World(ApiSettings(request_timeout_ms=20))
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return await asyncio.Event().wait()

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    await world.app(scope_of(world, "/v1/indicators"), receive, send)
    assert sent[0]["status"] == 408


@pytest.mark.parametrize("length", ["-1", "1e3", "9" * 30, "x"])
async def test_a_content_length_that_is_no_number_is_malformed(world: World, length: str) -> None:
    headers = {"content-type": "application/json", "content-length": length}
    request = httpx.Request("POST", "http://node/v1/indicators", headers=headers, content=b"{}")
    async with world.client() as client:
        request.headers["authorization"] = world.headers(Role.REPORTER)["authorization"]
        request.headers["content-length"] = length
        problem_of(await client.send(request), 400, "malformed")
