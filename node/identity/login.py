"""Log-in to the console at the identity provider: authorization code with PKCE.

Rules: state, nonce and code verifier are random, made for one log-in, kept here and in no cookie;
the browser's cookie is another random value, of which the state's entry keeps the hash, so a code
can only be used by the browser that began. An entry is used once, lives MAX_AGE_MS and there are at
most MAX_PENDING. The redirect address is the configured one, character by character; where the
browser goes afterwards is kept here too. Codes, tokens and verifiers are never logged.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from node.identity.apikey import RandomBytes
from node.identity.principal import Principal, ProviderUnreachable, TokenRefused
from node.identity.provider import Provider
from node.identity.settings import OidcConfig
from node.identity.tokens import Tokens

MAX_PENDING: Final = 1_000
MAX_AGE_MS: Final = 10 * 60_000
MAX_PARAMETER_CHARS: Final = 2_048


@dataclass(frozen=True, slots=True)
class _Pending:
    browser: bytes
    nonce: str
    verifier: str
    wish: str
    began_ms: int


class CodeLogin:
    """Log-ins under way at one provider."""

    def __init__(
        self,
        provider: Provider,
        tokens: Tokens,
        settings: OidcConfig,
        secret: str | None,
        random_bytes: RandomBytes,
        now_ms: Callable[[], int],
    ) -> None:
        """`secret` is that of the client, None for a public one; `now_ms` is monotonic."""
        self._provider = provider
        self._tokens = tokens
        self._settings = settings
        self._secret = secret
        self._random = random_bytes
        self._now_ms = now_ms
        self._pending: OrderedDict[str, _Pending] = OrderedDict()

    async def start(self, wish: str) -> tuple[str, str]:
        """Begin one; where the browser goes, and its cookie. Raises ProviderUnreachable.

        `wish` is the path to go to afterwards.
        """
        endpoint = (await self._provider.metadata()).authorization_endpoint
        if endpoint is None:
            raise ProviderUnreachable("the identity provider has no authorization endpoint")
        state, nonce, verifier, cookie = (self._text() for _ in range(4))
        self._sweep()
        browser = hashlib.sha256(cookie.encode()).digest()
        self._pending[state] = _Pending(browser, nonce, verifier, wish, self._now_ms())
        challenge = hashlib.sha256(verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id or "",
            "redirect_uri": self._settings.redirect_uri or "",
            "scope": " ".join(self._settings.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": _base64(challenge),
            "code_challenge_method": "S256",
        }
        return f"{endpoint}?{urlencode(query)}", cookie

    async def finish(
        self, state: str, code: str, cookie: str, issuer: str | None
    ) -> tuple[Principal, str]:
        """Who came back, and where it wanted to go. Raises TokenRefused, ProviderUnreachable."""
        pending = self._pending.pop(state, None)
        if pending is None or self._now_ms() - pending.began_ms >= MAX_AGE_MS:
            raise TokenRefused("this log-in was never begun here, is over or was used before")
        given = hashlib.sha256(cookie.encode("utf-8", "replace")).digest()
        if not hmac.compare_digest(given, pending.browser):
            raise TokenRefused("this log-in was begun in another browser")
        if issuer is not None and issuer != self._provider.issuer:
            raise TokenRefused("another identity provider answered")
        if not 0 < len(code) <= MAX_PARAMETER_CHARS:
            raise TokenRefused("the identity provider sent no code")
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._settings.redirect_uri or "",
            "client_id": self._settings.client_id or "",
            "code_verifier": pending.verifier,
        }
        answer = await self._provider.exchange(form, self._secret)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise TokenRefused("the identity provider sent no ID token")
        found = await self._tokens.admit_id_token(token.encode("utf-8"), pending.nonce)
        return found, pending.wish

    def abandon(self, state: str) -> None:
        """The provider said no: forget this one."""
        self._pending.pop(state, None)

    def _sweep(self) -> None:
        now_ms = self._now_ms()
        while self._pending:
            first = next(iter(self._pending.values()))
            if len(self._pending) < MAX_PENDING and now_ms - first.began_ms < MAX_AGE_MS:
                return
            self._pending.popitem(last=False)

    def _text(self) -> str:
        return _base64(self._random(32))


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
