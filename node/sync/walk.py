"""The walk over a state trie that is being fetched: which values are wanted, and which may be kept.

Rules: a value counts only if it has the hash it was asked under; a node is written after everything
below it (storage and code included), so a node in the store always has its whole subtree there and
is never asked for again, whatever happens between two writes. The walk goes down first, so what it
holds in memory grows with the depth and not with the size of a trie. A stored value that is a code
is not taken for a trie node, since code may be made to look like one.
It asks nobody: `node.sync.state` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bulwark.ledger.hashing import keccak256
from bulwark.ledger.trie import EMPTY_TRIE_ROOT
from node.execution.accounts import EMPTY_CODE_HASH, Account
from node.execution.nodes import Branch, Leaf, Node, Ref, decode_node
from node.storage import schema
from node.storage.port import KeyValueStore
from node.sync.faults import PeerLied


class _Value:
    """A trie node or code on its way."""

    __slots__ = ("data", "hash", "is_account", "is_code", "missing", "parents")

    def __init__(self, value_hash: bytes, is_account: bool, is_code: bool) -> None:
        self.hash = value_hash
        self.is_account = is_account
        """In the account trie: its leaves lead to storage and code."""
        self.is_code = is_code
        self.data: bytes | None = None
        self.missing = 0
        """Values below it that are not kept yet."""
        self.parents: list[_Value] = []


class StateWalk:
    """One state root."""

    def __init__(self, store: KeyValueStore, root: bytes) -> None:
        self._store = store
        self._wanted: list[_Value] = []
        self._open: dict[tuple[bytes, bool], _Value] = {}
        """Values that are wanted, asked for, or wait for what is below; by hash and is_code."""
        self._asked: dict[bytes, list[_Value]] = {}
        self._puts: dict[bytes, bytes | None] = {}
        self.kept = 0
        """Values written so far."""
        self._sweeping = store.get(schema.META_STATE_SWEEP) is not None
        """Pruning stopped in the middle: a stored node may lack what is below it."""
        self.most_open = 0
        """Most values held at once."""
        self._want(None, root, is_account=True, is_code=False)
        self._write()

    @property
    def done(self) -> bool:
        """Whether the whole state is in the store."""
        return not self._open

    def next(self, most: int) -> list[bytes]:
        """Hashes to ask for, deepest first; they are out until `take` or `give_back`."""
        hashes: list[bytes] = []
        while self._wanted and len(hashes) < most:
            value = self._wanted.pop()
            waiting = self._asked.setdefault(value.hash, [])
            if not waiting:
                hashes.append(value.hash)
            waiting.append(value)
        return hashes

    def give_back(self, hashes: Sequence[bytes]) -> None:
        """Nobody answered these: want them again."""
        for each in hashes:
            self._wanted += self._asked.pop(each, ())

    def take(self, pairs: Sequence[tuple[bytes, bytes]]) -> None:
        """Values by the hash they were asked under; all whose subtree is complete are written.

        Raises PeerLied for the first wrong one; those before it are kept, it is wanted again.
        """
        try:
            for wanted, data in pairs:
                if keccak256(data) != wanted:
                    self.give_back([wanted])
                    raise PeerLied(f"a state value does not have the hash {wanted.hex()}")
                for value in self._asked.pop(wanted, ()):
                    self._found(value, data)
        finally:
            self._write()

    def _want(
        self, parent: _Value | None, value_hash: bytes, *, is_account: bool, is_code: bool
    ) -> None:
        if value_hash == (EMPTY_CODE_HASH if is_code else EMPTY_TRIE_ROOT):
            return
        value = self._open.get((value_hash, is_code))
        if value is None:
            key = schema.state(value_hash)
            stored = self._puts.get(key) or self._store.get(key)
            if stored is not None and self._is_whole(value_hash, is_code):
                return
            value = _Value(value_hash, is_account, is_code)
            self._open[value_hash, is_code] = value
            self.most_open = max(self.most_open, len(self._open))
            if stored is None:
                self._wanted.append(value)
            else:
                self._found(value, stored)
                if value.missing == 0:
                    return
        if parent is not None:
            value.parents.append(parent)
            parent.missing += 1

    def _is_whole(self, value_hash: bytes, is_code: bool) -> bool:
        """Whether a stored value needs nothing more; a code's bytes alone do not make a node."""
        if self._sweeping and not is_code:
            return False
        mark = schema.code_mark(value_hash)
        marked = mark in self._puts or self._store.get(mark) is not None
        return marked if is_code else not marked

    def _found(self, value: _Value, data: bytes) -> None:
        value.data = data
        if not value.is_code:
            for child, is_account, is_code in below(decode_node(data), value.is_account):
                self._want(value, child, is_account=is_account, is_code=is_code)
        if value.missing == 0:
            self._keep(value)

    def _keep(self, value: _Value) -> None:
        """Write a value whose subtree is complete, and those above that it completes."""
        complete = [value]
        while complete:
            done = complete.pop()
            del self._open[done.hash, done.is_code]
            self._puts[schema.state(done.hash)] = done.data
            if done.is_code:
                self._puts[schema.code_mark(done.hash)] = b""
            self.kept += 1
            for parent in done.parents:
                parent.missing -= 1
                if parent.missing == 0 and parent.data is not None:
                    complete.append(parent)

    def _write(self) -> None:
        if self._puts:
            self._store.write(self._puts, sync=False)
            self._puts = {}


def below(node: Node, is_account: bool) -> Iterator[tuple[bytes, bool, bool]]:
    """Hash, is_account, is_code of every value that a node names, through nodes inside it."""
    if isinstance(node, Leaf):
        if is_account:
            account = Account.decode(node.value)
            yield account.storage_root, False, False
            yield account.code_hash, False, True
        return
    children: Sequence[Ref | None] = node.children if isinstance(node, Branch) else (node.child,)
    for child in children:
        if isinstance(child, bytes):
            yield child, is_account, False
        elif child is not None:
            yield from below(child, is_account)
