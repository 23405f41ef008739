"""Sweeping of old states: what no kept state reaches is deleted, in steps.

Rules: it may be stopped at any step. First every node under every kept state root is marked, then
the stored nodes are gone through in key order and the unmarked deleted; before each delete the
marks are extended by the blocks that were executed meanwhile, in the same turn of the event loop,
so a node that came back to life is never deleted. While it runs a stored node may lack what is
below it (META_STATE_SWEEP): state sync then believes no stored node, and a start after a kill
sweeps again. Marks are 8 bytes of each hash: a chance match keeps a dead node, it deletes no living
one. They take about 90 bytes a living node while a sweep runs, and nothing before and after.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from bulwark.ledger.ids import Height
from bulwark.ledger.trie import EMPTY_TRIE_ROOT
from node.execution.accounts import EMPTY_CODE_HASH
from node.execution.nodes import decode_node
from node.pruning.marks import begin_states, end_states
from node.storage import blocks, schema
from node.storage.errors import StoreDamaged
from node.storage.port import KeyValueStore
from node.sync.walk import below

NODES: Final = 128
"""Nodes that are read in one step: about 2 ms."""
KEYS: Final = 1_024
"""Stored values that one step of the sweep looks at."""
_ROOT: Final = (True, False)


class StateSweep:
    """One sweep; `step` until it says that it is done."""

    def __init__(self, store: KeyValueStore, floor: Height) -> None:
        """Keep the states from `floor` on; of a node that fetched its state, from that one on.

        Nothing is written before the marks are complete.
        """
        self._store = store
        self._floor = max(floor, blocks.read_swept_from(store), blocks.read_state_from(store))
        self._next = self._floor
        """The next kept height whose root is to be marked."""
        self._marks: set[int] = {_mark(EMPTY_TRIE_ROOT), _mark(EMPTY_CODE_HASH)}
        self._open: list[tuple[bytes, bool, bool]] = []
        self._at: bytes | None = None
        """Where the sweep is; None while nodes are marked."""
        self.deleted = 0
        self.bytes = 0
        """Of keys and values deleted, or that would be."""
        self.kept_bytes = 0

    def step(self) -> bool:
        """Some of the work, without giving way; whether all is done.

        Raises StoreDamaged, StoreWriteFailed.
        """
        if self._at is None:
            if self._mark_some(NODES):
                return False
            begin_states(self._store, self._floor)
            self._at = schema.STATE
            return False
        while self._mark_some(NODES):  # blocks since the last step, few nodes each
            pass
        dead, is_over = self._look(self._at)
        if dead:
            self._store.write(dict.fromkeys(dead), sync=False)
        if is_over:
            end_states(self._store)
        return is_over

    def measure(self) -> bool:
        """As `step`, but nothing is ever written; for a dry run."""
        if self._at is None:
            if self._mark_some(NODES):
                return False
            self._at = schema.STATE
            return False
        return self._look(self._at)[1]

    def _look(self, at: bytes) -> tuple[list[bytes], bool]:
        pairs = list(islice(self._store.iterate(schema.STATE, start=at), KEYS))
        dead: list[bytes] = []
        for key, value in pairs:
            size = len(key) + len(value)
            if _mark(key[1:]) in self._marks:
                self.kept_bytes += size
            else:
                dead.append(key)
                self.bytes += size
        self.deleted += len(dead)
        if pairs:
            self._at = pairs[-1][0] + b"\x00"
        return dead, len(pairs) < KEYS

    def _mark_some(self, most: int) -> bool:
        """Mark some nodes; whether there are more."""
        for _ in range(most):
            if not self._open and not self._begin_next():
                return False
            self._visit(*self._open.pop())
        return True

    def _begin_next(self) -> bool:
        if self._next > blocks.read_applied(self._store):
            return False
        header = blocks.read_header(self._store, self._next)
        self._open.append((header.state_root, *_ROOT))
        self._next = Height(self._next + 1)
        return True

    def _visit(self, value_hash: bytes, is_account: bool, is_code: bool) -> None:
        mark = _mark(value_hash)
        if mark in self._marks:
            return
        self._marks.add(mark)
        if is_code:
            return
        data = self._store.get(schema.state(value_hash))
        if data is None:
            raise StoreDamaged(f"state node {value_hash.hex()}", "is missing in a kept state")
        self._open += below(decode_node(data), is_account)


def _mark(value_hash: bytes) -> int:
    return int.from_bytes(value_hash[:8], "big")
