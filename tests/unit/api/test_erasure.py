"""Erasures and recalls over REST: who may do what, what is read, and how a stream goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx
import pytest

from api import erasure_schemas as schemas
from api.auth import ApiKeys, generate_api_keys
from api.server import create_app
from api.settings import ApiSettings
from bulwark.ledger.ids import Digest, Height, MemberId, RecordId
from node.erasure.port import (
    BatchView,
    Confirmation,
    ErasureView,
    Ground,
    Offer,
    OrderOutcome,
    OrderView,
)
from node.recall.port import Delivery, OwnQuestion, Recall
from node.service import Conflict, Idempotency, NotFound, Refusal, Role, Stage
from tests.unit.api.fake_chain import FakeChain
from tests.unit.api.fake_node import FakeNode
from tests.unit.api.world import Counter, problem_of

RECORD, ORDER, ROOT = (RecordId(bytes([n]) * 32) for n in (1, 2, 3))
BATCH = BatchView(
    root=Digest(ROOT),
    height=Height(7),
    timestamp_ms=1_800_000_000_000,
    confirmations=(
        Confirmation(MemberId("bank-a"), RecordId(b"\x04" * 32), True, True, Height(9), 1),
    ),
    missing=(MemberId("bank-b"),),
)
VIEW = ErasureView(
    RECORD,
    True,
    (
        OrderView(ORDER, MemberId("bank-a"), 1, Height(7), 5, None, BATCH),
        OrderView(ORDER, MemberId("bank-c"), 99, Height(8), 6, "lifecycle.erase.x", None),
    ),
)
READERS = {Role.REPORTER, Role.ANALYST, Role.AUDITOR, Role.OPERATOR, Role.ADMIN}
WRITERS = {Role.REPORTER, Role.ADMIN}
ONE = f"/v1/records/{RECORD.hex()}/erasure"
BODY = {"records": [RECORD.hex()], "ground": "consent"}


def recall(number: int) -> Recall:
    asked = OwnQuestion(number, 1_800_000_000_000, "desk", "CASE-1")
    return Recall(number, RECORD, "erased", 5, 7, (asked,), Delivery.DEAD, 20)


class FakeErasure:
    """Notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.stage = Stage.EXECUTED
        self.is_refused = False

    async def order(
        self,
        records: Sequence[RecordId],
        ground: Ground,
        *,
        wait: Stage,
        idempotency: Idempotency | None,
    ) -> OrderOutcome:
        self.asked.append((list(records), ground, wait, idempotency is not None))
        refused = ((ORDER, Refusal("lifecycle.erase.record_counts", "no")),)
        if self.is_refused:
            return OrderOutcome(None, None, Stage.ACCEPTED, None, (), refused)
        done = Digest(ROOT), Digest(b"\x05" * 32), self.stage, Height(7), tuple(records)
        return OrderOutcome(*done, refused)

    async def offers(self, most: int) -> Sequence[Offer]:
        return [Offer(b"\x31" * 32, (RECORD,))]

    async def erasure(self, record_id: RecordId) -> ErasureView:
        if record_id != RECORD:
            raise NotFound("this node has no such record")
        return VIEW

    async def batch(self, root: Digest) -> BatchView:
        if root != ROOT:
            raise NotFound("this node has no such batch")
        return BATCH

    async def receipts(self, record_id: RecordId) -> Mapping[str, object]:
        if record_id != RECORD:
            raise Conflict("no order to erase this record was taken")
        return {"format": "bulwark-erasure-receipts/1", "record_id": RECORD.hex()}


class FakeRecalls:
    """Recalls that a test adds."""

    def __init__(self) -> None:
        self.found = [recall(n) for n in range(1, 6)]
        self.news = asyncio.Event()

    def recalls(self, after: int, most: int) -> Sequence[Recall]:
        return [each for each in self.found if each.number > after][:most]

    async def stream(self, after: int) -> AsyncIterator[Recall | None]:
        while True:
            for each in self.recalls(after, 100):
                after = each.number
                yield each
            await self.news.wait()
            self.news.clear()


