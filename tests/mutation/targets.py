"""What is mutated, by which tests it is held, and which mutants are the same program.

The files are those that decide quorums, certificates and view changes, and the sign guard. A
survivor belongs into `EQUIVALENT` only with the reason why no test can tell it from the original.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A source file, the functions meant (all, if none is named), and its own test files."""

    file: str
    tests: tuple[str, ...]
    functions: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """Its import name."""
        return self.file.removesuffix(".py").replace("/", ".")


CORE = "tests/unit/consensus/"
LEDGER = "tests/unit/ledger/"
TARGETS = (
    Target("bulwark/ledger/validators.py", (LEDGER + "test_validators.py",)),
    Target("bulwark/ledger/votes.py", (LEDGER + "test_votes.py",)),
    Target("bulwark/ledger/epochs.py", (LEDGER + "test_epochs.py",)),
    Target("consensus/newview.py", (CORE + "test_newview.py",)),
    Target(
        "consensus/viewchange.py",
        (
            CORE + "test_viewchange.py",
            CORE + "test_viewchange_stale.py",
            CORE + "test_viewchange_evidence.py",
        ),
    ),
    Target("consensus/amnesia.py", (CORE + "test_amnesia.py",)),
    Target(
        "consensus/state.py",
        (CORE + "test_state.py",),
        ("ReplicaState.place", "ReplicaState.cast", "ReplicaState.record"),
    ),
)

SUITE = (CORE, LEDGER, "tests/reference", "tests/scenarios/test_scenarios.py")
"""All test files that may kill a mutant."""

LEFT_OUT = (
    "test_slots_of_simulated_worlds",
    "test_the_whole_set_is_quick",
    "a_planted_bug_changes",
    "a_bug_of_the_twins_list",
    "test_without_v10",
    "test_step_is_total_on_peer_input",
    "test_trace.py",
)
"""Tests that take part in no mutation run: seconds each, or themselves about broken code."""

EQUIVALENT: dict[str, str] = {}
"""Mutant's name -> why it is the same program."""
