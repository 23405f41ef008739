"""Bearer tokens of the member's identity provider: JWTs, verified and turned into principals.

Rules: the algorithm is one of the configured, asymmetric ones and one that the provider's key is
for; `none`, HMAC, `crit`, keys and addresses in the header count for nothing. Issuer, audience,
expiry, start and age are checked with a bounded leeway; a token that lives longer than configured
is refused. The first role rule that fits decides. A refusal says which check failed and never
repeats anything of the token. What was verified is remembered by its hash for a short time.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import jwt
from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAudienceError,
    InvalidIssuedAtError,
    InvalidIssuerError,
    InvalidSignatureError,
    MissingRequiredClaimError,
    PyJWTError,
)
from msgspec.structs import replace

from node.identity.principal import Principal, TokenRefused, Via
from node.identity.provider import Provider
from node.identity.settings import OidcConfig
from node.service import Role

MAX_TOKEN_BYTES: Final = 8_192
MAX_REMEMBERED: Final = 2_048
REMEMBER_MS: Final = 30_000
"""A key that the provider takes back stops its tokens this much later at most."""
_FORM: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\Z")
_NAME: Final = re.compile(r"[A-Za-z0-9._@+-]{1,128}\Z")


def looks_like_token(given: bytes) -> bool:
    """Whether this is a JWT and no API key: those have no dots."""
    return given.count(b".") == 2


class Tokens:
    """Verifies tokens of one provider."""

    def __init__(
        self,
        provider: Provider,
        settings: OidcConfig,
        now_ms: Callable[[], int],
        stamp: int = 0,
    ) -> None:
        """`now_ms` is the wall clock; `stamp` goes into the principals."""
        self._stamp = stamp
        self._provider = provider
        self._settings = settings
        self._now_ms = now_ms
        self._known: OrderedDict[bytes, tuple[Principal, int]] = OrderedDict()

    async def admit(self, given: bytes) -> Principal:
        """Who shows this access token. Raises TokenRefused, ProviderUnreachable."""
        digest = hashlib.sha256(given).digest()
        now_ms = self._now_ms()
        known = self._known.get(digest)
        if known is not None and now_ms < known[1]:
            return known[0]
        if not self._settings.audience:
            raise TokenRefused("this node takes no tokens, only the log-in to its console")
        claims, header = await self._verified(given, self._settings.audience)
        self._check_type(header)
        principal = self._principal(claims)
        until = min(now_ms + REMEMBER_MS, int(claims["exp"]) * 1000)
        self._known[digest] = (principal, until)
        if len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)
        return principal

    async def admit_id_token(self, given: bytes, nonce: str) -> Principal:
        """Who logs in with this ID token. Raises TokenRefused, ProviderUnreachable."""
        client_id = self._settings.client_id or ""
        claims, _ = await self._verified(given, client_id)
        audience = claims.get("aud")
        several = isinstance(audience, list) and len(audience) > 1
        if claims.get("azp", client_id if not several else None) != client_id:
            raise TokenRefused("the ID token was issued to another client")
        if claims.get("nonce") != nonce:
            raise TokenRefused("the ID token does not belong to this log-in")
        # The session has a life of its own; the ID token only says who began it.
        return replace(self._principal(claims), expires_ms=None)

    async def _verified(
        self, given: bytes, audience: str
    ) -> tuple[dict[str, Any], Mapping[str, Any]]:
        if len(given) > MAX_TOKEN_BYTES:
            raise TokenRefused(f"the token is over {MAX_TOKEN_BYTES} bytes")
        token = given.decode("ascii", "replace")
        if _FORM.match(token) is None:
            raise TokenRefused("the token is no signed JWT")
        try:
            header = jwt.get_unverified_header(token)
        except PyJWTError as error:
            raise TokenRefused("the token's header can not be read") from error
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in self._settings.algorithms:
            raise TokenRefused("the token's algorithm is not allowed here")
        if "crit" in header:
            raise TokenRefused("the token's header has extensions that are not understood")
        if kid is not None and not isinstance(kid, str):
            raise TokenRefused("the token's kid is no text")
        key = await self._provider.key(kid, algorithm)
        if key is None:
            raise TokenRefused("the identity provider has no such key")
        return self._decoded(token, key.key.key, algorithm, audience), header

    def _decoded(self, token: str, key: Any, algorithm: str, audience: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=audience,
                issuer=self._provider.issuer,
                leeway=self._settings.leeway_seconds,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except PyJWTError as error:
            raise TokenRefused(_detail(error)) from error
        if not isinstance(claims["sub"], str) or not claims["sub"]:
            raise TokenRefused("the token's sub is no text")
        if int(claims["exp"]) - int(claims["iat"]) > self._settings.max_lifetime_seconds:
            raise TokenRefused("the token lives longer than is allowed here")
        return claims

    def _check_type(self, header: Mapping[str, Any]) -> None:
        given = header.get("typ", "JWT")
        allowed = {name.lower() for name in self._settings.token_types}
        name = given.lower().removeprefix("application/") if isinstance(given, str) else ""
        if name not in allowed:
            raise TokenRefused("the token's typ is not that of an access token")

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        settings = self._settings
        acr = claims.get("acr")
        if settings.required_acr and acr not in settings.required_acr:
            raise TokenRefused("the token's acr is not one that is wanted here")
        amr = claims.get("amr")
        methods = {str(each) for each in amr} if isinstance(amr, list) else set()
        if not set(settings.required_amr) <= methods:
            raise TokenRefused("the token's amr lacks a method that is wanted here")
        role = self._role(texts_at(claims, settings.role_claim))
        expires_ms = int(claims["exp"]) * 1000
        return Principal(f"oidc:{self._name(claims)}", role, Via.TOKEN, expires_ms, self._stamp)

    def _role(self, values: Sequence[str]) -> Role:
        for rule in self._settings.roles:
            if rule.value in values:
                return Role(rule.role)
        raise TokenRefused("the token names no role of this node")

    def _name(self, claims: Mapping[str, Any]) -> str:
        """What logs call somebody: a configured claim, else a hash of issuer and subject."""
        if self._settings.subject_claim is not None:
            found = texts_at(claims, self._settings.subject_claim)
            if len(found) != 1 or _NAME.match(found[0]) is None:
                raise TokenRefused("the token's name claim is missing or no plain name")
            return found[0]
        text = f"{self._provider.issuer}\0{claims['sub']}"
        return hashlib.sha256(text.encode("utf-8")).hexdigest()[:32]


def texts_at(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Texts of a claim: by its whole name first, then with dots as a path into objects."""
    found: Any = claims.get(name)
    if found is None:
        found = claims
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return (found,)
    if isinstance(found, list):
        return tuple(each for each in found[:256] if isinstance(each, str))
    return ()


def _detail(error: PyJWTError) -> str:
    match error:
        case ExpiredSignatureError():
            return "the token expired"
        case ImmatureSignatureError() | InvalidIssuedAtError():
            return "the token is not valid yet"
        case InvalidAudienceError():
            return "the token is for another audience"
        case InvalidIssuerError():
            return "the token is of another issuer"
        case InvalidSignatureError():
            return "the token's signature does not hold"
        case MissingRequiredClaimError():
            return "the token lacks exp, iat, iss, aud or sub"
        case _:
            return "the token can not be read"
