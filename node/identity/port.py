"""What the API sees of identity: who comes in, API keys as a service, and reload.

The desk (`node.identity.desk`) implements it. Clear keys occur in the answers of `create` and
`rotate` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from node.identity.apikey import ApiKey, ApiKeys, Network
from node.identity.limits import Quota, RateLimiter
from node.identity.principal import (
    Principal,
    ProviderUnreachable,
    RateLimit,
    TokenRefused,
    Via,
    Why,
)
from node.service import Caller, Role, ServiceError


class ReloadRefused(ServiceError):
    """Settings or files are broken; nothing was changed."""

    status = 422
    code = "invalid"


class KeyView(Struct, frozen=True):
    """A key as its administrators see it: all but its hash."""

    key: ApiKey
    last_used_ms: int | None
    """None: not since this is kept."""


class NewKey(Struct, frozen=True):
    """A key that was made or rotated; `clear` is shown this once."""

    view: KeyView
    clear: str


class KeyWish(Struct, frozen=True):
    """A key that an administrator wants; times are ms since 1970."""

    role: Role
    id: str | None = None
    label: str = ""
    expires_ms: int | None = None
    networks: Sequence[Network] = ()
    limit: RateLimit | None = None


class Reloaded(Struct, frozen=True):
    """What a reload came to."""

    taken: tuple[str, ...]
    """Settings and files whose new values are in force."""
    restart: tuple[str, ...]
    """Settings that changed and want a restart."""


class ProviderView(Struct, frozen=True):
    """How people of the member's identity provider become callers: nothing secret."""

    issuer: str | None
    """None: no provider is set, and no token is taken."""
    audience: str
    role_claim: str
    rules: tuple[tuple[str, Role], ...]
    """Values of the claim and the roles they give; the first that fits decides."""
    has_log_in: bool
    """Whether people log in to the console with it."""
    certificates: int
    """Rules of users with client certificates."""


class ApiKeyService(Protocol):
    """API keys at run time."""

    def provider_view(self) -> ProviderView:
        """The identity provider and the users with certificates, as they are in force."""
        ...

    def key_views(self) -> Sequence[KeyView]:
        """All entries, revoked ones too, in the file's order."""
        ...

    def key_view(self, key_id: str) -> KeyView:
        """One entry; NotFound."""
        ...

    async def create(self, wish: KeyWish, by: Caller) -> NewKey:
        """Make a key; Conflict, Busy, Unavailable."""
        ...

    async def rotate(
        self, key_id: str, overlap_ms: int, expires_ms: int | None, by: Caller
    ) -> NewKey:
        """Give a key a new secret, the old one holds for a while; NotFound, Conflict."""
        ...

    async def revoke(self, key_id: str, by: Caller) -> KeyView:
        """End a key for good; NotFound, Conflict for the last one of an administrator."""
        ...

    async def reload(self, by: Caller) -> Reloaded:
        """Read settings and files anew; ReloadRefused."""
        ...


class LogIn(Protocol):
    """Log-in to the console at the identity provider."""

    async def start(self, wish: str) -> tuple[str, str]:
        """Where the browser goes, and the value of its cookie; ProviderUnreachable."""
        ...

    async def finish(
        self, state: str, code: str, cookie: str, issuer: str | None
    ) -> tuple[Principal, str]:
        """Who came back and where it wanted to go; TokenRefused, ProviderUnreachable."""
        ...

    def abandon(self, state: str) -> None:
        """The provider said no."""
        ...


class Identities(Protocol):
    """Who may come in."""

    @property
    def limiter(self) -> RateLimiter:
        """Buckets of everybody."""
        ...

    @property
    def log_in(self) -> LogIn | None:
        """The identity provider's log-in, None where there is none."""
        ...

    def key(self, key: bytes, client: str) -> Principal | Why:
        """Whose API key this is, shown from an address."""
        ...

    def certificate(self, der: bytes) -> Principal | Why:
        """Whose client certificate this is, checked by TLS before."""
        ...

    async def token(self, given: bytes) -> Principal:
        """Whose bearer token this is; TokenRefused, ProviderUnreachable."""
        ...

    def is_current(self, who: Principal) -> bool:
        """Whether somebody who came in before would still get this role."""
        ...

    def own_limit(self, who: Principal) -> RateLimit | None:
        """Bounds of a key of its own, None: those of the role."""
        ...

    def logged_in(self, who: Principal, how: str) -> None:
        """A session of the console begins; goes to the access log."""
        ...

    def refused(self, how: str, client: str) -> None:
        """Somebody was not let in; goes to the access log, together with others of its minute."""
        ...

    def administered(self, who: Principal, action: str, subject: str) -> None:
        """Somebody is about to change this node; goes to the access log."""
        ...


class StaticIdentities:
    """A fixed set of API keys and nothing else, for tools and tests; nothing is logged."""

    def __init__(self, keys: ApiKeys, limiter: RateLimiter, now_ms: int = 0) -> None:
        """`now_ms`: the wall clock that expiry is compared with, fixed."""
        self._keys = keys
        self._limiter = limiter
        self._now_ms = now_ms

    @property
    def limiter(self) -> RateLimiter:
        """See Identities."""
        return self._limiter

    @property
    def log_in(self) -> LogIn | None:
        """There is no provider."""
        return None

    def key(self, key: bytes, client: str) -> Principal | Why:
        """See Identities."""
        return self._keys.admit(key, client, self._now_ms)

    def certificate(self, der: bytes) -> Principal | Why:
        """No certificate is known."""
        return Why.NO_USER

    async def token(self, given: bytes) -> Principal:
        """No token is taken."""
        raise TokenRefused(Why.UNKNOWN.value)

    def is_current(self, who: Principal) -> bool:
        """Keys do not change."""
        return True

    def own_limit(self, who: Principal) -> RateLimit | None:
        """See Identities."""
        found = self._keys.get(who.key_id)
        return None if found is None else found.limit

    def logged_in(self, who: Principal, how: str) -> None:
        """Nothing is logged."""

    def refused(self, how: str, client: str) -> None:
        """Nothing is logged."""

    def administered(self, who: Principal, action: str, subject: str) -> None:
        """Nothing is logged."""


__all__ = [
    "ApiKeyService",
    "Identities",
    "KeyView",
    "KeyWish",
    "LogIn",
    "NewKey",
    "Principal",
    "ProviderUnreachable",
    "ProviderView",
    "Quota",
    "ReloadRefused",
    "Reloaded",
    "StaticIdentities",
    "TokenRefused",
    "Via",
    "Why",
]
