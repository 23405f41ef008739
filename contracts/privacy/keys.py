"""Binding of PrivacyKeys: its genesis init code, calls, events, and reads of its storage.

Rules it owns: which keys are in force in a quota epoch, read from storage as the contract's own
view has it. It does not say who belongs to a ring: that takes the member registry too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from bulwark.ledger.hashing import keccak256
from bulwark.ledger.ids import Address
from contracts.artifact import load_artifact
from contracts.errors import OutOfRange, WrongLength
from contracts.members import MAX_MEMBERS
from contracts.privacy.logs import EventShape, event_fields
from contracts.privacy.precompiles import PROOF_BYTES
from contracts.slots import ReadSlot, mapped_slot, read_word
from contracts.words import WORD, address_word, bytes32_word, uint_word

PRIVACY_KEYS: Final = bytes(18) + b"\xb0\x06"
DEFAULT_EPOCH_SECONDS: Final = 86_400
KEYS_SLOT: Final = 0
RING_KEY_OWNERS_SLOT: Final = 1
REGULATOR_KEY_OWNERS_SLOT: Final = 2
REGULATOR_SLOT: Final = 3
NEXT_REGULATOR_SLOT: Final = 6
_ENTRY_SLOTS: Final = 3

REGISTER_SELECTOR: Final = bytes.fromhex("6871a338")
REGISTER_REGULATOR_SELECTOR: Final = bytes.fromhex("e9ea1957")
KEYS_AT_SELECTOR: Final = bytes.fromhex("5a18b7d1")
REGULATOR_KEY_AT_SELECTOR: Final = bytes.fromhex("ba4d3f2d")
OWNER_OF_RING_KEY_SELECTOR: Final = bytes.fromhex("05a3d2ca")
EPOCH_SELECTOR: Final = bytes.fromhex("900cf0cf")
KEYS_REGISTERED: Final = "KeysRegistered(bytes32,bytes32,bytes32,uint256)"
REGULATOR_KEY_REGISTERED: Final = "RegulatorKeyRegistered(bytes32,bytes32,uint256)"
EVENTS: Final[Mapping[bytes, EventShape]] = {
    keccak256(KEYS_REGISTERED.encode()): EventShape("KeysRegistered", 2, 2),
    keccak256(REGULATOR_KEY_REGISTERED.encode()): EventShape("RegulatorKeyRegistered", 2, 1),
}


class GenesisKeys(Struct, frozen=True):
    """Keys of a member that are in force from the start, 32 bytes each."""

    id: bytes
    ring_key: bytes
    sealing_key: bytes


class KeysInForce(Struct, frozen=True):
    """A member's keys, 32 bytes each, and the quota epoch from which they are in force."""

    ring_key: bytes
    sealing_key: bytes
    since: int


class RegulatorKey(Struct, frozen=True):
    """The regulator's part of the opener, its holder's member id, and from which epoch."""

    key: bytes
    holder: bytes
    since: int


class KeysRegistered(Struct, frozen=True):
    """A member announced keys; they are in force from quota epoch `since` on."""

    id: bytes
    ring_key: bytes
    sealing_key: bytes
    since: int


class RegulatorKeyRegistered(Struct, frozen=True):
    """A regulator announced its part of the opener, from quota epoch `since` on."""

    holder: bytes
    key: bytes
    since: int


KeyEvent = KeysRegistered | RegulatorKeyRegistered


def privacy_keys_init_code(
    members: bytes,
    epoch_seconds: int,
    keys: Sequence[GenesisKeys],
    regulator: RegulatorKey | None = None,
) -> bytes:
    """Init code of the contract with these keys in force from the start.

    Raises OutOfRange for more than 128 members, WrongLength.
    """
    if len(keys) > MAX_MEMBERS:
        raise OutOfRange("number of keys", len(keys), 0, MAX_MEMBERS)
    zero = RegulatorKey(bytes(WORD), bytes(WORD), 0)
    first = regulator or zero
    return (
        load_artifact("PrivacyKeys").bytecode
        + address_word("members", members)
        + uint_word("epoch_seconds", epoch_seconds, 256)
        + bytes32_word("regulator key", first.key)
        + bytes32_word("regulator", first.holder)
        + uint_word("offset", 5 * WORD, 256)
        + uint_word("length", len(keys), 256)
        + b"".join(
            bytes32_word("id", k.id)
            + bytes32_word("ring_key", k.ring_key)
            + bytes32_word("sealing_key", k.sealing_key)
            for k in keys
        )
    )


