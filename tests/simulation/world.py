"""A whole alliance on one thread under a virtual clock: the same seed is the same run.

Two phases: in the storm messages are lost and delayed, nodes crash, restart, forget and are cut
off; after it the network is calm, everybody honest runs (but for the few that stay down as faulty
ones), and then every request must be executed everywhere. Byzantine nodes act in both.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, TypeAlias, get_args

from consensus.authentication import Authenticated, authenticate
from consensus.effects import Effect
from consensus.errors import AuthenticationFailed
from consensus.events import Event, PeerDown, PeerUp, Received
from consensus.keyring import Keyring
from consensus.messages import Message, decode_message, encode_message
from consensus.terms import Terms
from tests.simulation.adversaries import Adversary, make_adversary
from tests.simulation.adversaries.twins import Twin, reached
from tests.simulation.alliance import Crowd
from tests.simulation.checkers import Checkers, Violation
from tests.simulation.clients import Clients
from tests.simulation.collecting import rare_collections
from tests.simulation.describing import describe
from tests.simulation.durations import Durations
from tests.simulation.faults import Faults
from tests.simulation.ledger import MIN_VALIDATORS, Block, EpochSpan, Ledger
from tests.simulation.network import Network
from tests.simulation.node import SimNode
from tests.simulation.options import SKEW_MS, Options
from tests.simulation.trace import Tracer

EPOCH_MS = 1_700_000_000_000
POLL_MS = 50
"""Simulated time between two looks at whether a phase is over."""
MASK = (1 << 61) - 1

CODE = {kind: len(kind.__name__) for kind in get_args(Event)}
"""What an event adds to the trace."""

Frame: TypeAlias = tuple[int, Received]
"""Epoch and message, as on the wire."""


class World:
    """Nodes, network, clients and the faults between them."""

    def __init__(self, options: Options, tracer: Tracer | None = None) -> None:
        self.options = options
        self.n = options.n
        """Validators of the first epoch."""
        self.rng = random.Random(f"world {options.seed} {options.n} {options.blocks}")
        self.random = self.rng.random
        self.lasts = Durations(self.random, options.fsync_ms)
        self.tracer = tracer
        self.began = self.now = EPOCH_MS
        self.steps = 0
        self.sent = 0
        self.trace = 0
        """Hash of everything that happened; equal for equal seeds, whatever PYTHONHASHSEED is."""
        self.faults: Counter[str] = Counter()
        self.storm = options.gst_ms > 0
        self.submitted: list[bytes] = []
        self._crowd = Crowd()
        self._terms: dict[tuple[int, int, tuple[int, ...]], Terms] = {}
        self._heap: list[tuple[int, int, SimNode | None, int, Callable[[Any], None], Any]] = []
        self._count = 0
        self.network = Network(self.rng, options.weather, self.faults)
        self.forgetful = int(options.wipe) + int(options.rot_every_ms > 0)
        faulty = options.byzantine + options.down_at_end + self.forgetful
        self._least = max(MIN_VALIDATORS, 3 * faulty + 1)
        self.first = EpochSpan(0, 0, (0,) * options.n)
        self.terms = self.terms_of(self.first)
        """Of the first epoch; see `terms_of` and `SimNode.span` for the others."""
        self.spans = {0: self.first}
        """Every epoch that an honest node entered."""
        chosen = sorted(self.rng.sample(range(self.n), options.byzantine))
        self.byzantine: dict[int, Adversary] = {}
        for index in chosen:
            kind = self.rng.choice(options.kinds) if options.kinds else None
            self.byzantine[index] = make_adversary(
                self.rng, self.n, index, self.keyring_of(index, self.first), kind
            )
        self.checkers = Checkers(self)
        self.clients = Clients(self)
        self.fault_maker = Faults(self)
        self.nodes: list[SimNode] = []
        for index in range(self.n + options.epoch_changes):
            skew = 0 if options.gst_ms == 0 else self.rng.randint(-SKEW_MS, SKEW_MS)
            node = SimNode(self, index, options.config, skew)
            node.drift_ppm = 0 if options.gst_ms == 0 else self.rng.randint(-20, 20)
            self.nodes.append(node)
        self.halves: dict[int, SimNode] = {}
        """The second replica of each twin."""
        for index, adversary in self.byzantine.items():
            node = self.nodes[index]
            node.skew_ms += adversary.clock_skew_ms()
            node.take = node.overhear
            if isinstance(adversary, Twin):
                half = SimNode(self, index, options.config, node.skew_ms)
                half.half, half.take = 1, half.overhear
                self.halves[index] = half
        self.everyone = [*self.nodes, *self.halves.values()]
        self.honest = [node for node in self.nodes if node.index not in self.byzantine]
        """Nodes that keep the protocol."""
        good = [node.index for node in self.honest if node.index < self.n]
        self.down_at_end = set(self.rng.sample(good, options.down_at_end))

    # -- epochs ------------------------------------------------------------------------------

    def new_ledger(self) -> Ledger:
        """An empty chain."""
        config = self.options.config
        interval, window = config.checkpoint_interval, config.window
        return Ledger(self.first.generations, interval, window, min(self._least, self.n))

    def copy_ledger(self, node: SimNode) -> Ledger:
        """A node's chain to try blocks on."""
        return node.ledger.copy()

    def terms_of(self, span: EpochSpan) -> Terms:
        """The terms of an epoch."""
        key = (span.number, span.start, span.generations)
        terms = self._terms.get(key)
        if terms is None:
            window = self.options.config.window
            terms = self._crowd.terms(span.number, span.generations, window, span.start)
            self._terms[key] = terms
        return terms

    def keyring_of(self, index: int, span: EpochSpan) -> Keyring:
        """The key of a node in an epoch."""
        return self._crowd.keyring(index, span.generations[index], span.number)

    def on_epoch(self, node: SimNode) -> None:
        """A node entered an epoch; a Byzantine one gets its new key."""
        span = node.span
        self.spans.setdefault(span.number, span)
        adversary = self.byzantine.get(node.index)
        if adversary is not None:
            adversary.n = len(span.generations)
            adversary.keyring = self.keyring_of(node.index, span)

    # -- time --------------------------------------------------------------------------------

    def push(
        self,
        delay_ms: int,
        node: SimNode | None,
        life: int,
        action: Callable[[Any], None],
        argument: Any = None,
    ) -> None:
        """Call `action(argument)` after a delay; with a node: if it lives that life (-1: any)."""
        self._count += 1
        heappush(self._heap, (self.now + delay_ms, self._count, node, life, action, argument))

    def run_until(self, condition: Callable[[], bool], limit_ms: int) -> bool:
        """Run until the condition holds (looked at each POLL_MS) or the time is over."""
        end = self.now + limit_ms
        heap = self._heap
        look = self.now
        while True:
            if self.now >= look:
                if condition():
                    return True
                look = self.now + POLL_MS
            if not heap or heap[0][0] > end:
                self.now = end
                return condition()
            at_ms, _, node, life, action, argument = heappop(heap)
            self.now = at_ms
            if node is not None:
                if life != node.life and life != -1:
                    continue
                if node.frozen_until > at_ms:
                    self.push(node.frozen_until - at_ms, node, life, action, argument)
                    continue
            action(argument)

    # -- messages ----------------------------------------------------------------------------

    def on_step(self, node: SimNode, event: Event, effects: list[Effect]) -> None:
        """A replica made a step."""
        self.steps += 1
        mark = self.now * 64 + node.index * 8 + CODE[type(event)]
        self.trace = (self.trace * 1_000_003 + mark) & MASK
        if self.tracer is not None:
            self.tracer.step(self, node, event)
        self.checkers.after_step(node, event, effects)

    def on_block(self, node: SimNode, block: Block) -> None:
        """A block is durable at a node."""
        mark = int.from_bytes(block.header_hash[:6], "big")
        self.trace = (self.trace * 1_000_003 + mark) & MASK
        self.checkers.on_block(node, block)

    def send(
        self, node: SimNode, receivers: tuple[int, ...], message: Message, epoch: int | None = None
    ) -> None:
        """Put a message on the network."""
        number = node.span.number if epoch is None else epoch
        adversary = self.byzantine.get(node.index)
        if adversary is None:
            self.checkers.on_send(node, message)
            if self.options.codec:
                passed = self._checked(node, message, self._terms_in(node, number))
            else:
                passed = Authenticated(message)
            self._post(node, receivers, (number, Received(node.index, passed)))
            return
        unchanged: Frame | None = None
        for receiver in receivers:
            for delay, changed in adversary.outgoing(receiver, message, self.now):
                self.faults["byzantine messages"] += changed is not message
                frame = unchanged if changed is message else None
                if frame is None:
                    try:
                        other = authenticate(encode_message(changed), self._terms_in(node, number))
                    except AuthenticationFailed:
                        self.faults["refused messages"] += 1
                        continue
                    frame = (number, Received(node.index, other))
                    if changed is message:
                        unchanged = frame
                self._post(node, (receiver,), frame, delay)

    def _terms_in(self, node: SimNode, epoch: int) -> Terms:
        """The terms of an epoch that a node knows."""
        if epoch == node.span.number:
            return self.terms_of(node.span)
        return self.terms_of(node.ledger.epochs[epoch])

    def _checked(self, node: SimNode, message: Message, terms: Terms) -> Authenticated[Message]:
        """The long way over the wire: encoded, decoded, authenticated."""
        data = encode_message(message)
        try:
            passed = authenticate(data, terms)
        except AuthenticationFailed as error:
            raise Violation(f"honest {node.index} sends an invalid message: {error}") from error
        if decode_message(data) != message:
            raise Violation(f"codec changes {type(message).__name__}")
        return passed

    def _post(
        self, node: SimNode, receivers: tuple[int, ...], frame: Frame, extra_ms: int = 0
    ) -> None:
        network, heap, count = self.network, self._heap, self._count
        index, nodes, begin = node.index, self.nodes, self.now + extra_ms
        self.sent += len(receivers)
        if self.halves:
            targets = [t for receiver in receivers for t in reached(self, node, receiver)]
        else:
            targets = [nodes[receiver] for receiver in receivers]
        if network.plain:
            random, most_ms, begin = self.random, network.weather.delay_ms, begin + 1
            for target in targets:
                count += 1
                at_ms = begin + int(random() * 2 * most_ms)
                heappush(heap, (at_ms, count, target, -1, target.take, frame))
        else:
            arrivals, now = network.arrivals, self.now
            for target in targets:
                for delay in arrivals(index, target.index, now):
                    count += 1
                    heappush(heap, (begin + delay, count, target, -1, target.take, frame))
        self._count = count

    def reachable(self, node: SimNode) -> list[SimNode]:
        """Running nodes that the node can talk to, in random order."""
        connected = self.network.connected
        peers = [
            peer
            for peer in self.nodes
            if peer is not node and peer.running and peer.frozen_until <= self.now
            if connected(peer.index, node.index) and connected(node.index, peer.index)
        ]
        self.rng.shuffle(peers)
        return peers

    # -- nodes -------------------------------------------------------------------------------

    def crash(self, node: SimNode) -> None:
        """A node dies; some of the others notice the closed connection."""
        if self.tracer is not None:
            self.tracer.note(self, node, "crash")
        node.crash()
        self.faults["crashes"] += 1
        self.checkers.on_crash(node)
        for other in self.everyone:
            if other.running and self.random() < 0.7:
                down = PeerDown(node.index)
                self.push(1 + int(self.random() * 50), other, -1, other.peer, down)

    def power_fails(self, node: SimNode) -> None:
        """A node dies and comes back after a while."""
        self.crash(node)
        self.restart_later(node)

    def write_failed(self, node: SimNode) -> None:
        """A disk refused a write: the driver halts before anything behind it is sent."""
        node.fail_next_write = False
        self.faults["failed writes"] += 1
        self.power_fails(node)

    def restart_later(self, node: SimNode) -> None:
        """Somebody starts the node again."""
        self.push(10 + int(self.random() * 5_000), None, 0, self._restart, node)

    def _restart(self, node: SimNode) -> None:
        if self.storm or node.index not in self.down_at_end:
            self.restart(node)

    def restart(self, node: SimNode) -> None:
        """A node comes back and connects."""
        if node.running:
            return
        if self.tracer is not None:
            self.tracer.note(self, node, "start")
        node.start()
        adversary = self.byzantine.get(node.index)
        if isinstance(adversary, Twin):
            after = adversary.forget_after_ms(node.half)
            if after is not None:
                self.push(after, node, node.life, self._forget, node)
        for other in self.everyone:
            if other.running and other is not node:
                delay = 1 + int(self.random() * 50)
                self.push(delay, other, -1, other.peer, PeerUp(node.index))
                self.push(delay, node, -1, node.peer, PeerUp(other.index))

    def _forget(self, node: SimNode) -> None:
        """A backup that is too old is restored, and nobody says so."""
        self.crash(node)
        node.disk.records.clear()
        self.faults["backups restored"] += 1
        self.restart_later(node)

    def calm_down(self) -> None:
        """The storm is over: the liveness phase begins."""
        self.storm = False
        self.network.calm()
        for node in self.everyone:
            node.fuse, node.fail_next_write = 0, False
            if node.index in self.down_at_end:
                if node.running:
                    self.crash(node)
            else:
                self.restart(node)

    # -- the run -----------------------------------------------------------------------------

    @property
    def awaited(self) -> list[SimNode]:
        """Honest nodes that must get everything done in the end."""
        return [node for node in self.honest if node.index not in self.down_at_end]

    def height(self) -> int:
        """The lowest height of a node that must get everything done."""
        return min(node.ledger.height for node in self.awaited)

    def storm_over(self) -> bool:
        """Whether the bad phase has done its part."""
        highest = max(node.ledger.height for node in self.honest)
        return highest >= self.options.blocks * 3 // 4

    def done(self) -> bool:
        """Enough blocks, every request executed everywhere, and nobody silent any more."""
        if self.storm or self.height() < self.options.blocks:
            return False
        wanted = len(self.submitted)
        return all(
            node.running and len(node.done) >= wanted and not node.silent for node in self.awaited
        )

    def run(self) -> None:
        """Both phases; raises Violation."""
        with rare_collections():
            self._run()

    def _run(self) -> None:
        options = self.options
        for node in self.everyone:
            self.restart(node)
        self.clients.begin()
        if self.storm:
            self.fault_maker.begin()
            self.run_until(self.storm_over, options.gst_ms)
            thaw = max(0, *(node.frozen_until for node in self.nodes)) - self.now
            if thaw > 0:
                self.run_until(lambda: False, thaw)
            self.calm_down()
        if not self.run_until(self.done, options.settle_ms + options.blocks * options.pace_ms):
            raise Violation(f"liveness: {describe(self)}")
        self.checkers.at_end()
