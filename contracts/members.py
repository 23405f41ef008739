"""Binding of MemberRegistry: its genesis init code, views, governor calls, storage reads.

Rules it owns: the byte layout of a member and of the role bits. It does not decide who may
change members (the governor) nor when a change takes effect.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntFlag
from typing import Final

from msgspec import Struct

from bulwark.ledger.ids import Address
from contracts.artifact import load_artifact
from contracts.errors import BadMemberId, BadReturnData, DamagedStorage, OutOfRange
from contracts.slots import ReadSlot, mapped_slot, read_address, read_length, read_word
from contracts.words import WORD, address_word, bytes32_word, uint_word

MEMBER_REGISTRY: Final = bytes(18) + b"\xb0\x01"
MAX_MEMBERS: Final = 128
MEMBER_BYTES: Final = 7 * WORD
ROLES_SLOT: Final = 2
OWNERS_SLOT: Final = 3
ENTRIES_SLOT: Final = 5
IDS_SLOT: Final = 6
VALIDATORS_SLOT: Final = 135

_MEMBER: Final = struct.Struct(">32s12s20s12s20s31sB32s32s32s")

MEMBER_COUNT_SELECTOR: Final = bytes.fromhex("4080e077")
VALIDATOR_COUNT_SELECTOR: Final = bytes.fromhex("a4160b1d")
MEMBER_AT_SELECTOR: Final = bytes.fromhex("e37a047a")
MEMBER_SELECTOR: Final = bytes.fromhex("126d66fd")
MEMBER_OF_ACCOUNT_SELECTOR: Final = bytes.fromhex("534e5165")
OWNER_OF_ACCOUNT_SELECTOR: Final = bytes.fromhex("f7b307a0")
HAS_ROLE_SELECTOR: Final = bytes.fromhex("ef753cde")
ROLES_OF_SELECTOR: Final = bytes.fromhex("755f60ec")
ADD_MEMBER_SELECTOR: Final = bytes.fromhex("a4a711b0")
REMOVE_MEMBER_SELECTOR: Final = bytes.fromhex("8f8988df")
SET_KEYS_SELECTOR: Final = bytes.fromhex("8b65cf7c")
SET_TLS_PINS_SELECTOR: Final = bytes.fromhex("131878af")
SET_ROLES_SELECTOR: Final = bytes.fromhex("ab34478b")
OFFER_GOVERNOR_SELECTOR: Final = bytes.fromhex("ca6e9e8c")
ACCEPT_GOVERNOR_SELECTOR: Final = bytes.fromhex("38a21788")


class Role(IntFlag):
    """What an account of a member may do; a member can hold several."""

    VALIDATOR = 1
    REPORTER = 2
    REGULATOR = 4
    DEPLOYER = 8


ALL_ROLES: Final = Role.VALIDATOR | Role.REPORTER | Role.REGULATOR | Role.DEPLOYER


class Member(Struct, frozen=True):
    """One member of the registry.

    Attributes:
        id: 32 bytes, UTF-8 padded with zeros (`member_id_bytes`).
        node: 20-byte address of the vote key.
        account: 20-byte address of the transaction key.
        roles: bit set.
        oprf_key: 32-byte public OPRF share key, zero if none.
        tls_pin: 32-byte SPKI pin of the current TLS key, zero if none.
        next_tls_pin: the pin that may replace it, zero if none.
    """

    id: bytes
    node: bytes
    account: bytes
    roles: Role
    oprf_key: bytes = bytes(32)
    tls_pin: bytes = bytes(32)
    next_tls_pin: bytes = bytes(32)


def member_id_bytes(text: str) -> bytes:
    """On-ledger form of a member id. Raises BadMemberId."""
    raw = text.encode("utf-8")
    if not 1 <= len(raw) <= WORD:
        raise BadMemberId(f"has {len(raw)} bytes")
    if 0 in raw:
        raise BadMemberId("holds a zero byte")
    return raw.ljust(WORD, b"\0")


def member_id_text(id_bytes: bytes) -> str:
    """Text of an on-ledger member id. Raises BadMemberId."""
    raw = id_bytes.rstrip(b"\0")
    if len(id_bytes) != WORD or not raw or 0 in raw:
        raise BadMemberId("is not padded text")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadMemberId("is not UTF-8") from error


def member_registry_init_code(governor: bytes, members: Sequence[Member]) -> bytes:
    """Init code of a registry with these members in this order.

    Raises OutOfRange for more than 128 members, WrongLength for a field of another length.
    """
    if len(members) > MAX_MEMBERS:
        raise OutOfRange("number of members", len(members), 0, MAX_MEMBERS)
    head = address_word("governor", governor) + uint_word("offset", 2 * WORD, 256)
    body = b"".join(_member_words(member) for member in members)
    code = load_artifact("MemberRegistry").bytecode
    return code + head + uint_word("length", len(members), 256) + body


def encode_member_count() -> bytes:
    """Calldata of the member_count view."""
    return MEMBER_COUNT_SELECTOR


def encode_validator_count() -> bytes:
    """Calldata of the validator_count view."""
    return VALIDATOR_COUNT_SELECTOR


def encode_member_at(index: int) -> bytes:
    """Calldata of the member_at view. Raises OutOfRange."""
    return MEMBER_AT_SELECTOR + uint_word("index", index, 256)


def encode_member(member_id: bytes) -> bytes:
    """Calldata of the member view. Raises WrongLength."""
    return MEMBER_SELECTOR + bytes32_word("id", member_id)


def encode_member_of_account(account: bytes) -> bytes:
    """Calldata of the member_of_account view (current holder). Raises WrongLength."""
    return MEMBER_OF_ACCOUNT_SELECTOR + address_word("account", account)


def encode_owner_of_account(account: bytes) -> bytes:
    """Calldata of the owner_of_account view (present or past holder). Raises WrongLength."""
    return OWNER_OF_ACCOUNT_SELECTOR + address_word("account", account)


def encode_has_role(account: bytes, role: int) -> bytes:
    """Calldata of the has_role view. Raises OutOfRange and WrongLength."""
    return HAS_ROLE_SELECTOR + address_word("account", account) + uint_word("role", role, 256)


def encode_roles_of(account: bytes) -> bytes:
    """Calldata of the roles_of view. Raises WrongLength."""
    return ROLES_OF_SELECTOR + address_word("account", account)


def encode_add_member(member: Member) -> bytes:
    """Calldata of add_member. Raises OutOfRange and WrongLength."""
    return ADD_MEMBER_SELECTOR + _member_words(member)


def encode_remove_member(member_id: bytes) -> bytes:
    """Calldata of remove_member. Raises WrongLength."""
    return REMOVE_MEMBER_SELECTOR + bytes32_word("id", member_id)


def encode_set_keys(member_id: bytes, node: bytes, account: bytes, oprf_key: bytes) -> bytes:
    """Calldata of set_keys. Raises WrongLength."""
    return (
        SET_KEYS_SELECTOR
        + bytes32_word("id", member_id)
        + address_word("node", node)
        + address_word("account", account)
        + bytes32_word("oprf_key", oprf_key)
    )


def encode_set_tls_pins(member_id: bytes, tls_pin: bytes, next_tls_pin: bytes) -> bytes:
    """Calldata of set_tls_pins. Raises WrongLength."""
    return (
        SET_TLS_PINS_SELECTOR
        + bytes32_word("id", member_id)
        + bytes32_word("tls_pin", tls_pin)
        + bytes32_word("next_tls_pin", next_tls_pin)
    )


def encode_set_roles(member_id: bytes, roles: int) -> bytes:
    """Calldata of set_roles. Raises OutOfRange and WrongLength."""
    return SET_ROLES_SELECTOR + bytes32_word("id", member_id) + uint_word("roles", roles, 256)


def encode_offer_governor(successor: bytes) -> bytes:
    """Calldata of offer_governor. Raises WrongLength."""
    return OFFER_GOVERNOR_SELECTOR + address_word("successor", successor)


def encode_accept_governor() -> bytes:
    """Calldata of accept_governor."""
    return ACCEPT_GOVERNOR_SELECTOR


def decode_member(output: bytes) -> Member:
    """Answer of member and member_at. Raises BadReturnData."""
    if len(output) != MEMBER_BYTES:
        raise BadReturnData("member", len(output))
    member_id, pad1, node, pad2, account, pad3, roles, *keys = _MEMBER.unpack(output)
    if any(pad1) or any(pad2) or any(pad3) or roles > ALL_ROLES:
        raise BadReturnData("member", len(output))
    return Member(member_id, node, account, Role(roles), keys[0], keys[1], keys[2])


def roles_slot(account: bytes) -> int:
    """Storage slot of an account's role bits, to read them without running the EVM.

    Raises WrongLength.
    """
    return mapped_slot(ROLES_SLOT, address_word("account", account))


def read_members(read_slot: ReadSlot) -> tuple[Member, ...]:
    """All members in registry order, from storage alone; none where there is no registry.

    Eight reads a member. Raises DamagedStorage.
    """
    registry = Address(MEMBER_REGISTRY)
    count = read_length(read_slot, registry, IDS_SLOT, MAX_MEMBERS)
    ids = (read_word(read_slot, registry, IDS_SLOT + 1 + place) for place in range(count))
    return tuple(read_member(read_slot, member_id) for member_id in ids)


def read_member(read_slot: ReadSlot, member_id: bytes) -> Member:
    """One member that is in the registry, from storage alone. Raises DamagedStorage."""
    registry = Address(MEMBER_REGISTRY)
    entry = mapped_slot(ENTRIES_SLOT, bytes32_word("id", member_id))
    account = read_address(read_slot, registry, entry + 1)
    roles = read_slot(registry, roles_slot(account))
    if roles > ALL_ROLES:
        raise DamagedStorage(registry, roles_slot(account), f"holds the roles {roles}")
    return Member(
        id=member_id,
        node=read_address(read_slot, registry, entry),
        account=account,
        roles=Role(roles),
        oprf_key=read_word(read_slot, registry, entry + 2),
        tls_pin=read_word(read_slot, registry, entry + 3),
        next_tls_pin=read_word(read_slot, registry, entry + 4),
    )


def _member_words(member: Member) -> bytes:
    return (
        bytes32_word("id", member.id)
        + address_word("node", member.node)
        + address_word("account", member.account)
        + uint_word("roles", member.roles, 256)
        + bytes32_word("oprf_key", member.oprf_key)
        + bytes32_word("tls_pin", member.tls_pin)
        + bytes32_word("next_tls_pin", member.next_tls_pin)
    )
