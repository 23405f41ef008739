"""Customers and victims over REST: who may what, what is refused and how it is said."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from api import interaction_schemas, protection_schemas
from api.auth import ApiKeys, generate_api_keys
from api.desks import DeskServices
from api.interaction import interaction_routes
from api.server import create_app
from api.settings import ApiSettings
from node.interaction.port import InteractionService
from node.interaction.statusport import StatusLookup
from node.service import Role
from tests.unit.api.fake_chain import FakeChain
from tests.unit.api.fake_node import FakeNode
from tests.unit.api.world import Counter, problem_of
from tests.unit.node.interaction.office import CLEAN, Office

PHONE = {"kind": "phone", "value": "+44 20 7946 0958"}
WHY = {"purpose": "fraud_prevention", "lawful_basis": "legitimate_interests"}
REPORT = {"customer": "customer 1", "text": "Somebody called.", "identifiers": [PHONE]}
CHOICE = {"number": 0, "fraud_type": "imp_bank", "object_role": "offender_controlled"}
HOLD = {"question": {**PHONE, **WHY}, "customer": "customer 1", "payment": "payment 1"}
SHIELD = {
    **PHONE, "person": "customer 1", "role": "impersonated", "lawful_basis": "public_interest",
}  # fmt: skip


class Front:
    """The application of one member over its desks."""

    def __init__(self, status: StatusLookup | None = None, **settings: Any) -> None:
        self.office = Office()
        self.office.status = status  # type: ignore[assignment]
        service: InteractionService = self.office
        chain = FakeChain()
        self.clear, hashed = generate_api_keys(Counter())
        desks: DeskServices = {"interaction": service}
        self.app = create_app(
            FakeNode(chain),
            chain,
            ApiKeys.from_json(json.dumps(hashed).encode()),
            ApiSettings(**settings),
            clock=lambda: self.office.now_ms,
            **desks,
        )

    async def ask(
        self, method: str, path: str, role: Role | None = Role.REPORTER, **how: Any
    ) -> httpx.Response:
        headers = how.pop("headers", {})
        if role is not None:
            headers = {"authorization": f"Bearer {self.clear[role]}", **headers}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        async with (
            asyncio.timeout(10),
            httpx.AsyncClient(transport=transport, base_url="http://node") as client,
        ):
            return await client.request(method, path, headers=headers, **how)

    async def post(self, path: str, body: object, role: Role = Role.REPORTER) -> httpx.Response:
        return await self.ask("POST", f"/v1/{path}", role, json=body)

    async def get(self, path: str, role: Role = Role.REPORTER) -> httpx.Response:
        return await self.ask("GET", f"/v1/{path}", role)


@pytest.fixture
def front() -> Front:
    return Front()


def rule_of(answer: httpx.Response) -> str:
    (error,) = problem_of(answer, 409, "conflict")["errors"]
    return str(error["rule"])


async def test_a_report_goes_its_way_and_every_answer_is_as_documented(front: Front) -> None:
    model = interaction_schemas.CustomerReportOut
    taken = await front.post("customer-reports", REPORT, Role.ANALYST)
    assert taken.status_code == 201
    view = model.model_validate_json(taken.content, strict=True)
    assert (view.state, view.language, view.text) == ("received", "en", "Somebody called.")
    path = f"customer-reports/{view.id}"
    assert rule_of(await front.post(f"{path}/report", {})) == "customer_report.not_triaged"
    triaged = await front.post(f"{path}/triage", {"identifiers": [CHOICE]}, Role.ANALYST)
    chosen = model.model_validate_json(triaged.content, strict=True).identifiers[0].chosen
    assert chosen is not None and chosen.confidence == 70
    denied = await front.post(f"{path}/report", {}, Role.ANALYST)
    problem_of(denied, 403, "forbidden")
    sent = await front.ask("POST", f"/v1/{path}/report")
    assert model.model_validate_json(sent.content, strict=True).state == "reported"
    listed = await front.get("customer-reports?state=reported")
    page = interaction_schemas.CustomerReportsOut.model_validate_json(listed.content, strict=True)
    assert [each.id for each in page.customer_reports] == [view.id]
    assert page.customer_reports[0].text is None and page.next is None
    alert = await front.get(f"{path}/export", Role.ANALYST)
    interaction_schemas.AlertOut.model_validate_json(alert.content, strict=True)
    gone = await front.ask("POST", f"/v1/{path}/erasure", Role.ANALYST)
    assert model.model_validate_json(gone.content, strict=True).state == "erased"


async def test_declined_and_merged_reports_say_so(front: Front) -> None:
    ids = [(await front.post("customer-reports", REPORT)).json()["id"] for _ in range(3)]
    path = "customer-reports"
    ended = await front.post(f"{path}/{ids[0]}/decline", {"reason": "too_little", "note": "thin"})
    assert (ended.json()["state"], ended.json()["decline_reason"]) == ("declined", "too_little")
    joined = await front.post(f"{path}/{ids[1]}/merge", {"into": ids[2]})
    assert joined.json()["merged_into"] == ids[2]
    assert rule_of(await front.post(f"{path}/{ids[1]}/merge", {"into": ids[2]})) == (
        "customer_report.ended"
    )


async def test_a_payment_is_held_and_cancelled_as_documented(front: Front) -> None:
    model = interaction_schemas.CoolingOffOut
    held = await front.post("cooling-offs", HOLD, Role.ANALYST)
    assert held.status_code == 201
    view = model.model_validate_json(held.content, strict=True)
    assert view.token is not None and len(str(view.opening)) == 64
    path = f"cooling-offs/{view.id}"
    assert rule_of(await front.post("cooling-offs", HOLD)) == "cooling_off.held_already"
    assert rule_of(await front.ask("POST", f"/v1/{path}/confirmation")) == "cooling_off.early"
    longer = await front.post(f"{path}/extension", {"seconds": 60})
    assert model.model_validate_json(longer.content, strict=True).extensions == 1
    listed = await front.get("cooling-offs?state=held")
    interaction_schemas.CoolingOffsOut.model_validate_json(listed.content, strict=True)
    key = await front.get("cooling-offs/key")
    interaction_schemas.CoolingKeyOut.model_validate_json(key.content, strict=True)
    cancelled = await front.post(f"{path}/cancellation", {})
    assert model.model_validate_json(cancelled.content, strict=True).token is None
    front.office.ledger.answer = CLEAN
    assert rule_of(await front.post("cooling-offs", HOLD)) == "cooling_off.no_ground"


async def test_a_protection_is_registered_renewed_and_withdrawn_as_documented(
    front: Front,
) -> None:
    model = protection_schemas.ProtectionOut
    made = await front.post("protections", SHIELD)
    assert made.status_code == 201
    view = model.model_validate_json(made.content, strict=True)
    assert (view.role, view.state) == ("impersonated", "active")
    (report,) = front.office.ledger.reports
    assert report.purpose.label == "consumer_protection" and report.confidence == 100
    path = f"protections/{view.id}"
    problem_of(await front.post("protections", SHIELD, Role.ANALYST), 403, "forbidden")
    assert rule_of(await front.post("protections", SHIELD)) == "protection.registered_already"
    renewed = await front.post(f"{path}/renewal", {"days": 700})
    assert model.model_validate_json(renewed.content, strict=True).renewals == 1
    shown = await front.get(path, Role.ANALYST)
    assert model.model_validate_json(shown.content, strict=True).value == PHONE["value"]
    listed = await front.get("protections", Role.ANALYST)
    protection_schemas.ProtectionsOut.model_validate_json(listed.content, strict=True)
    ended = await front.post(f"{path}/withdrawal", {"erase": True})
    assert model.model_validate_json(ended.content, strict=True).state == "withdrawn"


async def test_feedback_is_taken_and_summed_up_as_documented(front: Front) -> None:
    report = (await front.post("customer-reports", REPORT)).json()["id"]
    await front.post(f"customer-reports/{report}/triage", {"identifiers": [CHOICE]})
    sent = (await front.post(f"customer-reports/{report}/report", {})).json()
    record = sent["identifiers"][0]["record_id"]
    body = {"verdict": "agreed", "record_ids": [record, f"0x{record}"], "band": "high"}
    given = await front.post("feedback", body, Role.ANALYST)
    assert given.status_code == 201
    view = protection_schemas.FeedbackOut.model_validate_json(given.content, strict=True)
    assert (view.kinds, view.follow_up) == (["phone"], "none")
    for role in (Role.ANALYST, Role.AUDITOR, Role.OPERATOR):
        summed = await front.get("feedback/summary", role)
        model = protection_schemas.FeedbackSummaryOut
        found = model.model_validate_json(summed.content, strict=True)
        assert (found.precision.judged, found.precision.value) == (1, 1.0)
        assert found.time_to_first_share.median_seconds == 2.0
    problem_of(await front.post("feedback", {**body, "record_ids": ["00" * 32]}), 404, "not-found")


@pytest.mark.parametrize(
    ("path", "body", "fields"),
    [
        ("customer-reports", {}, {"customer", "identifiers"}),
        ("customer-reports", {**REPORT, "customer": "c" * 129}, {"customer"}),
        ("customer-reports", {**REPORT, "text": "t" * 8_001}, {"text"}),
        ("customer-reports", {**REPORT, "text": 7}, {"text"}),
        ("customer-reports", {**REPORT, "identifiers": []}, {"identifiers"}),
        ("customer-reports", {**REPORT, "identifiers": [PHONE] * 21}, {"identifiers"}),
        ("customer-reports", {**REPORT, "identifiers": ["x"]}, {"identifiers[0]"}),
        (
            "customer-reports",
            {**REPORT, "identifiers": [{"kind": "phone"}, {**PHONE, "more": 1}]},
            {"identifiers[0].value", "identifiers[1].more"},
        ),
        (
            "customer-reports",
            {**REPORT, "identifiers": [{"kind": "iban", "value": "DE00 secret"}]},
            {"identifiers[0].value"},
        ),
        ("customer-reports", {**REPORT, "fraud_types": ["vishing", "no"]}, {"fraud_types[1]"}),
        ("customer-reports", {**REPORT, "fraud_types": "vishing"}, {"fraud_types"}),
        ("customer-reports", {**REPORT, "language": "not a tag"}, {"language"}),
        ("customer-reports", {**REPORT, "happened": "2999-01-01"}, {"happened"}),
        ("customer-reports", {**REPORT, "more": 1}, {"more"}),
        ("cooling-offs", {**HOLD, "question": 1}, {"question"}),
        ("cooling-offs", {**HOLD, "question": {**PHONE}}, {"purpose", "lawful_basis"}),
        ("cooling-offs", {**HOLD, "payment": ""}, {"payment"}),
        ("cooling-offs", {**HOLD, "seconds": True}, {"seconds"}),
        ("cooling-offs", {**HOLD, "seconds": 0}, {"seconds"}),
        ("protections", {**SHIELD, "role": "mule"}, {"role"}),
        ("protections", {**SHIELD, "days": 731}, {"days"}),
        ("protections", {**SHIELD, "lawful_basis": "consent"}, {"consent_anchor"}),
        ("protections", {**SHIELD, "person": 7}, {"person"}),
        ("protections", {**SHIELD, "confidence": 1}, {"confidence"}),
        ("feedback", {"verdict": "maybe", "record_ids": ["00" * 32]}, {"verdict"}),
        ("feedback", {"verdict": "agreed", "record_ids": []}, {"record_ids"}),
        ("feedback", {"verdict": "agreed", "record_ids": ["zz"]}, {"record_ids[0]"}),
        (
            "feedback",
            {"verdict": "agreed", "record_ids": ["00" * 32], "dispute": "unknown"},
            {"dispute"},
        ),
        (
            "feedback",
            {"verdict": "agreed", "record_ids": ["00" * 32], "band": "huge"},
            {"band"},
        ),
    ],
)
async def test_what_can_not_be_is_refused_by_field_and_nothing_said_is_repeated(
    front: Front, path: str, body: dict[str, object], fields: set[str]
) -> None:
    answer = await front.post(path, body)
    found = problem_of(answer, 422, "invalid")
    assert {error["field"] for error in found["errors"]} == fields
    assert (
        "secret" not in answer.text and "c" * 20 not in answer.text and "t" * 20 not in answer.text
    )
    assert front.office.ledger.reports == []


async def test_choices_are_read_strictly(front: Front) -> None:
    report = (await front.post("customer-reports", REPORT)).json()["id"]
    path = f"customer-reports/{report}/triage"
    for choices, field in (
        ([], "identifiers"),
        ([{**CHOICE, "number": 5}], "identifiers[0].number"),
        ([CHOICE, CHOICE], "identifiers"),
        ([{**CHOICE, "lawful_basis": "consent"}], "identifiers[0].lawful_basis"),
        ([{"number": 0}], "identifiers[0].fraud_type"),
        ([7], "identifiers[0]"),
    ):
        found = problem_of(await front.post(path, {"identifiers": choices}), 422, "invalid")
        assert found["errors"][0]["field"] == field
    assert (await front.get(f"customer-reports/{report}")).json()["state"] == "received"


async def test_ids_and_cursors_that_are_none_are_told(front: Front) -> None:
    for path in ("customer-reports", "cooling-offs", "protections"):
        problem_of(await front.get(f"{path}/{'0' * 32}"), 404, "not-found")
        problem_of(await front.get(f"{path}/no-id"), 404, "not-found")
        problem_of(await front.get(f"{path}?cursor=zz"), 400, "invalid")
    problem_of(await front.get("customer-reports?state=lost"), 400, "invalid")


def test_every_route_is_documented_under_its_own_name(front: Front) -> None:
    routes = interaction_routes(front.office, ApiSettings(), lambda: 0)
    names = [route.document["operationId"] for route in routes]
    assert len(set(names)) == len(names) == 23
    assert all(route.roles for route in routes), "none is open to all"
