"""The configuration sections of push and retro-hunt."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from node.sections import Section


class PushConfig(Section):
    """Events of this member, and the webhooks that take them to its systems."""

    keep_days: int = Field(30, ge=1, le=3_650, description="how long events are kept, days")
    max_events: int = Field(
        1_000_000, ge=1_000, le=100_000_000, description="events kept, the newest"
    )
    max_webhooks: int = Field(32, ge=0, le=256, description="subscriptions at a time")
    timeout_ms: int = Field(
        10_000, ge=100, le=120_000, description="longest wait for a receiver, milliseconds"
    )
    pause_ms: int = Field(
        1_000, ge=10, le=600_000, description="pause after the first failed try; it doubles"
    )
    max_pause_ms: int = Field(
        3_600_000, ge=10, le=86_400_000, description="longest pause between two tries"
    )
    tries: int = Field(
        16, ge=1, le=100, description="tries before an event is a dead letter: 16 take 5 hours"
    )
    dead_in_a_row: int = Field(
        3, ge=1, le=1_000, description="dead letters in a row that pause a subscription"
    )
    private_receivers: bool = Field(
        False,
        description="receivers at loopback and private addresses are allowed, by http too",
    )
    ports: tuple[str, ...] = Field(
        ("443", "1024-65535"), description="ports of receivers, numbers or ranges"
    )
    authority: Path | None = Field(
        None, description="CA certificates of receivers beside the public ones, PEM"
    )
    overlap_seconds: int = Field(
        86_400, ge=0, le=2_592_000, description="how long a replaced secret still signs"
    )


class RetroConfig(Section):
    """Retro-hunt: own past questions, compared with what is reported later."""

    days: int = Field(
        30, ge=0, le=3_650, description="how long own questions are remembered, days; 0 = never"
    )
    max_questions: int = Field(
        5_000_000, ge=1_000, le=1_000_000_000, description="own questions remembered, the newest"
    )
