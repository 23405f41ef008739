"""A whole alliance on one thread under a virtual clock: the same seed is the same run.

Two phases: until GST messages are lost and delayed, nodes crash, restart and are cut off; after it
the network is calm and everybody honest runs, and then every request must be executed everywhere.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bulwark.ledger.ids import ValidatorIndex
from consensus.authentication import authenticate
from consensus.config import Config
from consensus.errors import AuthenticationFailed
from consensus.events import PeerDown, PeerUp
from consensus.messages import Message, decode_message, encode_message
from tests.simulation.adversary import Adversary, make_adversary
from tests.simulation.alliance import make_alliance
from tests.simulation.checkers import Checkers, Violation
from tests.simulation.network import CALM, Network, Weather
from tests.simulation.node import SimNode

EPOCH_MS = 1_700_000_000_000


@dataclass(frozen=True)
class Options:
    """What a world is like; `from_seed` draws everything."""

    n: int = 4
    blocks: int = 40
    seed: int = 0
    weather: Weather = CALM
    gst_ms: int = 0
    """Length of the bad phase."""
    crash_every_ms: int = 0
    partition_every_ms: int = 0
    byzantine: int = 0
    wipe: bool = False
    """One node loses its disk in the bad phase; it counts as one of the f faulty ones."""
    request_every_ms: int = 100
    settle_ms: int = 240_000
    """Time after GST within which everything must be done."""
    config: Config = field(default_factory=lambda: Config(heartbeat_ms=5_000))

    @classmethod
    def from_seed(cls, seed: int, n: int, blocks: int) -> Options:
        """A random world."""
        rng = random.Random(f"options {seed} {n}")
        weather = Weather(
            delay_ms=rng.choice([2, 10, 30, 100]),
            loss=rng.choice([0.0, 0.02, 0.1, 0.3]),
            repeat=rng.choice([0.0, 0.1, 0.5]),
            slow=rng.choice([0.0, 0.05]),
        )
        byzantine = rng.choice([0, 0, 1]) if n < 7 else rng.randint(0, (n - 1) // 3)
        return cls(
            n=n,
            blocks=blocks,
            seed=seed,
            weather=weather,
            gst_ms=rng.choice([5_000, 15_000, 30_000]),
            crash_every_ms=rng.choice([0, 0, 1_000, 4_000]),
            partition_every_ms=rng.choice([0, 0, 3_000, 8_000]),
            byzantine=byzantine,
            wipe=byzantine < (n - 1) // 3 and rng.random() < 0.3,
            request_every_ms=rng.choice([20, 100, 400]),
            config=Config(
                heartbeat_ms=rng.choice([1_000, 5_000]),
                rotation=rng.choice([1, 4, 16]),
                pipeline=rng.choice([1, 2, 4]),
                checkpoint_interval=rng.choice([1, 1, 1, 2]),
            ),
        )


class Delays:
    """Durations of what a node does by itself, in milliseconds."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._fsync = rng.choice([0, 1, 5, 20])

    def fsync(self) -> int:
        """One synced write."""
        return self._rng.randint(0, self._fsync)

    def check(self) -> int:
        """Checking a batch."""
        return self._rng.randint(0, 3)

    def execution(self) -> int:
        """Executing a block and writing it."""
        return self._rng.randint(1, 10) + self.fsync()

    def block_sync(self) -> int:
        """Fetching blocks."""
        return self._rng.randint(50, 500)


