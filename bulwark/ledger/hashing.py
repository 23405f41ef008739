"""The two hash functions of the ledger: SHA-256 inside, keccak256 where Ethereum sees it."""

from __future__ import annotations

import hashlib

from sha3 import keccak_256

from bulwark.ledger.ids import Digest


def sha256(data: bytes) -> Digest:
    """SHA-256 of `data`, 32 bytes."""
    return Digest(hashlib.sha256(data).digest())


def keccak256(data: bytes) -> Digest:
    """Keccak-256 of `data` as Ethereum uses it (the original padding, not FIPS 202), 32 bytes."""
    return Digest(keccak_256(data).digest())
