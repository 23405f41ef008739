"""Events and webhooks over REST: who may do what, what is refused, and what answers look like."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from api import push_schemas as schemas
from api.auth import ApiKeys, generate_api_keys
from api.server import create_app
from api.settings import ApiSettings
from node.push.eventlog import Draft
from node.push.port import EventType
from node.service import Role
from tests.unit.api.fake_chain import FakeChain
from tests.unit.api.fake_node import FakeNode
from tests.unit.api.world import Counter, problem_of
from tests.unit.node.push.world import BEGIN_MS, REFUSED, URL, Push, until

WATCHERS = {Role.ADMIN, Role.OPERATOR}
READERS = {Role.REPORTER, Role.ANALYST, Role.OPERATOR, Role.ADMIN}
DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "events.json"
RECALL = {"recall": 1, "record_id": "11" * 32, "reason": "erased", "questions": []}


class Scene:
    """The application over a real push desk in memory."""

    def __init__(self) -> None:
        self.push = Push()
        self.desk = self.push.desk()
        self.keys, hashed = generate_api_keys(Counter())
        chain = FakeChain()
        self.app = create_app(
            FakeNode(chain),
            chain,
            ApiKeys.from_json(json.dumps(hashed).encode()),
            ApiSettings(console=False),
            random_bytes=Counter(),
            push=self.desk,
        )
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app), base_url="http://node"
        )

    def headers(self, role: Role | None) -> dict[str, str]:
        return {} if role is None else {"authorization": f"Bearer {self.keys[role]}"}

    async def ask(
        self, method: str, path: str, *, role: Role | None = Role.ADMIN, **more: Any
    ) -> httpx.Response:
        headers = self.headers(role) | more.pop("headers", {})
        return await self._client.request(method, path, headers=headers, **more)

    async def add(self, **more: object) -> dict[str, Any]:
        answer = await self.ask("POST", "/v1/webhooks", json={"url": URL, **more})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def recall(self, count: int = 1) -> None:
        for _ in range(count):
            name = str(self.push.events.last).encode()
            self.push.events.add([Draft(EventType.RECALL, name, BEGIN_MS, 7, RECALL)])


@pytest.fixture
async def scene() -> Scene:
    return Scene()


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/events", READERS),
        ("GET", "/v1/webhooks", WATCHERS),
        ("POST", "/v1/webhooks", {Role.ADMIN}),
        ("GET", "/v1/webhooks/{id}", WATCHERS),
        ("PATCH", "/v1/webhooks/{id}", {Role.ADMIN}),
        ("DELETE", "/v1/webhooks/{id}", {Role.ADMIN}),
        ("POST", "/v1/webhooks/{id}/secret", {Role.ADMIN}),
        ("POST", "/v1/webhooks/{id}/test", {Role.ADMIN}),
        ("POST", "/v1/webhooks/{id}/replay", {Role.ADMIN}),
        ("GET", "/v1/webhooks/{id}/deliveries", WATCHERS),
        ("GET", "/v1/webhooks/{id}/dead", WATCHERS),
    ],
)
async def test_who_may_do_what(scene: Scene, method: str, path: str, allowed: set[Role]) -> None:
    made = await scene.add()
    where = path.replace("{id}", made["id"])
    for role in Role:
        refused = (await scene.ask(method, where, role=role)).status_code == 403
        assert refused == (role not in allowed), role
    assert (await scene.ask(method, where, role=None)).status_code == 401


async def test_the_secret_is_in_the_answer_that_makes_it_and_in_no_other(scene: Scene) -> None:
    made = await scene.add(types=["recall"], description="desk")
    schemas.WebhookSecretOut.model_validate(made)
    one = f"/v1/webhooks/{made['id']}"
    answers = [
        await scene.ask("GET", "/v1/webhooks"),
        await scene.ask("GET", one),
        await scene.ask("PATCH", one, json={"state": "paused"}),
        await scene.ask("GET", one + "/deliveries"),
    ]
    for answer in answers:
        assert answer.status_code == 200 and made["secret"] not in answer.text
    schemas.WebhookOut.model_validate(answers[2].json())
    assert answers[2].json()["state"] == "paused"
    rotated = (await scene.ask("POST", one + "/secret", json={"overlap_s": 5})).json()
    schemas.WebhookSecretOut.model_validate(rotated)
    assert rotated["secret"] != made["secret"] and rotated["secrets"] == 2
    assert (await scene.ask("POST", one + "/secret")).status_code == 200, "the body may be left out"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": 5}, "url"),
        ({"url": URL, "types": ["recall", "everything"]}, "types.1"),
        ({"url": URL, "types": "recall"}, "types"),
        ({"url": URL, "after": "3"}, "after"),
        ({"url": URL, "after": -1}, "after"),
        ({"url": URL, "description": "x" * 201}, "description"),
        ({"url": URL, "secret": "mine"}, "secret"),
    ],
)
async def test_a_bad_subscription_is_refused_by_its_field(
    scene: Scene, body: dict[str, object], field: str
) -> None:
    found = problem_of(await scene.ask("POST", "/v1/webhooks", json=body), 422, "invalid")
    assert field in {error["field"] for error in found["errors"]}


async def test_an_address_that_is_not_allowed_is_refused_and_not_repeated(scene: Scene) -> None:
    for url in ("http://desk.example/", "https://10.0.0.7/token-4711", "https://x.example:22/"):
        answer = await scene.ask("POST", "/v1/webhooks", json={"url": url})
        assert "url" in problem_of(answer, 422, "invalid")["detail"]
        assert "4711" not in answer.text
    made = await scene.add()
    answer = await scene.ask("PATCH", f"/v1/webhooks/{made['id']}", json={"url": "https://[::1]/"})
    problem_of(answer, 422, "invalid")


@pytest.mark.parametrize(
    "body",
    [{}, {"dead": False}, {"dead": True, "first": 1}, {"events": []}, {"events": [1], "last": 2},
     {"first": 1, "from_ms": 5}, {"first": 0}],
)  # fmt: skip
async def test_a_replay_is_said_in_one_way(scene: Scene, body: dict[str, object]) -> None:
    made = await scene.add()
    answer = await scene.ask("POST", f"/v1/webhooks/{made['id']}/replay", json=body)
    problem_of(answer, 422, "invalid")


async def test_what_does_not_exist_is_not_found(scene: Scene) -> None:
    for path in ("00" * 8, "x", "A" * 16):
        for method, rest, body in (
            ("GET", "", None), ("PATCH", "", {}), ("DELETE", "", None), ("POST", "/secret", {}),
            ("POST", "/test", None), ("POST", "/replay", {"dead": True}), ("GET", "/dead", None),
            ("GET", "/deliveries", None),
        ):  # fmt: skip
            answer = await scene.ask(method, f"/v1/webhooks/{path}{rest}", json=body)
            problem_of(answer, 404, "not-found")


async def test_tries_and_dead_letters_are_shown_and_put_up_again(scene: Scene) -> None:
    made = await scene.add()
    scene.push.receivers[made["id"]].answers = lambda _: REFUSED
    task = asyncio.create_task(scene.desk.run())
    one = f"/v1/webhooks/{made['id']}"
    scene.recall()
    await until(lambda: scene.desk.webhook(made["id"]).failed)
    tries = (await scene.ask("GET", one + "/deliveries", role=Role.OPERATOR)).json()
    schemas.AttemptsOut.model_validate(tries)
    assert [each["status"] for each in tries["deliveries"]] == [500]
    shown = (await scene.ask("GET", one)).json()
    assert (shown["tries"], shown["waiting"], shown["failed"]) == (1, 1, 1)
    dead = (await scene.ask("GET", one + "/dead")).json()
    assert schemas.DeadLettersOut.model_validate(dead).dead == []
    assert (await scene.ask("POST", one + "/test")).json()["status"] == 500
    assert (await scene.ask("POST", one + "/replay", json={"dead": True})).json() == {"queued": 0}
    assert (await scene.ask("DELETE", one)).status_code == 204
    assert (await scene.ask("GET", "/v1/webhooks")).json() == {"webhooks": []}
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_events_are_paged_by_number_and_by_type(scene: Scene) -> None:
    scene.recall(3)
    scene.push.log(1)
    page = (await scene.ask("GET", "/v1/events?most=2", role=Role.ANALYST)).json()
    assert [event["number"] for event in page["events"]] == [1, 2]
    assert (page["next"], page["first"]) == (2, 1)
    last = page["events"][-1]["id"]
    rest = (await scene.ask("GET", f"/v1/events?after={last}&types=recall")).json()
    schemas.EventsOut.model_validate(rest)
    assert [event["number"] for event in rest["events"]] == [3] and rest["next"] is None
    other = (await scene.ask("GET", f"/v1/events?after={'00' * 8}-3&types=recall")).json()
    assert [event["number"] for event in other["events"]] == [1, 2, 3], "of another log"
    for query in ("after=-1", "after=x-1", "most=0", "most=1001", "types=all", "types=", "x=1"):
        assert (await scene.ask("GET", f"/v1/events?{query}")).status_code == 400, query


class Reader:
    """A client that follows events and may go away."""

    def __init__(self, scene: Scene, query: bytes = b"", last: str = "") -> None:
        given = {**scene.headers(Role.ANALYST), "accept": "text/event-stream"}
        given |= {"last-event-id": last} if last else {}
        self.gone = asyncio.Event()
        self.sent: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/v1/events",
            "raw_path": b"/v1/events",
            "query_string": query,
            "headers": [(n.lower().encode(), v.encode()) for n, v in given.items()],
            "client": ("127.0.0.1", 1),
            "http_version": "1.1",
            "scheme": "http",
            "root_path": "",
        }
        self.task = asyncio.ensure_future(scene.app(scope, self._receive, self.sent.put))
        self._asked = False

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def begun(self) -> int:
        start = await self.sent.get()
        if start["status"] == 200:
            assert (await self.sent.get())["body"] == b"retry: 1000\n\n"
        return int(start["status"])

    async def next(self) -> tuple[str, str, dict[str, Any]]:
        """Id, name and data of the next event."""
        text = bytes((await self.sent.get())["body"]).decode()
        identity, name, data = (line.partition(": ")[2] for line in text.splitlines()[:3])
        return identity, name, json.loads(data)

    async def leave(self) -> None:
        self.gone.set()
        await self.task


async def test_a_stream_goes_on_behind_the_id_that_it_showed_last(scene: Scene) -> None:
    scene.recall(3)
    reader = Reader(scene)
    assert await reader.begun() == 200
    first, second, third = [await reader.next() for _ in range(3)]
    assert [first[1], first[2]["number"]] == ["recall", 1] and third[0].endswith("-3")
    jsonschema.validate(first[2], json.loads(DOCUMENT.read_bytes()))
    again = Reader(scene, last=second[0])
    await again.begun()
    assert await again.next() == third
    scene.recall()
    assert (await again.next())[2]["number"] == (await reader.next())[2]["number"] == 4
    await reader.leave()
    await again.leave()
    assert scene.desk.streams == 0


async def test_a_stream_names_what_the_log_dropped(scene: Scene) -> None:
    scene.recall(5)
    scene.push.events.prune(BEGIN_MS + 1, 2)
    reader = Reader(scene, b"after=2")
    await reader.begun()
    identity, name, data = await reader.next()
    assert (name, data) == ("gap", {"after": 2, "first": 5}) and identity.endswith("-4")
    assert (await reader.next())[2]["number"] == 5
    await reader.leave()


async def test_a_burst_of_streams_never_passes_the_bound(scene: Scene) -> None:
    readers = [Reader(scene) for _ in range(30)]
    statuses = [await reader.begun() for reader in readers]
    assert sorted(statuses) == [200] * 16 + [429] * 14
    for reader in readers:
        await reader.leave()
    again = Reader(scene)
    assert await again.begun() == 200
    await again.leave()


def test_the_documented_schema_of_events_is_that_of_the_code() -> None:
    kept = json.loads(DOCUMENT.read_bytes())
    assert kept == schemas.events_document(), "write it anew: api.push_schemas.events_document()"
    jsonschema.Draft202012Validator.check_schema(kept)
    assert set(schemas.DATA) == set(EventType)
