"""An administrator's keys, webhooks, roles and quotas in the console, over the real desks."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from node.identity.principal import Principal
from node.push.desk import PushDesk
from node.service import Role
from tests.unit.api.console.world import Browser, ConsoleWorld, check_html, token_of
from tests.unit.api.test_identity import Place
from tests.unit.node.push.world import URL, Push

KEYS, HOOKS = "/console/keys", "/console/webhooks"
CLEAR = re.compile(r'<p class="secret"[^>]*><code>([^<]+)</code>')


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def over(place: Place) -> ConsoleWorld:
    return ConsoleWorld(keys=place.desk, clear=place.clear, identity=place.desk)


def secret_of(html: str) -> str:
    found = CLEAR.search(html)
    assert found is not None, html
    return found[1]


async def made_key(browser: Browser, **fields: str) -> tuple[str, str]:
    """Where a new key was shown, and its clear text."""
    shown = await browser.done(KEYS, role="analyst", id="desk-7", **fields)
    return shown, secret_of(await browser.page(shown))


async def test_a_key_is_made_shown_once_used_rotated_and_revoked(place: Place) -> None:
    world = over(place)
    async with world.browser() as browser, world.browser() as desk:
        await browser.login(Role.ADMIN)
        shown, first = await made_key(browser, label="case tool", networks="127.0.0.0/8 ::1")
        assert first not in shown
        assert "shown once" in await browser.page(shown, 404)
        page = await browser.page(f"{KEYS}/desk-7")
        assert "case tool" in page and "127.0.0.0/8, ::1" in page and first not in page
        led = await desk.login(None, key=first)
        assert led.headers["location"] == "/console/screening"
        turned = await browser.done(f"{KEYS}/desk-7", f"{KEYS}/desk-7/rotate", overlap_seconds="60")
        second = secret_of(await browser.page(turned))
        assert second != first
        assert "The secret before" in await browser.page(f"{KEYS}/desk-7")
        assert (await desk.login(None, key=second)).status_code == 303
        await browser.done(f"{KEYS}/desk-7", f"{KEYS}/desk-7/revoke")
        assert "revoked" in await browser.page(f"{KEYS}/desk-7")
        assert (await desk.get("/console/screening")).status_code == 303, "its session is over"
        assert (await desk.login(None, key=second)).status_code == 401
    actions = [action for _, action, subject, _ in place.told if subject == "desk-7"]
    assert actions == [f"api-key.{what}" for what in ("created", "rotated", "revoked")]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"id": "Desk 7"}, "id"),
        ({"expires": "tomorrow"}, "expires"),
        ({"expires": "2001-01-01T00:00:00Z"}, "expires"),
        ({"networks": "10.0.0.1/8"}, "networks"),
        ({"per_second": "0"}, "per_second"),
        ({"rows_per_second": "many"}, "rows_per_second"),
        ({"label": "x" * 101}, "label"),
        ({"role": "king"}, "role"),
    ],
)
async def test_what_is_wrong_with_a_key_stands_beside_its_field(
    place: Place, fields: dict[str, str], field: str
) -> None:
    async with over(place).browser() as browser:
        await browser.login(Role.ADMIN)
        answer = await browser.send(KEYS, **{"role": "analyst", **fields})
        assert answer.status_code == 422
        check_html(answer.text)
        assert f'id="{field}-error"' in answer.text and f'href="#{field}"' in answer.text
    assert len(place.desk.key_views()) == len(Role)


async def test_a_form_sent_twice_makes_one_key(place: Place) -> None:
    async with over(place).browser() as browser:
        await browser.login(Role.ADMIN)
        html = await browser.page(KEYS)
        ticket = re.findall(r'name="ticket" value="([^"]+)"', html)[-1]
        fields = {"role": "analyst", "token": token_of(html), "ticket": ticket}
        places = {(await browser.post(KEYS, **fields)).headers["location"] for _ in range(2)}
        assert len(places) == 1 and len(place.desk.key_views()) == len(Role) + 1


async def test_the_last_administrator_can_not_be_revoked_and_is_told_so(place: Place) -> None:
    async with over(place).browser() as browser:
        await browser.login(Role.ADMIN)
        one = f"{KEYS}/admin"
        assert "Revoking it ends this session" in await browser.page(one)
        answer = await browser.send(one, f"{one}/revoke")
        assert answer.status_code == 409 and "This was not done" in answer.text
        await browser.page(f"{KEYS}/nobody", 404)
        await browser.page(f"{KEYS}/NO%20KEY", 404)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
async def test_nobody_else_sees_or_changes_anything(place: Place, role: Role) -> None:
    desk = Push().desk()
    world = ConsoleWorld(keys=place.desk, clear=place.clear, identity=place.desk, push=desk)
    async with world.browser() as browser:
        await browser.login(role)
        token = token_of(await browser.page("/console"))
        for path in (KEYS, f"{KEYS}/admin", "/console/roles", "/console/quotas"):
            await browser.page(path, 403)
        await browser.page(HOOKS, 200 if role is Role.OPERATOR else 403)
        posts = (KEYS, f"{KEYS}/admin/revoke", "/console/roles/reload", HOOKS)
        for path in posts:
            answer = await browser.post(path, token=token, role="admin", url=URL)
            assert answer.status_code == 403, path
    assert len(place.desk.key_views()) == len(Role)


async def test_a_webhook_is_added_tested_paused_rotated_replayed_and_removed(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    desk = Push().desk()
    world = ConsoleWorld(keys=place.desk, clear=place.clear, identity=place.desk, push=desk)
    async with world.browser() as browser:
        await browser.login(Role.ADMIN)
        answer = await browser.send(HOOKS, url="ftp://desk.example", type_recall="yes")
        assert answer.status_code == 422 and 'id="url-error"' in answer.text
        check_html(answer.text)
        assert re.search(r'name="type_recall"[^>]* checked', answer.text)
        shown = await browser.done(HOOKS, url=URL, description="desk", type_recall="yes")
        secret = secret_of(await browser.page(shown))
        await browser.page(shown, 404)
        (hook,) = world_hooks(desk)
        one = f"{HOOKS}/{hook}"
        page = await browser.page(one)
        assert URL in page and "recall" in page and secret not in page
        assert await browser.done(one, f"{one}/test") == f"{one}#deliveries"
        assert "test" in await browser.page(one)
        await browser.done(one, f"{one}/pause")
        assert "paused" in await browser.page(one)
        await browser.done(one, f"{one}/resume")
        turned = await browser.done(one, f"{one}/rotate")
        assert secret_of(await browser.page(turned)) != secret
        answer = await browser.send(one, f"{one}/replay", first="x", last="")
        assert answer.status_code == 422 and 'id="replay-first-error"' in answer.text
        check_html(answer.text)
        await browser.done(one, f"{one}/replay")
        assert await browser.done(one, f"{one}/remove") == HOOKS
        await browser.page(one, 404)
    assert secret not in caplog.text
    actions = [action for _, action, _, _ in place.told]
    for what in ("test", "pause", "resume", "rotate", "replay", "remove"):
        assert f"POST /console/webhooks/{{webhook}}/{what}" in actions


def world_hooks(desk: PushDesk) -> list[str]:
    return [hook.id for hook in desk.webhooks()]


async def test_roles_tell_which_page_is_whose_and_settings_are_read_anew(place: Place) -> None:
    async with over(place).browser() as browser:
        await browser.login(Role.ADMIN)
        page = await browser.page("/console/roles")
        assert "No identity provider is set" in page and "Quotas" in page and "Ask" in page
        place.settings("[limits.analyst]\nper_second = 7.0\n")
        done = await browser.done("/console/roles", "/console/roles/reload")
        assert "limits" in await browser.page(done)
        assert "per second: 7.0" in await browser.page("/console/quotas")
        place.settings("[limits.analyst]\nper_second = -1\n")
        answer = await browser.send("/console/roles", "/console/roles/reload")
        assert answer.status_code == 422 and "This was not done" in answer.text


async def test_quotas_tell_the_questions_that_are_left(place: Place) -> None:
    world = over(place)
    told = 'bulwark_quota{scope="screening"} 1000\nbulwark_quota_used{scope="screening"} 64\n'
    world.node.metrics = lambda: told.encode()  # type: ignore[method-assign]
    async with world.browser() as browser:
        await browser.login(Role.ADMIN)
        page = await browser.page("/console/quotas")
        assert re.search(r">screening</th><td[^>]*>1,000</td><td[^>]*>64</td><td[^>]*>936<", page)


async def test_quotas_tell_who_uses_the_rates_and_what_is_left(place: Place) -> None:
    place.settings("[limits.admin]\nper_second = 1.0\nburst = 80\nrows_per_second = 10.0\n")
    world = over(place)
    async with world.browser() as browser:
        await browser.login(Role.ADMIN)
        await browser.done("/console/roles", "/console/roles/reload")
        page = await browser.page("/console/quotas")
        left = re.search(r">admin</th><td>(\d+) of 80</td><td>(\d+)<", page)
        assert left is not None and int(left[1]) < 80 and int(left[2]) > 0
        place.desk.limiter.charge_rows(Principal("admin", Role.ADMIN), None, 1_500)
        assert re.search(r">admin</th>.*owes 1,[34]", await browser.page("/console/quotas"))
