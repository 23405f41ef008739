"""Invariants 11 and 13: after GST, with at most f faulty, everything gets done, and in order.

11 Liveness: between two blocks at most f + 1 views change and a bounded time passes; at the end
every request is executed and every honest node is at the tip. 13 Fairness: a request is executed
within f + 1 rotations of the moment it was submitted, whoever proposes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from consensus.snapshot import Snapshot
from tests.reference.quorums import reference_faulty
from tests.simulation.checkers.record import Record

if TYPE_CHECKING:
    from tests.simulation.ledger import Block
    from tests.simulation.node import SimNode

SETTLING_BLOCKS = 3
"""Blocks after GST whose views and timeouts still come from the bad phase."""
LEARN_STATUSES = 8
"""STATUS intervals within which a connected node learns the view."""
BLOCK_REQUESTS = 20
"""Requests that fit a block of the toy mempool."""


class Liveness:
    """Invariant 11."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._counted = 0
        self._last_ms = 0
        self._view: tuple[int, int] = (0, 0)
        self._views: list[tuple[int, int, int]] = []
        """Time, epoch and view of each block whose view was new."""

    def on_new_block(self, node: SimNode, block: Block) -> None:
        """The first block of a height anywhere."""
        record = self._record
        if not record.after_gst():
            return
        faulty = reference_faulty(len(record.terms(node).validators))
        epoch, view = record.epoch(node), block.commit.subject.view
        self._counted += 1
        if self._counted > SETTLING_BLOCKS:
            known_epoch, known = self._view
            if epoch == known_epoch and view - known > faulty + 1:
                record.fail(
                    11, "liveness", f"views {known} to {view} between two blocks, f is {faulty}"
                )
            waited = record.world.now - self._last_ms
            if waited > self.patience_ms(node, faulty):
                record.fail(11, "liveness", f"{waited} ms without a block before {block.height}")
        self._last_ms = record.world.now
        if (epoch, view) > self._view or not self._views:
            self._views.append((record.world.now, epoch, view))
        self._view = (epoch, max(view, self._view[1]) if epoch == self._view[0] else view)

    def patience_ms(self, node: SimNode, faulty: int) -> int:
        """A heartbeat, and f + 1 bad views with two timeouts each, doubled for the network."""
        config = node.config
        views = sum(2 * config.timeout_ms(attempt) for attempt in range(faulty + 2))
        fair = config.timeout_ms(faulty + 1, config.request_timeout_ms)
        return config.heartbeat_ms + 2 * (views + fair) + 2 * config.sync_patience_ms

    def at_end(self) -> None:
        """Everybody honest is at the tip and has executed everything that was submitted."""
        record, world = self._record, self._record.world
        for node in world.awaited:
            behind = record.top - len(node.disk.blocks)
            if behind > node.config.window:
                record.fail(11, "liveness", f"node {node.index} ends {behind} blocks behind")
            if node.index not in world.down_at_end and node.replica is not None:
                self._in_view(node, node.replica.snapshot())

    def _in_view(self, node: SimNode, shot: Snapshot) -> None:
        """R5: who lives learns the view in which the others have committed for a while."""
        world = self._record.world
        learnt = world.now - LEARN_STATUSES * node.config.status_interval_ms
        old = [(e, v) for at_ms, e, v in self._views if at_ms <= learnt]
        if not old or (shot.epoch, shot.view) > old[-1]:
            return  # it left that view before it learnt of it, and may not go back (V8)
        if (shot.epoch, shot.active_view) < old[-1]:
            self._record.fail(
                11, "R5", f"node {node.index} is in view {shot.active_view}, others in {old[-1]}"
            )


class Fairness:
    """Invariant 13."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._index: dict[bytes, int] = {}
        self._fresh = 0
        """Blocks so far whose proposer could choose the requests (not carried into a view by O)."""
        self._born: list[tuple[int, int, int, int]] = []
        """Fresh blocks, view and time at each request's first block, and blocks full before it."""

    def on_new_block(self, node: SimNode, block: Block) -> None:
        """The first block of a height anywhere: how old are its requests."""
        record, requests = self._record, self._record.world.submitted
        view = block.commit.subject.view
        self._fresh += not self._carried(node, block)
        for transaction in block.batch.transactions:
            place = self._index.pop(transaction, None)
            if place is not None:
                self._judge(node, place, view)
        height = self._fresh if record.after_gst() else -1
        # A burst is one queue: at another node its last request may be the first.
        waiting = len(self._index) + len(requests) - len(self._born)
        for place in range(len(self._born), len(requests)):
            backlog = waiting // BLOCK_REQUESTS
            self._born.append((height, view, record.world.now, backlog))
            if requests[place] not in block.batch.transactions:
                self._index[requests[place]] = place
        if height >= 0 and self._index:
            self._starving(node, next(iter(self._index.values())))

    def _carried(self, node: SimNode, block: Block) -> bool:
        """The O of its view holds it: a liar may have had a window of heights prepared before."""
        subject, epoch = block.commit.subject, self._record.terms(node).domain.epoch
        return block.height < self._record.first_fresh.get((epoch, subject.view), 0)

    def _starving(self, node: SimNode, place: int) -> None:
        """The oldest request waits: f + 1 proposers may be deposed for it, one after another."""
        record, config = self._record, node.config
        born, _, born_ms, backlog = self._born[place]
        if born < 0 or backlog > 0:
            return
        faulty = reference_faulty(len(record.terms(node).validators))
        most = sum(config.timeout_ms(i, config.request_timeout_ms) for i in range(faulty + 2))
        waited = record.world.now - born_ms
        if waited > 2 * most + 4 * config.timeout_ms(faulty + 1) + config.heartbeat_ms:
            record.fail(13, "fairness", f"request {place} waits for {waited} ms")

    def _judge(self, node: SimNode, place: int, view: int) -> None:
        born, first_view, _, backlog = self._born[place]
        if born < 0:
            return
        config, record = node.config, self._record
        faulty = reference_faulty(len(record.terms(node).validators))
        turns = faulty + 1 + max(0, view - first_view)
        most = turns * config.rotation + 2 * config.pipeline + backlog + config.rotation
        if self._fresh - born > most:
            record.fail(
                13,
                "fairness",
                f"request {place} of fresh block {born} executed at {self._fresh},"
                f" {most} later allowed",
            )
