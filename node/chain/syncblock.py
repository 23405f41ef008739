"""A block as one node hands it to another: header, batch, receipts, sidecars, what certifies it.

Rules: entries of sidecars may be erased, their leaf hashes stay, so roots still verify; the last
block of an epoch brings the next validators and parameters, which its header commits to; everything
is bounded before it is decoded. It proves nothing by itself: the receiver checks certificates.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct, field

from bulwark.ledger.batch import Batch
from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.epochs import MAX_VALIDATORS_BYTES, read_parameters, write_parameters
from bulwark.ledger.header import Header
from bulwark.ledger.limits import MAX_BATCH_BYTES, MAX_BATCH_TRANSACTIONS, MAX_SIDECAR_BYTES
from bulwark.ledger.receipt import Receipt
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.validators import ValidatorSet
from bulwark.ledger.votes import Certificate
from node.storage.values import encode_receipts, read_receipts

MAX_HEADER_BYTES: Final = 1024
MAX_CERTIFICATE_BYTES: Final = 16 * 1024
MAX_RECEIPTS_BYTES: Final = 6 * 1024 * 1024
"""Receipts of one block: 3.75 MB of log data that 30 million gas pay for, and their heads."""


class NextEpoch(Struct, frozen=True):
    """Who votes after the last block of an epoch, and with which parameters."""

    validators: ValidatorSet
    parameters: Mapping[str, int] = field(default_factory=dict)

    def write(self, writer: Writer) -> Writer:
        """Append the set with its length and the parameters."""
        return write_parameters(writer.blob(self.validators.encode()), self.parameters)

    @classmethod
    def read(cls, reader: Reader) -> NextEpoch:
        """Inverse of write(); raises LedgerError."""
        validators = ValidatorSet.decode(reader.blob("validators", MAX_VALIDATORS_BYTES))
        return cls(validators, read_parameters(reader))


class SyncBlock(Struct, frozen=True):
    """One executed block above the genesis block."""

    header: Header
    batch: Batch
    receipts: tuple[tuple[int, Receipt], ...]
    """Position in the batch and receipt of each transaction of the block."""
    sidecars: tuple[Sidecar, ...]
    """Those of the block's anchors, in order."""
    checkpoint: Certificate | None
    """Finality certificate of exactly this block, if the node has one."""
    next_epoch: NextEpoch | None = None
    """With the last block of an epoch."""

    def encode(self) -> bytes:
        """Canonical bytes."""
        writer = Writer().blob(self.header.encode()).blob(self.batch.encode())
        writer.blob(encode_receipts(self.receipts))
        writer.sequence(self.sidecars, lambda w, sidecar: w.blob(sidecar.encode()))
        writer.optional(self.checkpoint, lambda w, certificate: w.blob(certificate.encode()))
        writer.optional(self.next_epoch, lambda w, epoch: epoch.write(w))
        return writer.done()

    @classmethod
    def decode(cls, data: bytes) -> SyncBlock:
        """Inverse of encode(); raises LedgerError. Checks no root and no signature."""
        reader = Reader(data, "sync block")
        header = Header.decode(reader.blob("header", MAX_HEADER_BYTES))
        batch = Batch.decode(reader.blob("batch", MAX_BATCH_BYTES))
        receipts = read_receipts(reader.blob("receipts", MAX_RECEIPTS_BYTES))
        sidecars = reader.sequence(
            "sidecars",
            MAX_BATCH_TRANSACTIONS,
            lambda r: Sidecar.decode(r.blob("sidecar", MAX_SIDECAR_BYTES)),
        )
        checkpoint = reader.optional(
            "checkpoint",
            lambda r: Certificate.decode(r.blob("certificate", MAX_CERTIFICATE_BYTES)),
        )
        next_epoch = reader.optional("next epoch", NextEpoch.read)
        reader.end()
        return cls(header, batch, receipts, sidecars, checkpoint, next_epoch)
