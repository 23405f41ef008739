"""Up to f dishonest members, each behaviour by itself: the ceremony ends well without them."""

from __future__ import annotations

import pytest

from bulwark.privacy.dkg.outcome import Done
from bulwark.privacy.dkg.session import Purpose
from tests.unit.privacy.dkg.checks import assert_sound
from tests.unit.privacy.dkg.crooks import BEHAVIOURS
from tests.unit.privacy.dkg.world import Alliance, ceremony, generated, names


@pytest.fixture(scope="module")
def four() -> Alliance:
    return generated(4)


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_generation_ends_well_with_f_members_that_are(name: str) -> None:
    made = ceremony(Purpose.GENERATE, names(7))
    bad = {2, 5}
    for index in bad:
        BEHAVIOURS[name](made, index)
    assert isinstance(made.run(), Done)
    assert_sound(made, bad)


@pytest.mark.parametrize("name", BEHAVIOURS)
@pytest.mark.parametrize("purpose", [Purpose.REFRESH, Purpose.RESHARE])
def test_refresh_and_reshare_end_well_with_f_members_that_are(
    name: str, purpose: Purpose, four: Alliance
) -> None:
    members = names(4) if purpose is Purpose.REFRESH else names(5)
    made = ceremony(purpose, members, old=four)
    BEHAVIOURS[name](made, 3)
    assert isinstance(made.run(), Done)
    assert_sound(made, {3})
