"""Settings of backups of a running node."""

from __future__ import annotations

from pydantic import Field

from node.sections import Section


class BackupConfig(Section):
    """What a backup may take of a running node; the votes of the alliance go first."""

    max_mib_per_second: int = Field(
        32, ge=1, le=10_000, description="rate at which the database is streamed, MiB a second"
    )
    max_seconds: int = Field(
        3_600,
        ge=10,
        le=86_400,
        description="longest time that one backup may hold its view of the database, which keeps "
        "what is erased meanwhile on the disk, seconds",
    )
