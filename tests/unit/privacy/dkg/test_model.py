"""Random mixes of dishonest behaviours: all honest members end alike, and the blame is right."""

from __future__ import annotations

import functools

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from bulwark.privacy.dkg.outcome import Done, Failed
from bulwark.privacy.dkg.phases import Phase
from bulwark.privacy.dkg.session import Purpose, max_faults
from bulwark.privacy.errors import ShareUnavailable
from bulwark.privacy.group import multiply_base
from tests.unit.privacy.dkg.checks import assert_sound
from tests.unit.privacy.dkg.crooks import BEHAVIOURS, silent
from tests.unit.privacy.dkg.world import Alliance, Ceremony, ceremony, generated, names, secret_of


@functools.cache
def sharing_of(count: int) -> Alliance:
    return generated(count)


@st.composite
def mixes(draw: st.DrawFn) -> tuple[Purpose, int, dict[int, list[str]]]:
    """A purpose, a size and at most f parties with one to three behaviours each."""
    purpose = draw(st.sampled_from(Purpose))
    count = draw(st.sampled_from([4, 5, 7]))
    bad = draw(st.sets(st.integers(1, count), max_size=max_faults(count)))
    behaviours = st.lists(st.sampled_from([*BEHAVIOURS]), min_size=1, max_size=3)
    return purpose, count, {index: draw(behaviours) for index in sorted(bad)}


def open_ceremony(purpose: Purpose, count: int) -> Ceremony:
    """A reshare goes from four members to `count`, or from four to seven if that is four."""
    match purpose:
        case Purpose.GENERATE:
            return ceremony(purpose, names(count))
        case Purpose.REFRESH:
            return ceremony(purpose, names(count), old=sharing_of(count))
        case Purpose.RESHARE:
            return ceremony(purpose, names(count), old=sharing_of(4))


def check_mix(mix: tuple[Purpose, int, dict[int, list[str]]]) -> None:
    purpose, count, bad = mix
    if purpose is Purpose.RESHARE:
        # The old sharing of four allows one dishonest dealer, whatever the new one allows.
        dealers = [index for index in bad if index <= 4]
        bad = {index: todo for index, todo in bad.items() if index not in dealers[1:]}
    made = open_ceremony(purpose, count)
    for index, behaviours in bad.items():
        for behaviour in behaviours:
            BEHAVIOURS[behaviour](made, index)
    outcome = made.run()
    assert isinstance(outcome, Done), outcome
    assert_sound(made, bad)


@settings(deadline=None, max_examples=40)
@given(mixes())
def test_honest_members_end_with_one_key_whatever_f_others_do(
    mix: tuple[Purpose, int, dict[int, list[str]]],
) -> None:
    check_mix(mix)


@pytest.mark.search
@settings(deadline=None, max_examples=300)
@given(mixes())
def test_longer_search_finds_no_mix_that_harms_honest_members(
    mix: tuple[Purpose, int, dict[int, list[str]]],
) -> None:
    check_mix(mix)


@settings(deadline=None, max_examples=30)
@given(
    st.sampled_from(Purpose),
    st.dictionaries(st.integers(1, 4), st.sets(st.sampled_from(Phase), min_size=1), max_size=4),
)
def test_any_number_of_silent_members_ends_in_one_key_or_one_failure_that_names_only_them(
    purpose: Purpose, silences: dict[int, set[Phase]]
) -> None:
    made = open_ceremony(purpose, 4)
    for index, phases in silences.items():
        silent(*phases)(made, index)
    outcome = made.run()
    event(type(outcome).__name__)
    again = made.replayed()
    assert (again.digest, again.outcome) == (made.board.digest, outcome)
    assert isinstance(outcome, Done | Failed)
    assert {fault.index for fault in outcome.faults} <= set(silences)
    if isinstance(outcome, Failed):
        assert set(outcome.named) <= set(silences)
        for party in made.parties.values():
            with pytest.raises(ShareUnavailable):
                party.share(made.board)
        return
    shares = [*made.shares().values()]
    assert multiply_base(secret_of(shares[:3])) == outcome.key.public_key
    assert [share.public_share for share in shares] == list(outcome.key.share_keys)
