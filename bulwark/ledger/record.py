"""A record: one keyed indicator report, the leaf of a batch, in a fixed binary layout.

Rules: the payload is a 35-byte big-endian head, version first, then up to four 32-byte references
in a fixed order, flagged in a bitmap; an absent reference takes no byte and a present one is never
zero, so a payload has one encoding and a record one id. The leaf hash covers salt, tag and payload
under a domain tag; it is the record id and outlives an erasure.
The codes of the vocabulary fields mean nothing here: their words live in `bulwark.indicators`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

import msgspec

from bulwark.ledger.errors import RecordInvalid
from bulwark.ledger.ids import RecordId, Tag

PAYLOAD_VERSION: Final = 1
SALT_BYTES: Final = 32
TAG_BYTES: Final = 32
REFERENCE_BYTES: Final = 32
MAX_CONFIDENCE: Final = 100

_HEAD: Final = struct.Struct(">13B2s4H3I")
PAYLOAD_HEAD_BYTES: Final = _HEAD.size
"""Length of the shortest payload, the head alone."""
_BITMAP_OFFSET: Final = 12
_COUNTRY_OFFSET: Final = 13
_DAYS_OFFSET: Final = 23
_DAYS: Final = struct.Struct(">3I")
_PAYLOAD_BYTES: Final = tuple(_HEAD.size + REFERENCE_BYTES * b.bit_count() for b in range(16))
_ZERO_REFERENCE: Final = bytes(REFERENCE_BYTES)
_NO_COUNTRY: Final = b"\x00\x00"
_LEAF_PREFIX: Final = b"\x00bulwark/record/1\x00"
_BYTE_FIELDS: Final = (
    *("operation", "kind", "fraud_type", "object_role", "evidence_level", "confidence", "tlp"),
    *("channel", "loss_band", "lawful_basis", "reason"),
)
_SHORT_FIELDS: Final = ("distinct_customers", "purpose", "oprf_key_id", "usage")
_DAY_FIELDS: Final = ("first_seen_day", "last_seen_day", "valid_until_day")


class RecordPayload(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a record says about its tag. Codes are one byte unless it says otherwise.

    Fields are checked when they are encoded or decoded, not when the object is made.
    """

    operation: int
    """Add, sight, dispute, rule, retract, expire or erase; not 0."""
    kind: int
    """Kind of the indicator behind the tag; not 0."""
    fraud_type: int = 0
    object_role: int = 0
    """What the indicator is in the scheme: offender, mule, victim, impersonated, ..."""
    evidence_level: int = 0
    confidence: int = 0
    """Per cent, 0 to 100."""
    tlp: int = 0
    channel: int = 0
    country: bytes = b""
    """ISO 3166-1 alpha-2 in upper case, or empty."""
    first_seen_day: int = 0
    """Days since 1970-01-01, 32 bits; 0 is unknown."""
    last_seen_day: int = 0
    """As first_seen_day; if known, not before it."""
    valid_until_day: int = 0
    """Last day on which the record counts, not before first_seen_day; 0 leaves it to the policy."""
    distinct_customers: int = 0
    """Customers of the reporter behind this report, 16 bits."""
    loss_band: int = 0
    lawful_basis: int = 0
    purpose: int = 0
    """16 bits."""
    oprf_key_id: int = 0
    """Key under which the tag was made, 16 bits."""
    usage: int = 0
    """Usage flags (no sole basis, notify subject, ...), 16 bits."""
    reason: int = 0
    """For operations that need one: ground of a dispute, outcome of a ruling."""
    case_commitment: bytes | None = None
    """Salted commitment to the reporter's case number and evidence, 32 bytes."""
    consent_anchor: bytes | None = None
    """Anchor id of the consent or processing receipt, 32 bytes."""
    previous_record: RecordId | None = None
    """Record that this one disputes, rules on, retracts, corrects or erases."""
    link_group: bytes | None = None
    """Random id shared by the records of one case, 32 bytes."""

    def encode(self) -> bytes:
        """Canonical bytes; raises RecordInvalid naming the field that is out of bounds."""
        bits = 0
        tail = b""
        if self.case_commitment is not None:
            bits = 1
            tail = self.case_commitment
        if self.consent_anchor is not None:
            bits |= 2
            tail += self.consent_anchor
        if self.previous_record is not None:
            bits |= 4
            tail += self.previous_record
        if self.link_group is not None:
            bits |= 8
            tail += self.link_group
        country = self.country or _NO_COUNTRY
        try:
            head = _HEAD.pack(
                PAYLOAD_VERSION,
                self.operation,
                self.kind,
                self.fraud_type,
                self.object_role,
                self.evidence_level,
                self.confidence,
                self.tlp,
                self.channel,
                self.loss_band,
                self.lawful_basis,
                self.reason,
                bits,
                country,
                self.distinct_customers,
                self.purpose,
                self.oprf_key_id,
                self.usage,
                self.first_seen_day,
                self.last_seen_day,
                self.valid_until_day,
            )
        except struct.error as error:
            raise self._misfit() from error
        data = head + tail
        if len(country) != 2 or (self.country and not _is_country(country)):
            raise RecordInvalid("country", "two letters A to Z as bytes, or empty")
        if bits and not self._references_fit():
            raise RecordInvalid("references", f"each is {REFERENCE_BYTES} bytes")
        check_payload(data)
        return data

    def _references_fit(self) -> bool:
        references = (
            self.case_commitment,
            self.consent_anchor,
            self.previous_record,
            self.link_group,
        )
        return all(r is None or len(r) == REFERENCE_BYTES for r in references)

    def _misfit(self) -> RecordInvalid:
        """Name the integer that does not fit its width; only asked when one does not."""
        widths = ((_BYTE_FIELDS, 0xFF), (_SHORT_FIELDS, 0xFFFF), (_DAY_FIELDS, 0xFFFFFFFF))
        for names, most in widths:
            for name in names:
                value = getattr(self, name)
                if not (isinstance(value, int) and 0 <= value <= most):
                    return RecordInvalid(name, f"{value!r} given, an integer 0..{most} needed")
        return RecordInvalid("country", "two letters A to Z as bytes, or empty")

    @classmethod
    def decode(cls, data: bytes) -> RecordPayload:
        """Inverse of encode(); raises RecordInvalid."""
        check_payload(data)
        return _read(data)


