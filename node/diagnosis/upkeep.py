"""Rules about a node's own upkeep: pruning, and the way back from a backup.

Rules owned: pruning.running, pruning.waits, restore.running, restore.stalled.
"""

from __future__ import annotations

from collections.abc import Iterator

from node.diagnosis.facts import Facts
from node.diagnosis.finding import Finding, Severity
from node.diagnosis.words import duration

RESTORE_STALLED_MS = 120_000
"""A homecoming that says the same for so long does not get further."""


def pruning(facts: Facts) -> Iterator[Finding]:
    """pruning.running and pruning.waits: old history goes, a fifth of the time at most."""
    found = facts.pruning
    if found is None or not facts.running:
        return
    floors = f"bodies below block {found.bodies_below}, states below {found.states_below}"
    values = (
        ("bodies_below", found.bodies_below),
        ("states_below", found.states_below),
        ("phase", found.phase),
    )
    if found.phase:
        yield Finding(
            "pruning.running",
            Severity.INFO,
            facts.own,
            f"this node prunes ({found.phase}): {floors}",
            "",
            values,
            found.since_ms,
        )
    elif found.waits:
        yield Finding(
            "pruning.waits",
            Severity.INFO,
            facts.own,
            f"a run of pruning was stopped before its end ({floors}) and goes on at its next time",
            "nothing, unless it stays: then the node syncs or stops again and again",
            values,
        )


def restore(facts: Facts) -> Iterator[Finding]:
    """restore.running and restore.stalled: the API answers nobody before the node is in step."""
    found = facts.restore
    if found is None or not facts.running:
        return
    idle_ms = facts.now_ms - found.moved_ms
    is_stalled = idle_ms > RESTORE_STALLED_MS
    yield Finding(
        "restore.stalled" if is_stalled else "restore.running",
        Severity.CRITICAL if is_stalled else Severity.WARNING,
        facts.own,
        f"this node was restored from block {found.height} and its API is shut: {found.doing}"
        + (f"; no progress for {duration(idle_ms)}" if is_stalled else ""),
        "see the findings about members, the quorum and the sync" if is_stalled else "wait",
        (("backup_height", found.height), ("executed", facts.executed), ("idle_ms", idle_ms)),
        found.since_ms,
    )
