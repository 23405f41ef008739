"""Roots of Ethereum's Merkle-Patricia trie (yellow paper, appendix D) for lists and small maps.

Rules: built from the whole content at once, nothing is stored: it serves the transactions and
receipts roots of a block. The state trie, which is updated in place, is the execution layer's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from bulwark.ledger import rlpcodec
from bulwark.ledger.hashing import keccak256
from bulwark.ledger.ids import Digest

EMPTY_TRIE_ROOT: Final = keccak256(b"\x80")
"""Root of the trie without content."""
_EMPTY: Final = b"\x80"


def trie_root(items: Sequence[bytes]) -> Digest:
    """Root of the trie of rlp(index) -> item; items are not empty."""
    return map_root({rlpcodec.encode_uint(index): item for index, item in enumerate(items)})


def map_root(content: Mapping[bytes, bytes]) -> Digest:
    """Root of the trie of key -> value; an empty value stands for an absent key."""
    pairs = sorted((key.hex(), value) for key, value in content.items() if value)
    if not pairs:
        return EMPTY_TRIE_ROOT
    return keccak256(_node(pairs, 0, len(pairs), 0))


def _node(pairs: Sequence[tuple[str, bytes]], low: int, high: int, depth: int) -> bytes:
    """RLP of the node over pairs[low:high], whose keys (hex digits) agree before `depth`."""
    first = pairs[low][0]
    if high - low == 1:
        return rlpcodec.encode_list([_path(first[depth:], True), rlpcodec.encode(pairs[low][1])])
    last = pairs[high - 1][0]
    shared = depth
    limit = min(len(first), len(last))
    while shared < limit and first[shared] == last[shared]:
        shared += 1
    if shared > depth:
        child = _reference(_node(pairs, low, high, shared))
        return rlpcodec.encode_list([_path(first[depth:shared], False), child])
    return _branch(pairs, low, high, depth)


def _branch(pairs: Sequence[tuple[str, bytes]], low: int, high: int, depth: int) -> bytes:
    """RLP of a branch node: sixteen children and the value of the key that ends here."""
    value = b""
    if len(pairs[low][0]) == depth:
        value = pairs[low][1]
        low += 1
    children = [_EMPTY] * 16
    while low < high:
        digit = pairs[low][0][depth]
        end = low + 1
        while end < high and pairs[end][0][depth] == digit:
            end += 1
        children[int(digit, 16)] = _reference(_node(pairs, low, end, depth + 1))
        low = end
    return rlpcodec.encode_list([*children, rlpcodec.encode(value)])


def _reference(node: bytes) -> bytes:
    """How a parent names a node: its RLP if shorter than a hash, else the RLP of its keccak."""
    return node if len(node) < 32 else b"\xa0" + keccak256(node)


def _path(digits: str, is_leaf: bool) -> bytes:
    """RLP of hex digits in the compact form with the leaf flag and the parity nibble."""
    flag = (2 if is_leaf else 0) + (len(digits) & 1)
    return rlpcodec.encode(bytes.fromhex(f"{flag}{'' if flag & 1 else '0'}{digits}"))
