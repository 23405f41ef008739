"""A batch of records inside a pack: all leaves, and of the selected records what is behind them.

Rules: every leaf of the batch is here in order, so that a dropped record is seen; an entry is the
whole record, a bare leaf because the record was erased, or a bare leaf because the selection does
not cover it (*withheld*: others' data does not travel with one person's case). The leaf stands
beside the record, so that a change is found at the record and not only at the root.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum

from msgspec import Struct

from bulwark.ledger.errors import DecodeError, LimitExceeded
from bulwark.ledger.ids import DIGEST_BYTES, RecordId
from bulwark.ledger.limits import MAX_RECORDS_PER_SIDECAR
from bulwark.ledger.record import (
    PAYLOAD_HEAD_BYTES,
    SALT_BYTES,
    TAG_BYTES,
    Record,
    payload_length,
)
from bulwark.ledger.sidecar import Entry

Take = Callable[[int], bytes]
"""The next so many bytes of a file; raises what the caller says when there are fewer."""


class Shown(IntEnum):
    """What of a record a pack shows."""

    ERASED = 0
    FULL = 1
    WITHHELD = 2


class PackEntry(Struct, frozen=True):
    """One record of a batch as a pack shows it."""

    shown: Shown
    leaf: RecordId
    """The record's id, as the pack says."""
    record: Record | None = None
    """What is behind the leaf, not compared with it yet; only if FULL."""


class PackBatch(Struct, frozen=True):
    """One batch at its place in the record log."""

    position: int
    """Of its anchor in the record log."""
    entries: tuple[PackEntry, ...]


def encode_batch(position: int, entries: Sequence[Entry], shown: Callable[[int], bool]) -> bytes:
    """8-byte position, 4-byte count, entries; `shown` says by index what is not withheld."""
    parts = [position.to_bytes(8, "big"), len(entries).to_bytes(4, "big")]
    for index, entry in enumerate(entries):
        leaf = entry.record_id
        if not shown(index):
            parts += (b"\x02", leaf)
        elif isinstance(entry, Record):
            parts += (b"\x01", leaf, entry.salt, entry.tag, entry.payload_bytes)
        else:
            parts += (b"\x00", leaf)
    return b"".join(parts)


def read_batch(take: Take) -> PackBatch:
    """Inverse of encode_batch() over a stream; raises DecodeError, RecordInvalid."""
    position = int.from_bytes(take(8), "big")
    count = int.from_bytes(take(4), "big")
    if not 1 <= count <= MAX_RECORDS_PER_SIDECAR:
        raise LimitExceeded("batch.count", count, MAX_RECORDS_PER_SIDECAR)
    return PackBatch(position, tuple(_read_entry(take) for _ in range(count)))


def _read_entry(take: Take) -> PackEntry:
    number = take(1)[0]
    try:
        shown = Shown(number)
    except ValueError as error:
        raise DecodeError("batch.entry", f"{number} is neither 0, 1 nor 2") from error
    leaf = RecordId(take(DIGEST_BYTES))
    if shown is not Shown.FULL:
        return PackEntry(shown, leaf)
    salt, tag = take(SALT_BYTES), take(TAG_BYTES)
    head = take(PAYLOAD_HEAD_BYTES)
    rest = take(payload_length(head, 0) - PAYLOAD_HEAD_BYTES)
    return PackEntry(shown, leaf, Record.cut(salt, tag, head + rest))
