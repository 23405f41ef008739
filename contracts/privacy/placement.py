"""The privacy contracts as genesis holds them: deployed code and storage, made without an EVM.

Rules it owns: the storage that their constructors leave behind (a test runs the real ones and
compares the state roots). Proofs of possession are not looked at: whoever makes the genesis
document checks them. It does not write a genesis document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from contracts.artifact import load_artifact
from contracts.errors import ContractError, OutOfRange
from contracts.governance import GOVERNANCE
from contracts.members import MAX_MEMBERS, MEMBER_REGISTRY
from contracts.placement import CONTRACT_NONCE, PlacedContract
from contracts.privacy.ceremony import KEY_CEREMONY
from contracts.privacy.keys import (
    DEFAULT_EPOCH_SECONDS,
    KEYS_SLOT,
    PRIVACY_KEYS,
    REGULATOR_KEY_OWNERS_SLOT,
    REGULATOR_SLOT,
    RING_KEY_OWNERS_SLOT,
    GenesisKeys,
    RegulatorKey,
)
from contracts.privacy.openings import OPENINGS
from contracts.privacy.query_log import QUERY_LOG
from contracts.slots import mapped_slot
from contracts.words import address_word, bytes32_word, uint_word

MAX_EPOCH_SECONDS: Final = 366 * 86_400


class BadKeys(ContractError):
    """The keys of a genesis would be refused by the constructor of PrivacyKeys."""

    def __init__(self, problem: str, member_id: bytes) -> None:
        super().__init__(f"keys of member {member_id.hex()}: {problem}")
        self.problem = problem
        self.member_id = member_id


def privacy_contracts(
    keys: Sequence[GenesisKeys],
    regulator: RegulatorKey | None = None,
    epoch_seconds: int = DEFAULT_EPOCH_SECONDS,
) -> tuple[PlacedContract, ...]:
    """The four contracts in the state their constructors leave; keys in force from the start.

    `regulator` is the first holder of the regulator's part of the opener, its `since` 0. Raises
    BadKeys where the constructor would revert, OutOfRange, WrongLength.
    """
    if not 1 <= epoch_seconds <= MAX_EPOCH_SECONDS:
        raise OutOfRange("epoch_seconds", epoch_seconds, 1, MAX_EPOCH_SECONDS)
    members = address_word("members", MEMBER_REGISTRY)
    governance = address_word("governance", GOVERNANCE)
    seconds = uint_word("epoch_seconds", epoch_seconds, 256)
    storage = _key_storage(keys, regulator)
    others = address_word("query_log", QUERY_LOG) + address_word("ceremony", KEY_CEREMONY)
    keys_at = address_word("keys", PRIVACY_KEYS)
    return (
        _placed(PRIVACY_KEYS, "PrivacyKeys", members + seconds, storage),
        _placed(KEY_CEREMONY, "KeyCeremony", members + governance + keys_at, {}),
        _placed(QUERY_LOG, "QueryLog", members + seconds, {}),
        _placed(OPENINGS, "Openings", members + governance + others, {}),
    )


def _placed(
    address: bytes, name: str, immutables: bytes, storage: Mapping[int, int]
) -> PlacedContract:
    code = load_artifact(name).runtime_bytecode + immutables
    return PlacedContract(address, CONTRACT_NONCE, code, storage)


def _key_storage(keys: Sequence[GenesisKeys], regulator: RegulatorKey | None) -> dict[int, int]:
    if len(keys) > MAX_MEMBERS:
        raise OutOfRange("number of keys", len(keys), 0, MAX_MEMBERS)
    words: dict[int, bytes] = {}
    if regulator is not None:
        key = bytes32_word("regulator key", regulator.key)
        if not any(key) or not any(regulator.holder):
            raise BadKeys("zero regulator key or holder", regulator.holder)
        words[mapped_slot(REGULATOR_KEY_OWNERS_SLOT, key)] = regulator.holder
        words[REGULATOR_SLOT] = key
        words[REGULATOR_SLOT + 1] = bytes32_word("regulator", regulator.holder)
    taken = {regulator.key} if regulator is not None else set()
    ids: set[bytes] = set()
    for entry in keys:
        ring_key = bytes32_word("ring_key", entry.ring_key)
        _check(entry, ids, taken)
        ids.add(entry.id)
        taken.add(ring_key)
        place = mapped_slot(KEYS_SLOT, bytes32_word("id", entry.id))
        words[place] = ring_key
        words[place + 1] = bytes32_word("sealing_key", entry.sealing_key)
        words[mapped_slot(RING_KEY_OWNERS_SLOT, ring_key)] = entry.id
    return {slot: int.from_bytes(word, "big") for slot, word in words.items()}


def _check(entry: GenesisKeys, ids: set[bytes], taken: set[bytes]) -> None:
    if not any(entry.id):
        raise BadKeys("zero id", entry.id)
    if not any(entry.ring_key) or not any(entry.sealing_key):
        raise BadKeys("zero key", entry.id)
    if entry.id in ids:
        raise BadKeys("id is listed twice", entry.id)
    if entry.ring_key in taken:
        raise BadKeys("ring key is taken", entry.id)
