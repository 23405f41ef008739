"""Storage of the contracts as the compiler lays it out, for reading it without running an EVM.

Rules it owns: where a map's entry, a list's length and items, and the parts of a byte string lie
(Vyper: a map's entry at keccak256(slot, key), a list's or byte string's length in its own slot and
its content in the slots after that). It knows no contract.
"""

from __future__ import annotations

from collections.abc import Callable

from bulwark.ledger.hashing import keccak256
from bulwark.ledger.ids import Address
from contracts.errors import DamagedStorage
from contracts.words import ADDRESS_BYTES, WORD, uint_word

ReadSlot = Callable[[Address, int], int]
"""Value of a storage slot of a contract in one state, 0 for an empty one."""


def mapped_slot(slot: int, key: bytes) -> int:
    """Slot of a map's entry; `key` is one word."""
    return int.from_bytes(keccak256(uint_word("slot", slot, 256) + key), "big")


def read_word(read_slot: ReadSlot, contract: Address, slot: int) -> bytes:
    """One word, 32 bytes."""
    return read_slot(contract, slot).to_bytes(WORD, "big")


def read_address(read_slot: ReadSlot, contract: Address, slot: int) -> Address:
    """One address. Raises DamagedStorage."""
    value = read_slot(contract, slot)
    if value >> 8 * ADDRESS_BYTES:
        raise DamagedStorage(contract, slot, "is no address")
    return Address(value.to_bytes(ADDRESS_BYTES, "big"))


def read_length(read_slot: ReadSlot, contract: Address, slot: int, most: int) -> int:
    """Length of a list or byte string. Raises DamagedStorage for one over `most`."""
    length = read_slot(contract, slot)
    if length > most:
        raise DamagedStorage(contract, slot, f"holds a length of {length}, {most} allowed")
    return length


def read_bytes(read_slot: ReadSlot, contract: Address, slot: int, most: int) -> bytes:
    """A byte string of at most `most` bytes. Raises DamagedStorage."""
    length = read_length(read_slot, contract, slot, most)
    words = range(slot + 1, slot + 1 + (length + WORD - 1) // WORD)
    return b"".join(read_word(read_slot, contract, at) for at in words)[:length]
