from __future__ import annotations

import tracemalloc

from bulwark.ledger.hashing import keccak256
from node.execution.database import CACHED_NODES, HashCache, StateSource
from node.execution.nodes import Branch, encode_node
from node.storage import schema

MEBI = 1 << 20
NODES_MIB = 16
"""What the documentation of CACHED_NODES promises."""
SAMPLED = 400


class FullBranches:
    """A store that holds any number of distinct full branches without keeping them."""

    def __init__(self) -> None:
        self._last = (b"", b"")

    def make(self, number: int) -> bytes:
        """The hash of the branch with this number, which `get` answers next."""
        children = tuple(keccak256(b"%d/%d" % (number, digit)) for digit in range(16))
        encoded = encode_node(Branch(children), {})
        node_hash = keccak256(encoded)
        self._last = (schema.state(node_hash), encoded)
        return node_hash

    def get(self, key: bytes) -> bytes | None:
        known, value = self._last
        return value if key == known else None


def test_cached_nodes_stay_within_their_memory_when_all_are_full_branches() -> None:
    store = FullBranches()
    source = StateSource(store)
    tracemalloc.start()
    try:
        for number in range(SAMPLED):
            source.node(store.make(number))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    whole = held / SAMPLED * CACHED_NODES
    assert NODES_MIB // 2 * MEBI < whole < NODES_MIB * MEBI


def test_the_node_that_was_not_used_longest_goes_first() -> None:
    cache: HashCache[str] = HashCache(2)
    cache.put(b"a", "first")
    cache.put(b"b", "second")
    assert cache.get(b"a") == "first"
    cache.put(b"c", "third")
    assert (cache.get(b"a"), cache.get(b"b"), cache.get(b"c")) == ("first", None, "third")


def test_views_of_one_store_share_their_nodes() -> None:
    store = FullBranches()
    source = StateSource(store)
    node_hash = store.make(1)
    node = source.node(node_hash)
    assert source.over(FullBranches()).node(node_hash) is node