class World:
    """Nodes, network, clients and the faults between them."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.n = options.n
        self.rng = random.Random(f"world {options.seed}")
        self.alliance = make_alliance(options.n)
        self.terms = replace(self.alliance.terms, window=options.config.window)
        self.now = EPOCH_MS
        self.steps = 0
        self.sent = 0
        self.delays = Delays(self.rng)
        self.network = Network(self.rng, options.weather)
        self.submitted: list[bytes] = []
        self.trace = 0
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        faulty = self.rng.sample(range(self.n), options.byzantine)
        self.byzantine: dict[int, Adversary] = {
            i: make_adversary(self.rng, self.n, self.alliance.keyrings[i]) for i in sorted(faulty)
        }
        self.checkers = Checkers(self)
        self.nodes = [
            SimNode(self, i, options.config, self.rng.randint(-100, 100)) for i in range(self.n)
        ]

    # -- time --------------------------------------------------------------------------------

    def schedule(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Run `action` after a delay."""
        self._count += 1
        heapq.heappush(self._heap, (self.now + delay_ms, self._count, action))

    def run_until(self, condition: Callable[[], bool], limit_ms: int) -> bool:
        """Run until the condition holds or the time is over; whether it holds."""
        end = self.now + limit_ms
        while not condition():
            if not self._heap or self._heap[0][0] > end:
                self.now = end
                return condition()
            at_ms, _, action = heapq.heappop(self._heap)
            self.now = at_ms
            action()
        return True

    # -- messages ----------------------------------------------------------------------------

    def send(self, node: SimNode, receivers: list[ValidatorIndex], message: Message) -> None:
        """Put a message on the network: encoded, decoded and authenticated like any other."""
        adversary = self.byzantine.get(node.index)
        if adversary is None:
            self.checkers.on_send(node, message)
            self._post(node, receivers, message)
            return
        for receiver in receivers:
            for changed in adversary.outgoing(receiver, message):
                self._post(node, [receiver], changed)

    def _post(self, node: SimNode, receivers: list[ValidatorIndex], message: Message) -> None:
        data = encode_message(message)
        self.trace = hash((self.trace, self.now, node.index, len(data), data[0])) & (2**61 - 1)
        self.sent += len(receivers)
        try:
            passed = authenticate(data, self.terms)
        except AuthenticationFailed as error:
            if node.index not in self.byzantine:
                raise Violation(f"honest {node.index} sends an invalid message: {error}") from error
            return
        if decode_message(data) != message:
            raise Violation(f"codec changes {type(message).__name__}")
        for receiver in receivers:
            for delay in self.network.arrivals(node.index, receiver):
                target = self.nodes[receiver]
                self.schedule(delay, lambda t=target, p=passed: t.receive(node.index, p))

    def reachable(self, node: SimNode) -> list[SimNode]:
        """Running honest nodes that the node can talk to, in random order."""
        peers = [
            p
            for p in self.nodes
            if p is not node and p.up and p.index not in self.byzantine
            if self.network.connected(p.index, node.index)
        ]
        self.rng.shuffle(peers)
        return peers

    # -- faults ------------------------------------------------------------------------------

    def crash(self, node: SimNode) -> None:
        """A node dies; some of the others notice the closed connection."""
        node.crash()
        self.checkers.on_crash(node)
        for other in self.nodes:
            if other.up and self.rng.random() < 0.7:
                other.later(self.rng.randint(1, 50), other.give, PeerDown(node.index))

    def restart(self, node: SimNode) -> None:
        """A node comes back and connects."""
        if node.up:
            return
        node.start()
        for other in self.nodes:
            if other.up and other is not node:
                other.later(self.rng.randint(1, 50), other.give, PeerUp(node.index))
                node.later(self.rng.randint(1, 50), node.give, PeerUp(other.index))

    def _crash_someone(self) -> None:
        if self.now >= EPOCH_MS + self.options.gst_ms:
            return
        node = self.rng.choice(self.nodes)
        if node.up:
            self.crash(node)
            self.schedule(self.rng.randint(10, 5_000), lambda: self.restart(node))
        every = self.options.crash_every_ms
        self.schedule(self.rng.randint(1, 2 * every), self._crash_someone)

    def _wipe_someone(self) -> None:
        node = self.rng.choice(self.honest)
        if node.up:
            self.crash(node)
        node.wipe()
        self.schedule(self.rng.randint(10, 2_000), lambda: self.restart(node))

    def _partition(self) -> None:
        if self.now >= EPOCH_MS + self.options.gst_ms:
            return
        self.network.split(self.n)
        self.schedule(self.rng.randint(100, 6_000), self.network.heal)
        every = self.options.partition_every_ms
        self.schedule(self.rng.randint(1, 2 * every), self._partition)

    def _calm_down(self) -> None:
        self.network.weather = CALM
        self.network.heal()
        for node in self.nodes:
            self.restart(node)

    # -- clients -----------------------------------------------------------------------------

    def _request(self) -> None:
        if self.height() >= self.options.blocks and self.now > EPOCH_MS + self.options.gst_ms:
            return
        transaction = b"tx %d" % len(self.submitted)
        self.submitted.append(transaction)
        for node in self.nodes:
            node.later(self.rng.randint(1, 50), node.submit, transaction)
        self.schedule(self.rng.randint(1, 2 * self.options.request_every_ms), self._request)

    # -- the run -----------------------------------------------------------------------------

    @property
    def honest(self) -> list[SimNode]:
        """Nodes that keep the protocol."""
        return [node for node in self.nodes if node.index not in self.byzantine]

    def height(self) -> int:
        """The lowest height of an honest node."""
        return min(len(node.disk.blocks) for node in self.honest)

    def done(self) -> bool:
        """Enough blocks, and every request executed at every honest node."""
        if self.now < EPOCH_MS + self.options.gst_ms or self.height() < self.options.blocks:
            return False
        return all(
            node.replica is not None
            and len(node.done) >= len(self.submitted)
            and node.replica.snapshot().silent_until is None
            for node in self.honest
        )

    def run(self) -> None:
        """Both phases; raises Violation."""
        options = self.options
        for node in self.nodes:
            self.restart(node)
        self.schedule(1, self._request)
        if options.crash_every_ms:
            self.schedule(options.crash_every_ms, self._crash_someone)
        if options.partition_every_ms:
            self.schedule(options.partition_every_ms, self._partition)
        if options.wipe:
            self.schedule(self.rng.randint(500, max(501, options.gst_ms)), self._wipe_someone)
        if options.gst_ms:
            self.schedule(options.gst_ms, self._calm_down)
        if not self.run_until(self.done, options.gst_ms + options.settle_ms):
            raise Violation(f"liveness: {self.describe()}")

    def describe(self) -> str:
        """Where every node stands, for a failing seed."""
        lines = [f"{len(self.submitted)} requests, byzantine {sorted(self.byzantine)}"]
        for node in self.nodes:
            shot = None if node.replica is None else node.replica.snapshot()
            if shot is None:
                lines.append(f"node {node.index} down at {len(node.disk.blocks)}")
                continue
            lines.append(
                f"node {node.index} view {shot.view}/{shot.active_view} {shot.status} executed "
                f"{shot.executed} stable {shot.stable} next {shot.next_height} by {shot.proposer} "
                f"pending {shot.pending_requests} executing {shot.executing} sync {shot.syncing} "
                f"attempt {shot.attempt} silent until {shot.silent_until} timers "
                + " ".join(f"{name}:{at - node.now()}" for name, at in shot.timers)
                + f" changes {shot.view_changes} slots "
                + "; ".join(
                    f"{s.height} {s.phase} {s.prepares} {s.commits} {s.has_body} {s.timely}"
                    for s in shot.slots
                    if s.height > shot.executed
                )
            )
        return "\n  ".join(lines)
