"""The anchor: one leaf of the record log, what stays for ever of a batch or of a consent event.

Rules: one fixed layout of 116 bytes for all kinds, fields that a kind does not have are zero, so an
anchor has one encoding; it holds no personal data and no tag. Anchors enter the log in the order
of the events of successful transactions.
Turning contract events into anchors is the executor's work, not this file's.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final

from msgspec import Struct

from bulwark.ledger.errors import DecodeError
from bulwark.ledger.ids import ADDRESS_BYTES, DIGEST_BYTES, ZERO_DIGEST, Address, Digest, Height
from bulwark.ledger.limits import MAX_RECORDS_PER_SIDECAR
from bulwark.ledger.merkle import leaf_hash

ANCHOR_VERSION: Final = 1
_LAYOUT: Final = struct.Struct(">BBQII20s32s32sIHHHI")
ANCHOR_BYTES: Final = _LAYOUT.size
_LEAF_TAG: Final = b"bulwark/anchor/1\x00"


class AnchorKind(IntEnum):
    """What was anchored."""

    RECORDS = 1
    """A batch of records: event RecordsAnchored."""
    CONSENT_GIVEN = 2
    """A consent or processing receipt: event ConsentAnchored, kind 1."""
    CONSENT_WITHDRAWN = 3
    """The withdrawal of one: event ConsentAnchored, kind 2."""
    CONSENT_RENEWED = 4
    """The renewal of one, with another receipt and last day: event ConsentAnchored, kind 3."""


class Anchor(Struct, frozen=True, kw_only=True):
    """One anchoring event with its place on the ledger."""

    kind: AnchorKind
    height: Height
    """Block of the transaction."""
    transaction_index: int
    """Position of the transaction in its block, 32 bits."""
    log_index: int
    """Position of the event in its block (as over JSON-RPC), 32 bits."""
    account: Address
    """Account of the reporter or issuer."""
    digest: Digest
    """Root of the batch, or commitment to the receipt."""
    reference: Digest
    """Policy id of the batch, or anchor id of the consent."""
    count: int = 0
    """Records of the batch, 1 to 2,000; 0 for a consent."""
    schema: int = 0
    """Record layout of the batch, 16 bits; 0 for a consent."""
    purpose: int = 0
    """Purpose code of the consent, 16 bits; 0 for a batch."""
    basis: int = 0
    """Lawful-basis code of the consent, or the reason code of its withdrawal; 0 for a batch."""
    valid_until_day: int = 0
    """Last day of the consent, days since 1970-01-01, 0 without end; 0 for a batch."""

    def __post_init__(self) -> None:
        self._check_widths()
        if self.digest == ZERO_DIGEST:
            raise DecodeError("anchor.digest", "is zero")
        if self.kind is AnchorKind.RECORDS:
            if not 1 <= self.count <= MAX_RECORDS_PER_SIDECAR:
                raise DecodeError(
                    "anchor.count", f"{self.count} given, 1..{MAX_RECORDS_PER_SIDECAR} allowed"
                )
            if self.purpose or self.basis or self.valid_until_day:
                raise DecodeError("anchor", "a batch has no purpose, basis or last day")
        elif self.count or self.schema:
            raise DecodeError("anchor", "a consent has no count and no schema")
        elif self.reference == ZERO_DIGEST:
            raise DecodeError("anchor.reference", "a consent's anchor id is zero")

    def _check_widths(self) -> None:
        if len(self.account) != ADDRESS_BYTES:
            raise DecodeError("anchor.account", f"has not {ADDRESS_BYTES} bytes")
        if len(self.digest) != DIGEST_BYTES or len(self.reference) != DIGEST_BYTES:
            raise DecodeError("anchor", f"digest and reference have {DIGEST_BYTES} bytes each")
        try:
            self.encode()
        except struct.error as error:
            raise DecodeError("anchor", f"a number does not fit its field: {error}") from error

    def encode(self) -> bytes:
        """Canonical bytes, ANCHOR_BYTES long, version first."""
        return _LAYOUT.pack(
            ANCHOR_VERSION,
            self.kind,
            self.height,
            self.transaction_index,
            self.log_index,
            self.account,
            self.digest,
            self.reference,
            self.count,
            self.schema,
            self.purpose,
            self.basis,
            self.valid_until_day,
        )

    @classmethod
    def decode(cls, data: bytes) -> Anchor:
        """Inverse of encode(); raises DecodeError."""
        if len(data) != ANCHOR_BYTES:
            raise DecodeError("anchor", f"{len(data)} bytes given, {ANCHOR_BYTES} needed")
        version, number, height, transaction_index, log_index, *rest = _LAYOUT.unpack(data)
        if version != ANCHOR_VERSION:
            raise DecodeError("anchor.version", f"{version} given, {ANCHOR_VERSION} known", 0)
        try:
            kind = AnchorKind(number)
        except ValueError as error:
            raise DecodeError("anchor.kind", f"{number} is no anchor kind", 1) from error
        account, digest, reference, count, schema, purpose, basis, valid_until_day = rest
        return cls(
            kind=kind,
            height=Height(height),
            transaction_index=transaction_index,
            log_index=log_index,
            account=Address(account),
            digest=Digest(digest),
            reference=Digest(reference),
            count=count,
            schema=schema,
            purpose=purpose,
            basis=basis,
            valid_until_day=valid_until_day,
        )

    @property
    def leaf_hash(self) -> Digest:
        """Its leaf in the record log: RFC 6962 leaf hash of the domain tag and the encoding."""
        return leaf_hash(_LEAF_TAG + self.encode())
