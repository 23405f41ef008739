"""Schemas of STIX documents over REST: imports and exports."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from api.misp_schemas import SOURCE_IN, MispOptionsIn
from api.schemas import Document


class StixImportIn(Document):
    """A STIX 2.1 document and how to take it in."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "document": {
                        "type": "bundle",
                        "id": "bundle--0b5c7d3f-4f2e-4d0a-9f3c-2f9a6a1f7a11",
                        "objects": [],
                    },
                    "options": {"fraud_type": "phishing"},
                    "dry_run": True,
                }
            ]
        },
    )

    document: dict[str, Any] = Field(description="A bundle, one object or a TAXII envelope")
    options: MispOptionsIn = Field(default_factory=MispOptionsIn)
    dry_run: bool = Field(False, description="Say what would happen, change nothing")
    keep_clear: bool = Field(False, description="Keep clear values for own exports, encrypted")
    source: str = Field("", pattern=SOURCE_IN, description="Name of the server it is from")
    cursor: str = Field("", max_length=64, description="Where the next pull from it begins")


class StixExportIn(Document):
    """Which records to write as a STIX bundle."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"own_only": True}]})

    since: int = Field(0, ge=0, le=10**11, description="Stated from then on, seconds since 1970")
    most: int = Field(10_000, ge=1, le=50_000, description="The newest records")
    own_only: bool = Field(False, description="Records of this member alone")
    clear: bool = Field(False, description="Clear values where this member kept them")


class StixBundleOut(Document):
    """A STIX 2.1 bundle."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(pattern="^bundle$")
    id: str = Field(pattern="^bundle--")


MODELS = (StixImportIn, StixExportIn, StixBundleOut)
