"""Sessions: how they begin, how long they live, and that nobody else gets in with them."""

from __future__ import annotations

import logging

import pytest

from api.auth import Principal
from api.console.sessions import Limits, LoginForms, Sessions
from node.service import Role
from tests.unit.api.console.world import SESSION, ConsoleWorld, token_of
from tests.unit.api.world import Counter

IDLE_MS, LIFE_MS = 1_000, 10_000
SHORT = Limits(idle_ms=IDLE_MS, life_ms=LIFE_MS, most=3, most_of_key=2)


def principal(name: str) -> Principal:
    return Principal(name, Role.AUDITOR)


async def test_a_session_ends_when_nobody_used_it_for_a_while() -> None:
    world = ConsoleWorld(SHORT)
    async with world.browser() as browser:
        await browser.login(Role.AUDITOR)
        world.now_ms = IDLE_MS - 1
        assert (await browser.get("/console")).status_code == 200
        world.now_ms = 2 * IDLE_MS - 2
        assert (await browser.get("/console")).status_code == 200
        world.now_ms = 3 * IDLE_MS - 2
        answer = await browser.get("/console/blocks")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/console/login?next=/console/blocks&over=1"
        assert "The session is over" in (await browser.get(answer.headers["location"])).text


async def test_a_session_in_use_ends_at_the_end_of_its_life() -> None:
    world = ConsoleWorld(SHORT)
    async with world.browser() as browser:
        await browser.login(Role.AUDITOR)
        for now_ms in range(0, LIFE_MS, IDLE_MS // 2):
            world.now_ms = now_ms
            assert (await browser.get("/console")).status_code == 200
        world.now_ms = LIFE_MS
        assert (await browser.get("/console")).status_code == 303


async def test_log_out_ends_the_session_at_the_node_too() -> None:
    world = ConsoleWorld()
    async with world.browser() as browser:
        await browser.login(Role.AUDITOR)
        kept = browser.identity
        page = await browser.page("/console")
        answer = await browser.post("/console/logout", token=token_of(page))
        assert answer.headers["location"] == "/console/login"
        browser.plant(kept)
        assert (await browser.get("/console")).status_code == 303


async def test_every_log_in_gives_a_new_id_and_ends_the_session_before() -> None:
    world = ConsoleWorld()
    async with world.browser() as browser:
        form = await browser.get("/console/login")
        browser.plant("planted")
        key = world.clear["auditor"]
        await browser.post("/console/login", key=key, token=token_of(form.text), next="/console")
        first = browser.identity
        assert first != "planted"
    async with world.browser() as other:
        form = await other.get("/console/login")
        other.plant(first)
        await other.post("/console/login", key=key, token=token_of(form.text), next="/console")
        assert other.identity != first
        other.plant(first)
        assert (await other.get("/console")).status_code == 303


def test_one_key_can_not_end_the_sessions_of_another() -> None:
    sessions = Sessions(Counter(), SHORT)
    mine = sessions.begin(principal("a"), 0)
    theirs = [sessions.begin(principal("b"), 1) for _ in range(5)]
    assert sessions.find(mine, 2) is not None
    assert [sessions.find(each, 2) is not None for each in theirs] == [False] * 3 + [True] * 2
    assert len(sessions) == 3


def test_past_the_bound_the_session_that_was_not_used_for_longest_ends() -> None:
    sessions = Sessions(Counter(), SHORT)
    first, second, third = (sessions.begin(principal(name), 0) for name in "abc")
    assert sessions.find(first, 1) is not None
    fourth = sessions.begin(principal("d"), 2)
    assert sessions.find(second, 3) is None
    assert all(sessions.find(each, 3) is not None for each in (first, third, fourth))


def test_sessions_that_are_over_make_room() -> None:
    sessions = Sessions(Counter(), SHORT)
    for name in "abc":
        sessions.begin(principal(name), 0)
    sessions.begin(principal("d"), IDLE_MS)
    assert len(sessions) == 1


@pytest.mark.parametrize("identity", ["", "x" * 65, "é" * 20, "\ud800"])
def test_an_id_of_no_session_finds_none(identity: str) -> None:
    sessions = Sessions(Counter(), SHORT)
    sessions.begin(principal("a"), 0)
    assert sessions.find(identity, 0) is None


def test_a_token_of_a_log_in_form_belongs_to_its_cookie_alone() -> None:
    forms = LoginForms(Counter())
    one, other = forms.cookie(), forms.cookie()
    assert forms.belongs(one, forms.token(one))
    assert not forms.belongs(other, forms.token(one))
    assert not forms.belongs("", forms.token(""))
    assert not forms.belongs(one, "\ud800")
    assert not LoginForms(lambda size: b"\x07" * size).belongs(one, forms.token(one))


async def test_the_cookie_is_for_this_console_alone_and_for_no_script() -> None:
    world = ConsoleWorld()
    async with world.browser() as browser:
        (cookie, _) = (await browser.login(Role.AUDITOR)).headers.get_list("set-cookie")
        words = cookie.split("; ")
        assert words[0].startswith(SESSION + "=") and len(words[0]) > 50
        assert words[1:] == ["Path=/console", "HttpOnly", "SameSite=Strict"]
    async with world.browser("https://node:8000") as browser:
        answer = await browser.login(Role.AUDITOR)
        assert all(c.endswith("; Secure") for c in answer.headers.get_list("set-cookie"))
        assert "without TLS" not in (await browser.get("/console/login?next=/console")).text


async def test_nothing_that_was_typed_stands_in_the_logs(caplog: pytest.LogCaptureFixture) -> None:
    world = ConsoleWorld()
    caplog.set_level(logging.DEBUG)
    async with world.browser() as browser:
        await browser.login(None, key="a-wrong-key-of-mine")
        await browser.login(Role.AUDITOR)
        identity = browser.identity
        token = token_of(await browser.page("/console"))
        await browser.post("/console/search", q="+442079460958", token=token)
        await browser.get("/console/blocks/1")
    shown = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
    own = "\n".join(line for line in shown if "bulwark" in line)
    assert [r.getMessage() for r in caplog.records if r.name == "bulwark.api.console"] == [
        "console log-in"
    ]
    assert "/console/blocks/{height}" in own and "'key': 'auditor'" in own
    for secret in ("a-wrong-key-of-mine", world.clear["auditor"], identity, token, "442079460958"):
        assert secret not in own


def test_a_session_shows_no_token_when_it_is_printed() -> None:
    sessions = Sessions(Counter(), SHORT)
    session = sessions.find(sessions.begin(principal("a"), 0), 0)
    assert session is not None and session.token not in repr(session)
