"""Values of the database that are not ledger structures: places, tag entries, consents, receipts.

Rules: fixed layouts, big-endian; a decoder refuses any other length and names the key. Ledger
structures (headers, batches, certificates, sidecars, anchors) are stored in their own encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from bulwark.ledger.anchor import AnchorKind
from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import LedgerError
from bulwark.ledger.ids import Address, Digest, Height, RecordId, TimestampMs
from bulwark.ledger.limits import MAX_BATCH_TRANSACTIONS
from bulwark.ledger.receipt import MAX_RECEIPT_BYTES, Receipt
from bulwark.ledger.record import RecordPayload
from node.storage.errors import StoreDamaged

_PLACE: Final = struct.Struct(">QI32sI")
_TRANSACTION: Final = struct.Struct(">QI")
_TAGGED: Final = struct.Struct(">32s20sQ")
_CONSENT: Final = struct.Struct(">B20sHHI32s")
_NUMBER: Final = struct.Struct(">Q")


class RecordPlace(Struct, frozen=True):
    """Where a record stands on the ledger."""

    height: Height
    transaction_index: int
    root: Digest
    """Root of its sidecar."""
    position: int
    """Position in its sidecar."""

    def encode(self) -> bytes:
        """48 bytes."""
        return _PLACE.pack(self.height, self.transaction_index, self.root, self.position)

    @classmethod
    def decode(cls, key: bytes, data: bytes) -> RecordPlace:
        """Inverse of encode(). Raises StoreDamaged."""
        if len(data) != _PLACE.size:
            raise _damaged(key, len(data), _PLACE.size)
        height, index, root, position = _PLACE.unpack(data)
        return cls(Height(height), index, Digest(root), position)


class TaggedRecord(Struct, frozen=True):
    """What a look-up by tag answers with, so that it needs no second read."""

    record_id: RecordId
    reporter: Address
    """Account that anchored it."""
    timestamp_ms: TimestampMs
    """Time of its block."""
    payload_bytes: bytes
    """Canonical payload."""

    def encode(self) -> bytes:
        """60 bytes and the payload."""
        return _TAGGED.pack(self.record_id, self.reporter, self.timestamp_ms) + self.payload_bytes

    @classmethod
    def decode(cls, key: bytes, data: bytes) -> TaggedRecord:
        """Inverse of encode(). Raises StoreDamaged."""
        if len(data) < _TAGGED.size:
            raise _damaged(key, len(data), _TAGGED.size)
        record_id, reporter, timestamp_ms = _TAGGED.unpack_from(data)
        return cls(
            RecordId(record_id),
            Address(reporter),
            TimestampMs(timestamp_ms),
            data[_TAGGED.size :],
        )

    def payload(self, key: bytes) -> RecordPayload:
        """The decoded payload. Raises StoreDamaged."""
        try:
            return RecordPayload.decode(self.payload_bytes)
        except LedgerError as error:
            raise StoreDamaged(f"key {key.hex()}", str(error)) from error


class ConsentEvent(Struct, frozen=True):
    """One event of a consent as the ledger has it; its height is in the key."""

    kind: AnchorKind
    """CONSENT_GIVEN, CONSENT_RENEWED or CONSENT_WITHDRAWN."""
    issuer: Address
    """Account that gave the consent, in every event."""
    purpose: int
    """Purpose code."""
    code: int
    """Lawful-basis code; in a withdrawal the code of its reason."""
    valid_until_day: int
    """Last day, days since 1970-01-01; 0 without end."""
    commitment: Digest
    """Commitment to the receipt that counts from here on."""

    def encode(self) -> bytes:
        """61 bytes."""
        return _CONSENT.pack(
            self.kind, self.issuer, self.purpose, self.code, self.valid_until_day, self.commitment
        )

    @classmethod
    def decode(cls, key: bytes, data: bytes) -> ConsentEvent:
        """Inverse of encode(). Raises StoreDamaged."""
        if len(data) != _CONSENT.size:
            raise _damaged(key, len(data), _CONSENT.size)
        kind, issuer, purpose, code, day, commitment = _CONSENT.unpack(data)
        try:
            known = AnchorKind(kind)
        except ValueError as error:
            raise StoreDamaged(f"key {key.hex()}", f"{kind} is no kind of consent") from error
        return cls(known, Address(issuer), purpose, code, day, Digest(commitment))


class PlaceEncoder:
    """Places of the records of one sidecar: all but the position is packed once."""

    __slots__ = ("_head", "_order")

    def __init__(self, height: Height, transaction_index: int, root: Digest) -> None:
        self._order = _TRANSACTION.pack(height, transaction_index)
        self._head = self._order + root

    def value(self, position: int) -> bytes:
        """RecordPlace.encode() of an entry."""
        return self._head + position.to_bytes(4, "big")

    def order(self, position: int) -> bytes:
        """Tail of an entry's key under its tag: height8 | transaction index4 | position4."""
        return self._order + position.to_bytes(4, "big")


def tagged_tail_of(reporter: Address, timestamp_ms: TimestampMs) -> bytes:
    """What stands between record id and payload in TaggedRecord.encode()."""
    return reporter + timestamp_ms.to_bytes(8, "big")


def encode_transaction_place(height: Height, index: int) -> bytes:
    """Height and position of a transaction, 12 bytes."""
    return _TRANSACTION.pack(height, index)


def decode_transaction_place(key: bytes, data: bytes) -> tuple[Height, int]:
    """Inverse of encode_transaction_place(). Raises StoreDamaged."""
    if len(data) != _TRANSACTION.size:
        raise _damaged(key, len(data), _TRANSACTION.size)
    height, index = _TRANSACTION.unpack(data)
    return Height(height), index


def decode_number(key: bytes, data: bytes) -> int:
    """An 8-byte number. Raises StoreDamaged."""
    if len(data) != _NUMBER.size:
        raise _damaged(key, len(data), _NUMBER.size)
    number: int = _NUMBER.unpack(data)[0]
    return number


def encode_receipts(receipts: Sequence[tuple[int, Receipt]]) -> bytes:
    """Receipts of a block in order, each with its transaction's position in the batch."""
    writer = Writer()
    writer.sequence(receipts, lambda w, pair: w.uint(pair[0], 4).blob(pair[1].encode()))
    return writer.done()


def decode_receipts(key: bytes, data: bytes) -> tuple[tuple[int, Receipt], ...]:
    """Inverse of encode_receipts(). Raises StoreDamaged."""
    try:
        return read_receipts(data)
    except LedgerError as error:
        raise StoreDamaged(f"key {key.hex()}", str(error)) from error


def read_receipts(data: bytes) -> tuple[tuple[int, Receipt], ...]:
    """Inverse of encode_receipts() for bytes of another node. Raises LedgerError."""
    reader = Reader(data, "receipts")
    pairs = reader.sequence("receipts", MAX_BATCH_TRANSACTIONS, _read_receipt)
    reader.end()
    return pairs


def _read_receipt(reader: Reader) -> tuple[int, Receipt]:
    position = reader.uint(4, "position", MAX_BATCH_TRANSACTIONS)
    return position, Receipt.decode(reader.blob("receipt", MAX_RECEIPT_BYTES))


def _damaged(key: bytes, given: int, needed: int) -> StoreDamaged:
    return StoreDamaged(f"key {key.hex()}", f"{given} bytes stored, {needed} needed")
