"""Checksums over stored values, so that a flipped byte is named when it is read.

Rules: a seal is the CRC-32 of key and value, 4 bytes big-endian, behind the value. The key is
part of it, so a value that lands under another key is noticed too. It guards against rot and
software faults, not against a person: hashes and certificates do that.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

from node.storage.errors import StoreDamaged

SEAL_BYTES: Final = 4


def seal(key: bytes, value: bytes) -> bytes:
    """`value` with its checksum behind it."""
    return value + crc32(value, crc32(key)).to_bytes(SEAL_BYTES, "big")


def unseal(key: bytes, stored: bytes) -> bytes:
    """The value that was sealed under this key. Raises StoreDamaged naming the key."""
    value = stored[:-SEAL_BYTES]
    given = int.from_bytes(stored[-SEAL_BYTES:], "big")
    if len(stored) < SEAL_BYTES or crc32(value, crc32(key)) != given:
        raise StoreDamaged(f"key {key.hex()}", "the stored value does not match its checksum")
    return value
