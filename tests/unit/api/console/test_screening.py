"""An analyst's question, its answer, feedback and a report, in the console."""

from __future__ import annotations

import logging

import pytest
from msgspec.structs import replace

from bulwark.ledger.standing import Standing
from node.service import Caller, Role, Unavailable
from tests.unit.api.console.world import ConsoleWorld, check_html, ticket_of, token_of
from tests.unit.node.interaction.office import Office

VALUE = "+44 20 7946 0958"
REPORT = {
    "kind": "phone", "value": VALUE, "fraud_type": "imp_bank", "confidence": "80",
    "purpose": "fraud_prevention", "lawful_basis": "legitimate_interests", "case_ref": "CASE-7",
}  # fmt: skip
QUESTION = {
    "kind": "phone", "value": VALUE, "purpose": "fraud_prevention",
    "lawful_basis": "legitimate_interests", "case_ref": "CASE-7", "region": "",
}  # fmt: skip
ASK, SAY = "/console/screening", "/console/report"


@pytest.mark.parametrize("role", [Role.ANALYST, Role.REPORTER])
async def test_a_question_is_answered_on_a_page_whose_address_says_nothing(role: Role) -> None:
    world = ConsoleWorld()
    async with world.browser() as browser:
        await browser.login(Role.REPORTER)
        assert "is taken" in await browser.page(await browser.done(SAY, **REPORT))
        await browser.login(role)
        form = await browser.page(ASK)
        assert form.index("autofocus") and 'type="search"' in form
        place = await browser.done(ASK, **QUESTION)
        assert place.startswith("/console/answers/") and "7946" not in place
        answer = await browser.get(place)
        check_html(answer.text)
        for said in ("High: 80 of 100", VALUE, "reported by 1 member", "CASE-7", "1.2 s old"):
            assert said in answer.text
        assert "Timeline" in answer.text and "reported as imp bank" in answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert ("Report this identifier" in answer.text) == (role is Role.REPORTER)
        assert world.node.callers[-1] == Caller(role.value, role)


async def test_an_answer_that_is_not_complete_is_never_shown_as_clean() -> None:
    world = ConsoleWorld()
    world.node.reachable = False
    async with world.browser() as browser:
        await browser.login(Role.ANALYST)
        page = await browser.page(await browser.done(ASK, **QUESTION))
        assert "Not complete: 2 of 3 evaluators answered" in page and "no all-clear" in page
        assert "0 of 100" not in page


async def test_wrong_fields_are_said_beside_them_and_nothing_typed_is_lost() -> None:
    world = ConsoleWorld()
    async with world.browser() as browser:
        await browser.login(Role.ANALYST)
        wrong = {**QUESTION, "value": "no <number>", "kind": "phone", "region": "GBR"}
        answer = await browser.send(ASK, **wrong)
        assert answer.status_code == 422
        check_html(answer.text)
        assert 'href="#region"' in answer.text and 'id="region-error"' in answer.text
        assert 'aria-invalid="true"' in answer.text and "CASE-7" in answer.text
        answer = await browser.send(ASK, **{**wrong, "region": ""})
        assert answer.status_code == 422 and "no &lt;number&gt;" in answer.text
        assert "(phone." in answer.text, "the rule is named"
        answer = await browser.send(ASK, **{**QUESTION, "colour": "red"})
        assert answer.status_code == 422 and "colour: the form has no such field" in answer.text
        world.node.failure = Unavailable("the alliance can not be reached")
        answer = await browser.send(ASK, **QUESTION)
        assert answer.status_code == 503 and VALUE in answer.text


