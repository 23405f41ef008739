"""Held payments, consents, figures of feedback and languages in the console, over the desks."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Mapping

import pytest

from api.console.visit import LARGE_FORM_BYTES
from node.interaction.feedbackport import FeedbackSummary, ReporterFigures
from node.service import Role
from tests.consent_terms import TERMS as WHOLE
from tests.unit.api.console import world as world_module
from tests.unit.api.console.test_customers import INBOX, REPORT
from tests.unit.api.console.world import (
    Browser,
    ConsoleNode,
    ConsoleWorld,
    check_html,
    ticket_of,
    token_of,
)
from tests.unit.api.fake_consents import FakeConsents
from tests.unit.node.interaction.office import Office

ASK, HELD, CONSENTS = "/console/screening", "/console/cooling-offs", "/console/consents"
QUESTION = {
    "kind": "phone", "value": "+44 20 7946 0958", "purpose": "fraud_prevention",
    "lawful_basis": "legitimate_interests",
}  # fmt: skip
PERSON = "pairwise-name-of-a-person"


class HeldWorld(ConsoleWorld):
    """A console over real desks of a member whose answers warn."""

    def __init__(self) -> None:
        self.office = Office()
        super().__init__(interaction=self.office, now_ms=lambda: self.office.now_ms)


async def _answer(browser: Browser) -> str:
    return await browser.done(ASK, **QUESTION)


async def test_a_payment_is_held_from_an_answer_and_released_after_the_pause() -> None:
    world = HeldWorld()
    async with world.browser() as browser:
        await browser.login(Role.REPORTER)
        await browser.done("/console/report", **QUESTION, fraud_type="imp_bank", confidence="80")
        await browser.login(Role.ANALYST)
        assert "No payment is held" in await browser.page(HELD)
        answer = await _answer(browser)
        assert f'href="{answer}/hold"' in await browser.page(answer)
        refused = await browser.send(f"{answer}/hold", customer="c-7", payment="p-7", seconds="x")
        assert refused.status_code == 422 and 'id="seconds-error"' in refused.text
        check_html(refused.text)
        one = await browser.done(f"{answer}/hold", customer="c-7", payment="p-7", seconds="600")
        page = await browser.page(one)
        assert "held" in page and "p-7" not in page and "c-7" not in page
        assert one.rpartition("/")[2][:8] in await browser.page(f"{HELD}?state=held")
        early = await browser.send(one, f"{one}/confirm")
        assert early.status_code == 409 and "This was not done" in early.text
        await browser.done(one, f"{one}/extend", seconds="60")
        world.office.now_ms += 700_000
        await browser.done(one, f"{one}/confirm")
        page = await browser.page(one)
        assert "confirmed" in page and "Token for the payment system" in page
        assert f"{one}/confirm" not in page
        other = await browser.done(
            f"{await _answer(browser)}/hold", customer="c", payment="p", seconds="60"
        )
        await browser.done(other, f"{other}/cancel")
        assert "the customer said no" in await browser.page(other)
        await browser.page(f"{HELD}?state=nothing", 400)
        await browser.page(f"{one}x", 404)


def consents() -> FakeConsents:
    return FakeConsents(ConsoleWorld().node)


TERMS = {k: v for k, v in WHOLE.items() if k not in ("subject", "valid_until", "method")}
GIVEN = {
    "subject": PERSON, "purpose": "fraud_prevention", "valid_until": "2035-12-31",
    "method": "checkbox", "terms": json.dumps(TERMS),
}  # fmt: skip


async def test_a_consent_is_recorded_found_withdrawn_and_erased(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "bulwark")
    async with ConsoleWorld(consents=consents()).browser() as browser:
        await browser.login(Role.REPORTER)
        assert "no consent yet" in await browser.page(CONSENTS)
        for wrong, said in (
            ({"terms": "{"}, "give-terms-error"),
            ({"terms": "x" * 16_001}, "give-terms-error"),
            ({"valid_until": "1999-12-31"}, "give-valid_until-error"),
            ({"terms": json.dumps({**TERMS, "jurisdiction": "XX-"})}, "give-terms-error"),
        ):
            answer = await browser.send(CONSENTS, **{**GIVEN, **wrong})
            assert answer.status_code == 422 and said in answer.text, said
            check_html(answer.text)
        one = await browser.done(CONSENTS, **GIVEN)
        page = await browser.page(one)
        assert "given" in page and "fraud prevention" in page and PERSON not in page
        found = await browser.done(CONSENTS, f"{CONSENTS}/search", person_subject=PERSON)
        assert PERSON not in found and f'href="{one}"' in await browser.page(found)
        answer = await browser.send(CONSENTS, f"{CONSENTS}/search")
        assert answer.status_code == 422 and "find-person_subject-error" in answer.text
        await browser.done(one, f"{one}/withdraw", reason="withdrawn")
        page = await browser.page(one)
        assert "withdrawn" in page and f"{one}/renew" not in page
        await browser.done(one, f"{one}/erase")
        assert "The receipt is destroyed" in await browser.page(one)
    assert PERSON not in caplog.text


async def test_consents_are_for_who_may_see_them_over_rest() -> None:
    world = ConsoleWorld(consents=consents())
    async with world.browser() as reporter, world.browser() as other:
        await reporter.login(Role.REPORTER)
        one = await reporter.done(CONSENTS, **GIVEN)
        found = await reporter.done(CONSENTS, f"{CONSENTS}/search", person_subject=PERSON)
        await other.login(Role.AUDITOR)
        page = await other.page(CONSENTS)
        assert "Find a person" in page and "Record a consent" not in page
        assert "/withdraw" not in await other.page(one)
        await other.page(found, 404)
        token = token_of(page)
        for path in (CONSENTS, f"{one}/withdraw", f"{one}/erase"):
            assert (await other.post(path, token=token)).status_code == 403, path
        await other.login(Role.ANALYST)
        await other.page(CONSENTS, 403)
        await other.page(one)
        await other.login(Role.OPERATOR)
        await other.page(one, 403)


class Figures:
    """The reading half of Feedback."""

    def __init__(self, judged: int) -> None:
        self.judged = judged

    async def summary(self) -> FeedbackSummary:
        return FeedbackSummary(
            {"agreed": self.judged, "no_action": 2}, {"high": {"agreed": self.judged}}, "medium",
            self.judged, self.judged - 1,
            [ReporterFigures("bank-<b>", "phone", {"agreed": 1}, self.judged, 1)],
            {"under_1000": 3}, 4, 61_000, None, 2, 1, 1, True,
        )  # fmt: skip


@pytest.mark.parametrize(("judged", "said"), [(3, "2 of 3 of"), (40, "98 % (39 of 40) of")])
async def test_figures_of_feedback_tell_a_share_only_of_many(judged: int, said: str) -> None:
    office = Office()
    office.feedback = Figures(judged)  # type: ignore[assignment]
    async with ConsoleWorld(interaction=office).browser() as browser:
        for role in (Role.ANALYST, Role.AUDITOR, Role.OPERATOR):
            await browser.login(role)
            page = await browser.page("/console/feedback")
            assert said in page and "medium or higher" in page and "1 min 1 s" in page
            assert "bank-&lt;b&gt;" in page and "There is more than was looked at" in page
        await browser.login(Role.ADMIN)
        await browser.page("/console/feedback", 403)


async def test_figures_without_feedback_say_what_to_do() -> None:
    async with ConsoleWorld(interaction=Office()).browser() as browser:
        await browser.login(Role.ANALYST)
        assert "No feedback yet" in await browser.page("/console/feedback")


@pytest.mark.parametrize(
    ("wish", "chosen", "lang"),
    [
        ({}, "", None),
        ({"accept-language": "de-AT,de;q=0.9,en;q=0.8"}, "", "de"),
        ({"accept-language": "xx, fr;q=0.5"}, "", "fr"),
        ({"accept-language": "\xff" * 300 + ",de"}, "", None),
        ({"accept-language": "de"}, "es", "es"),
    ],
)
async def test_a_customer_is_told_in_the_forms_language_else_the_browsers_else_the_members(
    wish: dict[str, str], chosen: str, lang: str | None
) -> None:
    world = HeldWorld()
    async with world.browser() as browser:
        await browser.login(Role.ANALYST)
        browser.client.headers.update({k.encode(): v.encode("latin-1") for k, v in wish.items()})
        more = {"language": chosen} if chosen else {}
        page = await browser.page(await browser.done(ASK, **QUESTION, **more))
        found = re.search(r'<p class="say"(?: lang="(\w+)")?>', page)
        assert found is not None and found[1] == lang
        place = await browser.done(INBOX, **REPORT, **more)
        report = world.office.reports.show(place.rpartition("/")[2])
        assert report.language == (lang or "en")
        wrong = await browser.send(ASK, **QUESTION, language="<b>")
        assert wrong.status_code == 422 and 'id="language-error"' in wrong.text


async def test_a_report_of_twenty_identifiers_and_a_long_text_in_any_script_is_taken() -> None:
    world = HeldWorld()
    numbers = {f"value_{n}": f"+44 20 7946 {900 + n:04}" for n in range(20)}
    kinds = {f"kind_{n}": "phone" for n in range(20)}
    async with world.browser() as browser:
        await browser.login(Role.ANALYST)
        report = {**REPORT, **numbers, **kinds, "text": "骗" * 8_000}
        one = await browser.done(INBOX, **report)
        page = await browser.page(one)
        assert "骗" * 100 in page and "7946 0919" in page
        chosen = {
            f"{name}_{n}": value
            for n in range(20)
            for name, value in (
                ("fraud_type", "imp_bank"), ("object_role", "offender_controlled"),
                ("confidence", "70"), ("lawful_basis", "legitimate_interests"),
            )
        }  # fmt: skip
        await browser.done(one, f"{one}/triage", **chosen, note="注" * 2_000)
        assert "triaged" in await browser.page(one)
        html = (await browser.get(INBOX)).text
        body = {"token": token_of(html), "ticket": ticket_of(html, INBOX), "text": "a"}
        answer = await browser.post(INBOX, **{**body, "text": "a" * LARGE_FORM_BYTES})
        assert answer.status_code == 413
        check_html(answer.text)


class Looped(ConsoleNode):
    """A node whose state is its event loop's own, as a real one's is."""

    def status(self) -> Mapping[str, object]:
        asyncio.get_running_loop()
        return super().status()


async def test_the_console_is_made_in_a_thread_without_a_question_to_the_node(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(world_module, "ConsoleNode", Looped)
    world = await asyncio.to_thread(ConsoleWorld, consents=consents(), interaction=Office())
    async with world.browser() as browser:
        await browser.login(Role.REPORTER)
        await browser.page("/console/consents")
