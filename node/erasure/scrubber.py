"""The scrubber: takes erased bytes out of the files of the database, and looks whether it did.

Rules: LevelDB keeps what was replaced until a compaction rewrites the tables that hold it, and
names keys of dropped tables in its MANIFEST and LOG until it is opened anew. So the ranges with
records are compacted on a thread, between two marks that lie above and below every key (else
LevelDB puts what it has in memory beside the old tables instead of over them), the database is
renewed, and the files are searched for parts of the erased salts, and of the erased tags unless a
record that lives has the same. If anything is found, the whole range is compacted, again and again:
nobody confirms before nothing is found. Without needles (a restart) the whole range is compacted at
once. A view that is open somewhere keeps old bytes alive: it is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from node.erasure.destroyer import Remains
from node.logs import Log
from node.storage import schema
from node.storage.durability import Durability
from node.storage.port import KeyValueStore, after_prefix

_LOW: Final = schema.META + b"\x00sweep"
_HIGH: Final = schema.ERASURES + b"\xff" * 8
RANGES: Final = (schema.RECORDS_BY_TAG, schema.OUTBOX, schema.TAG_CACHE, schema.SIDECARS)
"""Prefixes that hold salts, tags and payloads."""
_WHOLE: Final = (b"\x00", b"\xff" * 8)
ROUNDS: Final = 2
"""Compactions that take a value from memory through the levels: one writes it, one merges it."""
RENEW_S: Final = 0.05
SLICE_BYTES: Final = 64 * 1024 * 1024
"""Size of a database for which each range is compacted in one more slice."""
MOST_SLICES: Final = 16
SAMPLE: Final = 16
"""Needles looked for in tables, spread over all; small files are searched for every one."""
SMALL_BYTES: Final = 4 * 1024 * 1024

log = Log("erasure")


class Scrubber:
    """Cleans the files of one store."""

    def __init__(self, store: KeyValueStore, durability: Durability, folder: Path | None) -> None:
        """`folder`: where the files are; None for a store without files."""
        self._store = store
        self._durability = durability
        self._folder = folder
        self._thread = ThreadPoolExecutor(1, "bulwark-scrub")
        self.passes = 0
        """Compactions since start."""

    async def clean(self, remains: Remains, *, whole: bool) -> bool:
        """One pass, over the whole range or where records are; whether no file holds remains.

        Raises StoreWriteFailed, StoreDamaged.
        """
        loop = asyncio.get_running_loop()
        is_whole = whole or remains.gone is None
        prefixes = tuple(sorted(schema.ALL_PREFIXES)) if is_whole else RANGES
        for _ in range(ROUNDS):
            self._store.write({_LOW: b"", _HIGH: b""}, sync=False)
            for first, last in self._slices(prefixes):
                await loop.run_in_executor(self._thread, self._store.compact, first, last)
        await self._renew()
        self.passes += 1
        if self._folder is None or remains.gone is None:
            return True
        needles = remains.needles(self._store)
        found = await loop.run_in_executor(self._thread, search, self._folder, needles)
        if found:
            log.info("erased bytes are still in files", files=found)
        return not found

    def _slices(self, prefixes: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        """Ranges to compact one after another: a node that stops waits for one of them alone."""
        size = 0
        for path in () if self._folder is None else self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                size += path.stat().st_size
        count = min(MOST_SLICES, 1 + size // SLICE_BYTES)
        if count == 1 and prefixes is not RANGES:
            return [_WHOLE]
        found: list[tuple[bytes, bytes]] = []
        for prefix in prefixes:
            edges = [prefix + bytes([256 * at // count]) for at in range(1, count)]
            found += zip([prefix, *edges], [*edges, after_prefix(prefix) or _WHOLE[1]], strict=True)
        return found

    async def _renew(self) -> None:
        """Renew the database as soon as nobody looks at it; who does has no way to tell."""
        await self._durability.barrier()  # else the renewal itself waits for the disk
        is_renewed = self._store.renew()
        while not is_renewed:
            await asyncio.sleep(RENEW_S)
            is_renewed = self._store.renew()

    def close(self) -> None:
        """Finish the pass under way."""
        self._thread.shutdown(wait=True, cancel_futures=True)


def search(folder: Path, needles: Sequence[bytes]) -> list[str]:
    """Names of files that hold a needle."""
    step = max(1, len(needles) // SAMPLE)
    found: list[str] = []
    for path in sorted(folder.iterdir()):
        try:
            size = path.stat().st_size
            wanted = needles if size <= SMALL_BYTES and path.suffix != ".ldb" else needles[::step]
            if size and _holds(path, wanted):
                found.append(path.name)
        except FileNotFoundError:
            continue  # compaction dropped it meanwhile
    return found


def _holds(path: Path, needles: Sequence[bytes]) -> bool:
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return any(data.find(needle) >= 0 for needle in needles)
