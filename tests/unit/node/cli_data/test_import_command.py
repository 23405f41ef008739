"""`bulwark import`: counts, exit codes, the state file, and going on after an interruption."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bulwark.client.policy import RetryPolicy
from node.cli import importer
from node.service import Unavailable
from tests.unit.api.world import World
from tests.unit.node.cli_data.conftest import Run

ROWS = [f"+44207946{at:04d}" for at in range(30)]


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    path = tmp_path / "lists" / "numbers.csv"
    path.parent.mkdir()
    path.write_text("number,note\n" + "".join(f"{value},x\n" for value in ROWS))
    return path


def words(source: Path, devnet: Path, *more: str) -> tuple[str, ...]:
    mapping = ("--set", "kind=phone", "--map", "value=number")
    return ("import", str(source), "--devnet", str(devnet), "--batch-size", "10", *mapping, *more)


def totals(output: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output)
    return found["totals"]


def test_every_row_is_taken_and_then_a_duplicate(bulwark: Run, devnet: Path, numbers: Path) -> None:
    first = bulwark(*words(numbers, devnet, "--json"))
    assert first.exit_code == 0, first.output
    found = json.loads(first.stdout)
    assert found["complete"] and totals(first.stdout)["taken"] == 30
    assert found["files"][0]["finalized"] and found["files"][0]["unused_columns"] == ["note"]
    again = bulwark(*words(numbers, devnet, "--json"))
    assert (again.exit_code, totals(again.stdout)["duplicates"]) == (0, 30)
    assert sorted(path.name for path in numbers.parent.iterdir()) == ["numbers.csv"]


def test_refused_rows_are_counted_by_rule_with_their_lines(
    bulwark: Run, devnet: Path, numbers: Path
) -> None:
    with numbers.open("a") as stream:
        stream.write("12,x\n,x\nragged\n")
    told = bulwark(*words(numbers, devnet))
    assert told.exit_code == 0, told.output
    assert "1 refused by value.empty (line 33)" in told.stdout
    assert "1 refused by row.malformed (line 34)" in told.stdout
    assert "phone." in told.stdout


def test_a_node_that_fails_ends_the_import_and_the_same_command_goes_on(
    bulwark: Run, devnet: Path, numbers: Path, world: World
) -> None:
    real = world.node.report
    calls = 0

    async def failing(*given: Any, **how: Any) -> Any:
        nonlocal calls
        calls += 1
        answer = await real(*given, **how)
        if calls == 2:
            raise KeyError("a bug after the work was done")
        return answer

    world.node.report = failing  # type: ignore[method-assign]
    stopped = bulwark(*words(numbers, devnet))
    assert stopped.exit_code == 1 and "after row 10" in stopped.stderr
    assert "same command again" in stopped.stderr
    state = numbers.parent / ".numbers.csv.bulwark-import.json"
    assert state.is_file() and "7946" not in state.read_text()
    resumed = bulwark(*words(numbers, devnet, "--resume", "--json"))
    assert resumed.exit_code == 0, resumed.output
    found = totals(resumed.stdout)
    assert (found["rows"], found["taken"], found["duplicates"]) == (30, 30, 0)
    assert len(world.node.records) == 30 and not state.exists()


def test_resume_needs_something_to_go_on_with(bulwark: Run, devnet: Path, numbers: Path) -> None:
    told = bulwark(*words(numbers, devnet, "--resume"))
    assert told.exit_code == 2 and "nothing to resume" in told.stderr
    both = bulwark(*words(numbers, devnet, "--resume", "--restart"))
    assert both.exit_code == 2


def test_restart_begins_anew_and_reports_nothing_twice(
    bulwark: Run, devnet: Path, numbers: Path, world: World, tmp_path: Path
) -> None:
    state = tmp_path / "state.json"
    state.write_text("damaged")
    told = bulwark(*words(numbers, devnet, "--state", str(state)))
    assert told.exit_code == 2 and "--restart" in told.stderr
    anew = bulwark(*words(numbers, devnet, "--state", str(state), "--restart", "--json"))
    assert (anew.exit_code, totals(anew.stdout)["taken"]) == (0, 30)
    assert not state.exists()


def test_rows_that_stay_unsettled_are_code_1_and_named(
    bulwark: Run, devnet: Path, numbers: Path, world: World
) -> None:
    (numbers.parent / "strange.csv").write_text("x,y\n1,2\n")
    told = bulwark("import", numbers.parent, "--devnet", devnet)
    assert told.exit_code == 1
    assert "numbers.csv, strange.csv" in told.stderr and "no saved mapping" in told.stdout


def test_a_dry_run_needs_no_node_and_leaves_nothing(
    bulwark: Run, numbers: Path, world: World
) -> None:
    mapping = ("--set", "kind=phone", "--map", "value=number")
    told = bulwark("import", numbers, *mapping, "--dry-run", "--json")
    assert told.exit_code == 0 and totals(told.stdout)["taken"] == 30
    assert not world.node.seen
    assert sorted(path.name for path in numbers.parent.iterdir()) == ["numbers.csv"]


@pytest.mark.parametrize(
    "options",
    [
        ("--map", "value"),
        ("--map", "nonsense=number"),
        ("--set", "kind"),
        ("--mapping", "/nowhere.toml"),
        ("--format", "xlsx"),
    ],
)
def test_options_that_can_not_be_right_are_code_2(
    bulwark: Run, devnet: Path, numbers: Path, options: tuple[str, str]
) -> None:
    assert bulwark("import", numbers, "--devnet", devnet, *options).exit_code == 2


def test_a_busy_alliance_is_told_with_its_reason(
    bulwark: Run, devnet: Path, numbers: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer, "_PATIENT", RetryPolicy(attempts=1))
    world.node.failure = Unavailable("no quorum of members is connected")
    told = bulwark(*words(numbers, devnet))
    assert told.exit_code == 1 and "no quorum" in told.stderr
