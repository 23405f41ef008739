"""The protocol's tables: every row happens, and nothing happens that is no row."""

from __future__ import annotations

import pytest

from consensus.errors import InvariantViolation
from consensus.replica import Replica
from consensus.transitions import PHASES, STATUS, Cause, Phase, turned
from consensus.types import Status
from tests.simulation.options import Options
from tests.simulation.world import World


@pytest.mark.parametrize(("status", "cause"), list(STATUS))
def test_every_row_of_the_status_table_leads_where_it_says(status: Status, cause: Cause) -> None:
    assert turned(status, cause) is STATUS[status, cause]


@pytest.mark.parametrize(
    ("status", "cause"),
    [(s, c) for s in Status for c in Cause if (s, c) not in STATUS],
)
def test_a_cause_without_a_row_is_a_broken_invariant(status: Status, cause: Cause) -> None:
    with pytest.raises(InvariantViolation):
        turned(status, cause)


def test_a_halted_replica_has_no_way_out() -> None:
    assert not [status for status, _ in STATUS if status is Status.HALTED]


def test_slots_of_simulated_worlds_take_only_steps_of_the_phase_table() -> None:
    seen: set[tuple[Phase, Phase]] = set()
    for seed in range(3, 9):
        world = World(Options.from_seed(seed, 4, 12))
        watch(world, seen)
        world.run()
    assert seen <= paths()
    usual = {(Phase.EMPTY, Phase.PROPOSED), (Phase.PROPOSED, Phase.PREPARED)}
    assert usual | {(Phase.PREPARED, Phase.COMMITTED), (Phase.COMMITTED, Phase.EXECUTED)} <= seen


def paths() -> set[tuple[Phase, Phase]]:
    """Steps and chains of steps: one event may take a height through several phases."""
    found = set(PHASES)
    while True:
        more = {(a, d) for a, b in found for c, d in found if b is c} - found
        if not more:
            return found
        found |= more


def test_no_step_leads_back_from_a_certificate_or_a_block() -> None:
    assert {after for before, after in paths() if before is Phase.COMMITTED} == {Phase.EXECUTED}
    assert not [after for before, after in paths() if before is Phase.EXECUTED]


def watch(world: World, seen: set[tuple[Phase, Phase]]) -> None:
    """Note each change of a slot's phase from one event of a replica to its next."""
    last: dict[tuple[Replica, int], Phase] = {}
    plain = world.checkers.after_step

    def after_step(node, event, effects):  # type: ignore[no-untyped-def]
        plain(node, event, effects)
        if node.replica is None:
            return
        for slot in node.replica.snapshot().slots:
            key = (node.replica, slot.height)
            before, last[key] = last.get(key, Phase.EMPTY), slot.phase
            if before is not slot.phase:
                seen.add((before, slot.phase))

    world.checkers.after_step = after_step  # type: ignore[method-assign]