def encode_register(ring_key: bytes, possession: bytes, sealing_key: bytes) -> bytes:
    """Calldata of register; `possession` has 64 bytes. Raises WrongLength."""
    return (
        REGISTER_SELECTOR
        + bytes32_word("ring_key", ring_key)
        + _proof(possession)
        + bytes32_word("sealing_key", sealing_key)
    )


def encode_register_regulator(key: bytes, possession: bytes) -> bytes:
    """Calldata of register_regulator; `possession` has 64 bytes. Raises WrongLength."""
    return REGISTER_REGULATOR_SELECTOR + bytes32_word("key", key) + _proof(possession)


def encode_keys_at(member_id: bytes, epoch: int) -> bytes:
    """Calldata of the keys_at view. Raises OutOfRange and WrongLength."""
    return KEYS_AT_SELECTOR + bytes32_word("id", member_id) + uint_word("epoch", epoch, 256)


def encode_regulator_key_at(epoch: int) -> bytes:
    """Calldata of the regulator_key_at view. Raises OutOfRange."""
    return REGULATOR_KEY_AT_SELECTOR + uint_word("epoch", epoch, 256)


def quota_epoch(timestamp_s: int, epoch_seconds: int) -> int:
    """Quota epoch of a block time in seconds."""
    return timestamp_s // epoch_seconds


def read_keys(read_slot: ReadSlot, member_id: bytes) -> tuple[KeysInForce, ...]:
    """A member's keys in the order in which they are in force: at most the current and the next.

    Raises WrongLength.
    """
    entry = mapped_slot(KEYS_SLOT, bytes32_word("id", member_id))
    found = (_keys_in_slots(read_slot, entry), _keys_in_slots(read_slot, entry + _ENTRY_SLOTS))
    return tuple(keys for keys in found if any(keys.ring_key))


def read_keys_at(read_slot: ReadSlot, member_id: bytes, epoch: int) -> KeysInForce | None:
    """A member's keys in force in a quota epoch, None when it has none. Raises WrongLength."""
    in_force = [keys for keys in read_keys(read_slot, member_id) if keys.since <= epoch]
    return in_force[-1] if in_force else None


def read_ring_key_owner(read_slot: ReadSlot, ring_key: bytes) -> bytes | None:
    """Id of the member that uses or ever used a ring key. Raises WrongLength."""
    slot = mapped_slot(RING_KEY_OWNERS_SLOT, bytes32_word("ring_key", ring_key))
    owner = read_word(read_slot, Address(PRIVACY_KEYS), slot)
    return owner if any(owner) else None


def read_regulator_keys(read_slot: ReadSlot) -> tuple[RegulatorKey, ...]:
    """The regulator's parts of the opener: at most the current and the next."""
    found = (
        _regulator_in_slots(read_slot, REGULATOR_SLOT),
        _regulator_in_slots(read_slot, NEXT_REGULATOR_SLOT),
    )
    return tuple(key for key in found if any(key.key))


def read_regulator_key_at(read_slot: ReadSlot, epoch: int) -> RegulatorKey | None:
    """The regulator's part of the opener in force in a quota epoch, None for none."""
    in_force = [key for key in read_regulator_keys(read_slot) if key.since <= epoch]
    return in_force[-1] if in_force else None


def decode_key_event(address: bytes, topics: Sequence[bytes], data: bytes) -> KeyEvent | None:
    """The event in a log entry, or None for a log entry of any other kind."""
    if address != PRIVACY_KEYS:
        return None
    found = event_fields(EVENTS, topics, data)
    if found is None:
        return None
    if found.name == "KeysRegistered":
        sealing_key, since = found.words[0], found.number(1)
        return KeysRegistered(found.topics[0], found.topics[1], sealing_key, since)
    return RegulatorKeyRegistered(found.topics[0], found.topics[1], found.number(0))


def _proof(possession: bytes) -> bytes:
    if len(possession) != PROOF_BYTES:
        raise WrongLength("possession", len(possession), PROOF_BYTES)
    return possession


def _keys_in_slots(read_slot: ReadSlot, slot: int) -> KeysInForce:
    contract = Address(PRIVACY_KEYS)
    return KeysInForce(
        ring_key=read_word(read_slot, contract, slot),
        sealing_key=read_word(read_slot, contract, slot + 1),
        since=read_slot(contract, slot + 2),
    )


def _regulator_in_slots(read_slot: ReadSlot, slot: int) -> RegulatorKey:
    contract = Address(PRIVACY_KEYS)
    return RegulatorKey(
        key=read_word(read_slot, contract, slot),
        holder=read_word(read_slot, contract, slot + 1),
        since=read_slot(contract, slot + 2),
    )
