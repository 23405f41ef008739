"""An honest ceremony: one key, shares that interpolate to it, the same on every board."""

from __future__ import annotations

import pytest

from bulwark.privacy.dkg.outcome import Done
from bulwark.privacy.dkg.session import Purpose
from bulwark.privacy.group import multiply_base
from tests.unit.privacy.dkg.world import ceremony, names, secret_of

SIZES = [1, 2, 4, 7, 10]


@pytest.mark.parametrize("count", [*SIZES, 16])
def test_honest_members_end_with_one_key_and_shares_that_interpolate_to_it(count: int) -> None:
    made = ceremony(Purpose.GENERATE, names(count))
    outcome = made.run()
    assert isinstance(outcome, Done)
    assert outcome.dealers == tuple(range(1, count + 1))
    assert outcome.unconfirmed == outcome.faults == ()
    shares = made.shares()
    threshold = made.session.threshold
    for chosen in ([*shares.values()][:threshold], [*shares.values()][-threshold:]):
        assert multiply_base(secret_of(chosen)) == outcome.key.public_key
    assert [share.public_share for share in shares.values()] == list(outcome.key.share_keys)
