"""Every scenario yields what is recorded; every pitfall has one; planted bugs change them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.scenarios.checks import Violation
from tests.scenarios.commands import Runner
from tests.scenarios.planted import PLANTED
from tests.scenarios.running import check_file, rewrite_file
from tests.scenarios.script import (
    FOLDER,
    ScenarioError,
    all_files,
    parse_command,
    read_script,
    write_script,
)
from tests.twins.planted import PLANTED as TWIN_BUGS

PITFALLS = [
    *(f"s{number:02}" for number in range(1, 15)),
    *(f"l{number:02}" for number in range(1, 11)),
    *(f"d{number:02}" for number in range(1, 4)),
]
"""reference/consensus.md section 2."""
RULES = ["v06", "v10", "p06", "t09", "e01", "e02", "e03"]
EVIDENCE = ["double_vote", "double_view_change", "double_new_view", "wrong_new_view"]
SECONDS = 30

SEEN_IN = {
    "O is empty": "s02_prepared_state_is_carried",
    "lowest view wins": "v06_highest_view_wins",
    "votes after leaving (V8 off)": "l06_commit_during_a_view_change",
    "digests ignored in counting": "d03_one_odd_vote",
    "bodies dropped with the view": "s02_prepared_state_is_carried",
}
"""Bugs of the Twins list -> a scenario that shows them too."""


@pytest.mark.parametrize("path", all_files(), ids=lambda path: path.stem)
def test_a_scenario_yields_what_is_recorded(path: Path, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--rewrite-scenarios", default=False):
        rewrite_file(path)
    check_file(path)


def test_every_pitfall_rule_and_kind_of_evidence_has_its_file() -> None:
    names = [path.stem for path in all_files()]
    prefixes = {name.split("_")[0] for name in names}
    assert set(PITFALLS) | set(RULES) <= prefixes
    assert {f"ev_{kind}" for kind in [*EVIDENCE, "forgotten_commit"]} <= set(names)
    assert len(names) >= 34


def test_every_file_begins_with_its_story_and_expects_something() -> None:
    for path in all_files():
        text = path.read_text(encoding="utf-8")
        assert text.startswith("# "), path.name
        assert "\nexpect " in text or path.stem == "s07_damaged_record", path.name
        assert max(len(line) for line in text.split("\n")) <= 140, path.name


def test_the_whole_set_is_quick() -> None:
    began = time.process_time()
    for path in all_files():
        check_file(path)
    assert time.process_time() - began < SECONDS


@pytest.mark.parametrize("bug", sorted(PLANTED))
def test_a_planted_bug_changes_its_scenario(bug: str) -> None:
    plant, name = PLANTED[bug]
    with plant(), pytest.raises(ScenarioError):
        check_file(FOLDER / f"{name}.txt")


@pytest.mark.parametrize("bug", sorted(SEEN_IN))
def test_a_bug_of_the_twins_list_changes_a_scenario_too(bug: str) -> None:
    with TWIN_BUGS[bug](), pytest.raises(ScenarioError):
        check_file(FOLDER / f"{SEEN_IN[bug]}.txt")


def test_without_v10_the_forgotten_view_change_is_a_fork() -> None:
    """The scenario's messages, no expectations: they end in two blocks at one height."""
    runner = Runner()
    blocks = read_script((FOLDER / "v10_forgotten_view_change.txt").read_text(encoding="utf-8"))
    lines = [line for block in blocks for line in block.commands]
    commands = [line for line in lines if not line.startswith("expect ")]
    with PLANTED["V10 off"][0](), pytest.raises(Violation, match=r"agreement|prepared|replaces"):
        for line in commands:
            runner.run(line)


def test_a_script_is_written_as_it_was_read() -> None:
    text = "# story\nnet n=4\n----\nx\n\n# more\nstatus\n----\na\nb\n"
    assert write_script(read_script(text)) == text


@pytest.mark.parametrize("text", ["----\nx\n", "net n=4\n", "net n=4\n\nstatus\n----\n"])
def test_a_script_out_of_form_is_an_error(text: str) -> None:
    with pytest.raises(ScenarioError):
        read_script(text)


def test_a_failed_expectation_is_an_error_and_unknown_commands_are_too() -> None:
    runner = Runner()
    with pytest.raises(ScenarioError):
        runner.run("status")
    runner.run("net n=4 byzantine=3")
    with pytest.raises(ScenarioError):
        runner.run("expect all view=1")
    with pytest.raises(ScenarioError):
        runner.run("dance")
    with pytest.raises(ScenarioError, match="honest 1"):
        runner.run("forge prepare by=1 batch=a")


def test_a_command_line_is_words_and_options() -> None:
    args = parse_command("deliver all from=0,1 kind=prepare")
    assert (args.verb, args.words) == ("deliver", ("all",))
    assert args.numbers("from", ()) == (0, 1)
    assert args.numbers("to", (7,)) == (7,)
