"""The store on disk: LevelDB through plyvel, opened so that damage is refused and named.

Rules: `paranoid_checks` is on, because without it LevelDB drops acknowledged records behind a
damaged spot and says nothing (measured, design reference execution.md section 3); nothing is ever
repaired here; after one failed write all writes are refused until the store is opened again.
Audit reads verify LevelDB's block checksums; ordinary reads rely on the seals of the values.
LevelDB's own synced write flushes the log file it lands in and no older one, and holds up every
other write meanwhile; so this store writes without it and flushes all log files itself, which
covers everything written before and can be done on a thread (ADR-0009).
No read fills LevelDB's cache of decompressed blocks. A tag is as random as a hash, so a hit is rare
and spares some 5 to 10 us; but a cached block outlives its table, and lying between the blocks of
the memtable it leaves holes that fit nothing: a cache of 64 MiB and the holes around it grew a node
by 2.3 KiB a record. What does not compress is read from the mapped file with or without a cache.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from node.storage.errors import (
    StorageError,
    StoreClosed,
    StoreDamaged,
    StoreLocked,
    StoreUnreadable,
    StoreWriteFailed,
)
from node.storage.port import ReadView, after_prefix

if sys.version_info >= (3, 13):
    import plyvel_next as plyvel
else:
    import plyvel

WRITE_BUFFER_BYTES: Final = 16 * 1024 * 1024
"""LevelDB memtable: several full blocks, so that a block rarely waits for a flush."""
OPEN_TABLES: Final = 1_000
"""Table files that LevelDB keeps mapped. Their pages count as resident, yet they are the kernel's
cache of files and go under pressure; with half of the tables open a random read took five times as
long, so the number is not made small to make that figure small."""
WHOLE: Final = (b"\x00", b"\xff" * 8)
"""Bounds around every key."""
BLOOM_BITS: Final = 10
"""Bits a key in the bloom filters: about 1 % false positives for look-ups of absent keys."""

_Pairs = Iterator[tuple[bytes, bytes]]


class LevelStore:
    """A KeyValueStore in one folder; see `node.storage.port` for the contract."""

    def __init__(self, path: Path) -> None:
        """Open or create. Raises StoreLocked, StoreDamaged, StoreUnreadable."""
        self._path = str(path)
        self._failure: str | None = None
        self._written = 0
        self._flushed = 0
        self._known_logs: set[str] = set()
        self._owner = threading.get_ident()
        """The one thread that writes and renews; reads on others take the gate."""
        self._gate = threading.Lock()
        self._users: set[object] = set()
        """Views, iterators and compactions under way: the database stays open under them."""
        path.mkdir(parents=True, exist_ok=True)
        self._db: Any = _open(self._path)

    def get(self, key: bytes) -> bytes | None:
        """Value of a key. Raises StoreDamaged, StoreClosed."""
        if threading.get_ident() == self._owner:
            return _get(self._db, key, self._path, verify=False)
        with self._gate:
            return _get(self._db, key, self._path, verify=False)

    def write(self, puts: Mapping[bytes, bytes | None], *, sync: bool) -> None:
        """One atomic batch. Raises StoreWriteFailed, StoreClosed."""
        if self._db.closed:
            raise StoreClosed(self._path)
        if self._failure is not None:
            raise StoreWriteFailed(self._path, self._failure)
        try:
            with self._db.write_batch(transaction=True, sync=False) as batch:
                for key, value in puts.items():
                    if value is None:
                        batch.delete(key)
                    else:
                        batch.put(key, value)
        except (plyvel.Error, OSError) as error:
            self._failure = _text(error)
            raise StoreWriteFailed(self._path, self._failure) from error
        self._written += 1
        if sync:
            self.flush()

    def flush(self) -> None:
        """Everything written before the call is on disk afterwards; may run on any one thread.

        LevelDB hands each batch to the operating system before `write` returns, so flushing its
        log files is enough; a log that is gone has its content in a table, which LevelDB flushed.
        Raises StoreWriteFailed.
        """
        if self._failure is not None:
            raise StoreWriteFailed(self._path, self._failure)
        written = self._written
        if written == self._flushed:
            return
        try:
            logs = {entry.path for entry in os.scandir(self._path) if entry.name.endswith(".log")}
            for log in sorted(logs):
                _flush_file(log, os.fdatasync)
            if logs != self._known_logs:
                # A log's name has to survive too.
                _flush_file(self._path, os.fsync)
                self._known_logs = logs
        except OSError as error:
            # What is on disk is unknown now: never try again, never claim anything.
            self._failure = _text(error)
            raise StoreWriteFailed(self._path, self._failure) from error
        self._flushed = max(self._flushed, written)

    @property
    def failure(self) -> StoreWriteFailed | None:
        """The failed write after which all are refused, None while writes go on."""
        return None if self._failure is None else StoreWriteFailed(self._path, self._failure)

    def iterate(
        self, prefix: bytes, *, start: bytes | None = None, reverse: bool = False
    ) -> _Pairs:
        """Pairs under a prefix. Raises StoreDamaged, StoreClosed."""
        user = self._enter()
        try:
            yield from _iterate(self._db, prefix, start, reverse, self._path, verify=False)
        finally:
            self._users.discard(user)

    def snapshot(self, *, verify: bool = False) -> ReadView:
        """A view of this moment. Raises StoreClosed."""
        if self._db.closed:
            raise StoreClosed(self._path)
        user = self._enter()
        return _LevelView(
            self._db.snapshot(), self._path, verify, lambda: self._users.discard(user)
        )

    def _enter(self) -> object:
        """Note a use that outlasts this call."""
        user = object()
        with self._gate:
            self._users.add(user)
        return user

    def compact(self, first: bytes = WHOLE[0], last: bytes = WHOLE[1]) -> None:
        """Take what was deleted or replaced off the disk. Raises StoreClosed."""
        if self._db.closed:
            raise StoreClosed(self._path)
        user = self._enter()
        try:
            # Without bounds plyvel 1.5.1 asks for the range from '' to '', which holds nothing.
            self._db.compact_range(start=first, stop=last)
        finally:
            self._users.discard(user)

    def size_of(self, first: bytes, last: bytes) -> int:
        """Bytes of tables with keys in a range, as LevelDB estimates them. Raises StoreClosed."""
        if self._db.closed:
            raise StoreClosed(self._path)
        return int(self._db.approximate_size(first, last))

    def renew(self) -> bool:
        """Close and open the database in place. Raises StoreDamaged, StoreUnreadable."""
        if self._db.closed:
            raise StoreClosed(self._path)
        with self._gate:
            if self._users:
                return False
            self.flush()
            self._db.close()
            self._db = _open(self._path)
            (Path(self._path) / "LOG.old").unlink(missing_ok=True)
        return True

    def close(self) -> None:
        """Close the database and let go of its lock."""
        self._db.close()


class _LevelView:
    """A LevelDB snapshot as a ReadView."""

    def __init__(self, snapshot: Any, path: str, verify: bool, closed: Callable[[], None]) -> None:
        self._snapshot = snapshot
        self._path = path
        self._verify = verify
        self._closed = closed

    def get(self, key: bytes) -> bytes | None:
        return _get(self._snapshot, key, self._path, verify=self._verify)

    def iterate(
        self, prefix: bytes, *, start: bytes | None = None, reverse: bool = False
    ) -> _Pairs:
        return _iterate(self._snapshot, prefix, start, reverse, self._path, verify=self._verify)

    def close(self) -> None:
        self._snapshot.close()
        self._closed()


def _open(path: str) -> Any:
    try:
        return plyvel.DB(
            path,
            create_if_missing=True,
            paranoid_checks=True,
            write_buffer_size=WRITE_BUFFER_BYTES,
            max_open_files=OPEN_TABLES,
            bloom_filter_bits=BLOOM_BITS,
        )
    except plyvel.Error as error:
        raise _opening_error(path, error) from error


def _get(source: Any, key: bytes, path: str, *, verify: bool) -> bytes | None:
    try:
        value: bytes | None = source.get(key, verify_checksums=verify, fill_cache=False)
    except plyvel.Error as error:
        raise _reading_error(path, error) from error
    except RuntimeError as error:
        raise StoreClosed(path) from error
    return value


def _iterate(
    source: Any, prefix: bytes, start: bytes | None, reverse: bool, path: str, *, verify: bool
) -> _Pairs:
    low: bytes | None = prefix if start is None or reverse else max(prefix, start)
    high = after_prefix(prefix)
    if reverse:
        # The lower bound is checked here: plyvel 1.5.1 gives nothing when the only key of a
        # reverse range is its lower bound. An upper bound "up to start" is the next possible key.
        low = None
        if start is not None:
            above = start + b"\x00"
            high = above if high is None else min(high, above)
    try:
        with source.iterator(
            start=low, stop=high, reverse=reverse, verify_checksums=verify, fill_cache=False
        ) as pairs:
            for pair in pairs:
                if reverse and pair[0] < prefix:
                    return
                yield pair
    except plyvel.Error as error:
        raise _reading_error(path, error) from error
    except RuntimeError as error:
        raise StoreClosed(path) from error


def _flush_file(path: str, flush: Callable[[int], None]) -> None:
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        flush(handle)
    finally:
        os.close(handle)


def _text(error: Exception) -> str:
    """Message of a plyvel error, which some versions give as bytes, or of an OSError."""
    if isinstance(error, OSError):
        return str(error)
    detail = error.args[0] if error.args else type(error).__name__
    return detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)


def _opening_error(path: str, error: Exception) -> StorageError:
    detail = _text(error)
    if isinstance(error, plyvel.CorruptionError):
        return StoreDamaged(path, detail)
    if "LOCK" in detail or "already held by process" in detail:
        return StoreLocked(path)
    if "missing" in detail or "does not exist" in detail:
        return StoreDamaged(path, detail)
    return StoreUnreadable(path, detail)


def _reading_error(path: str, error: Exception) -> StorageError:
    if isinstance(error, plyvel.CorruptionError):
        return StoreDamaged(path, _text(error))
    return StoreUnreadable(path, _text(error))
