"""MISP over REST: who may what, what is refused, and answers that are as documented."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import pytest

from api import misp_schemas as schemas
from api.auth import ApiKeys, generate_api_keys
from api.server import create_app
from api.settings import ApiSettings
from bulwark.interop.carried import Fate, Item, counts
from bulwark.interop.misp.pss import PssWish
from node.exchange.port import ExportWish, ImportReport, ImportWish, SourceView
from node.service import Caller, NotFound, Role
from tests.unit.api.fake_chain import FakeChain
from tests.unit.api.fake_node import FakeNode
from tests.unit.api.world import Counter, problem_of

UUID = "5d1f0b1e-0001-4000-8000-000000000001"


class Desk:
    """ExchangeService that remembers what it was asked."""

    def __init__(self) -> None:
        self.wishes: list[Any] = []
        self.callers: list[Caller] = []

    async def import_misp(self, wish: ImportWish, *, by: Caller) -> ImportReport:
        self.wishes.append(wish)
        self.callers.append(by)
        items = (Item("/Event", UUID, "event", Fate.TAKEN, "stated", "1 statements"),)
        return ImportReport(items, 1, 1, 0, 0, 0, 0, 0, wish.dry_run, counts(items))

    async def export_misp(self, wish: ExportWish, *, by: Caller) -> Sequence[Mapping[str, Any]]:
        self.wishes.append(wish)
        return [{"Event": {"uuid": UUID}}]

    async def feed_file(self, name: str, *, by: Caller) -> bytes:
        if name.startswith(UUID):
            raise NotFound("the feed has no such file; manifest.json lists its events")
        return b"d41d,x\n" if name == "hashes.csv" else b"{}"

    async def search_set(
        self, wish: PssWish, kinds: Sequence[str], *, by: Caller
    ) -> Mapping[str, bytes]:
        self.wishes.append((wish, list(kinds)))
        return {"private-search-set.json": b"{}"}

    def source(self, name: str) -> SourceView:
        return SourceView(name, "7")

    async def forget(self, *, by: Caller) -> int:
        return 3


class World:
    """The application of a member over a desk."""

    def __init__(self) -> None:
        self.desk = Desk()
        chain = FakeChain()
        self.clear, hashed = generate_api_keys(Counter())
        keys = ApiKeys.from_json(json.dumps(hashed).encode())
        self.app = create_app(FakeNode(chain), chain, keys, ApiSettings(), exchange=self.desk)

    async def ask(
        self, method: str, path: str, role: Role = Role.REPORTER, **how: Any
    ) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.clear[role]}", **how.pop("headers", {})}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        async with (
            asyncio.timeout(10),
            httpx.AsyncClient(transport=transport, base_url="http://node") as client,
        ):
            path = f"/v1/exchange/misp{path}"
            return await client.request(method, path, headers=headers, **how)

    async def post(self, path: str, body: Any, role: Role = Role.REPORTER) -> httpx.Response:
        return await self.ask("POST", path, role, json=body)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_document_goes_to_the_desk_with_its_options_and_a_report_comes_back(
    world: World,
) -> None:
    options = {"fraud_type": "phishing", "red_as": "amber", "sharing_groups": [UUID.upper()]}
    body = {"document": [{"Event": {}}], "options": options, "dry_run": True, "source": "misp-a"}
    answer = await world.post("", {**body, "cursor": "5"})
    assert answer.status_code == 200, answer.text
    schemas.MispImportOut.model_validate(answer.json(), strict=True)
    (wish,) = world.desk.wishes
    assert (wish.dry_run, wish.source, wish.cursor, wish.keep_clear) == (True, "misp-a", "5", False)
    assert wish.options.sharing_groups == {UUID}
    assert world.desk.callers[0].role is Role.REPORTER


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "document"),
        ({"document": "x"}, "document"),
        ({"document": {}, "more": 1}, "more"),
        ({"document": {}, "options": []}, "options"),
        ({"document": {}, "options": {"fraud_type": "nonsense"}}, "fraud_type"),
        ({"document": {}, "options": {"red_as": "red"}}, "red_as"),
        ({"document": {}, "options": {"unknown": 1}}, "unknown"),
        ({"document": {}, "options": {"lawful_basis": "consent"}}, "lawful_basis"),
        ({"document": {}, "options": {"sharing_groups": ["x"]}}, "sharing_groups"),
        ({"document": {}, "options": {"region": "XX"}}, "region"),
        ({"document": {}, "options": {"take_context": "yes"}}, "take_context"),
        ({"document": {}, "options": {"on_false_positive": "erase"}}, "on_false_positive"),
        ({"document": {}, "dry_run": 1}, "dry_run"),
        ({"document": {}, "source": "a b"}, "source"),
        ({"document": {}, "cursor": "x" * 65}, "cursor"),
    ],
)
async def test_what_is_wrong_with_an_import_is_named(
    world: World, body: dict[str, Any], field: str
) -> None:
    answer = await world.post("", body)
    problem = problem_of(answer, 422, "invalid")
    assert [error["field"] for error in problem["errors"]] == [field]
    assert world.desk.wishes == []


async def test_only_reporters_import_make_sets_and_forget(world: World) -> None:
    for role in (Role.ANALYST, Role.AUDITOR, Role.OPERATOR, Role.ADMIN):
        for path in ("", "/search-set", "/forget"):
            answer = await world.post(path, {"document": {}}, role)
            assert answer.status_code == 403, (role, path)
    for role in (Role.OPERATOR, Role.ADMIN):
        answer = await world.ask("GET", "/feed/manifest.json", role)
        assert answer.status_code == 403
    clear = await world.post("/export", {"clear": True}, Role.ANALYST)
    assert clear.status_code == 403 and world.desk.wishes == []


async def test_exports_feed_sources_and_sets_answer_as_documented(world: World) -> None:
    events = await world.post("/export", {"since": 3, "most": 7, "own_only": True})
    schemas.MispEventsOut.model_validate(events.json(), strict=True)
    assert world.desk.wishes == [ExportWish(since_ms=3_000, most=7, own_only=True)]
    manifest = await world.ask("GET", "/feed/manifest.json", Role.ANALYST)
    assert (manifest.status_code, manifest.headers["content-type"]) == (200, "application/json")
    hashes = await world.ask("GET", "/feed/hashes.csv")
    assert hashes.headers["content-type"] == "text/csv"
    problem_of(await world.ask("GET", f"/feed/{UUID}.json"), 404, "not-found")
    problem_of(await world.ask("GET", "/feed/passwd"), 400, "invalid")
    source = await world.ask("GET", "/sources/misp-a")
    assert source.json() == {"name": "misp-a", "cursor": "7"}
    wish = {"name": "p", "key": "0a" * 32, "key_id": "k", "kinds": ["phone", "IBAN"]}
    found = await world.post("/search-set", wish)
    schemas.MispSearchSetOut.model_validate(found.json(), strict=True)
    assert world.desk.wishes[-1][1] == ["phone", "iban"]
    assert (await world.post("/forget", {})).json() == {"forgotten": 3}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"key": "0a"}, "key"), ({"key": "zz" * 32}, "key"), ({"algorithm": "MD5"}, "algorithm"),
        ({"probability": 2}, "probability"), ({"probability": "0.1"}, "probability"),
        ({"probability": True}, "probability"), ({"name": "a/b"}, "name"),
        ({"kinds": ["pan"]}, "kinds"), ({"capacity": -1}, "capacity"),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_a_search_set_is_named_without_its_key(
    world: World, change: dict[str, Any], field: str
) -> None:
    wish = {"name": "p", "key": "0b" * 32, "key_id": "k", **change}
    answer = await world.post("/search-set", wish)
    errors = problem_of(answer, 422, "invalid")["errors"]
    assert [error["field"] for error in errors] == [field]
    assert "0b0b" not in answer.text


async def test_a_document_that_is_too_large_is_not_read(world: World) -> None:
    headers = {"content-type": "application/json", "content-length": str(10**9)}
    answer = await world.ask("POST", "", content=b"{}", headers=headers)
    assert answer.status_code == 413
    broken = await world.ask(
        "POST", "", content=b'{"document": "secret', headers={"content-type": "application/json"}
    )
    assert broken.status_code == 400 and "secret" not in broken.text
