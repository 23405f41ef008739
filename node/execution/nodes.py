"""Nodes of the Merkle-Patricia trie: their shape in memory and their bytes.

Rules: keys are 32 bytes (hashed), written as 64 hexadecimal digits, so no branch holds a value; a
node whose encoding is shorter than 32 bytes stands inside its parent, any other is named by its
keccak256. Bytes that are read were checked against their hash, so the reader is lean.
Source: yellow paper, appendix D.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from bulwark.ledger import rlpcodec
from bulwark.ledger.hashing import keccak256
from node.storage.errors import StoreDamaged


class Leaf(NamedTuple):
    """The rest of one key, and its value."""

    path: str
    value: bytes


class Extension(NamedTuple):
    """Digits that all keys below share, at least one; the child is a branch."""

    path: str
    child: Ref


class Branch(NamedTuple):
    """Sixteen children by next digit, at least two of them present."""

    children: tuple[Ref | None, ...]


Node = Leaf | Extension | Branch
Ref = bytes | Leaf | Extension | Branch
"""A 32-byte hash of a stored node, or a node in memory (new, or standing inside its parent)."""

_EMPTY: Final = b"\x80"
_HASH_PREFIX: Final = 0xA0


def encode_node(node: Node, new: dict[bytes, bytes]) -> bytes:
    """RLP of a node; the stored nodes below it that are in memory are added to `new` by hash."""
    if isinstance(node, Branch):
        parts = [_EMPTY if child is None else reference(child, new) for child in node.children]
        parts.append(_EMPTY)
        return rlpcodec.encode_list(parts)
    if isinstance(node, Leaf):
        return rlpcodec.encode_list([_path(node.path, True), rlpcodec.encode(node.value)])
    return rlpcodec.encode_list([_path(node.path, False), reference(node.child, new)])


def reference(ref: Ref, new: dict[bytes, bytes]) -> bytes:
    """How a parent names a child: its RLP if shorter than a hash, else the RLP of its keccak."""
    if isinstance(ref, bytes):
        return b"\xa0" + ref
    encoded = encode_node(ref, new)
    if len(encoded) < 32:
        return encoded
    node_hash = keccak256(encoded)
    new[node_hash] = encoded
    return b"\xa0" + node_hash


def decode_node(data: bytes) -> Node:
    """The node with this RLP. Raises StoreDamaged if it is no node of a trie of hashed keys."""
    items = _items(data)
    if len(items) == 17:
        return Branch(tuple(_child(item) for item in items[:16]))
    if len(items) != 2 or not isinstance(items[0], bytes) or not items[0]:
        raise StoreDamaged("state trie", f"a node has {len(items)} fields")
    digits = items[0].hex()
    path = digits[1:] if digits[0] in "13" else digits[2:]
    if digits[0] in "23":
        if not isinstance(items[1], bytes):
            raise StoreDamaged("state trie", "a leaf holds a list")
        return Leaf(path, items[1])
    child = _child(items[1])
    if child is None:
        raise StoreDamaged("state trie", "an extension leads nowhere")
    return Extension(path, child)


def _child(item: rlpcodec.Item) -> Ref | None:
    if isinstance(item, bytes):
        return item or None
    return decode_node(rlpcodec.encode(item))


def _items(data: bytes) -> list[rlpcodec.Item]:
    """Items of a node; the common branch of hashes and gaps is read without the general codec."""
    if len(data) > 250 and data[0] == 0xF9:
        items: list[rlpcodec.Item] = []
        offset, end = 3, len(data)
        while offset < end:
            prefix = data[offset]
            if prefix == _HASH_PREFIX:
                items.append(data[offset + 1 : offset + 33])
                offset += 33
            elif prefix == 0x80:
                items.append(b"")
                offset += 1
            else:
                return rlpcodec.decode_list(data)[0]
        return items
    return rlpcodec.decode_list(data)[0]


def _path(digits: str, is_leaf: bool) -> bytes:
    """RLP of digits in the compact form with the leaf flag and the parity nibble."""
    flag = (2 if is_leaf else 0) + (len(digits) & 1)
    return rlpcodec.encode(bytes.fromhex(f"{flag}{'' if flag & 1 else '0'}{digits}"))
