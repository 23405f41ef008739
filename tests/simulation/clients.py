"""Clients: requests at random moments, bursts, repeats, pauses, and one that knows one node only.

They also submit the governance transactions that change the validator set. Whatever reached an
honest node must be executed at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.ledger import JOIN, KEY, LEAVE

if TYPE_CHECKING:
    from tests.simulation.node import SimNode
    from tests.simulation.world import World

GOSSIP_EVERY_MS = 1_000
MAX_WAITING = 60
"""Clients wait for answers before they go on asking."""


class Clients:
    """Everybody outside the alliance."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._joins = 0

    def begin(self) -> None:
        """Start to submit."""
        world, options = self.world, self.world.options
        world.push(1, None, 0, self._request)
        changes = self.changes()
        for number, transaction in enumerate(changes):
            at = int((number + 0.2 + world.random()) * options.gst_ms / (len(changes) + 1))
            world.push(at, None, 0, self._submit, transaction)

    def changes(self) -> list[bytes]:
        """The governance transactions of this world."""
        world = self.world
        kinds = [world.rng.choice([JOIN, LEAVE, KEY]) for _ in range(world.options.epoch_changes)]
        return [
            b"%b%d %d" % (kind, serial, world.rng.randrange(world.n))
            if kind is KEY
            else b"%b%d" % (kind, serial)
            for serial, kind in enumerate(kinds)
        ]

    def _request(self, _: object) -> None:
        world, options = self.world, self.world.options
        if world.height() >= options.blocks:
            return
        if self.waiting() >= MAX_WAITING:
            world.push(500, None, 0, self._request)
            return
        count = options.burst if options.burst == 1 or world.random() < 0.2 else 1
        for _i in range(count):
            self._submit(b"tx %d" % len(world.submitted))
        pause = 1 + int(world.random() * 2 * options.request_every_ms)
        if options.idle_every_ms and world.random() * options.idle_every_ms < pause:
            pause += int(world.random() * 15_000)
            world.faults["idle pauses"] += 1
        world.push(pause, None, 0, self._request)

    def waiting(self) -> int:
        """Requests that nobody has executed."""
        return len(self.world.submitted) - max(len(node.done) for node in self.world.honest)

    def _submit(self, transaction: bytes) -> None:
        world, options = self.world, self.world.options
        world.submitted.append(transaction)
        if options.lonely_client and world.random() < 0.2:
            node = world.rng.choice(world.awaited)
            world.push(1, None, 0, self._pass_on, (node, transaction))
            return
        for node in world.everyone:
            delay = 1 + int(world.random() * 50)
            world.push(delay, node, -1, node.submit, transaction)
            if options.duplicates and world.random() < options.duplicates:
                world.push(delay + int(world.random() * 3_000), node, -1, node.submit, transaction)

    def _pass_on(self, entry: tuple[SimNode, bytes]) -> None:
        """The one node that has a request gossips it until it is executed there."""
        world = self.world
        node, transaction = entry
        if transaction in node.done:
            return
        if node.running and node.frozen_until <= world.now:
            node.submit(transaction)
            for other in world.everyone:
                for delay in world.network.arrivals(node.index, other.index, world.now):
                    world.push(delay, other, -1, other.submit, transaction)
        world.push(GOSSIP_EVERY_MS, None, 0, self._pass_on, entry)
