"""Where every node of a world stands, in words, for a seed that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulwark.ledger.validators import max_faulty

if TYPE_CHECKING:
    from tests.simulation.node import SimNode
    from tests.simulation.world import World


def describe(world: World) -> str:
    """Where every node stands, for a failing seed."""
    kinds = {i: type(a).__name__ for i, a in world.byzantine.items()}
    lines = [
        f"{len(world.submitted)} requests, {world.n} validators tolerating "
        f"{max_faulty(world.n)}, byzantine {kinds}, down {sorted(world.down_at_end)}"
    ]
    return "\n  ".join(lines + [_node(world, node) for node in world.nodes])


def _node(world: World, node: SimNode) -> str:
    shot = None if node.replica is None else node.replica.snapshot()
    if shot is None:
        state = "follows" if node.running else "is down"
        return f"node {node.index} {state} at {node.ledger.height} epoch {node.span.number}"
    slots = "; ".join(
        f"{s.height} {s.phase} {s.prepares} {s.commits} {s.has_body} {s.timely}"
        for s in shot.slots
        if s.height > shot.executed
    )
    missing = [tx for tx in world.submitted if tx not in node.done]
    return (
        f"node {node.index} epoch {shot.epoch} end {shot.epoch_end} view {shot.view}/"
        f"{shot.active_view} {shot.status} executed "
        f"{shot.executed} stable {shot.stable} next {shot.next_height} by {shot.proposer} "
        f"pending {shot.pending_requests} executing {shot.executing} sync {shot.syncing} "
        f"attempt {shot.attempt} silent until {shot.silent_until} missing {missing[:3]} timers "
        + " ".join(f"{name}:{at - node.now()}" for name, at in shot.timers)
        + f" changes {shot.view_changes} slots {slots}"
    )
