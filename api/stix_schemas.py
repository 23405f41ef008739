"""Schemas of STIX documents over REST: imports and exports."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from api.misp_schemas import ImportIn, MispExportIn
from api.schemas import Document


class StixImportIn(ImportIn):
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


class StixExportIn(MispExportIn):
    """Which records to write as a STIX bundle."""


class StixBundleOut(Document):
    """A STIX 2.1 bundle."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(pattern="^bundle$")
    id: str = Field(pattern="^bundle--")


MODELS = (StixImportIn, StixExportIn, StixBundleOut)
