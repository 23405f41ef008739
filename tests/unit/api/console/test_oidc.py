"""Log-in at the identity provider: cookies, the page that leads on, sessions that end with it."""

from __future__ import annotations

import re

from node.identity.apikey import ApiKeys
from node.identity.limits import RateLimiter
from node.identity.port import LogIn, StaticIdentities
from node.identity.principal import Principal, ProviderUnreachable, TokenRefused, Via
from node.service import Role
from tests.unit.api.console.world import ConsoleWorld


class Provider:
    """An identity provider as the console sees it."""

    def __init__(self) -> None:
        self.who = Principal("oidc:ada", Role.AUDITOR, Via.TOKEN)
        self.failure: Exception | None = None
        self.abandoned: list[str] = []
        self.finished: list[tuple[str, str, str, str | None]] = []

    async def start(self, wish: str) -> tuple[str, str]:
        if self.failure is not None:
            raise self.failure
        self.wish = wish
        return "https://id.example/auth?state=s", "of-this-browser"

    async def finish(
        self, state: str, code: str, cookie: str, issuer: str | None
    ) -> tuple[Principal, str]:
        self.finished.append((state, code, cookie, issuer))
        if self.failure is not None:
            raise self.failure
        return self.who, self.wish

    def abandon(self, state: str) -> None:
        self.abandoned.append(state)


class People(StaticIdentities):
    """Nobody has a key; everybody comes from the provider."""

    def __init__(self, provider: Provider | None) -> None:
        super().__init__(ApiKeys(()), RateLimiter(lambda: 0.0))
        self.provider = provider
        self.current = True
        self.told: list[tuple[str, str]] = []

    @property
    def log_in(self) -> LogIn | None:
        return self.provider

    def is_current(self, who: Principal) -> bool:
        return self.current

    def logged_in(self, who: Principal, how: str) -> None:
        self.told.append((how, who.key_id))

    def refused(self, how: str, client: str) -> None:
        self.told.append((how, client))


def made(provider: Provider | None) -> tuple[ConsoleWorld, People]:
    world, people = ConsoleWorld(), People(provider)
    world.app._door.entrance.identities = people
    return world, people


async def test_a_browser_goes_out_and_comes_back_into_a_session_of_its_own() -> None:
    provider = Provider()
    world, people = made(provider)
    async with world.browser() as browser:
        client = browser.client
        form = await client.get("/console/login?next=/console/members")
        assert "/console/oidc/start?next=/console/members" in form.text
        out = await client.get("/console/oidc/start?next=/console/members")
        assert (out.status_code, out.headers["location"][:16]) == (303, "https://id.examp")
        cookie = out.headers["set-cookie"]
        assert "SameSite=Lax" in cookie and "HttpOnly" in cookie and "Path=/console" in cookie
        back = await client.get("/console/oidc/callback?state=s&code=c&iss=i&session_state=x")
        assert provider.finished == [("s", "c", "of-this-browser", "i")]
        assert 'content="0;url=/console/members"' in back.text
        assert 'href="/console/members"' in back.text  # for who follows no refresh
        cookies = back.headers.get_list("set-cookie")
        assert any("bulwark_console" in each and "SameSite=Strict" in each for each in cookies)
        assert any("bulwark_oidc" in each and "Max-Age=0" in each for each in cookies)
        assert (await client.get("/console/members")).status_code == 200
        assert people.told == [("console.oidc", "oidc:ada")]
        people.current = False  # the settings changed, or somebody was taken back
        assert (await client.get("/console/members")).status_code == 303
        people.current = True
        assert (await client.get("/console/members")).status_code == 303


async def test_a_log_in_ends_the_session_that_was_there() -> None:
    world, _ = made(Provider())
    async with world.browser() as browser:
        first = second = ""
        for _ in range(2):
            await browser.client.get("/console/oidc/start")
            back = await browser.client.get("/console/oidc/callback?state=s&code=c")
            found = re.search(r"bulwark_console[^=]*=([^;]+)", "".join(
                each for each in back.headers.get_list("set-cookie") if "console" in each
            ))  # fmt: skip
            assert found is not None
            first, second = second, found[1]
        assert first != second and len(world.app._sessions) == 1


async def test_what_does_not_work_out_is_a_page_without_a_session() -> None:
    provider = Provider()
    world, people = made(provider)
    async with world.browser() as browser:
        client = browser.client
        wished = await client.get("/console/oidc/start?next=https://evil.example/")
        assert wished.status_code == 303 and provider.wish == "/console"
        no = await client.get(
            "/console/oidc/callback?error=access_denied&state=s&error_description=X9"
        )
        assert no.status_code == 403 and "X9" not in no.text and provider.abandoned == ["s"]
        provider.failure = TokenRefused("the token names no role of this node")
        refused = await client.get("/console/oidc/callback?state=s&code=secret-code")
        assert refused.status_code == 403 and "names no role" in refused.text
        assert "secret-code" not in refused.text
        assert people.told[0] == ("console.oidc", "127.0.0.1")
        provider.failure = ProviderUnreachable("the identity provider can not be reached")
        for path in ("/console/oidc/start", "/console/oidc/callback?state=s&code=c"):
            away = await client.get(path)
            assert away.status_code == 503 and away.headers["retry-after"] == "5"
        provider.failure = None
        for query in ("?state=a&state=b", f"?code={'x' * 9_000}", "?code=%ff"):
            assert (await client.get(f"/console/oidc/callback{query}")).status_code == 400


async def test_a_node_without_a_provider_has_no_such_way_in() -> None:
    world, _ = made(None)
    async with world.browser() as browser:
        assert "/console/oidc" not in (await browser.client.get("/console/login")).text
        for path in ("/console/oidc/start", "/console/oidc/callback?state=s&code=c"):
            assert (await browser.client.get(path)).status_code == 404
