"""Settings of identity: rate limits, users with certificates, and the identity provider.

Rules: nothing here is a secret; a client secret is in a file of its own. All of it may change while
the node runs (`bulwark node reload`).
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from node.identity.principal import RateLimit
from node.sections import Section
from node.service import Role

ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
"""Signatures by a private key; nothing that a holder of the public key could make."""
_CLAIM: Final = re.compile(r"[!-~]{1,200}\Z")


class RateConfig(Section):
    """What one API key, certificate or token of a role may ask; unset means unbounded."""

    per_second: float | None = Field(
        None, gt=0, le=1e9, description="requests a second in the long run; unset = unbounded"
    )
    burst: int | None = Field(
        None, ge=1, le=10**9, description="requests at once after a pause; unset = 2 s' worth"
    )
    rows_per_second: float | None = Field(
        None, gt=0, le=1e9, description="rows of uploads a second; unset = unbounded"
    )
    row_burst: int | None = Field(
        None, ge=1, le=10**9, description="rows at once after a pause; unset = 10 s' worth"
    )

    def limit(self) -> RateLimit:
        """The same for the limiter."""
        return RateLimit(self.per_second, self.burst, self.rows_per_second, self.row_burst)


class LimitsConfig(Section):
    """How much each caller may ask, by its role; a key may have bounds of its own."""

    reporter: RateConfig = Field(RateConfig(), description="callers with the role reporter")
    analyst: RateConfig = Field(RateConfig(), description="callers with the role analyst")
    operator: RateConfig = Field(RateConfig(), description="callers with the role operator")
    auditor: RateConfig = Field(RateConfig(), description="callers with the role auditor")
    admin: RateConfig = Field(RateConfig(), description="callers with the role admin")
    open_per_second: float = Field(
        200.0, gt=0, le=1e9, description="requests to open paths (health) a second and address"
    )

    def by_role(self) -> dict[Role, RateLimit]:
        """Bounds of all roles."""
        return {role: getattr(self, role.value).limit() for role in Role}


class RoleRule(Section):
    """A value of the role claim and the role that it gives."""

    value: str = Field(min_length=1, max_length=200, description="value of the claim, exact")
    role: Literal["reporter", "analyst", "operator", "auditor", "admin"] = Field(
        description="role at this node"
    )


class OidcConfig(Section):
    """The member's own identity provider: its bearer tokens, and its log-in for the console."""

    issuer: str | None = Field(
        None, description="issuer as in its tokens, https; unset = no tokens are taken"
    )
    audience: str = Field(
        "", max_length=300, description="aud that access tokens must have: this node's name there"
    )
    algorithms: tuple[str, ...] = Field(
        ("RS256", "PS256", "ES256", "EdDSA"), description="allowed signatures, asymmetric only"
    )
    role_claim: str = Field(
        "roles", description="claim with the roles; dots lead into objects (realm_access.roles)"
    )
    roles: tuple[RoleRule, ...] = Field(
        (), description="which value gives which role; the first rule that fits decides"
    )
    subject_claim: str | None = Field(
        None,
        description="claim that names people in logs, as preferred_username; unset = a hash of sub",
    )
    required_acr: tuple[str, ...] = Field(
        (), description="authentication contexts of which a token must name one; empty = any"
    )
    required_amr: tuple[str, ...] = Field(
        (), description="authentication methods that a token must all name, as mfa; empty = any"
    )
    token_types: tuple[str, ...] = Field(
        ("at+jwt", "JWT"), description="typ of access tokens that are taken; JWT also means none"
    )
    leeway_seconds: int = Field(
        30, ge=0, le=300, description="how far the provider's clock may be off, seconds"
    )
    max_lifetime_seconds: int = Field(
        86_400, ge=60, le=31 * 86_400, description="longest time from iat to exp, seconds"
    )
    refresh_seconds: int = Field(
        600, ge=10, le=86_400, description="pause between two looks at the provider's keys, seconds"
    )
    unknown_key_seconds: int = Field(
        30, ge=1, le=3_600, description="least pause between two looks for an unknown key, seconds"
    )
    keep_seconds: int = Field(
        86_400,
        ge=60,
        le=31 * 86_400,
        description="how long keys are used while the provider does not answer, seconds",
    )
    authority: Path | None = Field(
        None, description="CA of the provider's certificate, PEM; unset = the system's"
    )
    timeout_ms: int = Field(
        5_000, ge=100, le=60_000, description="longest wait for the provider, milliseconds"
    )
    client_id: str | None = Field(
        None, description="this node's client id there; set = log-in to the console with it"
    )
    client_secret_file: Path | None = Field(
        None, description="file with the client secret (mode 0600); unset = a public client"
    )
    redirect_uri: str | None = Field(
        None, description="this node's address as registered, ends in /console/oidc/callback"
    )
    scopes: tuple[str, ...] = Field(
        ("openid",), description="what the log-in asks for; openid is needed"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.issuer is None:
            if self.client_id is not None:
                raise ValueError("client_id needs issuer")
            return self
        if not is_safe_url(self.issuer):
            raise ValueError("issuer wants an https URL (http only on a loopback address)")
        unknown = [name for name in self.algorithms if name not in ALGORITHMS]
        if unknown or not self.algorithms:
            raise ValueError(f"algorithms wants some of {', '.join(ALGORITHMS)}")
        if not self.roles:
            raise ValueError("roles wants one rule or more, else nobody gets a role")
        if not self.audience and self.client_id is None:
            raise ValueError("audience or client_id is needed")
        for claim in (self.role_claim, self.subject_claim or "sub"):
            if _CLAIM.match(claim) is None:
                raise ValueError("a claim's name wants 1 to 200 visible ASCII characters")
        self._check_log_in()
        return self

    def _check_log_in(self) -> None:
        if self.client_id is None:
            if self.redirect_uri is not None or self.client_secret_file is not None:
                raise ValueError("redirect_uri and client_secret_file need client_id")
            return
        path = "/console/oidc/callback"
        if self.redirect_uri is None or urlsplit(self.redirect_uri).path != path:
            raise ValueError(f"redirect_uri wants this node's address and {path}")
        if not is_safe_url(self.redirect_uri):
            raise ValueError("redirect_uri wants https (http only on a loopback address)")
        if "openid" not in self.scopes:
            raise ValueError("scopes wants openid among them")


def is_safe_url(url: str) -> bool:
    """Whether a URL is https, or http to this machine's loopback; no user, query or fragment."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.query or parts.fragment:
        return False
    if parts.scheme == "https":
        return True
    return parts.scheme == "http" and _is_loopback(host)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
