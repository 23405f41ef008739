"""Seeds of samples: finds the block, runs the delay function once, keeps what it gave.

Rules: the delay runs on one thread of its own, one block at a time, and lets go of it between
stages when the node stops; its value is kept in the database for ever, since a block has one.
Nothing here is trusted by anybody else: a second node computes the same.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from bulwark.audit.sampling import (
    DELAY_ITERATIONS,
    STAGES,
    Seed,
    SeedBlock,
    SeedSearch,
    delay,
)
from bulwark.ledger.ids import Digest, Height
from node.audit.port import Drawing
from node.audit.scan import LedgerScan
from node.storage.port import KeyValueStore
from node.storage.schema import SAMPLES
from node.storage.seal import seal, unseal

MAX_WAITING: Final = 16
"""Seeds that wait for the thread."""


class SeedsBusy(Exception):
    """Too many seeds are being made already."""


class SeedKeeper:
    """Seeds by block."""

    def __init__(
        self, store: KeyValueStore, iterations: int = DELAY_ITERATIONS, stages: int = STAGES
    ) -> None:
        """`iterations` and `stages` as in `delay`; every real node has the defaults."""
        self._store = store
        self._iterations = iterations
        self._stages = stages
        self._under_way: dict[Digest, int] = {}
        self._pool = ThreadPoolExecutor(1, "audit-seed")
        self._stopped = threading.Event()

    async def seed(self, scan: LedgerScan, block: Height) -> Seed | Drawing:
        """The seed of a block, or how far it is. Raises SeedsBusy."""
        basis = scan.basis_at(block)
        held = self._kept(basis.block_hash)
        if held is not None:
            return Seed(basis, held)
        done = self._under_way.get(basis.block_hash)
        if done is None:
            if len(self._under_way) >= MAX_WAITING:
                raise SeedsBusy
            done = self._under_way[basis.block_hash] = 0
            loop = asyncio.get_running_loop()
            work = loop.run_in_executor(self._pool, self._run, basis.block_hash)
            work.add_done_callback(lambda made: self._done(basis.block_hash, made))
        return Drawing(block, done, self._stages)

    def _run(self, block_hash: Digest) -> Digest | None:
        value: Digest | None = None
        for value in self._told(block_hash):  # noqa: B007 - the last one is the seed
            if self._stopped.is_set():
                return None
        return value

    def _told(self, block_hash: Digest) -> Iterator[Digest]:
        for number, value in enumerate(delay(block_hash, self._iterations, self._stages), 1):
            self._under_way[block_hash] = number
            yield value

    def _done(self, block_hash: Digest, made: asyncio.Future[Digest | None]) -> None:
        self._under_way.pop(block_hash, None)
        value = None if made.cancelled() else made.result()
        if value is not None and not self._stopped.is_set():
            key = SAMPLES + block_hash
            self._store.write({key: seal(key, value)}, sync=False)

    def _kept(self, block_hash: Digest) -> Digest | None:
        key = SAMPLES + block_hash
        held = self._store.get(key)
        return None if held is None else Digest(unseal(key, held))

    def close(self) -> None:
        """Stop after the stage under way, at most a second or two."""
        self._stopped.set()
        self._pool.shutdown(wait=True, cancel_futures=True)


def seed_block(scan: LedgerScan, at: Height, accounts: int) -> Height | None:
    """The first block above `at` that is a seed, None while there is none up to the last."""
    search = SeedSearch(at, scan.time_of(at), accounts)
    for number in range(at + 1, scan.last + 1):
        height = Height(number)
        if search.is_seed(SeedBlock(height, scan.time_of(height), scan.senders(height))):
            return height
    return None
