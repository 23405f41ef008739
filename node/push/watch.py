"""The watch: follows executed blocks and logs what concerns this member, each block once.

Rules: what a block says is logged before the height is noted, and events have names, so a node that
is killed anywhere repeats a block and nothing doubles. It follows the same way whether a block was
executed here or came by state sync. A node that sees the ledger for the first time begins at its
tip, and blocks that are older than events are kept are passed over: nobody is told old news.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol

from msgspec import Struct

from bulwark.ledger.ids import Height
from node.chain.store import ChainStore, StoredBlock
from node.logs import Log
from node.push.eventlog import Draft, EventLog
from node.storage.port import KeyValueStore
from node.storage.schema import PUSH, number8
from node.storage.seal import seal, unseal

FOLLOWED: Final = PUSH + b"\x08"
"""Height up to which blocks were looked at, 8 bytes, sealed."""
NOTE_BLOCKS: Final = 256
"""Blocks without anything after which it is noted that they were looked at."""
LOOK_S: Final = 1.0
"""Longest time from a block to its events, and between two looks at what is in no block."""

log = Log("push")


class Reader(Protocol):
    """What finds events in a block."""

    async def read(self, block: StoredBlock) -> list[Draft]:
        """What a block says that is to be told. Raises StoreDamaged."""
        ...


class WatchParts(Struct, frozen=True):
    """What the watch works with."""

    store: KeyValueStore
    chain: ChainStore
    events: EventLog
    readers: tuple[Reader, ...]
    looks: tuple[Callable[[], Iterable[Draft] | Awaitable[Iterable[Draft]]], ...]
    """What is asked now and then for what no block says."""
    wall_ms: Callable[[], int]
    keep_ms: int


class LedgerWatch:
    """Events of one member's ledger."""

    def __init__(self, parts: WatchParts) -> None:
        """Raises StoreDamaged, StoreWriteFailed."""
        self._parts = parts
        self._wanted = asyncio.Event()
        held = parts.store.get(FOLLOWED)
        if held is None:
            self.followed = parts.chain.applied
            self._note()
        else:
            self.followed = Height(int.from_bytes(unseal(FOLLOWED, held), "big"))
        self._noted = self.followed

    def executed(self) -> None:
        """There is a new block."""
        self._wanted.set()

    async def run(self) -> None:
        """Follow until cancelled. Raises StoreDamaged, StoreWriteFailed."""
        while True:
            self._wanted.clear()
            await self.follow()
            await self._look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._wanted.wait()

    async def follow(self) -> None:
        """Log what blocks since the last time say."""
        chain = self._parts.chain
        while self.followed < chain.applied:
            height = Height(self.followed + 1)
            header = chain.header(height)
            is_old = header is not None and header.timestamp_ms < self._oldest_ms()
            block = None if is_old else chain.block(height)
            told = 0
            if block is not None and block.receipts:
                told = await self._block(block)
            self.followed = height
            if told or height - self._noted >= NOTE_BLOCKS:
                self._note()
            await asyncio.sleep(0)

    def _oldest_ms(self) -> int:
        return self._parts.wall_ms() - self._parts.keep_ms

    async def _block(self, block: StoredBlock) -> int:
        drafts: list[Draft] = []
        for reader in self._parts.readers:
            drafts += await reader.read(block)
        self._parts.events.add(drafts)
        return 1

    async def _look(self) -> None:
        for look in self._parts.looks:
            found = look()
            drafts = await found if isinstance(found, Awaitable) else found
            self._parts.events.add(drafts)

    def _note(self) -> None:
        value = seal(FOLLOWED, number8(self.followed))
        self._parts.store.write({FOLLOWED: value}, sync=False)
        self._noted = self.followed
