"""The gate of the console: roles, forms, headers, refusals, and that no text becomes markup."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import api.console
from api.server import create_app
from api.settings import ApiSettings
from node.service import Role, Unavailable
from tests.unit.api.console.world import ConsoleWorld, check_html, token_of
from tests.unit.api.fake_node import FakeNode
from tests.unit.api.world import World

CASE = "ca" * 32
EVERYBODYS = (
    "/console",
    "/console/blocks",
    "/console/blocks?from=1",
    "/console/blocks/0",
    "/console/blocks/1",
    "/console/blocks/1/certificate",
    "/console/blocks/0/certificate",
    "/console/members",
    "/console/members/bank-a",
    "/console/proposals",
    "/console/proposals?state=open",
    "/console/proposals/1",
    "/console/evidence",
    "/console/openings",
    "/console/openings?state=open",
    f"/console/openings/{CASE}",
)
AUDITORS = (
    "/console/reports",
    "/console/reports/sharing",
    "/console/reports/sharing/print",
    "/console/access-log",
    "/console/access-log?after=0",
    "/console/access-log/check",
)


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.OPERATOR, Role.ADMIN])
async def test_each_role_sees_its_pages_and_is_told_which_role_sees_the_others(role: Role) -> None:
    world = ConsoleWorld()
    sees_log = role in (Role.AUDITOR, Role.ADMIN)
    async with world.browser() as browser:
        await browser.login(role)
        for path in EVERYBODYS:
            assert "Node of <strong>bank-a</strong>" in await browser.page(path)
        for path in AUDITORS:
            shown = await browser.page(path, 200 if sees_log else 403)
            assert "Node of <strong>bank-a</strong>" in shown
        shown = await browser.page("/console/node", 200 if role is Role.OPERATOR else 403)
        if role is not Role.OPERATOR:
            assert f"the role {role.value} does not show this page; operator does" in shown
        overview = await browser.page("/console")
        assert ('href="/console/access-log"' in overview) == sees_log
        assert ('href="/console/node"' in overview) == (role is Role.OPERATOR)


@pytest.mark.parametrize("role", [Role.REPORTER, Role.ANALYST])
async def test_who_screens_begins_at_the_question_and_sees_what_the_key_may_over_rest(
    role: Role,
) -> None:
    world = ConsoleWorld()
    async with world.browser() as browser:
        answer = await browser.login(role)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/screening")
        for path in EVERYBODYS:
            is_theirs = "proposals" not in path and "openings" not in path
            shown = await browser.page(path, 200 if is_theirs else 403)
            assert "/console/proposals" not in shown and "/console/openings" not in shown
        for path in AUDITORS:
            await browser.page(path, 403)
        assert (await browser.login(role, to="/console/blocks")).headers["location"] == (
            "/console/blocks"
        )


@pytest.mark.parametrize("path", [*EVERYBODYS, *AUDITORS, "/console/node", "/console/nothing"])
async def test_without_a_session_every_path_leads_to_the_log_in(path: str) -> None:
    async with ConsoleWorld().browser() as browser:
        answer = await browser.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/console/login?next=/console")
        assert not answer.content


@pytest.mark.parametrize(
    ("wish", "led"),
    [
        ("/console/blocks/5", "/console/blocks/5"),
        ("//evil.example/console", "/console"),
        ("https://evil.example", "/console"),
        ("/console/../rpc", "/console"),
        ("/console/a?b=c", "/console"),
        ("/console\\evil", "/console"),
        ("/consolex/y", "/console"),
    ],
)
async def test_log_in_leads_to_a_page_of_this_console_only(wish: str, led: str) -> None:
    async with ConsoleWorld().browser() as browser:
        answer = await browser.login(Role.AUDITOR, to=wish)
        assert (answer.status_code, answer.headers["location"]) == (303, led)


async def test_wrong_keys_are_counted_and_the_right_one_is_let_in_all_the_same() -> None:
    async with ConsoleWorld().browser() as browser:
        for _ in range(3):
            answer = await browser.login(None, key="wrong")
            assert answer.status_code == 401 and "knows no such key" in answer.text
        answer = await browser.login(None, key="wrong")
        assert answer.status_code == 429 and int(answer.headers["retry-after"]) > 0
        check_html(answer.text)
        assert (await browser.login(Role.AUDITOR)).status_code == 303


@pytest.mark.parametrize("key", ["", "x" * 2_000, "é\u0000\ud7ff"])
async def test_a_key_of_no_form_is_a_wrong_key(key: str) -> None:
    async with ConsoleWorld().browser() as browser:
        answer = await browser.login(None, key=key)
        assert answer.status_code == 401
        assert key not in answer.text or not key


@pytest.mark.parametrize("path", ["/console/logout", "/console/search"])
@pytest.mark.parametrize("token", ["", "wrong", None])
async def test_a_form_without_the_sessions_token_does_nothing(path: str, token: str | None) -> None:
    async with ConsoleWorld().browser() as browser:
        await browser.login(Role.AUDITOR)
        fields = {} if token is None else {"token": token}
        answer = await browser.post(path, q="1", **fields)
        assert answer.status_code == 403 and "not of this session" in answer.text
        assert (await browser.get("/console")).status_code == 200


async def test_a_token_of_another_session_does_nothing() -> None:
    world = ConsoleWorld()
    async with world.browser() as one, world.browser() as other:
        await one.login(Role.AUDITOR)
        await other.login(Role.AUDITOR)
        token = token_of(await one.page("/console"))
        assert (await other.post("/console/logout", token=token)).status_code == 403
        assert (await one.post("/console/logout", token=token)).status_code == 303


async def test_a_log_in_form_without_its_cookie_logs_nobody_in() -> None:
    world = ConsoleWorld()
    async with world.browser() as browser:
        form = await browser.get("/console/login")
        browser.client.cookies.clear()
        fields = {"key": world.clear["auditor"], "token": token_of(form.text)}
        answer = await browser.post("/console/login", **fields)
        assert answer.status_code == 403 and "bulwark_console_8000" not in browser.client.cookies


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
    ],
)
async def test_a_form_of_another_site_does_nothing(headers: dict[str, str]) -> None:
    async with ConsoleWorld().browser() as browser:
        await browser.login(Role.AUDITOR)
        token = token_of(await browser.page("/console"))
        answer = await browser.post("/console/logout", headers=headers, token=token)
        assert answer.status_code == 403 and "another site" in answer.text
        fine = {"origin": "http://node:8000", "sec-fetch-site": "same-origin"}
        answer = await browser.post("/console/logout", headers=fine, token=token)
        assert answer.status_code == 303


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/console/login", 200),
        ("/console", 200),
        ("/console/nothing", 404),
        ("/console/blocks/99", 404),
        ("/console/node", 403),
        ("/console/blocks?from=x", 400),
        ("/console/blocks?page=1", 400),
    ],
)
async def test_security_headers_are_on_every_page(path: str, status: int) -> None:
    async with ConsoleWorld().browser() as browser:
        if path != "/console/login":
            await browser.login(Role.AUDITOR)
        answer = await browser.get(path)
        assert answer.status_code == status
        check_html(answer.text)
        policy = answer.headers["content-security-policy"].split("; ")
        assert policy[0] == "default-src 'none'" and "frame-ancestors 'none'" in policy
        assert not re.search(r"unsafe|\*|https?:|data:", answer.headers["content-security-policy"])
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_only_the_style_and_the_icon_may_be_kept_and_nothing_comes_from_elsewhere() -> None:
    async with ConsoleWorld().browser() as browser:
        page = await browser.page("/console/login")
        loaded = re.findall(r'<link rel="(?:stylesheet|icon)"[^>]*href="([^"]+)"', page)
        assert len(loaded) == 2
        for path in loaded:
            answer = await browser.get(path)
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == "public, max-age=3600"
            assert b"url(" not in answer.content and b"@import" not in answer.content
    for file in Path(api.console.__file__).parent.rglob("*.html"):
        text = file.read_text()
        # The one script stands in the page, from a file of the console, and nowhere else.
        text = text.replace("{% if script %}<script>{{ script }}</script>{% endif %}", "")
        assert not re.search(r'(?:href|src|action)="(?:https?:)?//|\|\s*safe|<script', text), file


async def test_a_name_with_markup_is_shown_as_text() -> None:
    world = ConsoleWorld()
    world.node.name = "<script>alert(1)</script> & \"Söhne\" 'x'"
    async with world.browser() as browser:
        await browser.login(Role.AUDITOR)
        for path in ("/console/members", "/console/members/bank-a"):
            page = await browser.page(path)
            assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &#34;Söhne&#34; &#39;x&#39;" in page


async def test_a_failure_of_the_node_is_a_page_that_names_the_request_and_nothing_else() -> None:
    world = ConsoleWorld()
    async with world.browser() as browser:
        await browser.login(Role.AUDITOR)
        world.node.failure = RuntimeError("secret detail")
        answer = await browser.get(f"/console/records/{CASE}", headers={"x-correlator": "my-name"})
        assert answer.status_code == 500 and "my-name" in answer.text
        assert "secret detail" not in answer.text
        world.node.failure = Unavailable("the alliance can not be reached")
        page = await browser.page(f"/console/records/{CASE}", 503)
        assert "the alliance can not be reached" in page


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_a_method_that_a_page_does_not_know_is_405(method: str) -> None:
    async with ConsoleWorld().browser() as browser:
        await browser.login(Role.AUDITOR)
        answer = await browser.client.request(method, "/console/blocks")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


async def test_head_has_the_headers_and_no_body() -> None:
    async with ConsoleWorld().browser() as browser:
        answer = await browser.client.head("/console/login")
        assert answer.status_code == 200 and not answer.content
        assert int(answer.headers["content-length"]) > 0


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"token=a&token=b", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a%d=1" % n for n in range(20)), "application/x-www-form-urlencoded", 400),
        (b"token=%ff", "application/x-www-form-urlencoded", 400),
        (b"q=" + b"x" * 5_000, "application/x-www-form-urlencoded", 413),
        (b"{}", "application/json", 415),
    ],
)
async def test_a_bad_form_is_refused_precisely(body: bytes, media: str, status: int) -> None:
    async with ConsoleWorld().browser() as browser:
        await browser.login(Role.AUDITOR)
        answer = await browser.client.post(
            "/console/search", content=body, headers={"content-type": media}
        )
        assert answer.status_code == status
        check_html(answer.text)


async def test_the_api_key_header_opens_no_page_and_the_session_opens_no_route_of_the_api() -> None:
    world = World()
    async with world.client(Role.AUDITOR) as client:
        assert (await client.get("/console")).status_code == 303
        form = await client.get("/console/login")
        fields = {"key": world.clear["auditor"], "token": token_of(form.text)}
        assert (await client.post("/console/login", data=fields)).status_code == 303
        assert (await client.get("/console")).status_code == 200
        answer = await client.get("/v1/members", headers={"authorization": ""})
        assert answer.status_code == 401


async def test_the_switch_turns_the_console_off() -> None:
    world = World(settings=ApiSettings(console=False))
    answer = await world.ask("GET", "/console/login", Role.AUDITOR)
    assert answer.status_code == 404
    chain = world.chain
    assert create_app(FakeNode(chain), chain, world.keys, ApiSettings(console=False)) is not None
