"""Schemas of identity: API keys, who asks, and reload of the REST surface."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from api.schemas import Document

RoleName = Literal["reporter", "analyst", "operator", "auditor", "admin"]
KeyId = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9._-]{0,62}$")]
Moment = Annotated[str, Field(max_length=40, examples=["2030-01-31T12:00:00Z"])]
Rate = Annotated[float, Field(gt=0, le=1e9)]
Burst = Annotated[int, Field(ge=1, le=10**9)]


class LimitIn(Document):
    """Bounds of one key, in the place of its role's."""

    model_config = ConfigDict(extra="forbid")

    per_second: Rate | None = Field(None, description="Requests a second in the long run")
    burst: Burst | None = Field(None, description="Requests at once after a pause")
    rows_per_second: Rate | None = Field(None, description="Rows of uploads a second")
    row_burst: Burst | None = Field(None, description="Rows at once after a pause")


class ApiKeyIn(Document):
    """A key that is wanted."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"role": "analyst", "label": "case tool, London"}]},
    )

    role: RoleName
    id: KeyId | None = Field(None, description="Name in logs, never used before; else made up")
    label: str = Field("", max_length=100, description="One line for people")
    expires: Moment | None = Field(None, description="When it ends, RFC 3339; null: never")
    networks: list[str] = Field(
        default_factory=list, max_length=16, description="Where it may be used from, CIDR"
    )
    limit: LimitIn | None = Field(None, description="Bounds of its own; null: those of the role")


class RotationIn(Document):
    """How a key gets a new secret."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"overlap_seconds": 3600}]}
    )

    overlap_seconds: int = Field(
        86_400, ge=0, le=7_776_000, description="How long the old secret is still taken"
    )
    expires: Moment | None = Field(None, description="New end of the key; null: as before")


class ApiKeyOut(Document):
    """A key, without its hash."""

    id: str
    role: RoleName
    label: str
    created: str | None = Field(description="Null for keys of the node's first file")
    expires: str | None
    revoked: str | None
    networks: list[str]
    limit: LimitIn | None
    previous_until: str | None = Field(description="How long the secret before is still taken")
    last_used: str | None = Field(description="Null: not since this is kept")
    state: Literal["active", "expired", "revoked"]


class NewApiKeyOut(Document):
    """A key that was made or rotated, with its clear text, which is shown this once."""

    key: str = Field(description="Send it as Authorization: Bearer KEY; nobody can show it again")
    entry: ApiKeyOut


class ApiKeysOut(Document):
    """All keys of this node, revoked ones too."""

    keys: list[ApiKeyOut]


class WhoOut(Document):
    """Who asks, as the access log names it."""

    id: str
    role: RoleName
    via: Literal["api-key", "certificate", "oidc"]
    expires: str | None = Field(description="When it has to be shown anew; null: never")
    limit: LimitIn | None = Field(description="Bounds of the key's own; null: those of the role")


class ReloadOut(Document):
    """What a reload came to."""

    taken: list[str] = Field(description="Settings and files whose new values are in force")
    restart: list[str] = Field(description="Settings that changed and want a restart")


MODELS = (
    LimitIn, ApiKeyIn, RotationIn, ApiKeyOut, NewApiKeyOut, ApiKeysOut, WhoOut, ReloadOut,
)  # fmt: skip
