"""Tokens: claims to roles, key types to algorithms, and log-ins that are used once.

The provider is a small HTTP server of the test on loopback; a certified one is in tests/process.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm
from pydantic import ValidationError

from node.identity.login import MAX_AGE_MS, CodeLogin
from node.identity.principal import Principal, ProviderUnreachable, TokenRefused, Via
from node.identity.provider import Provider
from node.identity.settings import OidcConfig
from node.identity.tokens import Tokens, texts_at
from node.service import Role
from tests.unit.api.world import Counter

RSA = generate_private_key(65_537, 2_048)
EDDSA = Ed25519PrivateKey.generate()


class Small:
    """A discovery document, a key set and a token endpoint, as a test sets them."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, object]] = {}
        self.asked: list[str] = []
        self.posted: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                self.answer()

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                outer.posted.append(self.rfile.read(length).decode())
                self.answer()

            def answer(self) -> None:
                status, document = outer.answers.get(self.path, (404, {}))
                body = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(status)
                if status == 302:
                    self.send_header("location", f"{outer.issuer}/elsewhere")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        self.set_keys(self.jwk("rsa"))

    @staticmethod
    def jwk(kid: str, key: Any = None, **more: Any) -> dict[str, Any]:
        public = (RSA if key is None else key).public_key()
        made = OKPAlgorithm if key is EDDSA else RSAAlgorithm
        return {**made.to_jwk(public, as_dict=True), "kid": kid, "use": "sig", **more}

    def set_keys(self, *keys: dict[str, Any]) -> None:
        self.answers["/.well-known/openid-configuration"] = (200, {
            "issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys",
            "authorization_endpoint": f"{self.issuer}/auth",
            "token_endpoint": f"{self.issuer}/token",
        })  # fmt: skip
        self.answers["/keys"] = (200, {"keys": list(keys)})