def _read(data: bytes) -> RecordPayload:
    """Fields of a payload that check_payload() accepted."""
    head = _HEAD.unpack_from(data)
    bits: int = head[_BITMAP_OFFSET]
    references: list[bytes | None] = [None, None, None, None]
    if bits:
        offset = _HEAD.size
        for position in range(4):
            if bits >> position & 1:
                references[position] = data[offset : offset + REFERENCE_BYTES]
                offset += REFERENCE_BYTES
    previous = references[2]
    return RecordPayload(
        operation=head[1],
        kind=head[2],
        fraud_type=head[3],
        object_role=head[4],
        evidence_level=head[5],
        confidence=head[6],
        tlp=head[7],
        channel=head[8],
        loss_band=head[9],
        lawful_basis=head[10],
        reason=head[11],
        country=b"" if head[13] == _NO_COUNTRY else head[13],
        distinct_customers=head[14],
        purpose=head[15],
        oprf_key_id=head[16],
        usage=head[17],
        first_seen_day=head[18],
        last_seen_day=head[19],
        valid_until_day=head[20],
        case_commitment=references[0],
        consent_anchor=references[1],
        previous_record=None if previous is None else RecordId(previous),
        link_group=references[3],
    )


def _is_country(code: bytes) -> bool:
    return code.isalpha() and code.isupper()


def payload_length(data: bytes, offset: int) -> int:
    """Length in bytes of the payload that starts at `offset`, read from its head alone.

    Raises RecordInvalid if the head is cut short, of another version or has unknown references;
    the payload itself may still be cut short.
    """
    if len(data) - offset < PAYLOAD_HEAD_BYTES:
        raise RecordInvalid("head", f"{len(data) - offset} of {PAYLOAD_HEAD_BYTES} bytes given")
    if data[offset] != PAYLOAD_VERSION:
        raise RecordInvalid("version", f"{data[offset]} given, {PAYLOAD_VERSION} known")
    bits = data[offset + _BITMAP_OFFSET]
    if bits > 15:
        raise RecordInvalid("references", f"bitmap {bits:#04x} names unknown references")
    return _PAYLOAD_BYTES[bits]


