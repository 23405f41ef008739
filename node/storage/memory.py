"""The store in memory: the twin of LevelStore for tests and scratch work, with crashes on demand.

Rules: the same contract as on disk. `crash` is a power cut: of the writes since the last synced
one it keeps only as many of the earliest as the caller says, whole batches in order, and gives
the store that a restart would find.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping

from node.storage.errors import StoreClosed, StoreWriteFailed
from node.storage.port import ReadView, after_prefix

_NAME = "memory store"


class _Table:
    """Pairs with a sorted list of their keys that is only made when somebody iterates."""

    def __init__(self, pairs: dict[bytes, bytes]) -> None:
        self.pairs = pairs
        self.shared = False
        """True once a snapshot holds it: the next write copies it first."""
        self._keys: list[bytes] | None = None

    def touch(self) -> None:
        self._keys = None

    def iterate(
        self, prefix: bytes, start: bytes | None, reverse: bool
    ) -> Iterator[tuple[bytes, bytes]]:
        if self._keys is None:
            self._keys = sorted(self.pairs)
        keys = self._keys
        high_key = after_prefix(prefix)
        low = bisect_left(keys, prefix)
        high = len(keys) if high_key is None else bisect_left(keys, high_key)
        if start is not None and reverse:
            high = min(high, bisect_right(keys, start))
        elif start is not None:
            low = max(low, bisect_left(keys, start))
        found = [(key, self.pairs[key]) for key in keys[low:high]]
        return reversed(found) if reverse else iter(found)


class MemoryStore:
    """A KeyValueStore without a disk; see `node.storage.port` for the contract."""

    def __init__(self, pairs: Mapping[bytes, bytes] | None = None) -> None:
        self._table = _Table(dict(pairs or {}))
        self._undo: list[dict[bytes, bytes | None]] = []
        self._closed = False
        self.refuse_writes = False
        """Set by tests: every write fails from now on, as on a full disk."""
        self.failure: StoreWriteFailed | None = None
        """The failed write after which all are refused, None while writes go on."""
        self.synced_writes = 0
        """Flushes that had something to make durable, so far."""

    def get(self, key: bytes) -> bytes | None:
        """Value of a key. Raises StoreClosed."""
        self._check_open()
        return self._table.pairs.get(key)

    def write(self, puts: Mapping[bytes, bytes | None], *, sync: bool) -> None:
        """One atomic batch. Raises StoreWriteFailed, StoreClosed."""
        self._check_open()
        self._check_writable()
        if self._table.shared:
            self._table = _Table(dict(self._table.pairs))
        pairs = self._table.pairs
        self._undo.append({key: pairs.get(key) for key in puts})
        _apply(pairs, puts)
        self._table.touch()
        if sync:
            self.flush()

    def flush(self) -> None:
        """What was written survives a power cut from now on. Raises StoreWriteFailed."""
        self._check_writable()
        if self._undo:
            self._undo.clear()
            self.synced_writes += 1

    def iterate(
        self, prefix: bytes, *, start: bytes | None = None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Pairs under a prefix. Raises StoreClosed."""
        self._check_open()
        return self._table.iterate(prefix, start, reverse)

    def snapshot(self, *, verify: bool = False) -> ReadView:
        """A view of this moment; memory has no checksums to verify."""
        self._check_open()
        self._table.shared = True
        return _MemoryView(self._table)

    def compact(self, first: bytes = b"\x00", last: bytes = b"\xff" * 8) -> None:
        """Nothing to give back."""
        self._check_open()

    def size_of(self, first: bytes, last: bytes) -> int:
        """Bytes of keys and values in a range."""
        self._check_open()
        return sum(len(k) + len(v) for k, v in self.iterate(b"", start=first) if k < last)

    def renew(self) -> bool:
        """Nothing to make anew."""
        self._check_open()
        return True

    def close(self) -> None:
        """Refuse every later call."""
        self._closed = True

    def crash(self, keep_unsynced: int = 0) -> MemoryStore:
        """Cut the power; the store as a restart finds it, with the first unsynced writes kept."""
        found = self.after_power_cut(keep_unsynced)
        self._closed = True
        return found

    def after_power_cut(self, keep_unsynced: int = 0) -> MemoryStore:
        """What `crash` would leave now; this store goes on."""
        pairs = dict(self._table.pairs)
        for undo in reversed(self._undo[keep_unsynced:]):
            _apply(pairs, undo)
        return MemoryStore(pairs)

    def _check_writable(self) -> None:
        if self.refuse_writes:
            self.failure = StoreWriteFailed(_NAME, "writes are refused")
            raise self.failure

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed(_NAME)


class _MemoryView:
    """A frozen table as a ReadView."""

    def __init__(self, table: _Table) -> None:
        self._table = table

    def get(self, key: bytes) -> bytes | None:
        return self._table.pairs.get(key)

    def iterate(
        self, prefix: bytes, *, start: bytes | None = None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        return self._table.iterate(prefix, start, reverse)

    def close(self) -> None:
        self._table = _Table({})


def _apply(pairs: dict[bytes, bytes], puts: Mapping[bytes, bytes | None]) -> None:
    for key, value in puts.items():
        if value is None:
            pairs.pop(key, None)
        else:
            pairs[key] = value
