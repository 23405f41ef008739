"""Binding of EvidenceRegistry: calls that file a case, its id, its view, its events.

Rules it owns: the exact calldata of a filing and the id under which a case lies. A double vote is
verified by the contract; every other kind is filed by its bytes, unverified, up to
MAX_FILED_BYTES. It does not judge evidence and knows no store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from bulwark.ledger.hashing import keccak256
from bulwark.ledger.ids import Address
from contracts.artifact import load_artifact
from contracts.errors import BadReturnData, OutOfRange, WrongLength
from contracts.privacy.logs import EventShape, event_fields
from contracts.slots import ReadSlot, mapped_slot, read_address, read_word
from contracts.words import WORD, address_of_word, address_word, bytes32_word, uint_word

EVIDENCE_REGISTRY: Final = bytes(18) + b"\xb0\x05"
MAX_FILED_BYTES: Final = 25_600
"""A wrong evaluation of 256 elements in the largest alliance has 25,010."""
SIGNATURE_BYTES: Final = 65
CASES_SLOT: Final = 0
EVIDENCE_GAS: Final = 400_000
"""Gas limit of a double vote's filing; it takes under half."""
SUBMIT_DOUBLE_VOTE_SELECTOR: Final = bytes.fromhex("cd98950c")
SUBMIT_UNVERIFIED_SELECTOR: Final = bytes.fromhex("e97ec0e4")
CASE_SELECTOR: Final = bytes.fromhex("08c2b44c")
DOUBLE_VOTE_PROVEN_TOPIC: Final = bytes.fromhex(
    "1b6bdb34487f5c2c938bc125ba836209b5813cf190546562b853aab00ee55733"
)
EVIDENCE_FILED_TOPIC: Final = bytes.fromhex(
    "cfa0f12dffc00dda229cfc4b09d3f35e62b7eab65495899fb4bf16b4e5da31ea"
)
_FILED: Final = {
    EVIDENCE_FILED_TOPIC: EventShape("EvidenceFiled", 3, 1, most_bytes=MAX_FILED_BYTES)
}
_ZERO: Final = bytes(WORD)


class DoubleVoteCall(Struct, frozen=True):
    """Two votes of one validator for one subject.

    Attributes:
        culprit: 32-byte member id.
        genesis_hash: 32 bytes that both votes are bound to.
        epoch, kind, view, height: the subject; kind 1 PREPARE, 2 COMMIT, 3 CHECKPOINT.
        first, second: the two digests, 32 bytes.
        first_signature, second_signature: 65 bytes each.
    """

    culprit: bytes
    genesis_hash: bytes
    epoch: int
    kind: int
    view: int
    height: int
    first: bytes
    second: bytes
    first_signature: bytes
    second_signature: bytes

    def subject(self) -> bytes:
        """The words that the case is filed under. Raises OutOfRange and WrongLength."""
        return (
            bytes32_word("culprit", self.culprit)
            + bytes32_word("genesis_hash", self.genesis_hash)
            + uint_word("epoch", self.epoch, 64)
            + uint_word("kind", self.kind, 8)
            + uint_word("view", self.view, 64)
            + uint_word("height", self.height, 64)
        )

    def case_id(self) -> bytes:
        """Id of the case."""
        return keccak256(self.subject())


class FiledCase(Struct, frozen=True):
    """What the registry keeps of a case."""

    culprit: bytes
    reporter: bytes
    block_number: int
    verified: bool


class DoubleVoteProven(Struct, frozen=True):
    """The event of a proven double vote, without its votes."""

    culprit: bytes
    node: bytes
    reporter: bytes
    case_id: bytes
    genesis_hash: bytes
    """Alliance that the votes are bound to: believe those of your own alone."""


class EvidenceFiled(Struct, frozen=True):
    """The event of a case that the contract did not verify."""

    culprit: bytes
    reporter: bytes
    """Account of the member that filed it, as a word."""
    case_id: bytes
    kind: int
    data: bytes


def evidence_registry_init_code(members: bytes) -> bytes:
    """Init code of a registry that asks the member registry at this address."""
    return load_artifact("EvidenceRegistry").bytecode + address_word("members", members)


