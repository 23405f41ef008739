"""The contracts as genesis holds them: deployed code and storage, made without an EVM.

Rules it owns: the storage layout that the constructors leave behind. A test runs the real
constructors and compares the state roots, so this is a faster way to the same state and never a
second meaning. It does not write a genesis document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from contracts.artifact import load_artifact
from contracts.consents import CONSENT_REGISTRY
from contracts.errors import ContractError, OutOfRange
from contracts.evidence import EVIDENCE_REGISTRY
from contracts.governance import GOVERNANCE, parameter_slot
from contracts.members import (
    ALL_ROLES,
    ENTRIES_SLOT,
    IDS_SLOT,
    MAX_MEMBERS,
    MEMBER_REGISTRY,
    VALIDATORS_SLOT,
    Member,
    Role,
    roles_slot,
)
from contracts.policies import POLICY_REGISTRY, policy_storage
from contracts.records import RECORD_REGISTRY
from contracts.slots import mapped_slot
from contracts.words import WORD, address_word, bytes32_word, uint_word

CONTRACT_NONCE: Final = 1
_ZERO_ID: Final = bytes(WORD)
_ZERO_ADDRESS: Final = bytes(20)
_GOVERNOR: Final = 0
_OWNER_OF_ACCOUNT: Final = 3
_MEMBER_OF_NODE: Final = 4
LAYOUT: Final[Mapping[str, int]] = {
    "governor": _GOVERNOR,
    "_owner_of_account": _OWNER_OF_ACCOUNT,
    "_member_of_node": _MEMBER_OF_NODE,
    "_entries": ENTRIES_SLOT,
    "_ids": IDS_SLOT,
    "_validators": VALIDATORS_SLOT,
}


class BadMembers(ContractError):
    """The members of a genesis would be refused by the constructor of the registry."""

    def __init__(self, problem: str, member_id: bytes) -> None:
        super().__init__(f"member {member_id.hex()}: {problem}")
        self.problem = problem
        self.member_id = member_id


class PlacedContract(Struct, frozen=True):
    """One contract of the genesis state.

    Attributes:
        address: 20 bytes.
        nonce: 1, as of every contract made by a create message.
        code: deployed code, immutables included.
        storage: slot -> value, zero values left out.
    """

    address: bytes
    nonce: int
    code: bytes
    storage: Mapping[int, int]


def genesis_contracts(governor: bytes, members: Sequence[Member]) -> tuple[PlacedContract, ...]:
    """The registries in the state their constructors leave, members in this order.

    Raises BadMembers where the constructor would revert, OutOfRange for more than 128 members
    or roles that do not exist, WrongLength for a field of another length.
    """
    return (
        PlacedContract(
            MEMBER_REGISTRY,
            CONTRACT_NONCE,
            load_artifact("MemberRegistry").runtime_bytecode,
            _member_storage(governor, members),
        ),
        _asking_members(RECORD_REGISTRY, "RecordRegistry"),
        _asking_members(CONSENT_REGISTRY, "ConsentRegistry"),
        _asking_members(EVIDENCE_REGISTRY, "EvidenceRegistry"),
    )


def governed_contracts(
    members: Sequence[Member], parameters: Mapping[str, int], policies: Sequence[bytes] = ()
) -> tuple[PlacedContract, ...]:
    """The contracts of an alliance that governs itself by vote.

    `parameters` are the first values, by name; `policies` are in force from the first block on, the
    first is the default. Raises as genesis_contracts, and UnknownParameter, OutOfRange for a value
    that is no positive 256-bit number, or for policies that the constructor refuses.
    """
    storage: dict[int, int] = {}
    for name, value in parameters.items():
        if not 0 < value < 1 << 256:
            raise OutOfRange(name, value, 1, (1 << 256) - 1)
        storage[parameter_slot(name)] = value
    code = load_artifact("Governance").runtime_bytecode + address_word("members", MEMBER_REGISTRY)
    governance = PlacedContract(GOVERNANCE, CONTRACT_NONCE, code, storage)
    immutables = address_word("members", MEMBER_REGISTRY) + address_word("governor", GOVERNANCE)
    registry = PlacedContract(
        POLICY_REGISTRY,
        CONTRACT_NONCE,
        load_artifact("PolicyRegistry").runtime_bytecode + immutables,
        policy_storage(policies),
    )
    return (*genesis_contracts(GOVERNANCE, members), governance, registry)


def _asking_members(address: bytes, name: str) -> PlacedContract:
    code = load_artifact(name).runtime_bytecode + address_word("members", MEMBER_REGISTRY)
    return PlacedContract(address, CONTRACT_NONCE, code, {})


def _member_storage(governor: bytes, members: Sequence[Member]) -> dict[int, int]:
    if len(members) > MAX_MEMBERS:
        raise OutOfRange("number of members", len(members), 0, MAX_MEMBERS)
    if governor == _ZERO_ADDRESS:
        raise BadMembers("the governor is the zero address", _ZERO_ID)
    _check_unique(members)
    words: dict[int, bytes] = {
        _GOVERNOR: address_word("governor", governor),
        IDS_SLOT: uint_word("length", len(members), 256),
        VALIDATORS_SLOT: uint_word(
            "validators", sum(bool(m.roles & Role.VALIDATOR) for m in members), 256
        ),
    }
    for index, member in enumerate(members):
        entry = mapped_slot(ENTRIES_SLOT, bytes32_word("id", member.id))
        words[IDS_SLOT + 1 + index] = member.id
        words[mapped_slot(_OWNER_OF_ACCOUNT, address_word("account", member.account))] = member.id
        words[mapped_slot(_MEMBER_OF_NODE, address_word("node", member.node))] = member.id
        words[roles_slot(member.account)] = uint_word("roles", member.roles, 256)
        words[entry] = address_word("node", member.node)
        words[entry + 1] = address_word("account", member.account)
        words[entry + 2] = bytes32_word("oprf_key", member.oprf_key)
        words[entry + 3] = bytes32_word("tls_pin", member.tls_pin)
        words[entry + 4] = bytes32_word("next_tls_pin", member.next_tls_pin)
    return {slot: int.from_bytes(word, "big") for slot, word in words.items() if any(word)}


def _check_unique(members: Sequence[Member]) -> None:
    seen: set[tuple[str, bytes]] = set()
    for member in members:
        if not 0 <= member.roles <= ALL_ROLES:
            raise OutOfRange("roles", member.roles, 0, ALL_ROLES)
        for field, value in (
            ("id", member.id),
            ("node", member.node),
            ("account", member.account),
        ):
            if not any(value):
                raise BadMembers(f"zero {field}", member.id)
            if (field, value) in seen:
                raise BadMembers(f"{field} is taken by another member", member.id)
            seen.add((field, value))
