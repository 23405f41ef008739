"""Binding of QueryLog: its calls, events, reads of its storage, and the tree under a root.

Rules it owns: the leaf of a served statement and the shape of a proof that it lies under an
anchored root (RFC 6962, at most 24 siblings). It keeps no statements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from bulwark.ledger.hashing import keccak256
from bulwark.ledger.ids import Address, Digest
from bulwark.ledger.merkle import inclusion_path, leaf_hash, node_hash
from contracts.artifact import load_artifact
from contracts.errors import OutOfRange
from contracts.privacy.logs import EventShape, event_fields
from contracts.slots import ReadSlot, mapped_slot, read_word
from contracts.words import address_word, bytes32_word, uint_word

QUERY_LOG: Final = bytes(18) + b"\xb0\x08"
MAX_STATEMENTS: Final = 1 << 24
MAX_SIBLINGS: Final = 24
ANCHORS_SLOT: Final = 0
LAST_SLOT: Final = 1
ACCESS_SLOT: Final = 2

ANCHOR_SELECTOR: Final = bytes.fromhex("3779eba3")
ANCHOR_ACCESS_SELECTOR: Final = bytes.fromhex("8ee68a77")
ANCHORED_SELECTOR: Final = bytes.fromhex("800520ce")
LAST_SELECTOR: Final = bytes.fromhex("cf1250f5")
ACCESS_SELECTOR: Final = bytes.fromhex("6d43c4c9")
ACCESS_ANCHORED_TOPIC: Final = keccak256(b"AccessAnchored(bytes32,bytes32,uint64,uint64)")
STATEMENTS_ANCHORED_TOPIC: Final = keccak256(
    b"StatementsAnchored(bytes32,bytes32,uint64,uint32,uint32)"
)
EVENTS: Final[Mapping[bytes, EventShape]] = {
    STATEMENTS_ANCHORED_TOPIC: EventShape("StatementsAnchored", 2, 3),
    ACCESS_ANCHORED_TOPIC: EventShape("AccessAnchored", 2, 2),
}


class StatementProof(Struct, frozen=True):
    """That a leaf lies under a root: bit i of `lefts` is set when sibling i stands on the left."""

    lefts: int
    siblings: tuple[bytes, ...]


class StatementAnchor(Struct, frozen=True):
    """What the log keeps of one anchored interval."""

    epoch: int
    interval: int
    count: int
    block_number: int


class AccessAnchor(Struct, frozen=True):
    """The newest anchor of a member's own access log."""

    sequence: int
    count: int
    block_number: int
    root: bytes


class StatementsAnchored(Struct, frozen=True):
    """An evaluator anchored what it served in one interval."""

    id: bytes
    root: bytes
    epoch: int
    interval: int
    count: int


class AccessAnchored(Struct, frozen=True):
    """A member anchored its own access log."""

    id: bytes
    root: bytes
    sequence: int
    count: int


QueryLogEvent = StatementsAnchored | AccessAnchored


def query_log_init_code(members: bytes, epoch_seconds: int) -> bytes:
    """Init code of a log that asks the member registry at this address."""
    return (
        load_artifact("QueryLog").bytecode
        + address_word("members", members)
        + uint_word("epoch_seconds", epoch_seconds, 256)
    )


def encode_anchor(epoch: int, interval: int, count: int, root: bytes) -> bytes:
    """Calldata of anchor. Raises OutOfRange and WrongLength."""
    if not 1 <= count <= MAX_STATEMENTS:
        raise OutOfRange("count", count, 1, MAX_STATEMENTS)
    return (
        ANCHOR_SELECTOR
        + uint_word("epoch", epoch, 64)
        + uint_word("interval", interval, 32)
        + uint_word("count", count, 32)
        + bytes32_word("root", root)
    )


def encode_anchor_access(sequence: int, count: int, root: bytes) -> bytes:
    """Calldata of anchor_access. Raises OutOfRange and WrongLength."""
    return (
        ANCHOR_ACCESS_SELECTOR
        + uint_word("sequence", sequence, 64)
        + uint_word("count", count, 64)
        + bytes32_word("root", root)
    )


