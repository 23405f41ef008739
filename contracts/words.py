"""ABI words: packing of fixed-size arguments into 32-byte words and strict checks of bytes.

Rules it owns: one value is one 32-byte word, integers and addresses padded with zeros on the
left; a value that does not fit is an error, never truncated. It knows no contract.
"""

from __future__ import annotations

from typing import Final

from contracts.errors import OutOfRange, WrongLength

WORD: Final = 32
ADDRESS_BYTES: Final = 20
ADDRESS_PADDING: Final = bytes(WORD - ADDRESS_BYTES)


def uint_word(field: str, value: int, bits: int) -> bytes:
    """Word of an unsigned integer of that many bits. Raises OutOfRange."""
    if not 0 <= value < 1 << bits:
        raise OutOfRange(field, value, 0, (1 << bits) - 1)
    return value.to_bytes(WORD, "big")


def bytes32_word(field: str, value: bytes) -> bytes:
    """Word of a bytes32. Raises WrongLength."""
    if len(value) != WORD:
        raise WrongLength(field, len(value), WORD)
    return bytes(value)


def address_word(field: str, value: bytes) -> bytes:
    """Word of a 20-byte address. Raises WrongLength."""
    if len(value) != ADDRESS_BYTES:
        raise WrongLength(field, len(value), ADDRESS_BYTES)
    return ADDRESS_PADDING + value


def address_of_word(word: bytes) -> bytes | None:
    """Address of a word, None when the padding is not zero or the length is not 32."""
    if len(word) != WORD or word[:12] != ADDRESS_PADDING:
        return None
    return word[12:]
