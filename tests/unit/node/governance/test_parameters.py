"""Parameters as members see them: what holds, what waits for a quota epoch, what a vote does."""

from __future__ import annotations

import pytest

from contracts.actions import BOUNDS, VOTABLE, SetParameter
from contracts.privacy.bounds import PRIVACY_PARAMETERS
from node.governance.documents import ActionInvalid, action_of
from node.governance.parameters import AT_CEREMONY, AT_EPOCH, change_of, parameter_views
from node.governance.port import ParameterView
from tests.contracts.harness import PARAMETERS
from tests.unit.contracts.privacy_harness import DAY, PrivacyChain
from tests.unit.contracts.test_voted_parameters import alliance, read_slot, to_next_epoch, vote

IN_FORCE = {**PARAMETERS, "protocol_level": 0}


def views(chain: PrivacyChain) -> dict[str, ParameterView]:
    listed = parameter_views(read_slot(chain), IN_FORCE, chain.now_s, DAY)
    return {view.name: view for view in listed}


def test_all_that_votes_may_change_is_shown_with_value_and_bounds() -> None:
    shown = views(alliance())
    assert tuple(shown) == tuple(VOTABLE)
    for name, view in shown.items():
        expected = IN_FORCE[name] if name in BOUNDS else PRIVACY_PARAMETERS[name].default
        assert (view.value, view.coming) == (expected, None)
        assert (view.least, view.most) == VOTABLE[name]
        assert view.by_vote == (name in PARAMETERS)


def test_a_voted_quota_is_shown_as_coming_until_its_epoch_runs() -> None:
    chain = alliance()
    vote(chain, "quota_small", 12)
    shown = views(chain)["quota_small"]
    assert (shown.value, shown.coming, shown.by_vote) == (20_000, 12, True)
    to_next_epoch(chain)
    shown = views(chain)["quota_small"]
    assert (shown.value, shown.coming) == (12, None)


def test_a_vote_is_told_as_old_and_new_value_and_when_it_counts() -> None:
    chain = alliance()
    listed = list(views(chain).values())
    change = change_of(listed, SetParameter("quota_small", 12), chain.epoch)
    assert (change.old, change.new) == (20_000, 12)
    assert change.takes_effect == f"with quota epoch {chain.epoch + 1}; {chain.epoch} runs"
    change = change_of(listed, SetParameter("rotation", 4), chain.epoch)
    assert (change.old, change.takes_effect) == (16, AT_EPOCH)
    change = change_of(listed, SetParameter("ceremony_phase_seconds", 4), chain.epoch)
    assert change.takes_effect == AT_CEREMONY


@pytest.mark.parametrize("name", PRIVACY_PARAMETERS)
def test_a_value_out_of_bounds_is_refused_with_what_is_allowed(name: str) -> None:
    bounds = PRIVACY_PARAMETERS[name]
    allowed = f"{bounds.least} to {bounds.most} for {name}"
    for value in (bounds.least - 1, bounds.most + 1):
        with pytest.raises(ActionInvalid, match=allowed):
            action_of({"kind": "set_parameter", "name": name, "value": value})


def test_an_unknown_parameter_is_refused_with_all_names() -> None:
    with pytest.raises(ActionInvalid, match=r"gas_limit, .*quota_small, .*council_approvals"):
        action_of({"kind": "set_parameter", "name": "epoch_seconds", "value": 60})