class Scene:
    """The application with fake erasures and recalls."""

    def __init__(self) -> None:
        self.erasure, self.recalls = FakeErasure(), FakeRecalls()
        self.clear, hashed = generate_api_keys(Counter())
        chain = FakeChain()
        self.app = create_app(
            FakeNode(chain),
            chain,
            ApiKeys.from_json(json.dumps(hashed).encode()),
            ApiSettings(console=False),
            erasure=self.erasure,
            recalls=self.recalls,
            random_bytes=Counter(),
        )

    def headers(self, role: Role | None) -> dict[str, str]:
        return {} if role is None else {"authorization": f"Bearer {self.clear[role]}"}

    async def ask(
        self, method: str, path: str, role: Role | None = Role.ADMIN, **how: Any
    ) -> httpx.Response:
        headers = self.headers(role) | how.pop("headers", {})
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://node") as client:
            return await client.request(method, path, headers=headers, **how)


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v1/erasures", WRITERS),
        ("GET", "/v1/erasures/offers", WRITERS),
        ("GET", f"/v1/erasures/{ROOT.hex()}", READERS),
        ("GET", ONE, READERS),
        ("GET", f"{ONE}/receipts", READERS),
        ("GET", "/v1/recalls", READERS - {Role.AUDITOR}),
    ],
)
async def test_who_screens_reads_recalls_and_who_reports_orders(
    scene: Scene, method: str, path: str, allowed: set[Role]
) -> None:
    for role in Role:
        answer = await scene.ask(method, path, role)
        assert (answer.status_code != 403) == (role in allowed), role
    problem_of(await scene.ask(method, path, None), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1/erasures/offers", schemas.OffersOut),
        (f"/v1/erasures/0x{ROOT.hex().upper()}", schemas.BatchOut),
        (ONE, schemas.RecordErasureOut),
        (f"{ONE}/receipts", schemas.ReceiptsOut),
        ("/v1/recalls?after=2&most=2", schemas.RecallsOut),
    ],
)
async def test_what_is_read_fits_its_model(scene: Scene, path: str, model: Any) -> None:
    answer = await scene.ask("GET", path)
    assert answer.status_code == 200
    model.model_validate_json(answer.content, strict=True)


async def test_an_order_says_what_was_ordered_and_which_rule_forbids_the_rest(
    scene: Scene,
) -> None:
    answer = await scene.ask("POST", "/v1/erasures?wait=finalized", json=BODY)
    assert answer.status_code == 201
    schemas.ErasureOut.model_validate_json(answer.content, strict=True)
    assert answer.json()["ordered"] == [RECORD.hex()]
    assert answer.json()["refused"][0]["rule"] == "lifecycle.erase.record_counts"
    assert scene.erasure.asked == [([RECORD], Ground.CONSENT, Stage.FINALIZED, False)]
    scene.erasure.stage = Stage.ACCEPTED
    assert (await scene.ask("POST", "/v1/erasures", json=BODY)).status_code == 202
    scene.erasure.is_refused = True
    refused = await scene.ask("POST", "/v1/erasures", json=BODY)
    assert (refused.status_code, refused.json()["batch"]) == (200, None)
    schemas.ErasureOut.model_validate_json(refused.content, strict=True)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "records"),
        ({"records": []}, "records"),
        ({"records": ["00"]}, "records[0]"),
        ({"records": [RECORD.hex(), 7]}, "records[1]"),
        ({"records": [RECORD.hex()] * 2_001}, "records"),
        ({"records": [RECORD.hex()], "ground": "whim"}, "ground"),
        ({"records": [RECORD.hex()], "more": 1}, "more"),
    ],
    ids=["none", "empty", "short", "no text", "too many", "no ground", "unknown"],
)
async def test_a_bad_order_is_refused_by_its_field(
    scene: Scene, body: dict[str, object], field: str
) -> None:
    answer = await scene.ask("POST", "/v1/erasures", json=body)
    assert answer.status_code == 422 and scene.erasure.asked == []
    assert answer.json()["errors"][0]["field"] == field


