"""The network of a world: delay, loss, duplication and partitions until the network calms down.

Fault model: messages between two nodes may be lost, delayed, reordered and repeated, never altered
(transport is authenticated). After GST nothing is lost and delays stay below a bound.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Weather:
    """How bad it is."""

    delay_ms: int
    """Mean delay of a message."""
    loss: float
    repeat: float
    slow: float
    """Share of messages that take ten times as long."""


CALM = Weather(delay_ms=5, loss=0.0, repeat=0.0, slow=0.0)


class Network:
    """Decides when, how often and whether a message arrives."""

    def __init__(self, rng: random.Random, weather: Weather) -> None:
        self._rng = rng
        self.weather = weather
        self.groups: list[set[int]] = []
        """A partition: nodes in different groups do not hear each other; empty means none."""

    def connected(self, a: int, b: int) -> bool:
        """Whether a message from a reaches b at all."""
        if not self.groups:
            return True
        return any(a in group and b in group for group in self.groups)

    def arrivals(self, a: int, b: int) -> list[int]:
        """Delays after which copies of one message arrive; empty when it is lost."""
        rng, weather = self._rng, self.weather
        if not self.connected(a, b) or rng.random() < weather.loss:
            return []
        copies = 2 if rng.random() < weather.repeat else 1
        return [self._delay() for _ in range(copies)]

    def _delay(self) -> int:
        rng, weather = self._rng, self.weather
        delay = rng.expovariate(1 / weather.delay_ms) if weather.delay_ms else 0.0
        if rng.random() < weather.slow:
            delay *= 10
        return 1 + min(int(delay), 20 * weather.delay_ms)

    def split(self, n: int) -> None:
        """Cut the nodes into two random groups, sometimes with one node alone."""
        nodes = list(range(n))
        self._rng.shuffle(nodes)
        cut = self._rng.randint(1, n - 1)
        self.groups = [set(nodes[:cut]), set(nodes[cut:])]

    def heal(self) -> None:
        """End the partition."""
        self.groups = []
