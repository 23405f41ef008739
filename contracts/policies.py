"""Binding of PolicyRegistry: init code, calls, events, and reads of its storage.

Rules it owns: the byte layout of published policies; a policy's id is the SHA-256 of its bytes; one
adopted in a block is in force for anchors of later blocks, up to and with the block that withdraws
it. Every read of storage equals the contract's own view on the same state, and needs no EVM. It
does not read the documents: `bulwark.policies` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from hashlib import sha256
from typing import Final

from msgspec import Struct

from bulwark.ledger.ids import Address
from contracts.artifact import load_artifact
from contracts.errors import DamagedStorage, OutOfRange
from contracts.privacy.logs import EventShape, event_fields
from contracts.slots import ReadSlot, mapped_slot, read_bytes, read_word
from contracts.words import WORD, address_word, bytes32_word, uint_word

POLICY_REGISTRY: Final = bytes(18) + b"\xb0\x0a"
MAX_POLICY_BYTES: Final = 8_192
MAX_GENESIS_POLICIES: Final = 16
MAX_WAITING_POLICIES: Final = 16
"""Policies that one member published and that were never adopted."""
PUBLISH_SELECTOR: Final = bytes.fromhex("7fd28346")
ADOPT_SELECTOR: Final = bytes.fromhex("766c6eaf")
WITHDRAW_SELECTOR: Final = bytes.fromhex("8e19899e")
STANDING_SELECTOR: Final = bytes.fromhex("28c7a649")
DOCUMENT_SELECTOR: Final = bytes.fromhex("a51ec3bf")
ID_AT_SELECTOR: Final = bytes.fromhex("8e3fb8f6")
POLICY_COUNT_SELECTOR: Final = bytes.fromhex("0b06be55")
DEFAULT_ID_SELECTOR: Final = bytes.fromhex("e20185be")
POLICY_PUBLISHED_TOPIC: Final = bytes.fromhex(
    "1f0b177b6a8f870277a91c052f492d6e33d58974dc86920c58179a8f6bf53fb9"
)
POLICY_ADOPTED_TOPIC: Final = bytes.fromhex(
    "93a57a87d0d5edbf64fa637ba074817882395fb7bf95c1eccf8ebbab1c2a0f5b"
)
POLICY_WITHDRAWN_TOPIC: Final = bytes.fromhex(
    "4e52dc5cdae0ccd8f5cfd59561d64a27bf0f03f1e20d6c4c5b72484b8ed62c13"
)
_EVENTS: Final = {
    POLICY_PUBLISHED_TOPIC: EventShape("PolicyPublished", 2, 0, most_bytes=MAX_POLICY_BYTES),
    POLICY_ADOPTED_TOPIC: EventShape("PolicyAdopted", 1, 0),
    POLICY_WITHDRAWN_TOPIC: EventShape("PolicyWithdrawn", 1, 0),
}
COUNT_SLOT: Final = 0
DEFAULT_SLOT: Final = 1
IDS_SLOT: Final = 2
POLICIES_SLOT: Final = 3
_SINCE: Final = 1
_UNTIL: Final = 2
_PUBLISHER: Final = 3
_DOCUMENT: Final = 4


class PolicyState(IntEnum):
    """How far a policy got."""

    PUBLISHED = 1
    ADOPTED = 2
    WITHDRAWN = 3


class Standing(Struct, frozen=True):
    """Where a policy stands on the ledger.

    Attributes:
        state: how far it got.
        since: block of the adoption, 0 for one of genesis or one that was never adopted.
        until: block of the withdrawal, 0 for none.
        publisher: 32-byte member id, zero for one of genesis.
    """

    state: PolicyState
    since: int
    until: int
    publisher: bytes

    def in_force(self, height: int) -> bool:
        """Whether an anchor of the block at this height may name it."""
        if self.state is PolicyState.PUBLISHED or height <= self.since:
            return False
        return self.state is PolicyState.ADOPTED or height <= self.until


class PolicyPublished(Struct, frozen=True):
    """A document is on the ledger, not in force yet."""

    id: bytes
    publisher: bytes
    document: bytes


class PolicyAdopted(Struct, frozen=True):
    """A policy is in force for anchors of later blocks."""

    id: bytes


class PolicyWithdrawn(Struct, frozen=True):
    """A policy is in force no more for anchors of later blocks."""

    id: bytes


PolicyEvent = PolicyPublished | PolicyAdopted | PolicyWithdrawn


def policy_registry_init_code(members: bytes, governor: bytes, policies: Sequence[bytes]) -> bytes:
    """Init code of a registry whose first policy is the default. Raises OutOfRange."""
    check_documents(policies)
    tails = [_tail(document) for document in policies]
    offset, offsets = WORD * len(tails), []
    for tail in tails:
        offsets.append(uint_word("offset", offset, 256))
        offset += len(tail)
    return (
        load_artifact("PolicyRegistry").bytecode
        + address_word("members", members)
        + address_word("governor", governor)
        + uint_word("offset", 3 * WORD, 256)
        + uint_word("length", len(tails), 256)
        + b"".join(offsets)
        + b"".join(tails)
    )


def check_documents(policies: Sequence[bytes]) -> None:
    """Raises OutOfRange for too many, or one that is empty, too long or there twice."""
    if len(policies) > MAX_GENESIS_POLICIES:
        raise OutOfRange("number of policies", len(policies), 0, MAX_GENESIS_POLICIES)
    if len(set(policies)) != len(policies):
        raise OutOfRange("times that a policy is listed", 2, 1, 1)
    for document in policies:
        _check_length(document)


def policy_storage(policies: Sequence[bytes]) -> dict[int, int]:
    """Storage that the constructor leaves for these documents. Raises OutOfRange."""
    check_documents(policies)
    words: dict[int, int] = {}
    for index, document in enumerate(policies):
        policy_id = sha256(document).digest()
        place = mapped_slot(POLICIES_SLOT, policy_id)
        words[mapped_slot(IDS_SLOT, uint_word("index", index, 256))] = _number(policy_id)
        words[place] = PolicyState.ADOPTED
        words[place + _DOCUMENT] = len(document)
        for at in range(0, len(document), WORD):
            part = document[at : at + WORD].ljust(WORD, b"\0")
            words[place + _DOCUMENT + 1 + at // WORD] = _number(part)
        words[COUNT_SLOT] = index + 1
        words.setdefault(DEFAULT_SLOT, _number(policy_id))
    return {slot: value for slot, value in words.items() if value}


def encode_publish(document: bytes) -> bytes:
    """Calldata that publishes a document. Raises OutOfRange."""
    _check_length(document)
    return PUBLISH_SELECTOR + uint_word("offset", WORD, 256) + _tail(document)


def publish_gas(document: bytes) -> int:
    """Gas limit that publishing this document never exceeds: a new slot for each of its words."""
    return 200_000 + 60 * len(document) + 22_500 * ((len(document) + WORD - 1) // WORD)


def read_policy_ids(read_slot: ReadSlot, most: int) -> tuple[bytes, ...]:
    """Ids of the newest `most` published policies, in the order of publication."""
    registry = Address(POLICY_REGISTRY)
    count = read_slot(registry, COUNT_SLOT)
    return tuple(
        read_word(read_slot, registry, mapped_slot(IDS_SLOT, uint_word("index", index, 256)))
        for index in range(max(0, count - most), count)
    )


def read_default_id(read_slot: ReadSlot) -> bytes | None:
    """Id of the policy that the zero id stands for, None where genesis has none."""
    found = read_word(read_slot, Address(POLICY_REGISTRY), DEFAULT_SLOT)
    return found if any(found) else None


def read_standing(read_slot: ReadSlot, policy_id: bytes) -> Standing | None:
    """Where a policy stands, None for an unknown one. Raises WrongLength, DamagedStorage."""
    registry = Address(POLICY_REGISTRY)
    place = mapped_slot(POLICIES_SLOT, bytes32_word("id", policy_id))
    stored = read_slot(registry, place)
    if stored == 0:
        return None
    if stored not in PolicyState.__members__.values():
        raise DamagedStorage(registry, place, f"holds the state {stored}")
    return Standing(
        PolicyState(stored),
        read_slot(registry, place + _SINCE),
        read_slot(registry, place + _UNTIL),
        read_word(read_slot, registry, place + _PUBLISHER),
    )


def read_document(read_slot: ReadSlot, policy_id: bytes) -> bytes | None:
    """Bytes of a published policy, None for an unknown one. Raises WrongLength, DamagedStorage."""
    registry = Address(POLICY_REGISTRY)
    place = mapped_slot(POLICIES_SLOT, bytes32_word("id", policy_id)) + _DOCUMENT
    return read_bytes(read_slot, registry, place, MAX_POLICY_BYTES) or None


def decode_policy_event(address: bytes, topics: Sequence[bytes], data: bytes) -> PolicyEvent | None:
    """The policy event in a log entry, or None for a log entry of any other kind."""
    found = event_fields(_EVENTS, topics, data) if address == POLICY_REGISTRY else None
    if found is None:
        return None
    if found.name == "PolicyPublished":
        return PolicyPublished(found.topics[0], found.topics[1], found.blob)
    if found.name == "PolicyAdopted":
        return PolicyAdopted(found.topics[0])
    return PolicyWithdrawn(found.topics[0])


def _check_length(document: bytes) -> None:
    if not 1 <= len(document) <= MAX_POLICY_BYTES:
        raise OutOfRange("bytes of a policy", len(document), 1, MAX_POLICY_BYTES)


def _tail(data: bytes) -> bytes:
    """A dynamic argument: its length, then its bytes padded to whole words."""
    return uint_word("length", len(data), 256) + data + bytes(-len(data) % WORD)


def _number(word: bytes) -> int:
    return int.from_bytes(word, "big")
