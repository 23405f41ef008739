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
            CORE + "test_viewchange_pending.py",
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

_PLAN, _CHANGER = "consensus/newview.py ", "consensus/viewchange.py ViewChanger."
_AMNESIA = "consensus/amnesia.py Amnesia."
EQUIVALENT: dict[str, str] = {
    "bulwark/ledger/validators.py module: False => True #5": (
        "the index by address follows from the validators, so comparing it changes nothing"
    ),
    _PLAN + "module: False => True #2": (
        "first_fresh follows from base and digests, so comparing it changes nothing"
    ),
    _PLAN + "select_new_view: _rank(certificate) > _rank(known) => "
    "_rank(certificate) >= _rank(known)": (
        "certificates of one rank have one digest, and only the digest is used"
    ),
    _PLAN + "_before: given.encode() < known.encode() => given.encode() <= known.encode()": (
        "equal encodings are equal certificates"
    ),
    _CHANGER + "on_view_change: amnesia_between(known, message, state.terms) => "
    "amnesia_between(message, known, state.terms)": "the distance is symmetric",
    _CHANGER + "on_view_change: message.base_above(state.terms.start) < "
    "known.base_above(state.terms.start) => message.base_above(state.terms.start) <= "
    "known.base_above(state.terms.start)": "the two lie at least 2L apart here",
    _CHANGER + "join: i != state.me and c.view > state.view => "
    "i != state.me or c.view > state.view": (
        "more views at or below the own one make start() refuse, as it does"
    ),
    _CHANGER + "join: c.view > state.view => c.view >= state.view": (
        "start() refuses the own view"
    ),
    _CHANGER + "_review: sorted(self.pool) => sorted(self.pool, reverse=True)": (
        "asking is counted and then ranked; its order is not used"
    ),
    _CHANGER + "_try_enter: new_view.view > state.active_view => "
    "new_view.view >= state.active_view": (
        "entering drops what waits for the active view or a lower one"
    ),
    _CHANGER + "_enter: self._checkpoints.learn(plan.checkpoint, None) => pass": (
        "each VIEW-CHANGE's checkpoint was learned when it arrived"
    ),
    _CHANGER + "_enter: self._ordering.adopt_plan() => pass": (
        "Replica adopts the plan in the same step because the view moved"
    ),
    _CHANGER + "_enter: self._ordering.ask_proposal() => pass": (
        "Replica asks in the same step because the state's version moved"
    ),
    _CHANGER + "on_request: wanted.discard(digest) => pass": (
        "pool and proof hold no VIEW-CHANGE twice: entering clears the pool up to its view"
    ),
    _AMNESIA + "on_start: self._state.flush() => pass": (
        "tick() flushes before the first message of the start"
    ),
    _AMNESIA + "on_status: state.version += 1 => pass": (
        "neither proposer nor deadlines depend on which height the silence ends at"
    ),
    _AMNESIA + "on_status: 1 => 2": "any growth of the version says the same",
}
"""Mutant's name -> why no test can tell it from the original."""
