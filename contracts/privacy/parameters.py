"""Parameters of the privacy layer: names, bounds, and what holds while none is voted.

Rules it owns: the range in which a vote may set each, and its value where the governance holds
none. They are a table of their own: the governance contract's list gets them together with a new
genesis. The contracts ask the governance by name, so they need no change then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bulwark.ledger.ids import Address
from contracts.errors import UnknownParameter
from contracts.governance import GOVERNANCE, PARAMETERS_SLOT
from contracts.slots import ReadSlot, mapped_slot
from contracts.words import WORD


@dataclass(frozen=True, slots=True)
class PrivacyParameter:
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


def privacy_parameter_slot(name: str) -> int:
    """Storage slot of a parameter in the governance. Raises UnknownParameter."""
    if name not in PRIVACY_PARAMETERS:
        raise UnknownParameter(name, tuple(PRIVACY_PARAMETERS))
    return mapped_slot(PARAMETERS_SLOT, name.encode("ascii").ljust(WORD, b"\0"))


def read_privacy_parameter(read_slot: ReadSlot, name: str) -> int:
    """Value of a parameter now, its default where none is voted. Raises UnknownParameter."""
    voted = read_slot(Address(GOVERNANCE), privacy_parameter_slot(name))
    return voted or PRIVACY_PARAMETERS[name].default


def read_privacy_parameters(read_slot: ReadSlot) -> dict[str, int]:
    """All of them, by name."""
    return {name: read_privacy_parameter(read_slot, name) for name in PRIVACY_PARAMETERS}