async def test_a_form_sent_twice_asks_once_and_one_without_a_ticket_not_at_all() -> None:
    world = ConsoleWorld()
    async with world.browser() as browser:
        await browser.login(Role.ANALYST)
        html = await browser.page(ASK)
        fields = {**QUESTION, "token": token_of(html), "ticket": ticket_of(html, ASK)}
        first, second = await browser.post(ASK, **fields), await browser.post(ASK, **fields)
        assert first.headers["location"] == second.headers["location"]
        assert len(world.node.callers) == 1
        for ticket in ("", "short", "!" * 32):
            answer = await browser.post(ASK, **{**fields, "ticket": ticket})
            assert answer.status_code == 400 and len(world.node.callers) == 1


async def test_a_form_without_the_sessions_token_asks_nothing() -> None:
    world = ConsoleWorld()
    async with world.browser() as browser:
        await browser.login(Role.ANALYST)
        ticket = ticket_of(await browser.page(ASK), ASK)
        answer = await browser.post(ASK, **QUESTION, token="wrong", ticket=ticket)
        assert answer.status_code == 403 and not world.node.callers


async def test_an_answer_is_its_sessions_own_and_ends_with_it() -> None:
    world = ConsoleWorld()
    async with world.browser() as one, world.browser() as other:
        await one.login(Role.ANALYST)
        await other.login(Role.ANALYST)
        place = await one.done(ASK, **QUESTION)
        await one.page(place)
        await other.page(place, 404)
        await one.login(Role.ANALYST)
        await one.page(place, 404)


async def test_what_is_typed_is_in_no_log_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world = ConsoleWorld()
    async with world.browser() as browser:
        await browser.login(Role.REPORTER)
        await browser.done(SAY, **REPORT)
        await browser.page(await browser.done(ASK, **QUESTION))
        await browser.send(ASK, **{**QUESTION, "value": "7946 no number"})
    logged = "".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert "7946" not in logged and "CASE-7" not in logged


async def test_a_report_names_its_wrong_fields_and_is_for_reporters_alone() -> None:
    world = ConsoleWorld()
    async with world.browser() as browser:
        await browser.login(Role.REPORTER)
        answer = await browser.send(SAY, **{**REPORT, "confidence": "101", "fraud_type": ""})
        assert answer.status_code == 422 and VALUE in answer.text
        check_html(answer.text)
        assert 'id="confidence-error"' in answer.text and 'id="fraud_type-error"' in answer.text
        place = await browser.done(SAY, **REPORT)
        assert "Known already" in await browser.page(await browser.done(SAY, **REPORT))
        asked = await browser.done(ASK, **QUESTION)
        assert VALUE in await browser.page(f"{asked}/report")
        token = token_of(await browser.page(SAY))
        await browser.login(Role.ANALYST)
        await browser.page(SAY, 403)
        await browser.page(place, 403)
        assert (await browser.post(SAY, **REPORT, token=token)).status_code == 403
        assert len(world.node.seen) == 2


async def test_feedback_goes_to_the_desk_with_the_answers_own_records() -> None:
    office = Office()
    world = ConsoleWorld(interaction=office)
    async with world.browser() as browser:
        await browser.login(Role.REPORTER)
        await browser.done(SAY, **REPORT)
        place = await browser.done(ASK, **QUESTION)
        (record,) = world.node.records
        view = replace(await world.node.record(record), standing=Standing())
        office.ledger.statements[record] = view
        said = {"verdict": "agreed", "finding": "confirmed_fraud", "case_ref": "CASE-7"}
        answer = await browser.send(place, f"{place}/feedback", **{**said, "verdict": "maybe"})
        assert answer.status_code == 422 and "one of agreed" in answer.text
        check_html(answer.text)
        led = await browser.done(place, f"{place}/feedback", **said)
        assert led == f"{place}#said"
        told = await browser.page(place)
        assert "Taken" in told and ": agreed" in told
        summary = await office.feedback.summary()
        assert summary.verdicts["agreed"] == 1 and summary.by_band["high"]["agreed"] == 1
        await browser.done(place, f"{place}/feedback", **{**said, "verdict": "disagreed"})
        assert "in the place of what was said before" in await browser.page(place)
