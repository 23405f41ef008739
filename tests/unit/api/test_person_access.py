"""Who takes or reads what this member keeps of persons is in its access log, by action and id."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.auth import ApiKeys, generate_api_keys
from api.consent_info import PATH
from api.desks import DeskServices
from api.server import create_app
from api.settings import ApiSettings
from node.identity.limits import RateLimiter
from node.identity.port import StaticIdentities
from node.identity.principal import Principal, RateLimit
from node.service import Role
from tests.consent_terms import TERMS
from tests.unit.api.fake_chain import FakeChain
from tests.unit.api.fake_node import FakeNode
from tests.unit.api.test_consent_info import asked
from tests.unit.api.test_interaction import HOLD, REPORT, SHIELD
from tests.unit.api.test_interaction import Front as Desk
from tests.unit.api.world import Counter, World, problem_of
from tests.unit.node.jobs.office import PHONES, WHY, Office, csv_of, ledger


class Noting(StaticIdentities):
    """Fixed keys, and what the access log would be told."""

    def __init__(self) -> None:
        self.clear, hashed = generate_api_keys(Counter())
        keys = ApiKeys.from_json(json.dumps(hashed).encode())
        super().__init__(keys, RateLimiter(time.monotonic))
        self.told: list[tuple[str, str, str]] = []

    def administered(self, who: Principal, action: str, subject: str) -> None:
        self.told.append((who.key_id, action, subject))


class Front:
    """An application whose access entries are seen."""

    def __init__(self, **desks: Any) -> None:
        self.who = Noting()
        chain = FakeChain()
        given: DeskServices = {**desks}  # type: ignore[typeddict-item]
        self.app = create_app(FakeNode(chain), chain, self.who, ApiSettings(), **given)

    async def ask(
        self, method: str, path: str, role: Role = Role.REPORTER, **how: Any
    ) -> httpx.Response:
        key = f"Bearer {self.who.clear[role]}"
        headers = {"authorization": key, **how.pop("headers", {})}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        async with (
            asyncio.timeout(20),
            httpx.AsyncClient(transport=transport, base_url="http://node") as client,
        ):
            return await client.request(method, path, headers=headers, **how)


async def test_taking_reading_and_exporting_a_customers_report_is_noted_without_the_person() -> (
    None
):
    front = Front(interaction=Desk().office)
    made = await front.ask("POST", "/v1/customer-reports", json=REPORT)
    assert made.status_code == 201, made.text
    one = made.json()["id"]
    for path in (f"/{one}", "", f"/{one}/export"):
        assert (await front.ask("GET", f"/v1/customer-reports{path}")).status_code == 200
    base = "/v1/customer-reports"
    assert front.who.told == [
        ("reporter", f"POST {base}", ""),
        ("reporter", f"GET {base}/{{customer_report_id}}", one),
        ("reporter", f"GET {base}", ""),
        ("reporter", f"GET {base}/{{customer_report_id}}/export", one),
    ]
    denied = await front.ask("GET", base, Role.AUDITOR)
    assert denied.status_code == 403 and len(front.who.told) == 4, "who reads nothing is not noted"


async def test_a_protection_is_noted_when_it_is_made_and_read() -> None:
    front = Front(interaction=Desk().office)
    made = await front.ask("POST", "/v1/protections", json=SHIELD)
    one = made.json()["id"]
    await front.ask("GET", f"/v1/protections/{one}")
    actions = [action for _, action, _ in front.who.told]
    assert actions == ["POST /v1/protections", "GET /v1/protections/{protection_id}"]


async def test_searches_exports_and_reads_of_consents_are_noted_without_the_person() -> None:
    front = Front(consents=World().consents)
    made = await front.ask("POST", "/v1/consents", json=TERMS)
    assert made.status_code in (201, 202), made.text
    one = made.json()["consent_id"]
    assert front.who.told == [], "a consent that is given is on the ledger"
    person = {"subject": TERMS["subject"]}
    for action in ("search", "export"):
        answer = await front.ask("POST", f"/v1/consents/{action}", json=person)
        assert answer.status_code == 200, answer.text
    for path in ("", f"/{one}", f"/{one}/kantara"):
        assert (await front.ask("GET", f"/v1/consents{path}")).status_code == 200
    assert [(action, subject) for _, action, subject in front.who.told] == [
        ("POST /v1/consents/search", ""),
        ("POST /v1/consents/export", ""),
        ("GET /v1/consents", ""),
        ("GET /v1/consents/{consent_id}", one),
        ("GET /v1/consents/{consent_id}/kantara", one),
    ]
    assert str(TERMS["subject"]) not in repr(front.who.told)


async def test_the_status_of_a_consent_is_noted_without_the_number_that_was_asked_for() -> None:
    front = Front(consents=World().consents)
    answer = await front.ask("POST", PATH, json=asked())
    assert answer.status_code == 404, answer.text
    assert front.who.told == [("reporter", f"POST {PATH}", "")]


async def test_a_held_payment_is_noted_when_it_is_made_read_and_decided() -> None:
    front = Front(interaction=Desk().office)
    base = "/v1/cooling-offs"
    made = await front.ask("POST", base, json=HOLD)
    assert made.status_code == 201, made.text
    one = made.json()["id"]
    await front.ask("GET", base)
    await front.ask("GET", f"{base}/{one}")
    await front.ask("GET", f"{base}/key")
    await front.ask("POST", f"{base}/{one}/extension", json={"seconds": 60})
    await front.ask("POST", f"{base}/{one}/confirmation")
    await front.ask("POST", f"{base}/{one}/cancellation")
    of_one = f"{base}/{{cooling_off_id}}"
    assert [(action, subject) for _, action, subject in front.who.told] == [
        (f"POST {base}", ""),
        (f"GET {base}", ""),
        (f"GET {of_one}", one),
        (f"POST {of_one}/extension", one),
        (f"POST {of_one}/confirmation", one),
        (f"POST {of_one}/cancellation", one),
    ]


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / "jobs", ledger().node)


async def test_a_result_is_read_by_its_sender_and_by_administrators_and_each_reading_is_noted(
    office: Office,
) -> None:
    front = Front(jobs=office.desk)
    sent = await front.ask(
        "POST",
        "/v1/screening-jobs",
        Role.ANALYST,
        content=csv_of(*PHONES),
        headers={"content-type": "text/csv"},
        params={**WHY, "kind": "phone"},
    )
    one = sent.json()["id"]
    await office.work_as(one, "analyst")
    path = f"/v1/screening-jobs/{one}/result"
    problem_of(await front.ask("GET", path, Role.REPORTER), 404, "not-found")
    own = await front.ask("GET", path, Role.ANALYST)
    inherited = await front.ask("GET", path, Role.ADMIN)
    assert own.status_code == inherited.status_code == 200 and own.content == inherited.content
    manifest = await front.ask("GET", f"/v1/screening-jobs/{one}/manifest", Role.ADMIN)
    assert manifest.status_code == 200
    action = "GET /v1/screening-jobs/{job_id}/result"
    told = [("reporter", action, one), ("analyst", action, one), ("admin", action, one)]
    assert front.who.told == told
    await office.close()


async def test_who_owes_for_rows_sends_no_job_and_is_told_when_to_come_back(
    office: Office,
) -> None:
    front = Front(jobs=office.desk)
    limit = RateLimit(rows_per_second=2)
    front.who.limiter.configure({Role.ANALYST: limit}, RateLimit())
    front.who.limiter.charge_rows(Principal("analyst", Role.ANALYST), None, 120)

    async def send(role: Role) -> httpx.Response:
        return await front.ask(
            "POST",
            "/v1/screening-jobs",
            role,
            content=csv_of(*PHONES),
            headers={"content-type": "text/csv"},
            params={**WHY, "kind": "phone"},
        )

    refused = await send(Role.ANALYST)
    problem_of(refused, 429, "busy")
    assert 45 <= int(refused.headers["retry-after"]) <= 55
    assert office.desk.jobs_by_id == {}
    assert (await send(Role.REPORTER)).status_code == 201, "everybody has a rate of its own"
    await office.close()
