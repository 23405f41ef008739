"""The status page: plain words for a code, slow and bounded for guesses, closed to all else."""

from __future__ import annotations

import asyncio
import logging
import time
from html.parser import HTMLParser

import pytest

from api import protection_schemas
from api.statuspage.answering import MAX_ADDRESSES, WINDOW_MS, Answer, Answering, Miss
from api.statuspage.page import status_page
from bulwark.advice.reference import make_code, plain_code
from bulwark.advice.texts import LANGUAGES, shipped
from bulwark.advice.wording import Sender, Speaker
from node.interaction.reportport import ReportState
from node.interaction.statusport import Sort, StatusView
from tests.unit.api.test_interaction import Front
from tests.unit.api.world import problem_of

CODE = make_code(b"0123456789")
UNKNOWN = make_code(b"9876543210")
DAY_MS = 1_790_000_000_000
OPEN = StatusView(Sort.DISPUTE, "open", DAY_MS, DAY_MS + 86_400_000, False)
SPEAKER = Speaker(shipped(), Sender("Bank <A>", "0800 & more"))
FORM = {"content-type": "application/x-www-form-urlencoded"}


class Book:
    """One code that leads to a case."""

    def __init__(self) -> None:
        self.view = OPEN
        self.looked = 0

    def look(self, plain: str) -> StatusView | None:
        self.looked += 1
        return self.view if plain == plain_code(CODE) else None


def front(**settings: object) -> Front:
    return Front(Book(), member_name="Bank A", status_floor_ms=0, **settings)


async def test_a_code_leads_to_plain_words_by_form_and_by_json() -> None:
    at = front(language="de", contact="0800 555 111")
    body = f"code={CODE.lower()}&language=de"
    shown = await at.ask("POST", "/status", None, content=body, headers=FORM)
    assert shown.status_code == 200 and 'lang="de"' in shown.text
    assert "Ihr Einspruch ist offen." in shown.text and "0800 555 111" in shown.text
    assert CODE not in shown.text and CODE.lower() not in shown.text
    told = await at.ask("POST", "/v1/status", None, json={"code": CODE})
    model = protection_schemas.StatusOut.model_validate_json(told.content, strict=True)
    assert (model.state, model.language, model.fallback) == ("open", "de", False)
    other = await at.ask("POST", "/v1/status", None, json={"code": CODE, "language": "pt"})
    found = protection_schemas.StatusOut.model_validate_json(other.content, strict=True)
    assert (found.language, found.fallback) == ("en", True)


async def test_no_page_is_kept_framed_or_runs_anything() -> None:
    at = front()
    for method, path in (("GET", "/status"), ("HEAD", "/status"), ("POST", "/status")):
        how = {"content": "code=x", "headers": FORM} if method == "POST" else {}
        page = await at.ask(method, path, None, **how)
        assert page.headers["cache-control"] == "no-store"
        assert "set-cookie" not in page.headers
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src" not in policy
        assert page.headers["x-frame-options"] == "DENY"
        assert "<script" not in page.text and "http" not in page.text.replace("http-equiv", "")
        assert (method == "HEAD") == (page.text == "")
    style = await at.ask("GET", "/status/style.css", None)
    assert style.headers["content-type"].startswith("text/css")


async def test_a_code_is_never_read_from_an_address_and_never_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    at = front()
    with caplog.at_level(logging.INFO):
        asked = await at.ask("GET", f"/status?code={CODE}", None)
        await at.ask("POST", "/status", None, content=f"code={CODE}", headers=FORM)
        await at.ask("POST", "/v1/status", None, json={"code": CODE})
    assert asked.status_code == 200 and "Your objection" not in asked.text
    own = [record for record in caplog.records if record.name.startswith("bulwark")]
    text = " ".join(str(vars(record)) for record in own)
    assert CODE not in text and CODE.replace("-", "") not in text
    said = [vars(record).get("fields", {}).get("route") for record in own]
    assert "/status" in said and "/v1/status" in said


