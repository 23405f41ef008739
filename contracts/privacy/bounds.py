"""Bounds of the privacy layer's parameters: what a vote may set, and what holds without one.

Rules it owns: the range of each, as the governance contract has it, its value where the governance
holds none, and when a changed one takes effect. It reads no state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct


class PrivacyParameter(Struct, frozen=True):
    """Least and greatest value of a vote, and the value while none is set.

    `default` 0 means a rule instead of a number: see the parameter's own comment.
    """

    least: int
    most: int
    default: int


PRIVACY_PARAMETERS: Final[Mapping[str, PrivacyParameter]] = {
    # Slots a member has in a quota epoch, for requests of at most 8 and of at most 256 elements.
    "quota_small": PrivacyParameter(1, 1_000_000, 20_000),
    "quota_bulk": PrivacyParameter(1, 100_000, 1_000),
    "ceremony_phase_seconds": PrivacyParameter(5, 7 * 86_400, 600),
    "refresh_seconds": PrivacyParameter(3_600, 366 * 86_400, 30 * 86_400),
    # Raising it makes a refresh due at once: how the alliance forces one.
    "refresh_order": PrivacyParameter(1, (1 << 32) - 1, 0),
    "case_seconds": PrivacyParameter(3_600, 90 * 86_400, 14 * 86_400),
    # Unset: ceil(2/3) of the validators. The contract takes at least f+1 and at most all.
    "council_approvals": PrivacyParameter(1, 128, 0),
}
QUOTAS: Final = ("quota_small", "quota_bulk")
"""In force from the quota epoch after the vote on; all others from the next block on."""