@pytest.fixture
def small() -> Iterator[Small]:
    small = Small()
    thread = threading.Thread(target=small.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield small
    finally:
        small.server.shutdown()
        small.server.server_close()


class Desk:
    """Provider, tokens and log-in over one small server, with a clock that a test sets."""

    def __init__(self, small: Small, **settings: Any) -> None:
        roles = ({"value": "admins", "role": "admin"}, {"value": "desk", "role": "analyst"})
        self.settings = OidcConfig(**{
            "issuer": small.issuer, "audience": "node", "leeway_seconds": 0, "roles": roles,
            "client_id": "console", "redirect_uri": "https://node.example/console/oidc/callback",
            **settings,
        })  # fmt: skip
        self.now_s = 1_000.0
        self.provider = Provider(self.settings, Path(), lambda: self.now_s)
        self.tokens = Tokens(self.provider, self.settings, lambda: time.time_ns() // 10**6, 3)
        self.login = CodeLogin(
            self.provider, self.tokens, self.settings, "secret&", Counter(),
            lambda: int(self.now_s * 1000),
        )  # fmt: skip

    async def admit(self, token: str) -> Principal:
        return await self.tokens.admit(token.encode())

    async def refused(self, token: str) -> str:
        with pytest.raises(TokenRefused) as refused:
            await self.admit(token)
        return refused.value.detail


def token(small: Small, key: Any = None, algorithm: str = "RS256", kid: str | None = "rsa",
          typ: str | None = None, **claims: Any) -> str:  # fmt: skip
    now = int(time.time())
    body = {"iss": small.issuer, "aud": "node", "sub": "s", "iat": now, "exp": now + 60,
            "roles": ["desk"], **claims}  # fmt: skip
    head = {name: value for name, value in (("kid", kid), ("typ", typ)) if value is not None}
    return jwt.encode(body, RSA if key is None else key, algorithm, headers=head)


async def test_the_first_rule_that_fits_gives_the_role_and_a_hash_names_the_subject(
    small: Small,
) -> None:
    desk = Desk(small)
    found = await desk.admit(token(small, roles=["desk", "admins"]))
    assert found.role is Role.ADMIN and found.via is Via.TOKEN and found.stamp == 3
    assert found.key_id.startswith("oidc:") and len(found.key_id) == 37
    other = await desk.admit(token(small, sub="t"))
    assert other.role is Role.ANALYST and other.key_id != found.key_id


async def test_claims_are_found_whole_or_by_their_path() -> None:
    claims = {"a.b": ["whole"], "a": {"b": ["path"], "c": "one"}, "n": 5}
    assert texts_at(claims, "a.b") == ("whole",)
    assert texts_at(claims, "a.c") == ("one",)
    for name in ("n", "a", "a.c.d", "missing", "n.x"):
        assert texts_at(claims, name) == ()


async def test_a_configured_claim_names_people_if_it_is_a_plain_name(small: Small) -> None:
    desk = Desk(small, subject_claim="preferred_username", role_claim="realm.roles")
    realm = {"realm": {"roles": ["desk"]}}
    good = await desk.admit(token(small, preferred_username="ada@bank.example", **realm))
    assert good.key_id == "oidc:ada@bank.example"
    for name in ("two words", "", None, "x" * 129, "a\nb"):
        assert "name claim" in await desk.refused(token(small, preferred_username=name, **realm))


async def test_wanted_contexts_and_methods_have_to_be_there(small: Small) -> None:
    desk = Desk(small, required_acr=("gold",), required_amr=("mfa", "pwd"))
    assert "acr" in await desk.refused(token(small, amr=["mfa", "pwd"]))
    assert "amr" in await desk.refused(token(small, acr="gold", amr=["mfa"]))
    assert (await desk.admit(token(small, acr="gold", amr=["pwd", "mfa", "x"]))).role
    assert "amr" in await desk.refused(token(small, acr="gold", amr="mfa"))


async def test_a_key_checks_only_algorithms_of_its_own(small: Small) -> None:
    small.set_keys(
        small.jwk("rsa", alg="PS256"), small.jwk("ed", EDDSA),
        {"kty": "oct", "kid": "trap", "k": "AAAA", "alg": "HS256"},
        small.jwk("enc") | {"use": "enc"}, {"kty": "RSA", "kid": "broken", "n": "!"},
    )  # fmt: skip
    desk = Desk(small)
    assert "no such key" in await desk.refused(token(small))  # the key is for PS256
    assert (await desk.admit(token(small, algorithm="PS256"))).role is Role.ANALYST
    assert (await desk.admit(token(small, EDDSA, "EdDSA", "ed"))).role is Role.ANALYST
    assert "no such key" in await desk.refused(token(small, EDDSA, "EdDSA", "rsa"))
    assert "no such key" in await desk.refused(token(small, kid="enc"))
    assert "not allowed" in await desk.refused(token(small, "AAAA" * 8, "HS256", "trap"))
    assert desk.provider.key_count == 2
    one = Desk(small, algorithms=("EdDSA",))
    assert (await one.admit(token(small, EDDSA, "EdDSA", None))).role  # no kid, one key alone


async def test_types_of_tokens(small: Small) -> None:
    desk = Desk(small, token_types=("at+jwt",))
    assert (await desk.admit(token(small, typ="application/at+JWT"))).role
    for typ in ("JWT", "logout+jwt", None):
        assert "typ" in await desk.refused(token(small, typ=typ))


async def test_what_is_no_token_is_refused_before_anything_is_fetched(small: Small) -> None:
    desk = Desk(small)
    for given in ("", "a.b", "a.b.c.d", "é.b.c", "a.b.c", "....", "e30.e30.", "x" * 8_193):
        assert await desk.refused(given)
    assert small.asked == []


async def test_an_unknown_key_is_looked_for_once_in_a_while(small: Small) -> None:
    desk = Desk(small)
    await desk.admit(token(small))
    looks = len(small.asked)
    for _ in range(20):
        assert "no such key" in await desk.refused(token(small, kid="new"))
    assert len(small.asked) == looks + 2  # discovery and keys, once
    small.set_keys(small.jwk("new"))
    desk.now_s += desk.settings.unknown_key_seconds
    assert (await desk.admit(token(small, kid="new"))).role is Role.ANALYST
    assert "no such key" in await desk.refused(token(small, sub="again"))  # the old one is gone


async def test_many_at_once_fetch_the_keys_once(small: Small) -> None:
    desk = Desk(small)
    await asyncio.gather(*(desk.admit(token(small, sub=f"s{at}")) for at in range(30)))
    assert small.asked == ["/.well-known/openid-configuration", "/keys"]


async def test_keys_hold_on_while_the_provider_is_away_and_not_for_ever(small: Small) -> None:
    desk = Desk(small, keep_seconds=3_600)
    await desk.admit(token(small))
    small.answers["/keys"] = (500, {})
    desk.now_s += 3_000
    assert (await desk.admit(token(small, sub="later"))).role
    assert desk.provider.failure == "/keys: status 500"
    desk.now_s += 700
    with pytest.raises(ProviderUnreachable):
        await desk.admit(token(small, sub="too late"))
    small.set_keys(small.jwk("rsa"))
    desk.now_s += 60
    assert (await desk.admit(token(small, sub="back"))).role and desk.provider.failure is None


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/.well-known/openid-configuration", (200, {"issuer": "https://other.example"})),
        ("/.well-known/openid-configuration", (200, [])),
        ("/.well-known/openid-configuration", (200, b"{")),
        ("/.well-known/openid-configuration", (302, {})),
        ("/keys", (200, {"keys": []})),
        ("/keys", (200, {"keys": [{}] * 65})),
        ("/keys", (200, b" " * 300_000)),
        ("/keys", (302, {})),
        ("/keys", (200, {"keys": [{"kty": "oct", "k": "AAAA", "kid": "rsa"}]})),
    ],
)
async def test_a_provider_that_says_something_else_gives_no_keys(
    small: Small, path: str, answer: tuple[int, object]
) -> None:
    small.answers[path] = answer
    desk = Desk(small)
    with pytest.raises(ProviderUnreachable):
        await desk.admit(token(small))
    assert desk.provider.failure and "/elsewhere" not in small.asked


