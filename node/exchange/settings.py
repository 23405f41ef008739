"""Settings of the exchange with MISP."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from node.sections import Section


class ExchangeConfig(Section):
    """What this node keeps of imports from MISP, and what its feed shows."""

    keep_clear_text: bool = Field(
        False,
        description="let an import ask that its clear values are kept, encrypted, for this "
        "member's own exports; without it no clear text is ever stored",
    )
    warninglists: Path | None = Field(
        None, description="folder of MISP warninglists (*.json); what is on one is not imported"
    )
    feed_days: int = Field(
        90, ge=1, le=3_650, description="how old records may be that the feed shows, days"
    )
    feed_records: int = Field(
        20_000, ge=1, le=200_000, description="records that the feed shows, the newest"
    )
    name_reporters: bool = Field(
        True, description="say in exports which member reported; the ledger says it to members"
    )
