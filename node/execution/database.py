"""Where the EVM's state lies: trie nodes and codes by hash, from one view of the store.

Rules: keys are keccak256 of their values, so each value read from disk is checked against its key
and may be cached for ever, whatever block it belongs to. Nothing is written here: the new nodes
of a block are part of the block's one write set.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Final, Generic, Protocol, TypeVar

from bulwark.ledger.hashing import keccak256
from node.execution.errors import StateMissing
from node.execution.nodes import Node, decode_node
from node.storage import schema
from node.storage.errors import StoreDamaged

CACHED_NODES: Final = 8_192
"""Decoded trie nodes kept in memory: at most 16 MiB, 10 MiB as blocks leave it.

Each block writes the path to a new leaf anew, so most of what a larger cache holds is dead: 50,000
took 60 MiB and 6,000 blocks to fill, and spared no read (as many reads and as much time a block,
over 23,000 anchors). This many hold the upper three levels, which every block walks.
"""
CACHED_CODES: Final = 512

V = TypeVar("V")


class Getter(Protocol):
    """The one thing needed of a store or of a snapshot."""

    def get(self, key: bytes) -> bytes | None:
        """Value of a key, None when there is none."""
        ...


class HashCache(Generic[V]):
    """Least-recently-used cache by hash; calls on other threads read it too, so it has a lock."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[bytes, V] = OrderedDict()
        self._lock = Lock()

    def get(self, key: bytes) -> V | None:
        """A cached value."""
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def put(self, key: bytes, value: V) -> None:
        """Keep a value; the one that was not used longest goes when it is full."""
        with self._lock:
            self._values[key] = value
            if len(self._values) > self._most:
                self._values.popitem(last=False)


class StateSource:
    """Trie nodes and codes of every block in the store, decoded once."""

    def __init__(
        self,
        store: Getter,
        nodes: HashCache[Node] | None = None,
        codes: HashCache[bytes] | None = None,
    ) -> None:
        self._store = store
        self._nodes = nodes if nodes is not None else HashCache(CACHED_NODES)
        self._codes = codes if codes is not None else HashCache(CACHED_CODES)

    def over(self, store: Getter) -> StateSource:
        """The same caches over another view of the same store."""
        return StateSource(store, self._nodes, self._codes)

    def node(self, node_hash: bytes) -> Node:
        """The trie node with this hash. Raises StateMissing, StoreDamaged."""
        node = self._nodes.get(node_hash)
        if node is None:
            node = decode_node(self.encoded(node_hash))
            self._nodes.put(node_hash, node)
        return node

    def encoded(self, node_hash: bytes) -> bytes:
        """Its bytes, or those of a code. Raises StateMissing, StoreDamaged."""
        key = schema.state(node_hash)
        value = self._store.get(key)
        if value is None:
            raise StateMissing(f"state node {node_hash.hex()}")
        if keccak256(value) != node_hash:
            raise StoreDamaged(f"key {key.hex()}", "the state node does not have its hash")
        return value

    def code(self, code_hash: bytes) -> bytes:
        """Contract code with this hash. Raises StateMissing, StoreDamaged."""
        code = self._codes.get(code_hash)
        if code is None:
            code = self.encoded(code_hash)
            self._codes.put(code_hash, code)
        return code
