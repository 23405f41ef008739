"""The EVM's view of the store: reads go to one consistent view, writes are collected.

Rules: keys are keccak256 of their values, so each value read from disk is checked against its key
and may be cached for ever; nothing is written here, the block's one write set takes it all.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from eth.db.atomic import AtomicDBWriteBatch
from eth.db.backends.base import BaseAtomicDB

from bulwark.ledger.hashing import keccak256
from node.storage import schema
from node.storage.errors import StoreDamaged

CACHE_ENTRIES: Final = 50_000
"""Trie nodes and codes kept in memory: about 15 MB of a small alliance's whole state."""
EMPTY_NODE: Final = b"\x80"
"""RLP of the empty string, the root node of an empty trie; it is never stored."""
EMPTY_ROOT: Final = keccak256(EMPTY_NODE)


class Getter(Protocol):
    """The one thing needed of a store or of a snapshot."""

    def get(self, key: bytes) -> bytes | None:
        """Value of a key, None when there is none."""
        ...


class NodeCache:
    """Least-recently-used cache of checked trie nodes and codes, by hash."""

    def __init__(self, most: int = CACHE_ENTRIES) -> None:
        self._most = most
        self._values: OrderedDict[bytes, bytes] = OrderedDict()

    def get(self, node_hash: bytes) -> bytes | None:
        """A cached value."""
        value = self._values.get(node_hash)
        if value is not None:
            self._values.move_to_end(node_hash)
        return value

    def put(self, node_hash: bytes, value: bytes) -> None:
        """Keep a value whose hash was checked or just computed."""
        self._values[node_hash] = value
        if len(self._values) > self._most:
            self._values.popitem(last=False)


def read_node(source: Getter, node_hash: bytes) -> bytes | None:
    """A trie node or code from disk, checked against its hash. Raises StoreDamaged."""
    if node_hash == EMPTY_ROOT:
        return EMPTY_NODE
    key = schema.state(node_hash)
    value = source.get(key)
    if value is not None and keccak256(value) != node_hash:
        raise StoreDamaged(f"key {key.hex()}", "the state node does not have its hash")
    return value


class OverlayDatabase(BaseAtomicDB):
    """An AtomicDatabaseAPI that never writes: what was set is in `written`."""

    def __init__(self, source: Getter, cache: NodeCache | None = None) -> None:
        self._source = source
        self._cache = cache if cache is not None else NodeCache()
        self.written: dict[bytes, bytes] = {}
        """New nodes and codes by hash."""

    def __getitem__(self, key: bytes) -> bytes:
        value = self.written.get(key)
        if value is None:
            value = self._cache.get(key)
        if value is None:
            value = read_node(self._source, key)
            if value is None:
                raise KeyError(key)
            self._cache.put(key, value)
        return value

    def _exists(self, key: bytes) -> bool:
        try:
            self[key]
        except KeyError:
            return False
        return True

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self.written[key] = value

    def __delitem__(self, key: bytes) -> None:
        """Nothing: old nodes belong to earlier blocks."""

    @contextmanager
    def atomic_batch(self) -> Iterator[Any]:
        """A batch that lands in `written` when the block of code ends well."""
        with AtomicDBWriteBatch._commit_unless_raises(self) as batch:
            yield batch

    def puts(self) -> dict[bytes, bytes]:
        """The new nodes as store pairs; they enter the cache, as a block is about to commit."""
        for node_hash, value in self.written.items():
            self._cache.put(node_hash, value)
        return {schema.state(node_hash): value for node_hash, value in self.written.items()}
