"""Schemas of uploads: how far each is."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.schemas import Document


class UploadOut(Document):
    """How far an upload is."""

    correlator: str = Field(description="x-correlator of its request")
    kind: Literal["screening", "report"]
    key: str = Field(description="Id of the API key that sent it")
    state: Literal["running", "done", "failed"]
    started: str
    rows: int = Field(ge=0, description="Rows in all; 0 until the body has arrived")
    done: int = Field(ge=0)
    untagged: int = Field(ge=0, description="Rows of them whose tag could not be computed")
    seconds: float = Field(ge=0)
    rows_per_second: float = Field(ge=0)


class UploadsOut(Document):
    """Uploads, the newest first."""

    uploads: list[UploadOut]


MODELS = (UploadOut, UploadsOut)
