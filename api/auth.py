"""Authentication: keys, certificates and tokens of a request, made into a principal or a refusal.

Rules: an Authorization header decides where there is one, else the client certificate. A wrong key
or token counts against the client's address (an IPv6 client by its /64) and past a limit is
answered 429 for a while; a right one is always let in, so nobody can lock a member out by guessing
from behind the same address. A request without a key is no guess. Requests of a principal are paid
from its own bucket, those of open paths from their address's.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from api.problems import Problem
from api.settings import ApiSettings
from node.identity.apikey import MAX_KEYS as MAX_KEYS
from node.identity.apikey import (
    ApiKey,
    ApiKeys,
    ApiKeysInvalid,
    RandomBytes,
    generate_api_keys,
)
from node.identity.limits import Quota, RateLimiter
from node.identity.port import Identities, StaticIdentities
from node.identity.principal import Principal, ProviderUnreachable, TokenRefused, Why

__all__ = [
    "MAX_ADDRESSES",
    "MAX_KEYS",
    "ApiKey",
    "ApiKeys",
    "ApiKeysInvalid",
    "AttemptLimiter",
    "Entrance",
    "Principal",
    "RandomBytes",
    "address_group",
    "generate_api_keys",
    "rate_headers",
]

MAX_ADDRESSES: Final = 10_000
"""Client addresses whose wrong attempts are remembered; the oldest goes first."""
MAX_KEY_BYTES: Final = 128
MAX_TOKEN_BYTES: Final = 8_192
PEER_CERTIFICATE: Final = "peer_certificate"
"""Where the server leaves a client certificate in an ASGI scope's state, DER."""
_BEARER: Final = b"bearer "


class Entrance:
    """Lets requests in."""

    def __init__(
        self,
        identities: Identities | ApiKeys,
        settings: ApiSettings,
        now_s: Callable[[], float],
    ) -> None:
        """`now_s` is monotonic."""
        self._now_s = now_s
        self._attempts = AttemptLimiter(settings.bad_attempts, settings.bad_attempts_window_ms)
        if isinstance(identities, ApiKeys):
            identities = StaticIdentities(identities, RateLimiter(now_s))
        self.identities: Identities = identities

    def known(
        self, headers: dict[bytes, bytes], state: dict[str, Any] | None, client: str
    ) -> Principal | bytes:
        """Who asks, or the bytes of a token that `token` has to check. Raises Problem."""
        given = headers.get(b"authorization", b"")
        if given:
            if given[:7].lower() != _BEARER:
                raise unauthenticated("the only scheme is Bearer")
            shown = given[7:].strip()
            # A token is a JWT and has two dots; an API key has none.
            return shown if shown.count(b".") == 2 else self.identify(shown, client)
        certificate = None if state is None else state.get(PEER_CERTIFICATE)
        if certificate is None:
            raise unauthenticated("send Authorization: Bearer KEY")
        found = self.identities.certificate(certificate)
        if isinstance(found, Why):
            self.identities.refused("certificate", address_group(client))
            raise unauthenticated(found.value)
        return found

    def identify(self, key: bytes, client: str) -> Principal:
        """Whose API key this is. Raises Problem 401, 403, and 429 past the limit of wrong ones."""
        found = self.identities.key(key, client) if len(key) <= MAX_KEY_BYTES else Why.UNKNOWN
        if isinstance(found, Principal):
            return found
        self.identities.refused("api-key", address_group(client))
        if found is Why.NETWORK:
            raise Problem(403, "forbidden", found.value)
        if found is Why.UNKNOWN:
            self._count(client)
        raise unauthenticated(found.value, is_invalid=True)

    async def token(self, given: bytes, client: str) -> Principal:
        """Whose token this is. Raises Problem 401, 429 past the limit of wrong ones, 503."""
        try:
            return await self.identities.token(given)
        except TokenRefused as error:
            self.identities.refused("oidc", address_group(client))
            self._count(client)
            raise unauthenticated(error.detail, is_invalid=True) from error
        except ProviderUnreachable as error:
            raise Problem(503, "unavailable", error.detail, headers={"retry-after": "5"}) from error

    def is_current(self, who: Principal) -> bool:
        """Whether somebody who came in before would still be let in."""
        return self.identities.is_current(who)

    def pay(self, who: Principal) -> Quota | None:
        """Take one request from a principal's bucket. Raises Problem 429."""
        quota = self.identities.limiter.take(who, self.identities.own_limit(who))
        if quota is not None and quota.wait_s > 0:
            raise _too_fast("requests", quota.wait_s, quota)
        return quota

    def pay_open(self, client: str) -> None:
        """Take one request from an address's bucket for open paths. Raises Problem 429."""
        wait_s = self.identities.limiter.take_open(address_group(client))
        if wait_s > 0:
            raise _too_fast("requests", wait_s, None)

    def may_upload(self, who: Principal) -> None:
        """Problem 429 while the rows of earlier uploads are not paid."""
        wait_s = self.identities.limiter.rows_wait_s(who, self.identities.own_limit(who))
        if wait_s > 0:
            raise _too_fast("rows", wait_s, None)

    def charge_rows(self, who: Principal, rows: int) -> None:
        """Pay the rows of an upload that was read."""
        self.identities.limiter.charge_rows(who, self.identities.own_limit(who), rows)

    def _count(self, client: str) -> None:
        left_ms = self._attempts.count(client, int(self._now_s() * 1000))
        if left_ms is not None:
            raise Problem(
                429,
                "too-many-attempts",
                "wait before the next attempt",
                headers={"retry-after": str(max(1, -(-left_ms // 1000)))},
            )


class AttemptLimiter:
    """Counts wrong keys by client address within a fixed window."""

    def __init__(self, most: int, window_ms: int) -> None:
        self._most = most
        self._window_ms = window_ms
        self._attempts: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def count(self, address: str, now_ms: int) -> int | None:
        """Note a wrong key; ms until the window ends when the address is over, else None."""
        group = address_group(address)
        start, seen = self._attempts.pop(group, (now_ms, 0))
        if now_ms - start >= self._window_ms:
            start, seen = now_ms, 0
        self._attempts[group] = (start, seen + 1)
        if len(self._attempts) > MAX_ADDRESSES:
            self._attempts.popitem(last=False)
        return start + self._window_ms - now_ms if seen >= self._most else None


def address_group(address: str) -> str:
    """An IPv4 address as it is, an IPv6 address by its /64: what one client commands."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def rate_headers(quota: Quota) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
    """RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers)."""
    policy = f'"{quota.name}";q={quota.burst};w={quota.window_s}'
    left_s = max(1, -(-int(quota.wait_s * 1000) // 1000)) if quota.wait_s else 0
    now = f'"{quota.name}";r={quota.remaining};t={left_s}'
    return (b"ratelimit-policy", policy.encode()), (b"ratelimit", now.encode())


def unauthenticated(detail: str, *, is_invalid: bool = False) -> Problem:
    """Problem 401 with its challenge (RFC 6750); `is_invalid` where something was shown."""
    challenge = 'Bearer realm="bulwark"'
    if is_invalid:
        challenge += f', error="invalid_token", error_description="{detail}"'
    return Problem(401, "unauthenticated", detail, headers={"www-authenticate": challenge})


def _too_fast(what: str, wait_s: float, quota: Quota | None) -> Problem:
    headers = {"retry-after": str(max(1, -(-int(wait_s * 1000) // 1000)))}
    if quota is not None:
        headers |= {name.decode(): value.decode() for name, value in rate_headers(quota)}
    detail = f"this caller's {what} come faster than they may; wait before the next one"
    return Problem(429, "busy", detail, headers=headers)
