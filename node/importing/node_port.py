"""NodeReporter: the reporter port over the client of a member's node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bulwark.client import BulwarkClient, ReportBatch, Stage

FINAL_TIMEOUT_S: Final = 120.0
"""Wait for the checkpoint certificate of a file's last block."""


class NodeReporter:
    """Reports through POST /v1/indicators/batches."""

    def __init__(self, client: BulwarkClient) -> None:
        self._client = client

    async def send(self, rows: Sequence[bytes], key: str) -> ReportBatch:
        """Report rows and wait until they are executed; raises ClientError."""
        return await self._client.report_many(rows, wait=Stage.EXECUTED, idempotency_key=key)

    async def settle(self, height: int) -> None:
        """Wait until a block is finalized; raises ClientError."""
        await self._client.wait_final_height(height, FINAL_TIMEOUT_S)
