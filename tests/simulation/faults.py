"""The faults of the bad phase: crashes, partitions, clogs, failing and rotting disks, freezes.

Each kind is a small process that waits, strikes and waits again until the world calms down; all
random numbers come from the world. What struck is counted by kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulwark.ledger.ids import ValidatorIndex
from bulwark.ledger.validators import max_faulty
from consensus.events import PeerDown, PeerUp

if TYPE_CHECKING:
    from tests.simulation.node import SimNode
    from tests.simulation.world import World

NEVER_MS = 1 << 60


class Faults:
    """Strikes at random while the world is stormy."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.spared: set[int] = set()
        """Nodes that may not lose their disks: as many as must keep them."""

    def begin(self) -> None:
        """Start the processes that the options ask for."""
        options, rng = self.world.options, self.world.rng
        for every, strike in (
            (options.crash_every_ms, self._crash),
            (options.partition_every_ms, self._partition),
            (options.swizzle_every_ms, self._swizzle),
            (options.clog_every_ms, self._clog),
            (options.disk_full_every_ms, self._disk_full),
        ):
            if every:
                self._again(every, strike)
        if options.wipe:
            self._once(rng.randint(500, max(501, options.gst_ms // 2)), self._wipe)
        if options.rot_every_ms:
            self._once(rng.randint(500, max(501, options.gst_ms // 2)), self._rot)
        if options.freeze_ms:
            self._once(rng.randint(500, max(501, options.gst_ms // 2)), self._freeze)

    def _again(self, every: int, strike: object) -> None:
        self.world.push(
            1 + int(self.world.random() * 2 * every), None, 0, self._strike, (every, strike)
        )

    def _once(self, delay: int, strike: object) -> None:
        self.world.push(delay, None, 0, self._strike, (0, strike))

    def _strike(self, entry: tuple[int, object]) -> None:
        every, strike = entry
        if not self.world.storm:
            return
        strike()  # type: ignore[operator]
        if every:
            self._again(every, strike)

    # -- nodes -------------------------------------------------------------------------------

    def _crash(self) -> None:
        world = self.world
        node = world.rng.choice(world.nodes)
        if not node.running:
            return
        if world.options.crash_at_effect:
            node.fuse = 1 + int(world.random() * 40)
        else:
            world.power_fails(node)

    def _disk_full(self) -> None:
        self.world.rng.choice(self.world.nodes).fail_next_write = True

    def _forgettable(self) -> SimNode | None:
        """A node that may lose its disk: honest, in the set; once a world and kind."""
        world = self.world
        nodes = [node for node in world.honest if node.index < world.n and not node.wiped]
        return world.rng.choice(nodes) if nodes else None

    def _wipe(self) -> None:
        node = self._forgettable()
        if node is None:
            return
        if node.running:
            self.world.crash(node)
        self.world.faults["disks wiped"] += 1
        node.wipe()
        self.world.restart_later(node)

    def _rot(self) -> None:
        node = self._forgettable()
        if node is None:
            return
        if node.running:
            self.world.crash(node)
        if node.disk.flip_bit(self.world.rng):
            self.world.faults["bits flipped"] += 1
        self.world.restart_later(node)

    def _freeze(self) -> None:
        """f + 1 nodes stop at once, as by SIGSTOP; their clocks go on."""
        world = self.world
        count = max_faulty(world.n) + 1
        for node in world.rng.sample(world.nodes[: world.n], count):
            if node.running:
                node.frozen_until = node.awake_ms = world.now + world.options.freeze_ms
                world.faults["nodes frozen"] += 1
                self._hang_up(node, node.frozen_until)

    def _hang_up(self, node: SimNode, until_ms: int) -> None:
        """The others notice some seconds later that a connection is dead, and that it is back."""
        world = self.world
        for other in world.nodes:
            if other is not node and until_ms > world.now + 20_000 and world.random() < 0.7:
                world.push(15_000, other, -1, other.peer, PeerDown(node.index))
                back = until_ms - world.now + 50
                world.push(back, other, -1, other.peer, PeerUp(node.index))
                world.push(back, node, -1, node.peer, PeerUp(other.index))

    # -- links -------------------------------------------------------------------------------

    def _partition(self) -> None:
        world = self.world
        options = world.options
        world.faults["partitions"] += 1
        everyone = list(range(len(world.nodes)))
        world.network.split(options.partition_mode, everyone, one_way=options.one_way)
        world.push(100 + int(world.random() * 6_000), None, 0, self._heal)

    def _heal(self, _: object) -> None:
        world = self.world
        for a, b in sorted(world.network.cut):
            if world.random() < 0.5:
                world.nodes[b].peer(PeerUp(ValidatorIndex(a)))
        world.network.heal()

    def _swizzle(self) -> None:
        """Cut the nodes off one by one, then let them back in another order."""
        world = self.world
        everyone = list(range(len(world.nodes)))
        chosen = world.rng.sample(everyone, world.rng.randint(1, len(everyone)))
        world.faults["swizzles"] += 1
        for step, index in enumerate(chosen):
            world.push(step * 200, None, 0, self._isolate, index)
        world.rng.shuffle(chosen)
        for step, index in enumerate(chosen):
            world.push(len(chosen) * 200 + step * 400, None, 0, self._rejoin, index)

    def _isolate(self, index: int) -> None:
        if self.world.storm:
            self.world.network.isolate(index, list(range(len(self.world.nodes))))

    def _rejoin(self, index: int) -> None:
        self.world.network.rejoin(index)

    def _clog(self) -> None:
        world = self.world
        a, b = world.rng.sample(range(len(world.nodes)), 2) if len(world.nodes) > 1 else (0, 0)
        world.faults["clogs"] += 1
        world.network.clog(a, b, world.now + int(world.random() * 5_000))
