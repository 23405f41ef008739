"""Backups over REST: one moment of the node's database as a stream, for the admin's key alone.

Rules: what is streamed is everything that the database holds, so no other role may ask; one stream
at a time; the node's own settings bound its rate and its time. `bulwark backup` encrypts it before
it touches a disk.
"""

from __future__ import annotations

from typing import Final

from api import documentation as doc
from api.exchange import Exchange, Reply, Route
from api.settings import ApiSettings
from node.backup.port import BackupService
from node.service import Role

STREAM_TYPE: Final = b"application/octet-stream"
ADMINS: Final = frozenset({Role.ADMIN})
_STREAM: Final = doc.operation(
    "streamDatabase",
    "node",
    "Stream one moment of the database, for `bulwark backup`",
    {200: STREAM_TYPE.decode()},
)


class BackupRoutes:
    """Handler of backups."""

    def __init__(self, service: BackupService) -> None:
        self._service = service

    async def database(self, exchange: Exchange) -> Reply:
        """GET /v1/node/database."""
        exchange.query()
        stream = await self._service.database(by=exchange.caller)
        headers = ((b"content-disposition", b'attachment; filename="database.stream"'),)
        return Reply(200, b"", STREAM_TYPE, headers, stream)


def backup_routes(at: BackupRoutes, settings: ApiSettings) -> list[Route]:
    """The route with who may use it and what the documentation says."""
    limit = settings.batch_timeout_ms
    return [Route("GET", "/v1/node/database", at.database, ADMINS, _STREAM, limit)]
