"""Schemas of the routes of evidence packs and seals."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from bulwark.audit.packfiles import MAX_SELECTED_RECORDS

MAX_HEIGHT: Final = 10**18 - 1
_Height = Annotated[int, Field(ge=0, le=MAX_HEIGHT)]


class PaperIn(BaseModel):
    """A paper that goes with a pack: listed by its digest, not judged."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    name: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9._-]{0,63}$")]
    text: Annotated[str, Field(max_length=1_000_000)]


class PackIn(BaseModel):
    """What an evidence pack is to be about; an empty object asks for everything."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    from_height: _Height | None = None
    to_height: _Height | None = None
    reporter: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,30}$")] | None = None
    records: Annotated[
        list[Annotated[str, Field(pattern="^[0-9a-f]{64}$")]],
        Field(max_length=MAX_SELECTED_RECORDS),
    ] = []
    documents: Annotated[list[PaperIn], Field(max_length=64)] = []


class SealOut(BaseModel):
    """A certified header with what leads to its validators from the genesis document."""

    format: Literal["bulwark-sealed-header/1"]
    sealed: dict[str, object]


MODELS: Final = (PaperIn, PackIn, SealOut)
