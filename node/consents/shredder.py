"""The shredder: takes erased receipts out of the files of the database.

Rules: LevelDB keeps what was deleted until a compaction rewrites the tables that hold it, so the
vault's range is compacted on a thread, between two marks below and above it (what lies in memory is
else put beside the old tables instead of over them), and the database's own files are made anew.
A receipt is unreadable before that already: its wrapped key is deleted in the same durable write.
"""

from __future__ import annotations

import asyncio
from typing import Final

from node.consents.vault import KEYS, VERSIONS
from node.logs import Log
from node.storage.port import KeyValueStore
from node.storage.schema import CONSENTS

ROUNDS: Final = 2
"""Compactions that take a value from memory through the levels: one writes it, one merges it."""
_LOW: Final = CONSENTS + b"\x00"
_HIGH: Final = CONSENTS + b"\xff"
_RENEW_S: Final = 0.05
_RENEWALS: Final = 100
"""Tries; somebody may hold an iterator open, for seconds at most."""

log = Log("consents")


class Shredder:
    """Cleans the vault's range of one store."""

    def __init__(self, store: KeyValueStore) -> None:
        self._store = store

    async def shred(self) -> bool:
        """Take what was deleted off the disk; False if an open view kept the files from renewal.

        Raises StoreWriteFailed.
        """
        for _ in range(ROUNDS):
            self._store.write({_LOW: b"", _HIGH: b""}, sync=False)
            await asyncio.to_thread(self._store.compact, KEYS, VERSIONS + b"\xff")
        for _ in range(_RENEWALS):
            if self._store.renew():
                return True
            await asyncio.sleep(_RENEW_S)
        log.warning("the database could not be renewed after an erasure; the next one does it")
        return False
