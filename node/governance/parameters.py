"""Parameters as members see them: what holds now, what a vote already set, and what one would do.

Rules: consensus parameters come from the ledger over genesis and change with the next epoch of
consensus; those of the privacy layer from the ledger over their defaults; of quotas, what holds in
the running quota epoch is shown apart from what was voted for the next one. Pure: the caller brings
the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bulwark.ledger.ids import Address
from contracts.actions import BOUNDS, VOTABLE, SetParameter
from contracts.governance import GOVERNANCE, parameter_slot
from contracts.privacy.bounds import PRIVACY_PARAMETERS, QUOTAS
from contracts.privacy.keys import quota_epoch
from contracts.privacy.parameters import read_privacy_parameter, read_quota
from contracts.slots import ReadSlot
from node.governance.port import ParameterChange, ParameterView

AT_EPOCH: Final = "with the next epoch of consensus, at a checkpoint boundary"
AT_CEREMONY: Final = "with the next key ceremony that opens"
AT_CASE: Final = "with the next case that is opened"
AT_ONCE: Final = "with the next block"
_EFFECTS: Final[Mapping[str, str]] = {
    "ceremony_phase_seconds": AT_CEREMONY,
    "case_seconds": AT_CASE,
    "council_approvals": AT_CASE,
}


def parameter_views(
    read_slot: ReadSlot, effective: Mapping[str, int], now_s: int, epoch_seconds: int
) -> list[ParameterView]:
    """All parameters that votes may change; `effective` are those of consensus, now_s block time.

    `epoch_seconds` is the length of a quota epoch.
    """
    epoch = quota_epoch(now_s, epoch_seconds)
    return [_view(read_slot, name, effective, epoch) for name in VOTABLE]


def change_of(views: list[ParameterView], action: SetParameter, epoch: int) -> ParameterChange:
    """What a vote would change; `epoch` is the running quota epoch."""
    old = next(view.value for view in views if view.name == action.name)
    return ParameterChange(action.name, old, action.value, _effect(action.name, epoch))


def _view(
    read_slot: ReadSlot, name: str, effective: Mapping[str, int], epoch: int
) -> ParameterView:
    by_vote = bool(read_slot(Address(GOVERNANCE), parameter_slot(name)))
    if name in BOUNDS:
        return ParameterView(name, effective[name], by_vote, *BOUNDS[name])
    bounds = PRIVACY_PARAMETERS[name]
    value, coming = read_privacy_parameter(read_slot, name), None
    if name in QUOTAS:
        then = value
        value = read_quota(read_slot, name, epoch)
        coming = then if then != value else None
    return ParameterView(name, value, by_vote, bounds.least, bounds.most, coming)


def _effect(name: str, epoch: int) -> str:
    if name in BOUNDS:
        return AT_EPOCH
    if name in QUOTAS:
        return f"with quota epoch {epoch + 1}; {epoch} runs"
    return _EFFECTS.get(name, AT_ONCE)
