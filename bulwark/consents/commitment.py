"""The hiding commitment: what the ledger keeps of a receipt.

Rules: commitment = SHA-256(tag | salt32 | RFC 8785 form), so without the salt the ledger says
nothing about the receipt, and with it anyone can check it offline. A salt serves one version of one
receipt: equal salts would link anchors.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

import rfc8785

from bulwark.ledger.ids import Digest

SALT_BYTES: Final = 32
_TAG: Final = b"bulwark/consent/1\x00"


def canonical(document: Mapping[str, object]) -> bytes:
    """RFC 8785 form of a document that has one."""
    return rfc8785.dumps(dict(document))  # type: ignore[arg-type]


def commitment_of(receipt: Mapping[str, object], salt: bytes) -> Digest:
    """The 32 bytes that the ledger keeps of a receipt; raises ValueError for a bad salt."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes, {len(salt)} given")
    return Digest(sha256(_TAG + salt + canonical(receipt)).digest())


def matches(receipt: Mapping[str, object], salt: bytes, commitment: bytes) -> bool:
    """Whether a receipt and its salt are what was anchored."""
    return hmac.compare_digest(commitment_of(receipt, salt), commitment)