async def test_a_form_of_another_site_and_what_is_no_form_are_refused() -> None:
    at = front()
    body = f"code={CODE}"
    for headers in (
        {**FORM, "sec-fetch-site": "cross-site"},
        {**FORM, "origin": "https://evil.example"},
    ):
        answer = await at.ask("POST", "/status", None, content=body, headers=headers)
        assert answer.status_code == 403 and "Your objection" not in answer.text
    plain = await at.ask("POST", "/status", None, content=body)
    assert plain.status_code == 415
    large = await at.ask("POST", "/status", None, content="code=" + "A" * 5_000, headers=FORM)
    assert large.status_code == 413
    twice = await at.ask("POST", "/status", None, content="code=A&code=B", headers=FORM)
    assert twice.status_code == 400
    for method, path, allowed in (
        ("PUT", "/status", "GET, HEAD, POST"),
        ("POST", "/status/style.css", "GET, HEAD"),
    ):
        wrong = await at.ask(method, path, None)
        assert (wrong.status_code, wrong.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("path", ["/status/x", "/status/", "/statuses", "/v1/status/x"])
async def test_other_paths_stay_behind_the_key(path: str) -> None:
    assert (await front().ask("GET", path, None)).status_code == 401


async def test_without_the_setting_there_is_no_page_and_no_route() -> None:
    at = Front()
    assert (await at.ask("GET", "/status", None)).status_code == 401
    assert (await at.ask("POST", "/v1/status", None, json={"code": CODE})).status_code == 401


async def test_a_miss_says_what_to_do() -> None:
    at = front()
    mistyped = CODE[:-1] + ("0" if CODE[-1] != "0" else "1")
    wrong = await at.ask("POST", "/status", None, content=f"code={mistyped}", headers=FORM)
    assert wrong.status_code == 422 and "typing mistake" in wrong.text
    assert 'aria-invalid="true"' in wrong.text and 'role="alert"' in wrong.text
    assert mistyped not in wrong.text
    missing = await at.ask("POST", "/status", None, content=f"code={UNKNOWN}", headers=FORM)
    assert missing.status_code == 404 and "no case with this code" in missing.text
    told = await at.ask("POST", "/v1/status", None, json={"code": mistyped})
    assert problem_of(told, 422, "invalid")["errors"][0]["rule"] == "code.mistyped"
    problem_of(await at.ask("POST", "/v1/status", None, json={"code": UNKNOWN}), 404, "not-found")
    for body in ({}, {"code": 7}, {"code": ""}, {"code": "A" * 41}, {"code": CODE, "more": 1}):
        problem_of(await at.ask("POST", "/v1/status", None, json=body), 422, "invalid")


async def test_guesses_of_one_address_are_stopped_and_right_codes_with_them() -> None:
    at = front(status_attempts=3)
    seen = [
        (await at.ask("POST", "/v1/status", None, json={"code": UNKNOWN})).status_code
        for _ in range(4)
    ]
    assert seen == [404, 404, 404, 429]
    held = await at.ask("POST", "/v1/status", None, json={"code": CODE})
    problem_of(held, 429, "too-many-attempts")
    assert 0 < int(held.headers["retry-after"]) <= WINDOW_MS // 1000
    page = await at.ask("POST", "/status", None, content=f"code={CODE}", headers=FORM)
    assert page.status_code == 429 and "Too many tries" in page.text


class Clock:
    """Monotonic milliseconds by hand."""

    def __init__(self) -> None:
        self.now = 1_000

    def __call__(self) -> int:
        return self.now


def answering(clock: Clock, *, per_minute: int = 10_000, floor_ms: int = 0) -> Answering:
    return Answering(Book(), attempts=2, per_minute=per_minute, floor_ms=floor_ms, steady_ms=clock)


async def test_the_pause_of_an_address_ends_and_others_have_none() -> None:
    clock = Clock()
    at = answering(clock)
    for _ in range(2):
        assert (await at.answer(UNKNOWN, "192.0.2.1")).miss is Miss.NOT_FOUND
    assert (await at.answer(CODE, "192.0.2.1")).miss is Miss.TOO_MANY
    assert (await at.answer(CODE, "192.0.2.2")).view is OPEN
    clock.now += WINDOW_MS
    assert (await at.answer(UNKNOWN, "192.0.2.1")).miss is Miss.NOT_FOUND
    assert (await at.answer(CODE, "192.0.2.1")).view is OPEN


async def test_one_network_of_many_addresses_is_one_and_all_together_are_bounded() -> None:
    clock = Clock()
    at = answering(clock)
    for number in range(2):
        await at.answer(UNKNOWN, f"2001:db8::{number}")
    assert (await at.answer(CODE, "2001:db8::77")).miss is Miss.TOO_MANY
    at = answering(clock, per_minute=3)
    answers = [await at.answer(CODE, f"192.0.2.{number}") for number in range(4)]
    assert [answer.miss for answer in answers] == [None, None, None, Miss.TOO_MANY]
    clock.now += 60_000
    assert (await at.answer(CODE, "192.0.2.9")).view is OPEN


async def test_addresses_that_are_remembered_are_bounded() -> None:
    at = answering(Clock(), per_minute=1 << 30)
    for number in range(MAX_ADDRESSES + 5):
        await at.answer(UNKNOWN, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(at._wrong) == MAX_ADDRESSES


async def test_an_answer_takes_as_long_whatever_was_found() -> None:
    at = Answering(
        Book(), attempts=99, per_minute=99, floor_ms=60,
        steady_ms=lambda: time.monotonic_ns() // 1_000_000,
    )  # fmt: skip
    for typed in (CODE, UNKNOWN, "no code"):
        began = asyncio.get_running_loop().time()
        await at.answer(typed, "192.0.2.1")
        assert asyncio.get_running_loop().time() - began >= 0.055


class Balance(HTMLParser):
    """Whether the elements of a page are closed in order, and its ids are single."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [str(value) for name, value in attrs if name == "id"]
        if tag not in ("meta", "link", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


STATES = [(Sort.REPORT, state.value) for state in ReportState] + [
    (Sort.DISPUTE, name)
    for name in ("sent", "open", "upheld", "rejected", "corrected", "moot", "refused")
]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_state_has_a_sound_page_in_every_language(language: str) -> None:
    answers: list[Answer | None] = [None, *(Answer(None, miss) for miss in Miss)]
    for sort, state in STATES:
        for late in (False, True):
            answers.append(Answer(StatusView(sort, state, DAY_MS, DAY_MS, late)))
    for answer in answers:
        page = status_page(SPEAKER, answer, language).decode()
        balance = Balance()
        balance.feed(page)
        assert balance.open == [] and len(balance.ids) == len(set(balance.ids))
        assert f'<html lang="{language}">' in page
        assert "Bank <A>" not in page and "0800 & more" not in page, "escaped"


async def test_the_language_is_the_form_s_then_the_address_s_then_the_browser_s() -> None:
    at = front(language="es")

    async def shown(path: str, accept: str = "") -> str:
        headers = {"accept-language": accept} if accept else {}
        page = await at.ask("GET", path, None, headers=headers)
        return page.text.partition('lang="')[2][:2]

    assert await shown("/status") == "es"
    assert await shown("/status", "pt-BR, fr-CA;q=0.8, de") == "fr"
    assert await shown("/status", ";;;,, q=1, 77") == "es"
    assert await shown("/status?language=zh", "fr") == "zh"
    assert await shown("/status?language=xx", "de") == "de"