async def test_an_endpoint_that_is_not_safe_is_not_asked(small: Small) -> None:
    document = {"issuer": small.issuer, "jwks_uri": "http://192.0.2.1/keys"}
    small.answers["/.well-known/openid-configuration"] = (200, document)
    with pytest.raises(ProviderUnreachable):
        await Desk(small).admit(token(small))


async def test_a_log_in_is_for_its_browser_its_nonce_and_once(small: Small) -> None:
    desk = Desk(small)

    async def begun() -> tuple[str, str, str]:
        location, cookie = await desk.login.start("/console")
        query = dict(part.split("=", 1) for part in location.partition("?")[2].split("&"))
        assert query["code_challenge_method"] == "S256" and query["response_type"] == "code"
        return query["state"], query["nonce"], cookie

    async def refused(state: str, cookie: str, **how: Any) -> str:
        with pytest.raises(TokenRefused) as error:
            await desk.login.finish(state, how.get("code", "c"), cookie, how.get("issuer"))
        return error.value.detail

    state, nonce, cookie = await begun()
    small.answers["/token"] = (200, {"id_token": token(small, aud="console", nonce=nonce)})
    principal, wish = await desk.login.finish(state, "c", cookie, small.issuer)
    assert (principal.role, principal.expires_ms, wish) == (Role.ANALYST, None, "/console")
    assert "code_verifier=" in small.posted[0] and "code=c" in small.posted[0]
    assert "used before" in await refused(state, cookie)
    state, nonce, cookie = await begun()
    assert "another browser" in await refused(state, "")
    assert "used before" in await refused(state, cookie)  # a wrong browser ends it
    state, nonce, cookie = await begun()
    assert "this log-in" in await refused(state, cookie)  # the nonce is the first one's
    state, nonce, cookie = await begun()
    small.answers["/token"] = (200, {"id_token": token(small, aud=["console", "x"], nonce=nonce)})
    assert "another client" in await refused(state, cookie)
    state, nonce, cookie = await begun()
    assert "another identity provider" in await refused(state, cookie, issuer="https://x.example")
    state, nonce, cookie = await begun()
    desk.now_s += MAX_AGE_MS / 1000
    assert "is over" in await refused(state, cookie)
    small.answers["/token"] = (400, {})
    state, nonce, cookie = await begun()
    with pytest.raises(ProviderUnreachable):
        await desk.login.finish(state, "c", cookie, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "http://idp.example"},
        {"issuer": "https://user@idp.example"},
        {"issuer": "https://idp.example/?x=1"},
        {"algorithms": ("HS256",)},
        {"algorithms": ("none",)},
        {"algorithms": ()},
        {"roles": ()},
        {"roles": ({"value": "x", "role": "root"},)},
        {"audience": "", "client_id": None},
        {"client_id": "c"},
        {"client_id": "c", "redirect_uri": "https://n.example/other"},
        {"client_id": "c", "redirect_uri": "http://n.example/console/oidc/callback"},
        {"redirect_uri": "https://n.example/console/oidc/callback"},
    ],
)
def test_settings_that_would_be_unsafe_are_refused(wrong: dict[str, Any]) -> None:
    good = {
        "issuer": "https://idp.example/realm", "audience": "node",
        "roles": ({"value": "desk", "role": "analyst"},),
    }  # fmt: skip
    assert OidcConfig(**good).issuer
    with pytest.raises(ValidationError):
        OidcConfig(**good | wrong)
