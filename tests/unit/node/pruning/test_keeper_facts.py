"""What a running node says of its pruning: to diagnosis, metrics and `GET /v1/node`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node.pruning.keeper import Keeper
from node.pruning.marks import begin_states, end_states
from node.pruning.settings import PruningConfig
from node.storage.durability import Durability
from tests.unit.node.execution.alliance import Node
from tests.unit.node.pruning.test_pruning import FLOOR, fill, prune_bodies


@contextmanager
def keeper(node: Node, folder: Path, **settings: int) -> Iterator[Keeper]:
    config = PruningConfig.model_validate(settings)
    made = Keeper(node.store, Durability(node.store), folder, config, lambda: True, lambda: 7)
    try:
        yield made
    finally:
        made.close()


def shown(found: Keeper) -> dict[str, float]:
    return {family.name: family.samples[0].value for family in found.families()}


def test_an_archive_says_that_it_is_one(tmp_path: Path) -> None:
    with keeper(Node(), tmp_path) as found:
        assert found.facts() is None
        assert found.document() == {"archive": True}
        assert not any(shown(found).values())


def test_floors_are_told_also_where_pruning_was_turned_off_again(tmp_path: Path) -> None:
    node = Node()
    for _ in range(3):
        node.block()
    prune_bodies(node.store)  # type: ignore[arg-type]
    with keeper(node, tmp_path) as found:
        facts = found.facts()
        assert facts is not None and facts.bodies_below == FLOOR
        assert shown(found)["bulwark_pruned_bodies_below"] == FLOOR
        assert found.document()["archive"] is False


def test_a_sweep_that_was_stopped_in_the_middle_waits(tmp_path: Path) -> None:
    node = Node()
    begin_states(node.store, FLOOR)
    with keeper(node, tmp_path) as found:
        facts = found.facts()
        assert facts is not None and facts.waits and facts.states_below == FLOOR
        end_states(node.store)
        facts = found.facts()
        assert facts is not None and not facts.waits


async def test_a_run_is_told_while_it_is_under_way_and_not_after(tmp_path: Path) -> None:
    node = fill(Node())
    begin_states(node.store, FLOOR)
    seen: list[str] = []
    with keeper(node, tmp_path) as found:

        def look() -> bool:
            facts = found.facts()
            seen.append("" if facts is None else facts.phase)
            return True

        found._may_prune = look
        await found.prune()
        facts = found.facts()
        assert facts is not None and facts.phase == "" and facts.since_ms is None
    assert set(seen) <= {"sweeping"} and seen
