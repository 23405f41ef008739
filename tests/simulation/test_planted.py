"""Every planted bug is caught by its fixed world, and the same world passes without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from consensus.pacemaker import Pacemaker
from tests.simulation.planted import BUGS, PlantedBug

ROWS = [f"S{i}" for i in range(1, 15)] + [f"L{i}" for i in range(1, 10)] + ["D1", "D2", "D3"]
"""The pitfall table; L10 is about a feature that Bulwark does not have."""


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.id)
def test_a_planted_bug_is_caught_and_its_world_passes_without_it(bug: PlantedBug) -> None:
    with bug.planted(), pytest.raises(Exception):  # noqa: B017 - whatever notices, notices
        bug.run()
    bug.run()


def test_every_row_of_the_pitfall_table_has_a_planted_bug() -> None:
    planted = {row for bug in BUGS for row in bug.pitfall.split(", ")}
    assert [row for row in ROWS if row not in planted] == []


def test_there_are_enough_planted_bugs_and_their_names_differ() -> None:
    assert len({bug.id for bug in BUGS}) == len(BUGS) >= 28


def test_the_core_is_whole_again_after_a_planted_bug() -> None:
    before = Pacemaker.__dict__["on_pending"]
    bug = next(bug for bug in BUGS if bug.id == "L8-fair")
    with bug.planted():
        assert Pacemaker.__dict__["on_pending"] is not before
    assert Pacemaker.__dict__["on_pending"] is before


def test_the_page_names_every_planted_bug_and_none_that_got_away() -> None:
    page = (Path(__file__).parents[2] / "docs" / "planted-bugs.md").read_text()
    assert [bug.id for bug in BUGS if f"| {bug.id} |" not in page] == []
    assert "not caught" not in page
