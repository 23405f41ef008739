"""Disputes over REST, over a real desk: who may what, what is refused and how it is said."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from api import dispute_schemas as schemas
from api.auth import ApiKeys, generate_api_keys
from api.server import create_app
from api.settings import ApiSettings
from bulwark.indicators.vocabulary import DisputeGround
from bulwark.ledger.lifecycle import Operation
from bulwark.ledger.record import Record
from node.service import Role
from tests.unit.api.fake_chain import FakeChain
from tests.unit.api.fake_node import FakeNode
from tests.unit.api.world import Counter, problem_of
from tests.unit.node.disputes.test_desk import ALPHA, BRAVO, REGULATOR, Office

READERS = (Role.REPORTER, Role.ANALYST, Role.AUDITOR)


class Counterpart:
    """The application of one member over its office."""

    def __init__(self, member: int = BRAVO) -> None:
        self.office = Office(member)
        chain = FakeChain()
        self.clear, hashed = generate_api_keys(Counter())
        self.app = create_app(
            FakeNode(chain),
            chain,
            ApiKeys.from_json(json.dumps(hashed).encode()),
            ApiSettings(),
            disputes=self.office.desk,
            clock=lambda: self.office.world.now_ms,
        )

    async def ask(
        self, method: str, path: str, role: Role = Role.REPORTER, **how: Any
    ) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.clear[role]}", **how.pop("headers", {})}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        async with (
            asyncio.timeout(10),
            httpx.AsyncClient(transport=transport, base_url="http://node") as client,
        ):
            return await client.request(method, f"/v1/{path}", headers=headers, **how)

    async def send(self, path: str, **body: object) -> httpx.Response:
        return await self.ask("POST", path, json=body, params={"wait": "accepted"})


@pytest.fixture
def desk() -> Counterpart:
    return Counterpart()


@pytest.fixture
def record(desk: Counterpart) -> Record:
    return desk.office.reported(ALPHA)


def rule_of(answer: httpx.Response) -> str:
    (error,) = problem_of(answer, 409, "conflict")["errors"]
    assert error["field"] == "operation" and error["rule"] in error["detail"]
    return str(error["rule"])


async def test_a_dispute_is_sent_and_shown_and_told_to_the_person(
    desk: Counterpart, record: Record
) -> None:
    name = record.record_id.hex()
    sent = await desk.send("disputes", record_id=name, ground="reassigned", for_person=True)
    assert sent.status_code == 202
    outcome = schemas.FollowUpOut.model_validate_json(sent.content, strict=True)
    assert (outcome.taken, outcome.state) == (None, "active"), "no block holds it yet"
    desk.office.mine()
    for reference in (outcome.reference, outcome.id):
        shown = await desk.ask("GET", f"disputes/{reference}", Role.ANALYST)
        found = schemas.DisputeOut.model_validate_json(shown.content, strict=True)
        assert (found.status, found.ground, found.for_person) == ("open", "reassigned", True)
    listed = await desk.ask("GET", "disputes", Role.AUDITOR, params={"whose": "opened"})
    page = schemas.DisputesOut.model_validate_json(listed.content, strict=True)
    assert [entry.id for entry in page.disputes] == [outcome.id] and page.next is None
    past = await desk.ask("GET", f"records/{name}/history", Role.AUDITOR)
    history = schemas.HistoryOut.model_validate_json(past.content, strict=True)
    assert [(step.operation, step.taken) for step in history.history] == [("dispute", True)]
    assert history.record.state == "disputed" and history.record.restricted


@pytest.mark.parametrize(
    ("path", "body", "rule"),
    [
        ("rulings", {"ruling": "upheld"}, "lifecycle.rule.no_dispute"),
        ("retraction", {}, "lifecycle.retract.not_the_reporter"),
        ("expiry", {}, "lifecycle.expire.not_the_reporter"),
        ("erasure", {"ground": "error"}, "lifecycle.erase.record_counts"),
    ],
)
async def test_the_lifecycle_s_refusals_are_conflicts_with_their_rule(
    desk: Counterpart, record: Record, path: str, body: dict[str, object], rule: str
) -> None:
    assert rule_of(await desk.send(f"records/{record.record_id.hex()}/{path}", **body)) == rule
    assert desk.office.sent == []


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        (Operation.RETRACT, "retraction"),
        (Operation.EXPIRE, "expiry"),
        (Operation.ERASE, "erasure"),
    ],
)
async def test_the_reporter_ends_its_own_record_without_a_body(
    operation: Operation, path: str
) -> None:
    own = Counterpart(ALPHA)
    record = own.office.reported(ALPHA)
    answer = await own.ask(
        "POST", f"records/{record.record_id.hex()}/{path}", params={"wait": "accepted"}
    )
    assert answer.status_code == 202 and answer.json()["operation"] == operation.name.lower()


async def test_a_regulator_s_node_rules(record: Record) -> None:
    court = Counterpart(REGULATOR)
    again = court.office.reported(ALPHA)
    court.office.world.follow(BRAVO, again.record_id, Operation.DISPUTE, 1)
    ruled = await court.send(f"records/{again.record_id.hex()}/rulings", ruling="upheld")
    assert ruled.status_code == 202
    court.office.mine()
    past = (await court.ask("GET", f"records/{again.record_id.hex()}/history")).json()
    assert past["history"][-1]["reason"] == "upheld" and past["record"]["state"] == "overruled"
    assert past["disputes"][0]["ruling"] == "upheld"


async def test_only_reporters_keys_write_and_operators_do_not_read(
    desk: Counterpart, record: Record
) -> None:
    name = record.record_id.hex()
    for role in Role:
        body = {"record_id": name, "ground": "victim"}
        if role is not Role.REPORTER:
            problem_of(await desk.ask("POST", "disputes", role, json=body), 403, "forbidden")
        listed = await desk.ask("GET", "disputes", role)
        assert listed.status_code == (200 if role in READERS else 403)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"ground": "victim"}, "record_id"),
        ({"record_id": "ab", "ground": "victim"}, "record_id"),
        ({"ground": "unknown"}, "ground"),
        ({"ground": "because"}, "ground"),
        ({"ground": "victim", "for_person": "yes"}, "for_person"),
        ({"ground": "victim", "case_ref": "x" * 10_000}, "case_ref"),
        ({"ground": "victim", "person": "Jane Roe"}, "person"),
    ],
)
async def test_a_wish_that_is_none_names_its_field(
    desk: Counterpart, record: Record, body: dict[str, object], field: str
) -> None:
    if field != "record_id":
        body = {"record_id": record.record_id.hex(), **body}
    problem = problem_of(await desk.send("disputes", **body), 422, "invalid")
    assert [error["field"] for error in problem["errors"]] == [field]
    assert "Jane" not in json.dumps(problem) and desk.office.sent == []


@pytest.mark.parametrize(
    "query", [{"whose": "mine"}, {"state": "closed"}, {"cursor": "zz"}, {"page": "1"}]
)
async def test_a_list_is_asked_for_in_known_words(desk: Counterpart, query: dict[str, str]) -> None:
    assert (await desk.ask("GET", "disputes", params=query)).status_code == 400


async def test_what_is_not_there_is_not_found(desk: Counterpart, record: Record) -> None:
    for path in (f"disputes/{record.record_id.hex()}", "disputes/7K3M-9QWE-2F0A-TZ4V"):
        problem_of(await desk.ask("GET", path), 404, "not-found")
    problem_of(await desk.ask("GET", f"records/{'00' * 32}/history"), 404, "not-found")
    assert (await desk.ask("GET", "disputes/%2e%2e")).status_code in (400, 404)


async def test_the_same_key_is_one_dispute_and_another_body_is_refused(
    desk: Counterpart, record: Record
) -> None:
    name = record.record_id.hex()
    how: dict[str, Any] = {"headers": {"idempotency-key": "k"}, "params": {"wait": "accepted"}}
    body = {"record_id": name, "ground": "victim"}
    first = await desk.ask("POST", "disputes", json=body, **dict(how))
    how = {"headers": {"idempotency-key": "k"}, "params": {"wait": "accepted"}}
    again = await desk.ask("POST", "disputes", json=body, **dict(how))
    assert first.json()["id"] == again.json()["id"] and len(desk.office.sent) == 1
    how = {"headers": {"idempotency-key": "k"}, "params": {"wait": "accepted"}}
    other = await desk.ask("POST", "disputes", json={**body, "ground": "other"}, **how)
    problem_of(other, 422, "idempotency-key-reused")


def test_every_ground_of_a_dispute_is_documented() -> None:
    field = schemas.DisputeIn.model_fields["ground"]
    extra = field.json_schema_extra
    assert isinstance(extra, dict)
    assert extra["enum"] == [ground.label for ground in DisputeGround if ground]
