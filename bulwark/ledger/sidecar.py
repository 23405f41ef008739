"""The sidecar: the erasable records of one anchor transaction, and the tree the anchor commits to.

Rules: 1 to 2,000 entries, each a record or, once erased, the bare leaf hash; erasing keeps every
leaf, so root and proofs stay as they were. No leaf occurs twice. The encoding is canonical and a
decoder bounds size and count before it reads an entry.
Whether an anchor names this root, and who may erase, is decided elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from bulwark.ledger.errors import DecodeError, LimitExceeded, RecordInvalid
from bulwark.ledger.ids import DIGEST_BYTES, Digest, RecordId
from bulwark.ledger.limits import MAX_RECORDS_PER_SIDECAR, MAX_SIDECAR_BYTES
from bulwark.ledger.merkle import inclusion_path, root_of
from bulwark.ledger.record import SALT_BYTES, TAG_BYTES, Record, payload_length

SIDECAR_VERSION: Final = 1
_ERASED: Final = 0
_FULL: Final = 1
_KEYS_BYTES: Final = SALT_BYTES + TAG_BYTES


class ErasedRecord(Struct, frozen=True):
    """What is left of an erased record."""

    leaf: RecordId

    def __post_init__(self) -> None:
        if len(self.leaf) != DIGEST_BYTES:
            raise RecordInvalid("leaf", f"{len(self.leaf)} bytes given, {DIGEST_BYTES} needed")

    @property
    def record_id(self) -> RecordId:
        """The leaf itself, as for a full record."""
        return self.leaf


Entry = Record | ErasedRecord


@dataclass(frozen=True, slots=True)
class Sidecar:
    """Entries in leaf order."""

    entries: tuple[Entry, ...]
    leaves: tuple[Digest, ...] = field(init=False, compare=False, repr=False)
    """Leaf hashes in order; the same before and after an erasure."""
    _root: Digest | None = field(init=False, default=None, compare=False, repr=False)
    _encoded: bytes | None = field(init=False, default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.entries) <= MAX_RECORDS_PER_SIDECAR:
            raise DecodeError(
                "sidecar", f"{len(self.entries)} entries, 1..{MAX_RECORDS_PER_SIDECAR} allowed"
            )
        leaves = tuple(Digest(entry.record_id) for entry in self.entries)
        if len(set(leaves)) != len(leaves):
            raise DecodeError("sidecar", "two entries are the same record")
        object.__setattr__(self, "leaves", leaves)

    @property
    def count(self) -> int:
        """Number of entries, erased ones included."""
        return len(self.entries)

    @property
    def root(self) -> Digest:
        """RFC 6962 root of the leaves, computed at the first call (0.7 us a leaf)."""
        if self._root is None:
            object.__setattr__(self, "_root", root_of(self.leaves))
        return self._root or root_of(self.leaves)

    def path(self, index: int) -> list[Digest]:
        """Inclusion path of the entry at `index`; raises ProofInvalid outside the sidecar."""
        return inclusion_path(self.leaves, index)

    def erase(self, index: int) -> Sidecar:
        """This sidecar without salt, tag and payload of one entry; raises IndexError outside."""
        if not 0 <= index < len(self.entries):
            raise IndexError(f"entry {index} of a sidecar of {len(self.entries)}")
        erased = ErasedRecord(self.entries[index].record_id)
        return Sidecar((*self.entries[:index], erased, *self.entries[index + 1 :]))

    def encode(self) -> bytes:
        """Canonical bytes: version, 4-byte count, then kind byte and content of each entry.

        Kept from the first call or from decode(): a node gossips, stores and serves them.
        """
        if self._encoded is None:
            object.__setattr__(self, "_encoded", self._encode())
        return self._encoded or self._encode()

    def _encode(self) -> bytes:
        parts = [bytes([SIDECAR_VERSION]), len(self.entries).to_bytes(4, "big")]
        for entry in self.entries:
            if isinstance(entry, Record):
                parts += (b"\x01", entry.salt, entry.tag, entry.payload_bytes)
            else:
                parts += (b"\x00", entry.leaf)
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes) -> Sidecar:
        """Inverse of encode(); raises DecodeError or RecordInvalid."""
        if len(data) > MAX_SIDECAR_BYTES:
            raise LimitExceeded("sidecar", len(data), MAX_SIDECAR_BYTES)
        if len(data) < 5:
            raise DecodeError("sidecar", f"{len(data)} bytes given, a head has 5", 0)
        if data[0] != SIDECAR_VERSION:
            raise DecodeError("sidecar.version", f"{data[0]} given, {SIDECAR_VERSION} known", 0)
        count = int.from_bytes(data[1:5], "big")
        if count > MAX_RECORDS_PER_SIDECAR:
            raise LimitExceeded("sidecar.count", count, MAX_RECORDS_PER_SIDECAR, 1)
        entries, offset = _read_entries(data, count)
        if offset != len(data):
            raise DecodeError("sidecar", f"{len(data) - offset} bytes after the end", offset)
        sidecar = cls(entries)
        object.__setattr__(sidecar, "_encoded", data)
        return sidecar


def _read_entries(data: bytes, count: int) -> tuple[tuple[Entry, ...], int]:
    """`count` entries from byte 5 on and the offset after the last."""
    entries: list[Entry] = []
    end = len(data)
    offset = 5
    for _ in range(count):
        if offset >= end:
            raise DecodeError("sidecar.entry", f"{count} entries named, {len(entries)} here", end)
        kind = data[offset]
        start = offset + 1
        if kind == _FULL:
            middle = start + SALT_BYTES
            keys_end = start + _KEYS_BYTES
            offset = keys_end + payload_length(data, keys_end)
            if offset > end:
                raise DecodeError("sidecar.entry", "record is cut short", start)
            entries.append(
                Record.cut(data[start:middle], data[middle:keys_end], data[keys_end:offset])
            )
        elif kind == _ERASED:
            offset = start + DIGEST_BYTES
            entries.append(ErasedRecord(RecordId(data[start:offset])))
        else:
            raise DecodeError("sidecar.entry", f"kind {kind} is neither full nor erased", offset)
    return tuple(entries), offset
