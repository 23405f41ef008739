"""Duties that show in effects and snapshots only: timers, joining views, order of execution.

C4 block sync is asked for once at a time, and forward only.
O8 a decision settles its height in every status. O9 heights are handed out for execution in order,
each once. P3 and V9 a record is deleted only when its height is final. T2 the fairness timer runs
while a request waits. T3 the leader's time starts at a quorum of VIEW-CHANGEs; T4 no timeout is
longer than the cap. V4 what f + 1 others ask for is joined. E2 nothing above the epoch's end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from consensus.effects import Execute, SetTimer
from consensus.messages import Decision, Vote
from consensus.snapshot import Snapshot
from consensus.types import Status, TimerName
from tests.reference.quorums import reference_faulty
from tests.simulation.checkers.certificates import quorum_of
from tests.simulation.checkers.record import Record

if TYPE_CHECKING:
    from tests.simulation.node import SimNode

NEW_VIEW, PROGRESS = TimerName.NEW_VIEW, TimerName.PROGRESS
VOUCHED = 8
"""Bodies of own PREPAREs that a node must keep for each height."""


class Timers:
    """T2, T3, T4 and V4."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def on_set(self, node: SimNode, effect: SetTimer) -> None:
        """A timer is set."""
        name = effect.name
        if name is not NEW_VIEW and name is not PROGRESS:
            return
        config = node.config
        ahead = effect.at_ms - node.now()
        slack = config.heartbeat_ms if name is PROGRESS else 0
        if ahead > config.max_timeout_ms + slack:
            self._record.fail(0, "T4", f"node {node.index} waits {ahead} ms for {name}")
        if name is NEW_VIEW and node.replica is not None:
            shot = node.replica.snapshot()
            asking = sum(view >= shot.view for _, view in shot.view_changes)
            if asking < quorum_of(len(self._record.terms(node).validators)):
                self._record.fail(
                    0, "T3", f"node {node.index} times view {shot.view} that {asking} ask for"
                )

    def on_snapshot(self, node: SimNode, shot: Snapshot) -> None:
        """Sampled between two steps."""
        if shot.silent_until is not None or shot.status is Status.HALTED:
            return
        ahead = sum(v > shot.view and i != node.index for i, v in shot.view_changes)
        if ahead > reference_faulty(len(self._record.terms(node).validators)):
            self._record.fail(0, "V4", f"node {node.index} stays in {shot.view}, {ahead} ask more")
        waits = shot.pending_requests > 0 and shot.status is Status.NORMAL
        if waits and not shot.syncing and shot.stable <= shot.executed:
            names = [name for name, _ in shot.timers]
            if TimerName.FAIRNESS not in names:
                self._record.fail(0, "T2", f"node {node.index} lets requests wait for ever")


class Execution:
    """O8, O9, E2."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._last: dict[tuple[int, int], int] = {}
        self._asked: dict[tuple[int, int], tuple[int, int]] = {}
        """Height and time of a block sync under way, by node and life."""

    def on_sync_to(self, node: SimNode, height: int) -> None:
        """C4: block sync is asked for."""
        key, now = (node.index, node.life), self._record.world.now
        asked = self._asked.get(key)
        if asked is not None:
            target, at_ms = asked
            if height < target or now < at_ms + node.config.sync_retry_ms - 1:
                self._record.fail(
                    0, "C4", f"node {node.index} asks for {height} {now - at_ms} ms after {target}"
                )
        self._asked = {k: v for k, v in self._asked.items() if k[0] != node.index}
        self._asked[key] = (height, now)

    def on_synced(self, node: SimNode) -> None:
        """C4: block sync answered."""
        self._asked.pop((node.index, node.life), None)

    def on_execute(self, node: SimNode, effect: Execute) -> None:
        """A block is handed out."""
        height, key = effect.height, (node.index, node.life)
        if height != len(node.disk.blocks) + 1 or height <= self._last.get(key, 0):
            self._record.fail(
                0, "O9", f"node {node.index} executes {height} on {len(node.disk.blocks)} blocks"
            )
        self._last = {k: v for k, v in self._last.items() if k[0] != node.index}
        self._last[key] = height

    def on_vote(self, node: SimNode, vote: Vote) -> None:
        """A new own vote: not above the last height of the epoch."""
        end = node.ledger.end_of(node.span)
        if end is not None and vote.subject.height > end:
            self._record.fail(0, "E2", f"node {node.index} votes at {vote.subject.height} of {end}")

    def on_decision(self, node: SimNode, message: Decision) -> None:
        """A DECISION for the next height was handled."""
        height = message.certificate.subject.height
        if height != len(node.disk.blocks) + 1 or node.replica is None:
            return
        shot = node.replica.snapshot()
        if shot.status is Status.HALTED or shot.syncing or shot.executing == height:
            return
        if height > shot.high or shot.executed >= height:
            return
        if any(s.height == height and s.phase == "committed" for s in shot.slots):
            return
        self._record.fail(0, "O8", f"node {node.index} ignores the decision of {height}")


class Deletions:
    """P3 and V9."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._vouched: dict[tuple[int, int], list[bytes]] = {}
        """Digests that a node PREPAREd at a height."""

    def on_vote(self, node: SimNode, vote: Vote) -> None:
        """A new own PREPARE."""
        key = (node.index, vote.subject.height)
        vouched = self._vouched.setdefault(key, [])
        if vote.subject.digest in vouched:
            vouched.remove(vote.subject.digest)
        vouched.append(vote.subject.digest)

    def on_delete(self, node: SimNode, key: bytes) -> None:
        """A record is about to be deleted."""
        kind, _, rest = key.partition(b"/")
        if not rest:
            return
        height = int.from_bytes(rest[1:9] if kind == b"vote" else rest[:8], "big")
        stable = node.disk.best_stable()
        if node.replica is not None and height > node.span.start:
            low = 0 if stable is None else stable.subject.height
            if height > low and height > node.replica.snapshot().low:
                self._living(node, kind, height, rest[8:])
        self._vouched.pop((node.index, height - 64), None)

    def _living(self, node: SimNode, kind: bytes, height: int, digest: bytes) -> None:
        """Only a body that nobody may need from this node may go before its height is final."""
        vouched = self._vouched.get((node.index, height), [])[-VOUCHED:]
        if kind != b"body" or digest in vouched:
            rule = "V9" if kind == b"body" else "P3"
            self._record.fail(
                9, rule, f"node {node.index} deletes a {kind.decode()} of {height}, not final"
            )