async def test_an_unknown_record_batch_and_id_are_told_apart(scene: Scene) -> None:
    other = "77" * 32
    problem_of(await scene.ask("GET", f"/v1/records/{other}/erasure"), 404, "not-found")
    problem_of(await scene.ask("GET", f"/v1/erasures/{other}"), 404, "not-found")
    problem_of(await scene.ask("GET", f"/v1/records/{other}/erasure/receipts"), 409, "conflict")
    problem_of(await scene.ask("GET", "/v1/erasures/xyz"), 400, "invalid")


async def test_recalls_are_paged_by_number(scene: Scene) -> None:
    first = (await scene.ask("GET", "/v1/recalls?most=3")).json()
    assert [r["id"] for r in first["recalls"]] == [1, 2, 3] and first["next"] == 3
    rest = (await scene.ask("GET", f"/v1/recalls?most=3&after={first['next']}")).json()
    assert [r["id"] for r in rest["recalls"]] == [4, 5] and rest["next"] is None
    for query in ("after=-1", "most=0", "most=1001", "after=x"):
        problem_of(await scene.ask("GET", f"/v1/recalls?{query}"), 400, "invalid")
    assert (await scene.ask("GET", "/v1/recalls?other=1")).status_code == 400


class Reader:
    """A client that reads a stream and may go away."""

    def __init__(self, scene: Scene, headers: Mapping[str, str] | None = None) -> None:
        given = scene.headers(Role.ANALYST) | dict(headers or {})
        self.gone = asyncio.Event()
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._asked = False
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/v1/recalls/stream",
            "raw_path": b"/v1/recalls/stream",
            "query_string": b"",
            "headers": [(n.lower().encode(), v.encode()) for n, v in given.items()],
            "client": ("127.0.0.1", 1),
            "http_version": "1.1",
            "scheme": "http",
            "root_path": "",
        }
        self.task = asyncio.ensure_future(scene.app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self.sent.put(message)

    async def next(self) -> str:
        return bytes((await self.sent.get()).get("body", b"")).decode()

    async def leave(self) -> None:
        self.gone.set()
        await self.task


async def test_the_stream_shows_recalls_as_events_and_goes_on_behind_a_number(
    scene: Scene,
) -> None:
    reader = Reader(scene, {"Last-Event-ID": "4"})
    start = await reader.sent.get()
    names = {name for name, _ in start["headers"]}
    assert start["status"] == 200 and b"content-length" not in names
    assert (b"content-type", b"text/event-stream") in start["headers"]
    assert await reader.next() == "retry: 1000\n\n"
    event = await reader.next()
    assert event.startswith("id: 5\nevent: recall\ndata: {") and event.endswith("}\n\n")
    scene.recalls.found.append(recall(6))
    scene.recalls.news.set()
    data = (await reader.next()).split("data: ")[1]
    assert json.loads(data)["questions"][0]["case_ref"] == "CASE-1"
    await reader.leave()


async def test_streams_are_bounded_and_a_client_that_leaves_makes_room(scene: Scene) -> None:
    readers = [Reader(scene) for _ in range(16)]
    for reader in readers:
        await reader.sent.get()
        await reader.next()
    full = Reader(scene)
    assert (await full.sent.get())["status"] == 429
    await full.leave()
    await readers[0].leave()
    again = Reader(scene)
    assert (await again.sent.get())["status"] == 200
    for reader in (*readers[1:], again):
        await reader.leave()


async def test_a_burst_of_streams_never_passes_the_bound(scene: Scene) -> None:
    readers = [Reader(scene) for _ in range(40)]  # none of them had a turn yet
    starts = [await reader.sent.get() for reader in readers]
    statuses = sorted(start["status"] for start in starts)
    assert statuses == [200] * 16 + [429] * 24
    for reader in readers:
        await reader.leave()


class Sleeper(Reader):
    """A client that takes the head of an answer and nothing after it."""

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.body":
            await self.gone.wait()
        await super()._send(message)


async def test_a_reader_that_takes_nothing_is_let_go_and_its_place_is_free(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("api.streams.SLOW_S", 0.01)
    sleepers = [Sleeper(scene) for _ in range(16)]
    await asyncio.gather(*(sleeper.task for sleeper in sleepers))
    assert "reads too slowly" in caplog.text
    monkeypatch.undo()
    again = Reader(scene)
    assert (await again.sent.get())["status"] == 200
    await again.leave()