def statement_leaf(statement_hash: bytes, nullifier: bytes, e1: bytes, e2: bytes) -> Digest:
    """Leaf of one served statement: SHA-256 over 0x00 and the four. Raises WrongLength."""
    return leaf_hash(
        bytes32_word("statement_hash", statement_hash)
        + bytes32_word("nullifier", nullifier)
        + bytes32_word("e1", e1)
        + bytes32_word("e2", e2)
    )


def statement_proof(leaves: Sequence[Digest], index: int) -> StatementProof:
    """That leaf `index` lies under the root of these leaves.

    Raises OutOfRange for no such leaf or more than 2^24 of them.
    """
    size = len(leaves)
    if not 0 <= index < size or size > MAX_STATEMENTS:
        raise OutOfRange("leaf", index, 0, min(size, MAX_STATEMENTS) - 1)
    lefts = 0
    siblings = inclusion_path(leaves, index)
    depth = 0
    for level in range((size - 1).bit_length()):
        place = index >> level
        if (place ^ 1) << level < size:
            lefts |= (place & 1) << depth
            depth += 1
    return StatementProof(lefts, tuple(siblings))


def root_of_proof(leaf: Digest, proof: StatementProof) -> Digest:
    """The root that a proof leads to, as the contract finds it."""
    node = leaf
    for depth, sibling in enumerate(proof.siblings):
        other = Digest(sibling)
        left = proof.lefts >> depth & 1
        node = node_hash(other, node) if left else node_hash(node, other)
    return node


def read_anchor(read_slot: ReadSlot, member_id: bytes, root: bytes) -> StatementAnchor | None:
    """A member's anchor of a root, None for none. Raises WrongLength."""
    of_member = mapped_slot(ANCHORS_SLOT, bytes32_word("id", member_id))
    slot = mapped_slot(of_member, bytes32_word("root", root))
    return _anchor(read_slot(Address(QUERY_LOG), slot))


def read_last_anchor(read_slot: ReadSlot, member_id: bytes) -> StatementAnchor | None:
    """A member's newest anchor, None for none. Raises WrongLength."""
    slot = mapped_slot(LAST_SLOT, bytes32_word("id", member_id))
    return _anchor(read_slot(Address(QUERY_LOG), slot))


def read_access_anchor(read_slot: ReadSlot, member_id: bytes) -> AccessAnchor | None:
    """The newest anchor of a member's own access log, None for none. Raises WrongLength."""
    contract = Address(QUERY_LOG)
    slot = mapped_slot(ACCESS_SLOT, bytes32_word("id", member_id))
    packed = read_slot(contract, slot)
    if packed == 0:
        return None
    mask = (1 << 64) - 1
    return AccessAnchor(
        sequence=packed & mask,
        count=packed >> 64 & mask,
        block_number=packed >> 128,
        root=read_word(read_slot, contract, slot + 1),
    )


def decode_query_log_event(
    address: bytes, topics: Sequence[bytes], data: bytes
) -> QueryLogEvent | None:
    """The event in a log entry, or None for a log entry of any other kind."""
    found = event_fields(EVENTS, topics, data) if address == QUERY_LOG else None
    if found is None:
        return None
    member_id, root = found.topics
    if found.name == "StatementsAnchored":
        numbers = (found.number(0), found.number(1), found.number(2))
        return StatementsAnchored(member_id, root, *numbers)
    return AccessAnchored(member_id, root, found.number(0), found.number(1))


def _anchor(packed: int) -> StatementAnchor | None:
    if packed == 0:
        return None
    return StatementAnchor(
        epoch=packed >> 64 & (1 << 64) - 1,
        interval=packed >> 32 & (1 << 32) - 1,
        count=packed & (1 << 32) - 1,
        block_number=packed >> 128,
    )
