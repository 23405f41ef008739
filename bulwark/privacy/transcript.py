"""Fiat-Shamir transcripts: what a challenge depends on, in an order and with lengths that leave
no second reading.

Rules: a transcript begins with its protocol's label; every field is preceded by its length in 4
bytes, big-endian; an integer is a field of 8 bytes; no field is optional; one label is used for one
sequence of fields only. The challenge is SHA-512 of all of it modulo the group order (bias below
2^-250). Which fields a statement has is the protocol's business: whatever it leaves out can be
changed after the proof was made (weak Fiat-Shamir, Trail of Bits "Frozen Heart" 2022).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from bulwark.privacy.errors import InputRefused
from bulwark.privacy.group import Element, Scalar, reduce_scalar

MAX_FIELD_BYTES = (1 << 32) - 1
MAX_INTEGER = (1 << 64) - 1


class Transcript:
    """A growing sequence of fields under one label."""

    __slots__ = ("_hash",)

    def __init__(self, label: bytes) -> None:
        self._hash = hashlib.sha512()
        self.add(label)

    def add(self, field: bytes) -> Transcript:
        """One field of bytes."""
        self._hash.update(len(field).to_bytes(4, "big"))
        self._hash.update(field)
        return self

    def add_int(self, value: int) -> Transcript:
        """One field of 8 bytes; raises `InputRefused` outside 0 to 2^64 - 1."""
        if not 0 <= value <= MAX_INTEGER:
            raise InputRefused("integer of a transcript", value, f"0 to {MAX_INTEGER}")
        return self.add(value.to_bytes(8, "big"))

    def add_elements(self, elements: Iterable[Element]) -> Transcript:
        """One field an element."""
        for element in elements:
            self.add(element.encoding)
        return self

    def fork(self) -> Transcript:
        """A second transcript that begins with the same fields."""
        other = object.__new__(Transcript)
        other._hash = self._hash.copy()
        return other

    def digest(self) -> bytes:
        """SHA-512 of the fields so far, 64 bytes."""
        return self._hash.digest()

    def challenge(self) -> Scalar:
        """The digest modulo the group order, little-endian; zero has chance 2^-252."""
        return reduce_scalar(self.digest())
