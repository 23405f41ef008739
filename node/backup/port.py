"""What the outside may ask of a node about backups: a Protocol and what it answers with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from node.service import Caller


class DatabaseStream(Protocol):
    """One moment of the database, as `node.backup.source` encodes it."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces in order."""
        ...

    async def aclose(self) -> None:
        """Let go of the view; also before the end."""
        ...


class BackupService(Protocol):
    """Backups of a running node."""

    async def database(self, *, by: Caller) -> DatabaseStream:
        """A stream of the database at this moment. Raises Busy while another one is under way."""
        ...
