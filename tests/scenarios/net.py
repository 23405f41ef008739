"""A net of machines under one virtual clock: a queue of messages in flight, and their timers.

Two ways to run it: by hand (a scenario delivers what it names and fires what it names), or by
`run`, where every message takes `latency_ms` and timers fire when they are due. No randomness.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from consensus.authentication import Authenticated, authenticate
from consensus.config import Config
from consensus.effects import Effect
from consensus.errors import AuthenticationFailed
from consensus.events import Received, TimerFired
from consensus.messages import Message
from tests.scenarios.checks import Violation, Watch
from tests.scenarios.keys import make_keyring, make_terms
from tests.scenarios.machine import Block, Machine

START_MS = 1_700_000_000_000


@dataclass(slots=True)
class Letter:
    """One message on its way to one machine."""

    at_ms: int
    source: int
    target: int
    """Slots of the machines."""
    passed: Authenticated[Message]

    @property
    def message(self) -> Message:
        """What it says."""
        return self.passed.message


class Net:
    """Machines, messages in flight, time."""

    def __init__(
        self,
        n: int,
        config: Config,
        *,
        latency_ms: int = 10,
        faulty: frozenset[int] = frozenset(),
        twin_of: int | None = None,
    ) -> None:
        self.n = n
        self.config = config
        self.latency_ms = latency_ms
        self.now = START_MS
        self.terms = make_terms(n, config.window)
        self.watch = Watch(self.terms, faulty)
        self.flying: deque[Letter] = deque()
        self.cut: Callable[[int, int], bool] | None = None
        """Whether two slots are cut off from each other; None is a whole net."""
        indices = [*range(n), *([] if twin_of is None else [twin_of])]
        self.machines = [
            Machine(self, slot, index, make_keyring(index, self.terms), self.terms, config)
            for slot, index in enumerate(indices)
        ]
        self._slots = [[s for s, i in enumerate(indices) if i == index] for index in range(n)]
        self.delivered = 0

    @property
    def honest(self) -> list[Machine]:
        """Machines that keep the protocol."""
        return [m for m in self.machines if m.index not in self.watch.faulty]

    # -- what machines call ------------------------------------------------------------------

    def saw(self, machine: Machine, effect: Effect) -> None:
        """An effect is about to take place."""
        self.watch.on_effect(machine, effect)

    def stored(self, machine: Machine, block: Block) -> None:
        """A block is durable."""
        self.watch.on_block(machine, block)

    def post(self, machine: Machine, receivers: tuple[int, ...], message: Message) -> None:
        """Put a message on the way; what an honest machine sends must authenticate."""
        self.watch.on_message(machine, message)
        try:
            passed = authenticate(message, machine.terms)
        except AuthenticationFailed as error:
            raise Violation(f"{machine.index} sends an invalid message: {error}") from error
        at_ms = self.now + self.latency_ms
        for receiver in receivers:
            for slot in self._slots[receiver]:
                self.flying.append(Letter(at_ms, machine.slot, slot, passed))

    def peers_of(self, machine: Machine) -> list[Machine]:
        """Running honest machines it can talk to."""
        return [
            m for m in self.honest if m is not machine and m.replica and self.joined(m, machine)
        ]

    def joined(self, a: Machine, b: Machine) -> bool:
        """Whether messages pass between two machines."""
        return self.cut is None or not self.cut(a.slot, b.slot)

    # -- running by the clock ----------------------------------------------------------------

    def start(self) -> None:
        """Start every machine."""
        for machine in self.machines:
            machine.start()

    def submit(self, transaction: bytes) -> None:
        """A client sends a request to everybody."""
        for machine in self.machines:
            machine.submit(transaction)

    def run(self, until_ms: int, done: Callable[[], bool] | None = None) -> bool:
        """Messages and timers in order of time, up to a time or until `done`; whether done."""
        while done is None or not done():
            letter_ms = self.flying[0].at_ms if self.flying else until_ms + 1
            timer_ms, machine, name = min(
                ((at_ms, m.slot, name) for m in self.machines for name, at_ms in m.timers.items()),
                default=(until_ms + 1, 0, None),
            )
            if min(letter_ms, timer_ms) > until_ms:
                self.now = max(self.now, until_ms)
                return done is not None and done()
            if letter_ms <= timer_ms:
                self.now = max(self.now, letter_ms)
                self.deliver(self.flying.popleft())
            elif name is not None:
                self.now = max(self.now, timer_ms)
                target = self.machines[machine]
                del target.timers[name]
                target.give(TimerFired(name))
        return True

    def deliver(self, letter: Letter) -> None:
        """A letter arrives unless the way is cut."""
        if self.cut is not None and self.cut(letter.source, letter.target):
            return
        self.delivered += 1
        source, target = self.machines[letter.source], self.machines[letter.target]
        target.give(Received(source.index, letter.passed))
