"""Customers' reports, protections, recalls and retro-hunt in the console, over the real desks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest

from node.push.eventlog import Draft
from node.push.port import EventType
from node.recall.port import Recall
from node.service import Role
from tests.unit.api.console.world import ConsoleWorld, check_html, token_of
from tests.unit.api.test_erasure import recall
from tests.unit.node.interaction.office import NOW_MS, Office
from tests.unit.node.push.world import BEGIN_MS, Push

INBOX, SHIELDS = "/console/customer-reports", "/console/protections"
VALUE = "+44 20 7946 0958"
REPORT = {"customer": "customer 1", "text": "Somebody called.", "kind_0": "phone", "value_0": VALUE}
CHOICE = {"fraud_type_0": "imp_bank", "object_role_0": "offender_controlled", "confidence_0": "70"}
SHIELD = {
    "person": "customer 1", "kind": "phone", "value": VALUE, "role": "impersonated",
    "lawful_basis": "public_interest", "days": "30",
}  # fmt: skip


@dataclass
class Recalls:
    """RecallService over a list."""

    count: int = 0

    def recalls(self, after: int, most: int) -> Sequence[Recall]:
        return [recall(n) for n in range(after + 1, min(self.count, after + most) + 1)]

    async def stream(self, after: int) -> AsyncIterator[Recall | None]:
        yield None


@pytest.fixture
def world() -> ConsoleWorld:
    return ConsoleWorld(interaction=Office(), now_ms=lambda: NOW_MS)


async def test_a_customers_report_is_taken_triaged_and_sent(world: ConsoleWorld) -> None:
    async with world.browser() as desk, world.browser() as reporter:
        await desk.login(Role.ANALYST)
        place = await desk.done(INBOX, **REPORT)
        page = await desk.page(place)
        assert VALUE in page and "Somebody called." in page
        listed = await desk.page(INBOX)
        assert "received" in listed and VALUE not in listed and "Somebody" not in listed
        answer = await desk.send(place, f"{place}/triage", **{**CHOICE, "confidence_0": "101"})
        assert answer.status_code == 422 and 'id="triage-confidence_0-error"' in answer.text
        check_html(answer.text)
        await desk.done(place, f"{place}/triage", **CHOICE)
        page = await desk.page(place)
        assert "triaged" in page and "Report to the alliance" not in page
        answer = await desk.post(f"{place}/report", token=token_of(page))
        assert answer.status_code == 403
        await reporter.login(Role.REPORTER)
        await reporter.done(place, f"{place}/report")
        assert "reported" in await reporter.page(place)
        await reporter.done(place, f"{place}/erase")
        gone = await reporter.page(place)
        assert "erased" in gone and VALUE not in gone and "Somebody" not in gone


async def test_a_report_is_declined_or_refused_with_its_reason(world: ConsoleWorld) -> None:
    async with world.browser() as browser:
        await browser.login(Role.ANALYST)
        answer = await browser.send(INBOX, **{**REPORT, "value_0": "", "happened": "yesterday"})
        assert answer.status_code == 422 and 'id="happened-error"' in answer.text
        assert 'id="value_0-error"' in answer.text and "Somebody called." in answer.text
        check_html(answer.text)
        place = await browser.done(INBOX, **REPORT)
        answer = await browser.send(place, f"{place}/merge", into="nothing")
        assert answer.status_code in (404, 409, 422) and "This was not done" in answer.text
        await browser.done(place, f"{place}/decline", reason="not_fraud", note="own son")
        assert "not fraud" in await browser.page(place)
        await browser.page(f"{INBOX}?state=strange", 400)
        assert place.rpartition("/")[2][:8] in await browser.page(f"{INBOX}?state=declined")
        await browser.page(f"{INBOX}/{'0' * 32}", 404)


async def test_a_protection_is_registered_renewed_and_withdrawn(world: ConsoleWorld) -> None:
    async with world.browser() as browser:
        await browser.login(Role.REPORTER)
        answer = await browser.send(SHIELDS, **{**SHIELD, "role": "mule"})
        assert answer.status_code == 422 and 'id="role-error"' in answer.text
        check_html(answer.text)
        place = await browser.done(SHIELDS, **SHIELD)
        assert VALUE in await browser.page(place)
        assert VALUE not in await browser.page(SHIELDS)
        answer = await browser.send(place, f"{place}/renew", days="9999")
        assert answer.status_code == 422 and 'id="renew-days-error"' in answer.text
        await browser.done(place, f"{place}/renew", days="90")
        assert "renewed 1 times" in await browser.page(place)
        await browser.done(place, f"{place}/withdraw")
        assert "withdrawn" in await browser.page(place)
        await browser.login(Role.ANALYST)
        assert "Protect an identifier" not in await browser.page(SHIELDS)
        token = token_of(await browser.page(SHIELDS))
        assert (await browser.post(SHIELDS, token=token, **SHIELD)).status_code == 403


async def test_recalls_and_retro_hits_go_on_behind_a_number() -> None:
    push = Push()
    data = {
        "band": "high", "score": 60, "reasons": [{"code": "x", "weight": 1, "text": "new word"}],
        "records": [], "count": 1,
        "questions": [{"id": 1, "time_ms": 5, "asked_by": "desk", "case_ref": "CASE-3",
                       "band": "none"}],
    }  # fmt: skip
    push.events.add([Draft(EventType.RETRO_HIT, b"one", BEGIN_MS, 7, data)])
    world = ConsoleWorld(recalls=Recalls(51), push=push.desk())
    async with world.browser() as browser:
        await browser.login(Role.ANALYST)
        page = await browser.page("/console/recalls")
        assert "CASE-1" in page and 'href="/console/recalls?after=50"' in page
        assert "erased" in await browser.page("/console/recalls?after=50")
        assert "behind number 51" in await browser.page("/console/recalls?after=51")
        page = await browser.page("/console/retro-hits")
        assert "new word" in page and "CASE-3" in page and "60 of 100" in page
        await browser.login(Role.AUDITOR)
        await browser.page("/console/recalls", 403)
        await browser.page("/console/retro-hits", 403)
