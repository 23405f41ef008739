"""The identity provider as this node knows it: its discovery document and its public keys.

Rules: addresses come from the configured issuer's own discovery document, whose issuer must be the
configured one, and from nowhere else; nothing that a token says is ever fetched. No redirects, no
answer over MAX_BYTES, https (or loopback). Keys are looked at again from time to time, and for an
unknown key id at most every so often. While the provider does not answer, keys that were had are
used on for a bounded time. One look at a time: whoever comes meanwhile waits for that one.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote_plus, urlsplit

import httpx
import orjson
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from node.identity.principal import IdentityInvalid, ProviderUnreachable
from node.identity.settings import OidcConfig, is_safe_url
from node.logs import Log

MAX_BYTES: Final = 256 * 1024
MAX_KEYS: Final = 64
MAX_KID_CHARS: Final = 256
RETRY_S: Final = 5.0
"""Least pause between two tries while no keys are there."""

log = Log("oidc")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the discovery document says, as far as it is used."""

    jwks_uri: str
    authorization_endpoint: str | None
    token_endpoint: str | None
    token_auth_methods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Key:
    """One public key of the provider."""

    kid: str
    algorithms: tuple[str, ...]
    """Those that it may check."""
    key: PyJWK


class Provider:
    """Metadata and keys of one issuer."""

    def __init__(
        self, settings: OidcConfig, home: Path, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises IdentityInvalid for an authority file that can not be used."""
        if settings.issuer is None:
            raise ValueError("a provider needs an issuer")
        self.issuer = settings.issuer
        self._settings = settings
        self._now_s = now_s
        self._tls = _tls(settings, home)
        self._metadata: Metadata | None = None
        self._keys: dict[str, Key] = {}
        self._had_s: float | None = None
        """When the keys were last had."""
        self._tried_s: float | None = None
        """When they were last asked for."""
        self._looked_for_s: float | None = None
        """When they were last asked for because of an unknown key id."""
        self._lock = asyncio.Lock()
        self._looks = 0
        self.failure: str | None = None
        """Why the last try failed, None if it did not."""

    async def key(self, kid: str | None, algorithm: str) -> Key | None:
        """The key of a token's header, None if the provider has none such.

        Raises ProviderUnreachable when there are no keys that may still be used.
        """
        if self._is_due() or (self._lock.locked() and not self._is_fresh()):
            await self._look()
        found = self._find(kid, algorithm)
        if found is None and (self._lock.locked() or self._may_look_for()):
            await self._look_for()
            found = self._find(kid, algorithm)
        if not self._is_fresh():
            raise ProviderUnreachable("the identity provider can not be reached")
        return found

    async def metadata(self) -> Metadata:
        """Endpoints. Raises ProviderUnreachable."""
        if self._metadata is None and (self._lock.locked() or self._may_try()):
            await self._look()
        if self._metadata is None:
            raise ProviderUnreachable("the identity provider can not be reached")
        return self._metadata

    async def refresh(self) -> None:
        """Look at the keys if it is time; failures are noted, not raised."""
        if self._is_due():
            await self._look()

    async def exchange(self, form: Mapping[str, str], secret: str | None) -> Mapping[str, object]:
        """Turn a code into tokens at the token endpoint. Raises ProviderUnreachable."""
        endpoint = (await self.metadata()).token_endpoint
        if endpoint is None:
            raise ProviderUnreachable("the identity provider has no token endpoint")
        auth = None
        if secret is not None:
            auth = httpx.BasicAuth(_form_quoted(form["client_id"]), _form_quoted(secret))
        try:
            async with self._client() as client:
                return await self._document(client, "POST", endpoint, data=form, auth=auth)
        except (httpx.HTTPError, ValueError, OSError) as error:
            log.warning("code was not exchanged", reason=_reason(error))
            raise ProviderUnreachable("the identity provider did not take the code") from error

    @property
    def key_count(self) -> int:
        """Keys that are known now."""
        return len(self._keys)

    def _find(self, kid: str | None, algorithm: str) -> Key | None:
        if kid is None:  # allowed only where one key alone can be meant
            fitting = [key for key in self._keys.values() if algorithm in key.algorithms]
            return fitting[0] if len(fitting) == 1 else None
        key = self._keys.get(kid)
        return key if key is not None and algorithm in key.algorithms else None

    def _is_fresh(self) -> bool:
        return self._had_s is not None and (
            self._now_s() - self._had_s < self._settings.keep_seconds
        )

    def _may_try(self) -> bool:
        return self._tried_s is None or self._now_s() - self._tried_s >= RETRY_S

    def _is_due(self) -> bool:
        if self._had_s is None:
            return self._may_try()
        age = self._now_s() - self._had_s
        return age >= self._settings.refresh_seconds and self._may_try()

    def _may_look_for(self) -> bool:
        last = self._looked_for_s
        pause = self._settings.unknown_key_seconds
        return last is None or self._now_s() - last >= pause

    async def _look_for(self) -> None:
        """Look because of an unknown key; who comes while somebody looks waits for that."""
        if not self._lock.locked():
            self._looked_for_s = self._now_s()
        await self._look()

    async def _look(self) -> None:
        """Have metadata and keys anew; failures are noted, not raised."""
        before = self._looks
        async with self._lock:
            if self._looks != before:
                return  # somebody else looked while we waited
            self._tried_s = self._now_s()
            try:
                await self._read()
            except (httpx.HTTPError, ValueError, OSError) as error:
                self._note_failure(_reason(error))
            finally:
                self._looks += 1

    async def _read(self) -> None:
        async with self._client() as client:
            self._metadata = await self._discover(client)
            document = await self._document(client, "GET", self._metadata.jwks_uri)
        self._keys = _keys(document, self._settings.algorithms)
        self._had_s = self._now_s()
        if self.failure is not None:
            log.info("identity provider answers again", issuer=self.issuer)
        self.failure = None

    def _note_failure(self, reason: str) -> None:
        if self.failure != reason:
            log.warning("identity provider", issuer=self.issuer, reason=reason)
        self.failure = reason

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            verify=self._tls,
            timeout=self._settings.timeout_ms / 1000,
            follow_redirects=False,
            trust_env=False,
        )

    async def _discover(self, client: httpx.AsyncClient) -> Metadata:
        place = self.issuer.rstrip("/") + "/.well-known/openid-configuration"
        document = await self._document(client, "GET", place)
        if document.get("issuer") != self.issuer:
            raise ValueError("its discovery document names another issuer")
        methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        jwks_uri = _endpoint(document, "jwks_uri")
        if jwks_uri is None:
            raise ValueError("its discovery document has no jwks_uri")
        return Metadata(
            jwks_uri,
            _endpoint(document, "authorization_endpoint"),
            _endpoint(document, "token_endpoint"),
            tuple(str(each) for each in methods) if isinstance(methods, list) else (),
        )

    async def _document(
        self,
        client: httpx.AsyncClient,
        method: str,
        url: str,
        *,
        data: Mapping[str, str] | None = None,
        auth: httpx.BasicAuth | None = None,
    ) -> Mapping[str, object]:
        """A JSON object from the provider. Raises httpx.HTTPError, ValueError."""
        request = client.build_request(
            method, url, data=data, headers={"accept": "application/json"}
        )
        async with asyncio.timeout(self._settings.timeout_ms / 1000):
            answer = await client.send(request, auth=auth, stream=True)
            try:
                if answer.status_code != 200:
                    raise ValueError(f"{urlsplit(url).path}: status {answer.status_code}")
                body = b""
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_BYTES:
                        raise ValueError(f"{urlsplit(url).path}: more than {MAX_BYTES} bytes")
            finally:
                await answer.aclose()
        document = orjson.loads(body)
        if not isinstance(document, dict):
            raise ValueError(f"{urlsplit(url).path}: no JSON object")
        return document


def _endpoint(document: Mapping[str, object], name: str) -> str | None:
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not is_safe_url(value):
        raise ValueError(f"{name} is no https URL")
    return value


def _keys(document: Mapping[str, object], allowed: tuple[str, ...]) -> dict[str, Key]:
    """Signature keys of a JWK set; those that can not be used are left out. Raises ValueError."""
    entries = document.get("keys")
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise ValueError(f"its key set is none, or has more than {MAX_KEYS} keys")
    found: dict[str, Key] = {}
    for at, entry in enumerate(entries):
        # A symmetric key in a public document can only be a trap.
        if not isinstance(entry, dict) or entry.get("kty") not in ("RSA", "EC", "OKP"):
            continue
        if entry.get("use", "sig") != "sig":
            continue
        able = _algorithms(entry, allowed)
        if not able:
            continue
        try:
            key = PyJWK(entry, algorithm=able[0])
        except (PyJWTError, ValueError, TypeError, KeyError):
            continue
        kid = str(entry.get("kid", f"#{at}"))[:MAX_KID_CHARS]
        found[kid] = Key(kid, able, key)
    if not found:
        raise ValueError("its key set has no key of an allowed algorithm")
    return found


def _algorithms(entry: Mapping[str, object], allowed: tuple[str, ...]) -> tuple[str, ...]:
    """Allowed algorithms that a key may check: by its own `alg`, else by its type."""
    named = entry.get("alg")
    if named is not None:
        return (str(named),) if named in allowed else ()
    curve = entry.get("crv")
    of_curve = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA"}
    if entry.get("kty") == "RSA":
        return tuple(name for name in allowed if name[:2] in ("RS", "PS"))
    return tuple(name for name in allowed if of_curve.get(str(curve)) == name)


def _tls(settings: OidcConfig, home: Path) -> ssl.SSLContext:
    if settings.authority is None:
        return ssl.create_default_context()
    path = home / settings.authority
    try:
        return ssl.create_default_context(cafile=str(path))
    except (OSError, ssl.SSLError) as error:
        raise IdentityInvalid(str(path), "no PEM certificates can be read from it") from error


def _reason(error: Exception) -> str:
    """What to log: never a URL with a query, a body or a code."""
    if isinstance(error, ValueError) and not isinstance(error, orjson.JSONDecodeError):
        return str(error)
    return type(error).__name__


def _form_quoted(text: str) -> str:
    """As RFC 6749, 2.3.1 wants ids and secrets in the Basic scheme."""
    return quote_plus(text)
