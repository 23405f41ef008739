"""Keys of a real alliance with dishonest members: made, refreshed, handed on, and never lost.

The long form, with 4, 7 and 10 validators, silent members and kills in the middle of every
ceremony, is `python -m tests.nets ceremonies`; docs/ceremonies-run.md has its results.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.nets import clocks, crook
from tests.nets.ceremonies import Plan, Run, Step, Words

pytestmark = pytest.mark.process


def run(folder: Path, plan: Plan) -> list[Step]:
    if clocks.why_not():
        pytest.skip(clocks.why_not())
    lines: list[str] = []
    with Run(folder / "net", plan, lines.append) as made:
        steps = made.all()
    assert [step.name for step in steps] == list(plan.steps)
    assert all(step.found >= plan.values * plan.validators for step in steps)
    return steps


def both(tag: str, council: str) -> Words:
    return {"tag": tag, "council": council}


def named(steps: list[Step], member: str, what: str) -> bool:
    faults = [fault for step in steps for s in step.sessions for fault in s.faults]
    return any(fault.startswith(f"{member}: {what}") for fault in faults)


def test_one_of_four_cheats_in_every_ceremony_and_every_value_is_still_found(
    tmp_path: Path,
) -> None:
    plan = Plan(
        words={
            "generate": [both("wrong pair for one", "wrong Feldman commitments")],
            "refresh": [both("false complaint", "another secret")],
            "join": [both("unreadable for one", "meddles")],
            "leave": [both("wrong pair for all", "another result confirmed")],
        },
        values=30,
        kills=False,
    )
    steps = run(tmp_path, plan)
    assert named(steps, "bank-a", "a holder showed its Feldman commitments wrong")
    assert named(steps, "bank-a", "more than f holders complained of its pairs")


def test_two_of_seven_cheat_while_the_keys_are_made(tmp_path: Path) -> None:
    plan = Plan(
        validators=7,
        words={
            "generate": [
                both("wrong pair for all", "wrong last Feldman commitment"),
                both("false complaint", "wrong pair and wrong defence"),
            ]
        },
        steps=("generate",),
        values=21,
        kills=False,
    )
    steps = run(tmp_path, plan)
    assert named(steps, "bank-a", "more than f holders complained of its pairs")
    assert named(steps, "bank-a", "a holder showed its Feldman commitments wrong")
    assert named(steps, "telco-b", "no acceptable post where one was due (defend)")


def test_a_word_that_no_crook_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'lies' is none of honest, mute, meddles"):
        crook.tell(tmp_path, both("lies", "honest"))
    assert not list(tmp_path.iterdir())
