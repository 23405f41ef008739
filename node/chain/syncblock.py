"""A block as one node hands it to another: header, batch, sidecars, finality certificate.

Rules: entries of sidecars may be erased, their leaf hashes stay, so roots still verify; everything
is bounded before it is decoded. It proves nothing by itself: the receiver checks certificates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bulwark.ledger.batch import Batch
from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.header import Header
from bulwark.ledger.limits import MAX_BATCH_BYTES, MAX_BATCH_TRANSACTIONS, MAX_SIDECAR_BYTES
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.votes import Certificate

MAX_HEADER_BYTES: Final = 1024
MAX_CERTIFICATE_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class SyncBlock:
    """One executed block above the genesis block."""

    header: Header
    batch: Batch
    sidecars: tuple[Sidecar, ...]
    """Those of the block's anchors, in order."""
    checkpoint: Certificate | None
    """Finality certificate of exactly this block, if the node has one."""

    def encode(self) -> bytes:
        """Canonical bytes."""
        writer = Writer().blob(self.header.encode()).blob(self.batch.encode())
        writer.sequence(self.sidecars, lambda w, sidecar: w.blob(sidecar.encode()))
        writer.optional(self.checkpoint, lambda w, certificate: w.blob(certificate.encode()))
        return writer.done()

    @classmethod
    def decode(cls, data: bytes) -> SyncBlock:
        """Inverse of encode(); raises LedgerError. Checks no root and no signature."""
        reader = Reader(data, "sync block")
        header = Header.decode(reader.blob("header", MAX_HEADER_BYTES))
        batch = Batch.decode(reader.blob("batch", MAX_BATCH_BYTES))
        sidecars = reader.sequence(
            "sidecars",
            MAX_BATCH_TRANSACTIONS,
            lambda r: Sidecar.decode(r.blob("sidecar", MAX_SIDECAR_BYTES)),
        )
        checkpoint = reader.optional(
            "checkpoint",
            lambda r: Certificate.decode(r.blob("certificate", MAX_CERTIFICATE_BYTES)),
        )
        reader.end()
        return cls(header, batch, sidecars, checkpoint)
