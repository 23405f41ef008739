"""State proofs: reads of contract storage that anyone can repeat under a state root.

Rules: a proof is the bag of trie nodes that the reads went through; each is found by its hash, so
nothing in it has to be trusted and its order means nothing; a read that leaves the bag fails, it
never gives zero. The same bindings that read a live node's state read a proven one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from bulwark.ledger import rlpcodec
from bulwark.ledger.errors import DecodeError
from bulwark.ledger.hashing import keccak256
from bulwark.ledger.ids import Address
from contracts.errors import ContractError
from contracts.slots import ReadSlot
from node.execution.accounts import Account
from node.execution.nodes import Node, decode_node
from node.execution.patricia import NodeSource, lookup
from node.storage.errors import StoreDamaged

MAX_NODES: Final = 20_000
MAX_NODE_BYTES: Final = 600
"""A branch with sixteen hashes takes 532 bytes."""
T = TypeVar("T")


class StateNotShown(Exception):
    """A proof does not hold what is read, or holds what is no state."""


def state_reader(source: NodeSource, state_root: bytes) -> ReadSlot:
    """Reads of storage under a state root."""

    def read(contract: Address, number: int) -> int:
        held = lookup(source, state_root, keccak256(contract))
        if held is None:
            return 0
        storage_root = Account.decode(held).storage_root
        value = lookup(source, storage_root, keccak256(number.to_bytes(32, "big")))
        decoded = b"" if value is None else rlpcodec.decode(value)
        if not isinstance(decoded, bytes):
            raise StateNotShown("a storage slot holds a list")
        return int.from_bytes(decoded, "big")

    return read


def prove_reads(
    source: NodeSource, state_root: bytes, reads: Callable[[ReadSlot], T]
) -> tuple[T, tuple[bytes, ...]]:
    """What the reads give under a state root, and the nodes that show it."""
    recording = _Recording(source)
    found = reads(state_reader(recording, state_root))
    return found, tuple(recording.seen[key] for key in sorted(recording.seen))


def proven_reads(state_root: bytes, nodes: Iterable[bytes], reads: Callable[[ReadSlot], T]) -> T:
    """What the reads give by these nodes alone. Raises StateNotShown."""
    held = _Held({keccak256(node): node for node in nodes})
    try:
        return reads(state_reader(held, state_root))
    except (StoreDamaged, DecodeError, ContractError) as error:
        raise StateNotShown(str(error)) from error


class _Recording:
    """A source that notes what is read from another one."""

    def __init__(self, source: NodeSource) -> None:
        self._source = source
        self.seen: dict[bytes, bytes] = {}

    def encoded(self, node_hash: bytes) -> bytes:
        found = self._source.encoded(node_hash)
        self.seen[node_hash] = found
        return found

    def node(self, node_hash: bytes) -> Node:
        self.encoded(node_hash)
        return self._source.node(node_hash)


class _Held:
    """A source over the nodes of a proof."""

    def __init__(self, nodes: dict[bytes, bytes]) -> None:
        self._nodes: dict[bytes, bytes] = nodes

    def encoded(self, node_hash: bytes) -> bytes:
        found = self._nodes.get(node_hash)
        if found is None:
            raise StateNotShown(f"the proof has no node {node_hash.hex()[:16]}")
        return found

    def node(self, node_hash: bytes) -> Node:
        return decode_node(self.encoded(node_hash))
