"""Binding of RecordRegistry: anchor calls, the anchor event, the anchor's storage slot.

Rules it owns: the exact bytes of an anchor call. `decode_anchor_call` accepts exactly what
`encode_anchor` makes, and the contract refuses every other encoding, so a block's anchors can be
found from calldata alone, before execution. It does not judge ranges (the contract does) and
knows no sidecar.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from bulwark.ledger.hashing import keccak256
from contracts.artifact import load_artifact
from contracts.errors import OutOfRange
from contracts.words import address_of_word, address_word, bytes32_word, uint_word

RECORD_REGISTRY: Final = bytes(18) + b"\xb0\x02"
ANCHOR_SELECTOR: Final = bytes.fromhex("29312b12")
ANCHOR_CALL_BYTES: Final = 132
RECORDS_ANCHORED_TOPIC: Final = bytes.fromhex(
    "89d7902c1de4ea490b1b59a9fc5624c21d35da4f064645a2d38ef85bfe3e4fd0"
)
MAX_RECORDS_PER_ANCHOR: Final = 2000

_CALL: Final = struct.Struct(">4s32s28sI30sH32s")
_EVENT: Final = struct.Struct(">28sI30sH32s")
_ZERO_28: Final = bytes(28)
_ZERO_30: Final = bytes(30)
_ANCHORS_SLOT: Final = bytes(32)


class AnchorCall(Struct, frozen=True):
    """Arguments of one anchor call: root (32 bytes), count, schema, policy (32 bytes)."""

    root: bytes
    count: int
    schema: int
    policy: bytes


class RecordsAnchored(Struct, frozen=True):
    """The event of one anchor; reporter is the 20-byte address of the signer."""

    reporter: bytes
    root: bytes
    count: int
    schema: int
    policy: bytes


class RecordAnchor(Struct, frozen=True):
    """What the registry keeps of an anchor: reporter address, count, block number."""

    reporter: bytes
    count: int
    block_number: int


def record_registry_init_code(members: bytes) -> bytes:
    """Init code of a registry that asks the member registry at this address for roles."""
    return load_artifact("RecordRegistry").bytecode + address_word("members", members)


def encode_anchor(root: bytes, count: int, schema: int, policy: bytes) -> bytes:
    """Calldata of an anchor call: count 1 to 2000, schema below 2**16, root and policy 32 bytes.

    Raises OutOfRange and WrongLength.
    """
    if not 1 <= count <= MAX_RECORDS_PER_ANCHOR:
        raise OutOfRange("count", count, 1, MAX_RECORDS_PER_ANCHOR)
    return (
        ANCHOR_SELECTOR
        + bytes32_word("root", root)
        + uint_word("count", count, 32)
        + uint_word("schema", schema, 16)
        + bytes32_word("policy", policy)
    )


def decode_anchor_call(data: bytes) -> AnchorCall | None:
    """Arguments of an anchor call, or None when the bytes are no canonical anchor call."""
    if len(data) != 132:
        return None
    selector, root, pad_count, count, pad_schema, schema, policy = _CALL.unpack(data)
    if selector != ANCHOR_SELECTOR or pad_count != _ZERO_28 or pad_schema != _ZERO_30:
        return None
    return AnchorCall(root, count, schema, policy)


def decode_records_anchored(
    address: bytes, topics: Sequence[bytes], data: bytes
) -> RecordsAnchored | None:
    """The anchor event in a log entry, or None for a log entry of any other kind."""
    if address != RECORD_REGISTRY or len(topics) != 3 or topics[0] != RECORDS_ANCHORED_TOPIC:
        return None
    reporter = address_of_word(topics[1])
    root = topics[2]
    if reporter is None or len(root) != 32 or len(data) != _EVENT.size:
        return None
    pad_count, count, pad_schema, schema, policy = _EVENT.unpack(data)
    if pad_count != _ZERO_28 or pad_schema != _ZERO_30:
        return None
    return RecordsAnchored(reporter, root, count, schema, policy)


def record_slot(root: bytes) -> int:
    """Storage slot of an anchor, to read one without running the EVM. Raises WrongLength."""
    return int.from_bytes(keccak256(_ANCHORS_SLOT + bytes32_word("root", root)), "big")


def unpack_record_slot(value: int) -> RecordAnchor | None:
    """The anchor in the value of its storage slot, None for an empty slot. Raises OutOfRange."""
    if value == 0:
        return None
    word = uint_word("slot", value, 256)
    return RecordAnchor(
        reporter=word[12:],
        count=int.from_bytes(word[8:12], "big"),
        block_number=int.from_bytes(word[:8], "big"),
    )
