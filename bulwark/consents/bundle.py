"""The bundle: a person's receipts with all that is needed to check them without any node.

Rules: per consent every version of the receipt with its salt and the proof of its anchor, and the
proof of its end if it ended; the salts make the commitments checkable, so a bundle belongs to the
person and to nobody else. That a consent did not end later can not be shown by a bundle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

BUNDLE_FORMAT: Final = "bulwark/consent-bundle/1"
MAX_BUNDLE_BYTES: Final = 16 * 1024 * 1024
MAX_CONSENTS: Final = 100
"""Consents in one bundle."""


class BundledVersion(Struct, frozen=True):
    """A version of a receipt."""

    number: int
    receipt: dict[str, Any]
    salt: bytes
    proof: dict[str, Any] | None
    """Anchor proof; None while its block is not final."""


class BundledConsent(Struct, frozen=True):
    """A consent with its receipts."""

    consent_id: str
    status: str
    versions: tuple[BundledVersion, ...]
    end: dict[str, Any] | None
    """Anchor proof of its end; None where it has not ended."""


def bundle(
    consents: Sequence[BundledConsent], *, member: str, alliance: str, genesis_hash: str
) -> dict[str, Any]:
    """The document."""
    return {
        "format": BUNDLE_FORMAT,
        "member": member,
        "alliance": alliance,
        "genesis_hash": genesis_hash,
        "consents": [
            {
                "consent_id": each.consent_id,
                "status": each.status,
                "versions": [
                    {
                        "version": version.number,
                        "receipt": version.receipt,
                        "salt": version.salt.hex(),
                        "proof": version.proof,
                    }
                    for version in each.versions
                ],
                "end": each.end,
            }
            for each in consents
        ],
    }
