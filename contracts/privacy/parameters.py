"""Parameters of the privacy layer as a state has them: what was voted, and what is in force.

Rules it owns: a quota that was voted is in force from the next quota epoch on, until then the one
before it is, as the contract's own view has it; where none is voted the default holds.
`contracts.privacy.bounds` has names, ranges and defaults.
"""

from __future__ import annotations

from bulwark.ledger.ids import Address
from contracts.errors import UnknownParameter
from contracts.governance import GOVERNANCE, PARAMETERS_SLOT, QUOTAS_SLOT
from contracts.privacy.bounds import PRIVACY_PARAMETERS as PRIVACY_PARAMETERS
from contracts.privacy.bounds import QUOTAS
from contracts.privacy.bounds import PrivacyParameter as PrivacyParameter
from contracts.slots import ReadSlot, mapped_slot
from contracts.words import WORD


def privacy_parameter_slot(name: str) -> int:
    """Storage slot of a parameter in the governance. Raises UnknownParameter."""
    return mapped_slot(PARAMETERS_SLOT, _word(name))


def read_privacy_parameter(read_slot: ReadSlot, name: str) -> int:
    """Value of a parameter as voted last, its default where none is. Raises UnknownParameter."""
    voted = read_slot(Address(GOVERNANCE), privacy_parameter_slot(name))
    return voted or PRIVACY_PARAMETERS[name].default


def read_privacy_parameters(read_slot: ReadSlot) -> dict[str, int]:
    """All of them, by name."""
    return {name: read_privacy_parameter(read_slot, name) for name in PRIVACY_PARAMETERS}


def read_quota(read_slot: ReadSlot, name: str, epoch: int) -> int:
    """A quota in force in a quota epoch, its default where none is. Raises UnknownParameter.

    For the running epoch and the next one; of earlier epochs the ledger does not keep all.
    """
    if name not in QUOTAS:
        raise UnknownParameter(name, QUOTAS)
    governance, place = Address(GOVERNANCE), mapped_slot(QUOTAS_SLOT, _word(name))
    if epoch < read_slot(governance, place + 1):
        return read_slot(governance, place) or PRIVACY_PARAMETERS[name].default
    return read_privacy_parameter(read_slot, name)


def _word(name: str) -> bytes:
    if name not in PRIVACY_PARAMETERS:
        raise UnknownParameter(name, tuple(PRIVACY_PARAMETERS))
    return name.encode("ascii").ljust(WORD, b"\0")
