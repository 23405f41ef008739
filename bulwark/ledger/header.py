"""The block header: what execution of one ordered batch yields, and what checkpoints certify.

Its hash is the number on the alliance's seal: a CHECKPOINT quorum over it is finality, and every
proof that leaves a node ends in one of its roots.
"""

from __future__ import annotations

from msgspec import Struct

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import DecodeError
from bulwark.ledger.hashing import keccak256
from bulwark.ledger.ids import Digest, Epoch, Height, TimestampMs
from bulwark.ledger.limits import MAX_TIMESTAMP_MS

HEADER_VERSION = 2


class Header(Struct, frozen=True):
    """One executed block."""

    height: Height
    """Block number; equal to the consensus sequence number of its batch."""
    parent_hash: Digest
    """Hash of the previous header; zero for the genesis block."""
    batch_digest: Digest
    """Digest of the ordered batch; for the genesis block the hash of the genesis document."""
    timestamp_ms: TimestampMs
    """max(proposer's time, parent's time + 1), in milliseconds."""
    transactions_root: Digest
    """Ethereum trie root of the raw transactions."""
    receipts_root: Digest
    """Ethereum trie root of the receipts."""
    state_root: Digest
    """Ethereum state root after the block."""
    record_log_size: int
    """Number of anchors in the record log after the block."""
    record_log_root: Digest
    """RFC 6962 root of the record log after the block."""
    next_validators_hash: Digest
    """Hash of the validator set that votes on the next height."""
    next_parameters_hash: Digest
    """Hash of the governed parameters in force from the next height on."""
    epoch: Epoch
    """The epoch whose validators ordered this block."""
    epoch_end: Height
    """Last height of that epoch once a block decided it, 0 before (docs/protocol.md E1)."""
    gas_used: int
    """Gas of all transactions together."""
    gas_limit: int
    """Block gas limit in force."""

    def encode(self) -> bytes:
        """Canonical bytes, version first."""
        return (
            Writer()
            .uint(HEADER_VERSION, 1)
            .uint(self.height, 8)
            .fixed(self.parent_hash, 32)
            .fixed(self.batch_digest, 32)
            .uint(self.timestamp_ms, 8)
            .fixed(self.transactions_root, 32)
            .fixed(self.receipts_root, 32)
            .fixed(self.state_root, 32)
            .uint(self.record_log_size, 8)
            .fixed(self.record_log_root, 32)
            .fixed(self.next_validators_hash, 32)
            .fixed(self.next_parameters_hash, 32)
            .uint(self.epoch, 8)
            .uint(self.epoch_end, 8)
            .uint(self.gas_used, 8)
            .uint(self.gas_limit, 8)
            .done()
        )

    @classmethod
    def decode(cls, data: bytes) -> Header:
        """Inverse of encode(); raises DecodeError."""
        reader = Reader(data, "header")
        version = reader.uint(1, "version")
        if version != HEADER_VERSION:
            raise DecodeError("header.version", f"{version} given, {HEADER_VERSION} known", 0)
        header = cls(
            height=Height(reader.uint(8, "height")),
            parent_hash=Digest(reader.fixed(32, "parent_hash")),
            batch_digest=Digest(reader.fixed(32, "batch_digest")),
            timestamp_ms=TimestampMs(reader.uint(8, "timestamp_ms", MAX_TIMESTAMP_MS)),
            transactions_root=Digest(reader.fixed(32, "transactions_root")),
            receipts_root=Digest(reader.fixed(32, "receipts_root")),
            state_root=Digest(reader.fixed(32, "state_root")),
            record_log_size=reader.uint(8, "record_log_size"),
            record_log_root=Digest(reader.fixed(32, "record_log_root")),
            next_validators_hash=Digest(reader.fixed(32, "next_validators_hash")),
            next_parameters_hash=Digest(reader.fixed(32, "next_parameters_hash")),
            epoch=Epoch(reader.uint(8, "epoch")),
            epoch_end=Height(reader.uint(8, "epoch_end")),
            gas_used=reader.uint(8, "gas_used"),
            gas_limit=reader.uint(8, "gas_limit"),
        )
        reader.end()
        return header

    def hash(self) -> Digest:
        """keccak256 of the encoding: the block hash, also over JSON-RPC."""
        return keccak256(self.encode())
