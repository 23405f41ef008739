"""RFC 6962 / RFC 9162 Merkle trees over SHA-256: roots, proofs, and a log that grows by appends.

Rules: a leaf hash starts with 0x00 and a node hash with 0x01, so neither passes for the other;
a proof is refused unless every hash has 32 bytes and the path has exactly the length its place
needs; consistency from an empty tree proves nothing and is refused.
A big log stores its complete subtrees as `Node`s and serves proofs with O(log n) reads through a
`node_at` callback; where the nodes are kept is not decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import ProofInvalid
from bulwark.ledger.ids import DIGEST_BYTES, Digest

MAX_TREE_SIZE: Final = 1 << 63
"""Most leaves of a tree: sizes stay in 64 bits and a path has at most 63 hashes."""
MAX_PATH: Final = 64
"""Most hashes of an inclusion or consistency path, one more than any tree needs."""
EMPTY_ROOT: Final = Digest(sha256(b"").digest())
"""Root of the tree without leaves."""


class Node(NamedTuple):
    """A complete subtree: the root of leaves [place << level, (place + 1) << level)."""

    level: int
    place: int
    digest: Digest


NodeAt = Callable[[int, int], Digest]
"""Digest of the complete subtree at (level, place); asked only for subtrees inside the tree."""


def leaf_hash(data: bytes) -> Digest:
    """SHA-256(0x00 | data)."""
    return Digest(sha256(b"\x00" + data).digest())


def node_hash(left: Digest, right: Digest) -> Digest:
    """SHA-256(0x01 | left | right)."""
    return Digest(sha256(b"\x01" + left + right).digest())


def _levels(leaf_hashes: Sequence[Digest]) -> list[Sequence[Digest]]:
    """Every level from the leaves to the root; an odd last node moves up unchanged."""
    level = leaf_hashes
    levels: list[Sequence[Digest]] = [level]
    while len(level) > 1:
        level = _parents(level)
        levels.append(level)
    return levels


def _parents(level: Sequence[Digest]) -> list[Digest]:
    digest = sha256
    pairs = iter(level)
    parents = [
        Digest(digest(b"\x01" + left + right).digest())
        for left, right in zip(pairs, pairs, strict=False)
    ]
    if len(level) & 1:
        parents.append(level[-1])
    return parents


def root_of(leaf_hashes: Sequence[Digest]) -> Digest:
    """Root of the tree with these leaf hashes (RFC 9162 section 2.1.1); 0.7 us a leaf."""
    if not leaf_hashes:
        return EMPTY_ROOT
    level = leaf_hashes
    while len(level) > 1:
        level = _parents(level)
    return level[0]


def inclusion_path(leaf_hashes: Sequence[Digest], index: int) -> list[Digest]:
    """Siblings of leaf `index` from the bottom up (RFC 9162 section 2.1.3.1)."""
    if not 0 <= index < len(leaf_hashes):
        raise ProofInvalid("inclusion", f"leaf {index} of a tree of {len(leaf_hashes)}")
    path = []
    for level in _levels(leaf_hashes)[:-1]:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        index >>= 1
    return path


def consistency_path(leaf_hashes: Sequence[Digest], first: int, second: int) -> list[Digest]:
    """Proof that the tree of `second` leaves extends that of `first` (RFC 9162 section 2.1.4.1)."""
    if second > len(leaf_hashes):
        raise ProofInvalid("consistency", f"size {second} of a tree of {len(leaf_hashes)}")
    levels = _levels(leaf_hashes)
    return stored_consistency_path(lambda level, index: levels[level][index], first, second)


def _range_root(node_at: NodeAt, start: int, end: int) -> Digest:
    """Root of leaves [start, end), where start is a multiple of a power of two >= end - start."""
    root: Digest | None = None
    width = end - start
    while width:
        level = (width & -width).bit_length() - 1
        end -= 1 << level
        width -= 1 << level
        node = node_at(level, end >> level)
        root = node if root is None else node_hash(node, root)
    return EMPTY_ROOT if root is None else root


def stored_root(node_at: NodeAt, size: int) -> Digest:
    """Root of the first `size` leaves of a stored log."""
    _check_size("root", size)
    return _range_root(node_at, 0, size)


def stored_inclusion_path(node_at: NodeAt, index: int, size: int) -> list[Digest]:
    """Inclusion path of leaf `index` in the first `size` leaves of a stored log."""
    _check_size("inclusion", size)
    if not 0 <= index < size:
        raise ProofInvalid("inclusion", f"leaf {index} of a tree of {size}")
    path = []
    for level in range((size - 1).bit_length()):
        sibling = (index >> level) ^ 1
        start = sibling << level
        if start < size:
            path.append(_range_root(node_at, start, min(start + (1 << level), size)))
    return path


def stored_consistency_path(node_at: NodeAt, first: int, second: int) -> list[Digest]:
    """Consistency proof between two sizes of a stored log, 1 <= first <= second."""
    _check_size("consistency", second)
    if not 1 <= first <= second:
        raise ProofInvalid("consistency", f"from size {first} to size {second}")
    path = []
    low, high, whole = 0, second, True
    while first != high:
        middle = low + (1 << ((high - low - 1).bit_length() - 1))
        if first <= middle:
            path.append(_range_root(node_at, middle, high))
            high = middle
        else:
            path.append(_range_root(node_at, low, middle))
            low, whole = middle, False
    if not whole:
        path.append(_range_root(node_at, low, high))
    return path[::-1]


def _check_size(what: str, size: int) -> None:
    if not 0 <= size < MAX_TREE_SIZE:
        raise ProofInvalid(what, f"tree size {size} is not in 0..2**63-1")


def _check_hashes(what: str, *hashes: bytes) -> None:
    if any(len(digest) != DIGEST_BYTES for digest in hashes):
        raise ProofInvalid(what, f"a hash has not {DIGEST_BYTES} bytes")


def verify_inclusion(
    leaf: Digest, index: int, size: int, path: Sequence[Digest], root: Digest
) -> None:
    """Check a leaf hash against a root (RFC 9162 section 2.1.3.2); raises ProofInvalid."""
    _check_size("inclusion", size)
    if not 0 <= index < size:
        raise ProofInvalid("inclusion", f"leaf {index} of a tree of {size}")
    if len(path) > MAX_PATH:
        raise ProofInvalid("inclusion", f"{len(path)} hashes, at most {MAX_PATH}")
    _check_hashes("inclusion", leaf, root, *path)
    last = size - 1
    found = leaf
    for sibling in path:
        if not last:
            raise ProofInvalid("inclusion", "the path is too long")
        if index & 1 or index == last:
            found = node_hash(sibling, found)
            while not index & 1 and index:
                index >>= 1
                last >>= 1
        else:
            found = node_hash(found, sibling)
        index >>= 1
        last >>= 1
    if last:
        raise ProofInvalid("inclusion", "the path is too short")
    if found != root:
        raise ProofInvalid("inclusion", f"leads to {found.hex()}, not to {root.hex()}")


def verify_consistency(
    first: int, second: int, first_root: Digest, second_root: Digest, path: Sequence[Digest]
) -> None:
    """Check that a tree extends another (RFC 9162 section 2.1.4.2); raises ProofInvalid."""
    _check_size("consistency", second)
    if not 1 <= first <= second:
        raise ProofInvalid("consistency", f"from size {first} to size {second}")
    if len(path) > MAX_PATH:
        raise ProofInvalid("consistency", f"{len(path)} hashes, at most {MAX_PATH}")
    if first == second:
        if path or first_root != second_root:
            raise ProofInvalid("consistency", "equal sizes need equal roots and no path")
        return
    _check_hashes("consistency", first_root, second_root, *path)
    steps = [first_root, *path] if not first & (first - 1) else list(path)
    if not steps:
        raise ProofInvalid("consistency", "the path is empty")
    index, last = first - 1, second - 1
    while index & 1:
        index >>= 1
        last >>= 1
    old = new = steps[0]
    for step in steps[1:]:
        if not last:
            raise ProofInvalid("consistency", "the path is too long")
        if index & 1 or index == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not index & 1 and index:
                index >>= 1
                last >>= 1
        else:
            new = node_hash(new, step)
        index >>= 1
        last >>= 1
    if last:
        raise ProofInvalid("consistency", "the path is too short")
    if old != first_root:
        raise ProofInvalid("consistency", "the path does not lead to the first root")
    if new != second_root:
        raise ProofInvalid("consistency", "the path does not lead to the second root")


class Frontier:
    """The right edge of a growing tree: all that an append and the root need, 32 log2(n) bytes."""

    __slots__ = ("_peaks", "size")

    def __init__(self, size: int = 0, peaks: Sequence[Digest] = ()) -> None:
        """`peaks`: roots of the complete subtrees that `size` splits into, biggest first."""
        _check_size("frontier", size)
        if len(peaks) != size.bit_count():
            raise ProofInvalid(
                "frontier", f"{len(peaks)} peaks, size {size} has {size.bit_count()}"
            )
        _check_hashes("frontier", *peaks)
        self.size = size
        """Number of leaves."""
        self._peaks = list(peaks)

    def append(self, leaf: Digest) -> list[Node]:
        """Add a leaf hash; returns the subtrees it completed, the leaf first, for a store."""
        _check_hashes("frontier", leaf)
        digest, index, level = leaf, self.size, 0
        completed = [Node(0, index, leaf)]
        while index & 1:
            digest = node_hash(self._peaks.pop(), digest)
            index >>= 1
            level += 1
            completed.append(Node(level, index, digest))
        self._peaks.append(digest)
        self.size += 1
        return completed

    @property
    def root(self) -> Digest:
        """Root of the tree so far, O(log n)."""
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for peak in self._peaks[-2::-1]:
            root = node_hash(peak, root)
        return root

    def copy(self) -> Frontier:
        """An independent frontier in the same state, to execute a block that may be dropped."""
        return Frontier(self.size, self._peaks)

    def encode(self) -> bytes:
        """Canonical bytes: 8-byte size, then the peaks, biggest subtree first."""
        return Writer().uint(self.size, 8).done() + b"".join(self._peaks)

    @classmethod
    def decode(cls, data: bytes) -> Frontier:
        """Inverse of encode(); raises DecodeError."""
        reader = Reader(data, "frontier")
        size = reader.uint(8, "size", MAX_TREE_SIZE - 1)
        peaks = [Digest(reader.fixed(DIGEST_BYTES, "peak")) for _ in range(size.bit_count())]
        reader.end()
        return cls(size, peaks)
