"""Newtypes of the identifiers that the ledger's structures are made of.

They cost nothing at run time and keep a height from being passed where a view belongs.
"""

from __future__ import annotations

from typing import Final, NewType

Digest = NewType("Digest", bytes)
"""A 32-byte hash. SHA-256 unless the field says keccak256."""

Address = NewType("Address", bytes)
"""20-byte Ethereum address: the last 20 bytes of keccak256 of an uncompressed secp256k1 key."""

Height = NewType("Height", int)
"""Number of a block; the genesis block is 0. Equal to the consensus sequence number."""

View = NewType("View", int)
"""PBFT view number, from 0."""

Epoch = NewType("Epoch", int)
"""Number of a period of fixed membership, from 0."""

ValidatorIndex = NewType("ValidatorIndex", int)
"""Position of a validator in its epoch's validator set, from 0."""

MemberId = NewType("MemberId", str)
"""Short name of a member: `[a-z0-9][a-z0-9-]{0,30}`; also its TLS subject alternative name."""

Tag = NewType("Tag", bytes)
"""32 bytes: the threshold-OPRF output of a normalised indicator. Erasable data."""

RecordId = NewType("RecordId", bytes)
"""32-byte leaf hash of a record: permanent, unique because of the record's random salt."""

TimestampMs = NewType("TimestampMs", int)
"""Milliseconds since the Unix epoch, UTC."""

DIGEST_BYTES: Final = 32
ADDRESS_BYTES: Final = 20
ZERO_DIGEST: Final = Digest(bytes(DIGEST_BYTES))
ZERO_ADDRESS: Final = Address(bytes(ADDRESS_BYTES))
