"""Settings of the TAXII server."""

from __future__ import annotations

from pydantic import Field

from node.sections import Section


class TaxiiConfig(Section):
    """Collections that other systems of the member poll and write to (TAXII 2.1)."""

    enabled: bool = Field(True, description="serve /taxii2/ to keys of this member")
    title: str = Field(
        "Bulwark node", min_length=1, max_length=200, description="how discovery names this server"
    )
    contact: str = Field("", max_length=200, description="whom discovery names to write to")
    page_objects: int = Field(
        500, ge=1, le=5_000, description="objects of one page; a smaller `limit` is granted"
    )
    inbox_days: int = Field(
        30, ge=1, le=3_650, description="how long objects of the inbox are kept, days"
    )
    inbox_objects: int = Field(
        50_000, ge=1, le=1_000_000, description="versions of objects that the inbox holds"
    )
