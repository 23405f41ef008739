"""Twins in the unit run: a spread of scenarios, and planted bugs that must be seen."""

from __future__ import annotations

import pytest

from tests.twins.explore import (
    Tally,
    explore,
    number_of,
    partitions_of,
    play_number,
    total,
)
from tests.twins.planted import PLANTED
from tests.twins.world import PARTITIONS, ROUNDS, far_side

STRIDE = 4_099
"""Coprime to 16,384: multiples of it visit all scenarios in a spread order."""
SPREAD = 160

CAUGHT_BY: dict[str, int] = {}
"""Planted bug -> the scenario that shows it."""


def test_sixteen_partitions_are_all_ways_to_split_five_processes_in_two() -> None:
    splits = {
        frozenset([far_side(p), frozenset(range(5)) - far_side(p)]) for p in range(PARTITIONS)
    }
    assert len(splits) == PARTITIONS
    assert total(ROUNDS) == 16_384


def test_a_number_names_one_scenario() -> None:
    names = {partitions_of(number, ROUNDS) for number in range(total(ROUNDS))}
    assert len(names) == total(ROUNDS)
    assert all(number_of(*partitions_of(n, ROUNDS)) == n for n in range(0, total(ROUNDS), 97))


def test_a_spread_of_scenarios_passes_and_is_worth_playing() -> None:
    tally = Tally()
    for index in range(SPREAD):
        number = index * STRIDE % total(ROUNDS)
        tally.add(number, play_number(number, ROUNDS))
    assert tally.played == SPREAD
    assert tally.counts["reached a view change"] > SPREAD // 2
    assert tally.counts["carried a prepared certificate into a view"] > SPREAD // 4
    assert tally.counts["two proposals of one key"] > SPREAD // 4
    assert tally.counts["evidence reported"] > SPREAD // 4


def test_shared_beginnings_change_nothing() -> None:
    shared = explore(1, (6, 2), ROUNDS)
    alone = Tally()
    for partition in range(PARTITIONS):
        number = number_of(1, (6, 2, partition))
        alone.add(number, play_number(number, ROUNDS))
    assert shared == alone


@pytest.mark.parametrize("bug", sorted(CAUGHT_BY))
def test_a_planted_bug_is_seen_by_its_scenario(bug: str) -> None:
    with PLANTED[bug](), pytest.raises(Exception):  # noqa: B017 any complaint sees the bug
        play_number(CAUGHT_BY[bug], ROUNDS)
