"""Principals: who asks this node, how that was shown, and why somebody is not let in.

Rules: a principal's id is what logs and the access log name; it is never the key, token or
certificate itself. Ids of different ways in can not be mistaken for each other: `cert:` and `oidc:`
begin those of certificates and tokens, and an id of an API key has no colon.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from node.service import Role


class Via(StrEnum):
    """How somebody showed who it is."""

    KEY = "api-key"
    CERTIFICATE = "certificate"
    TOKEN = "oidc"  # noqa: S105 - the name of a way in


class RateLimit(Struct, frozen=True):
    """How much one principal may ask; None for no bound."""

    per_second: float | None = None
    """Requests a second in the long run."""
    burst: int | None = None
    """Requests at once after a pause; twice the rate if left out."""
    rows_per_second: float | None = None
    """Rows of uploads a second in the long run."""
    row_burst: int | None = None
    """Rows at once after a pause; ten seconds' worth if left out."""

    @property
    def is_open(self) -> bool:
        """Whether nothing is bounded."""
        return self.per_second is None and self.rows_per_second is None


class Principal(Struct, frozen=True):
    """Who asks: an id for logs, a role, and how it was shown."""

    key_id: str
    role: Role
    via: Via = Via.KEY
    expires_ms: int | None = None
    """Wall clock after which it has to be shown again, ms since 1970; None: never."""
    stamp: int = 0
    """Of tokens: which generation of the provider's settings it was checked by."""


class Why(StrEnum):
    """Why somebody is not let in; the value is the detail that a client gets."""

    UNKNOWN = "this key is not known here"
    REVOKED = "this key was revoked"
    EXPIRED = "this key expired"
    NETWORK = "this key may not be used from this address"
    NO_USER = "no user of this node has this certificate"
    CERTIFICATE_EXPIRED = "the certificate is not valid now"
    CERTIFICATE_REVOKED = "the certificate was revoked"


class TokenRefused(Exception):
    """A bearer token does not hold; `detail` never repeats anything of the token."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)


class ProviderUnreachable(Exception):
    """The identity provider's keys could not be had, so no token of it can be checked now."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)


class IdentityInvalid(Exception):
    """A file or setting about users can not be used."""

    def __init__(self, where: str, detail: str) -> None:
        self.where = where
        self.detail = detail
        super().__init__(f"{where}: {detail}")
