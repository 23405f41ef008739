from __future__ import annotations

import pytest

from bench.figures import Figure
from bench.goals import BY_KEY, GOALS, Better, number, verdict


def test_every_key_is_there_once() -> None:
    assert len(BY_KEY) == len(GOALS)


def test_the_goal_is_never_weaker_than_what_the_stage_expects() -> None:
    for goal in GOALS:
        if goal.expected is not None and goal.goal is not None:
            better = goal.goal - goal.expected
            assert better >= 0 if goal.better is Better.MORE else better <= 0


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("single.executed.rate", 1_000, "short by 600"),
        ("single.executed.rate", 1_600, "met; goal short by 1,600"),
        ("single.executed.rate", 3_200, "goal met"),
        ("hit.200.p99", 10, "met"),
        ("hit.200.p99", 12.5, "short by 2.5"),
        ("hit.1000.p99", 12.5, "goal short by 2.5"),
        ("hit.1000.p99", 9, "goal met"),
        ("faults.lost", 1, "short by 1"),
        ("proposer.next_block", 1.5, "met; goal short by 0.5"),
        ("idle.cpu", 3, ""),
        ("bulk.all.rate", None, "not measured"),
        ("idle.cpu", None, ""),
    ],
)
def test_verdict_says_met_or_by_how_much_it_is_short(
    key: str, value: float | None, words: str
) -> None:
    assert verdict(Figure(key, value)) == words


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.01234, "0.0123"), (99.96, "100"), (9.5, "9.5"), (12_345.6, "12,346")],
)
def test_numbers_have_three_digits_or_are_whole(value: float, text: str) -> None:
    assert number(value) == text