def check_payload(data: bytes) -> None:
    """Check that `data` is one canonical payload; raises RecordInvalid."""
    length = payload_length(data, 0)
    if len(data) != length:
        raise RecordInvalid("payload", f"{len(data)} bytes given, its head says {length}")
    if not data[1]:
        raise RecordInvalid("operation", "0 is no operation")
    if not data[2]:
        raise RecordInvalid("kind", "0 is no indicator kind")
    if data[6] > MAX_CONFIDENCE:
        raise RecordInvalid("confidence", f"{data[6]} given, 0..{MAX_CONFIDENCE} allowed")
    country = data[_COUNTRY_OFFSET : _COUNTRY_OFFSET + 2]
    if country != _NO_COUNTRY and not _is_country(country):
        raise RecordInvalid("country", "two letters A to Z, or two zero bytes")
    first, last, until = _DAYS.unpack_from(data, _DAYS_OFFSET)
    if last and last < first:
        raise RecordInvalid("last_seen_day", f"{last} is before first_seen_day {first}")
    if until and until < first:
        raise RecordInvalid("valid_until_day", f"{until} is before first_seen_day {first}")
    for offset in range(PAYLOAD_HEAD_BYTES, length, REFERENCE_BYTES):
        if data[offset : offset + REFERENCE_BYTES] == _ZERO_REFERENCE:
            raise RecordInvalid("references", "a present reference is not zero")


@dataclass(slots=True, unsafe_hash=True)
class Record:
    """Salt, tag and payload of one report: all of it erasable, only its hash is for ever.

    Not frozen, since a frozen dataclass takes three times as long to make and every record of the
    alliance is made on every node; nobody changes one.
    """

    salt: bytes = field(repr=False)
    """32 random bytes: make the leaf hash say nothing once they are destroyed."""
    tag: Tag = field(repr=False)
    payload_bytes: bytes
    """Canonical payload; kept as bytes because most are stored and hashed but never read."""
    record_id: RecordId = field(init=False, compare=False)
    """Leaf hash: SHA-256(0x00 | domain tag | salt | tag | payload), RFC 6962 leaf form."""

    def __post_init__(self) -> None:
        if len(self.salt) != SALT_BYTES:
            raise RecordInvalid("salt", f"{len(self.salt)} bytes given, {SALT_BYTES} needed")
        if len(self.tag) != TAG_BYTES:
            raise RecordInvalid("tag", f"{len(self.tag)} bytes given, {TAG_BYTES} needed")
        check_payload(self.payload_bytes)
        leaf = _LEAF_PREFIX + self.salt + self.tag + self.payload_bytes
        self.record_id = RecordId(sha256(leaf).digest())

    @classmethod
    def cut(cls, salt: bytes, tag: bytes, payload_bytes: bytes) -> Record:
        """Record of pieces whose lengths the caller cut to measure; raises RecordInvalid.

        A sidecar's decoder makes 2,000 of them at a time, which is why it has its own way.
        """
        check_payload(payload_bytes)
        record = cls.__new__(cls)
        record.salt = salt
        record.tag = Tag(tag)
        record.payload_bytes = payload_bytes
        leaf = _LEAF_PREFIX + salt + tag + payload_bytes
        record.record_id = RecordId(sha256(leaf).digest())
        return record

    @classmethod
    def of(cls, salt: bytes, tag: Tag, payload: RecordPayload) -> Record:
        """Record with this payload; raises RecordInvalid."""
        return cls(salt, tag, payload.encode())

    @property
    def payload(self) -> RecordPayload:
        """The payload's fields, decoded anew at each call (4 us)."""
        return _read(self.payload_bytes)

    @property
    def operation(self) -> int:
        """The payload's operation, without decoding the rest."""
        return self.payload_bytes[1]

    @property
    def kind(self) -> int:
        """The payload's indicator kind, without decoding the rest."""
        return self.payload_bytes[2]
