"""Invariant 10: what a node keeps is bounded, whatever it is sent. Sampled through `snapshot()`.

Slots at most 2L + 1 and those that its own old votes keep open, votes at most n of a kind, one
VIEW-CHANGE a replica, 6L buffered messages a sender, records of at most three windows on disk.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tests.simulation.checkers.record import Record
from tests.simulation.checkers.timers import Timers
from tests.simulation.checkers.votes import Views

if TYPE_CHECKING:
    from tests.simulation.node import SimNode

EVERY = 64
"""Steps between two looks at one node."""
RECORDS_A_HEIGHT = 13
"""Three votes, one certificate, and the bodies of the last proposals that it vouched for."""


class Bounds:
    """Invariant 10; also shows the views to invariant 6."""

    def __init__(self, record: Record, views: Views, timers: Timers) -> None:
        self._record = record
        self._views = views
        self._timers = timers
        self._steps: defaultdict[int, int] = defaultdict(int)

    def after_step(self, node: SimNode) -> None:
        """Look at every 64th step."""
        self._steps[node.index] += 1
        if not self._steps[node.index] % EVERY:
            self.look(node)

    def look(self, node: SimNode) -> None:
        """Look now."""
        if node.replica is None:
            return
        shot, n = node.replica.snapshot(), len(self._record.terms(node).validators)
        window = node.config.window
        self._views.on_snapshot(node, shot.view)
        self._timers.on_snapshot(node, shot)
        found = {
            "slots": (len(shot.slots), 3 * window + 1),
            "buffered messages": (shot.buffered, 6 * window * n),
            "VIEW-CHANGEs": (len(shot.view_changes), n),
            "STATUS claims": (len(shot.peers), n),
            "live records": (shot.live_records, RECORDS_A_HEIGHT * 2 * window),
            "records on disk": (len(node.disk.records), RECORDS_A_HEIGHT * 3 * window + 5),
        }
        for slot in shot.slots:
            votes = max(len(slot.prepares), len(slot.commits), len(slot.checkpoints))
            if votes > n:
                found[f"votes at {slot.height}"] = (votes, n)
        for what, (count, most) in found.items():
            if count > most:
                self._record.fail(10, "bounds", f"node {node.index} keeps {count} {what}")

    def at_end(self) -> None:
        """Once more, at every honest node."""
        for node in self._record.world.nodes:
            if node.index not in self._record.world.byzantine:
                self.look(node)