def encode_double_vote(call: DoubleVoteCall) -> bytes:
    """Calldata of submit_double_vote. Raises OutOfRange and WrongLength."""
    for name in ("first_signature", "second_signature"):
        length = len(getattr(call, name))
        if length != SIGNATURE_BYTES:
            raise WrongLength(name, length, SIGNATURE_BYTES)
    first = _tail(call.first_signature)
    heads = 10 * WORD
    return (
        SUBMIT_DOUBLE_VOTE_SELECTOR
        + call.subject()
        + bytes32_word("first", call.first)
        + bytes32_word("second", call.second)
        + uint_word("offset", heads, 256)
        + uint_word("offset", heads + len(first), 256)
        + first
        + _tail(call.second_signature)
    )


def encode_unverified(culprit: bytes, kind: int, data: bytes) -> bytes:
    """Calldata of submit_unverified, 1 to MAX_FILED_BYTES bytes. Raises OutOfRange."""
    if not 1 <= len(data) <= MAX_FILED_BYTES:
        raise OutOfRange("bytes of evidence", len(data), 1, MAX_FILED_BYTES)
    return (
        SUBMIT_UNVERIFIED_SELECTOR
        + bytes32_word("culprit", culprit)
        + uint_word("kind", kind, 8)
        + uint_word("offset", 3 * WORD, 256)
        + _tail(data)
    )


def unverified_case_id(culprit: bytes, data: bytes) -> bytes:
    """Id under which submit_unverified files this data. Raises WrongLength."""
    return keccak256(bytes32_word("culprit", culprit) + keccak256(data))


def unverified_gas(data: bytes) -> int:
    """Gas limit that filing this data never exceeds (calldata floor, log, storage)."""
    return EVIDENCE_GAS + 60 * len(data)


def encode_case(case_id: bytes) -> bytes:
    """Calldata of the case view. Raises WrongLength."""
    return CASE_SELECTOR + bytes32_word("case_id", case_id)


def decode_case(output: bytes) -> FiledCase | None:
    """Answer of the case view, None for an unknown case. Raises BadReturnData."""
    if len(output) != 4 * WORD:
        raise BadReturnData("case", len(output))
    culprit, reporter, number, verified = (output[i : i + WORD] for i in range(0, 128, WORD))
    if culprit == _ZERO:
        return None
    address = address_of_word(reporter)
    flag = int.from_bytes(verified, "big")
    if address is None or flag > 1 or any(number[:24]):
        raise BadReturnData("case", len(output))
    return FiledCase(culprit, address, int.from_bytes(number, "big"), flag == 1)


def read_case(read_slot: ReadSlot, case_id: bytes) -> FiledCase | None:
    """What the registry keeps of a case, None for an unknown one.

    Raises WrongLength, DamagedStorage.
    """
    registry = Address(EVIDENCE_REGISTRY)
    place = mapped_slot(CASES_SLOT, bytes32_word("case_id", case_id))
    culprit = read_word(read_slot, registry, place)
    if culprit == _ZERO:
        return None
    return FiledCase(
        culprit,
        read_address(read_slot, registry, place + 1),
        read_slot(registry, place + 2),
        bool(read_slot(registry, place + 3)),
    )


def decode_double_vote_proven(
    address: bytes, topics: Sequence[bytes], data: bytes
) -> DoubleVoteProven | None:
    """The event in a log entry, or None for a log entry of any other kind."""
    wanted = address == EVIDENCE_REGISTRY and len(topics) == 4
    if not wanted or topics[0] != DOUBLE_VOTE_PROVEN_TOPIC or len(data) < 2 * WORD:
        return None
    node, reporter = address_of_word(topics[2]), address_of_word(topics[3])
    if node is None or reporter is None:
        return None
    return DoubleVoteProven(topics[1], node, reporter, data[:WORD], data[WORD : 2 * WORD])


def decode_evidence_filed(
    address: bytes, topics: Sequence[bytes], data: bytes
) -> EvidenceFiled | None:
    """The event in a log entry, or None for a log entry of any other kind."""
    found = event_fields(_FILED, topics, data) if address == EVIDENCE_REGISTRY else None
    if found is None or found.number(0) > 255:
        return None
    culprit, reporter, case_id = found.topics
    return EvidenceFiled(culprit, reporter, case_id, found.number(0), found.blob)


def _tail(data: bytes) -> bytes:
    """A dynamic argument: its length, then its bytes padded to whole words."""
    return uint_word("length", len(data), 256) + data + bytes(-len(data) % WORD)
