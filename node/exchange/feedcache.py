"""The feed as it was built last: one state for whoever pulls it, built again after a while.

Rules: within FRESH_MS all files are of one build, so that a manifest and the events it names fit
together; after that it is built again only where the ledger has a newer final block. A file that
the build does not have is looked for in a new one only if the ledger went on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from bulwark.ledger.ids import Height

FRESH_MS: Final = 60_000
"""A pull of a whole feed takes seconds."""


class FeedCache:
    """Files of the last build."""

    def __init__(
        self,
        build: Callable[[], Awaitable[Mapping[str, bytes]]],
        height: Callable[[], Height],
        now_ms: Callable[[], int],
    ) -> None:
        self._build = build
        self._height = height
        self._now_ms = now_ms
        self._built: tuple[int, Height, Mapping[str, bytes]] | None = None

    async def file(self, name: str) -> bytes | None:
        """A file of the feed, None where it has none of that name."""
        height = self._height()
        if self._built is not None:
            built_ms, at, files = self._built
            is_fresh = 0 <= self._now_ms() - built_ms < FRESH_MS
            if at == height or (is_fresh and name in files):
                return files.get(name)
        now_ms = self._now_ms()
        files = await self._build()
        self._built = (now_ms, height, files)
        return files.get(name)
