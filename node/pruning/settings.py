"""Settings of pruning; without them a node is an archive and keeps everything."""

from __future__ import annotations

from typing import Final, Self

from pydantic import Field, model_validator

from node.sections import Section

LEAST: Final = 256
"""Blocks and states that are always kept: who is further behind fetches instead of executing."""


class PruningConfig(Section):
    """What old history this node keeps; 0 keeps all. One archive at least must stay an archive."""

    keep_blocks: int = Field(
        0, ge=0, le=2**40, description="newest blocks whose transactions and receipts stay; 0 = all"
    )
    keep_days: int = Field(
        1_830,
        ge=0,
        le=36_500,
        description="blocks younger than this stay whatever keep_blocks says, days",
    )
    keep_states: int = Field(
        0, ge=0, le=2**40, description="newest blocks whose whole state stays; 0 = all"
    )
    every_seconds: int = Field(
        3_600, ge=1, le=2_592_000, description="pause between two looks, seconds"
    )

    @model_validator(mode="after")
    def _enough(self) -> Self:
        for name in ("keep_blocks", "keep_states"):
            if 0 < getattr(self, name) < LEAST:
                raise ValueError(f"{name} is 0, or at least {LEAST}")
        return self

    @property
    def is_on(self) -> bool:
        """Whether anything is ever pruned."""
        return bool(self.keep_blocks or self.keep_states)
