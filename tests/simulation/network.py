"""The network of a world: delay, loss, replay, clogs and partitions until the network calms down.

Fault model: messages between two nodes may be lost, delayed, reordered and repeated, never altered
(transport is authenticated). A clogged link delivers nothing until it opens, then everything. After
GST nothing is lost and delays stay below a bound.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class Weather:
    """How bad it is."""

    delay_ms: int
    """Mean delay of a message."""
    loss: float = 0.0
    repeat: float = 0.0
    """Share of messages that arrive twice, the copy up to seconds later."""
    slow: float = 0.0
    """Share of messages that take ten times as long."""


CALM = Weather(delay_ms=5)


class PartitionMode(Enum):
    """How nodes are cut into two groups."""

    NONE = "none"
    ISOLATE_ONE = "one alone"
    UNIFORM_SIZE = "random size"
    UNIFORM_SPLIT = "random side for each"
    HALVES = "halves"


class Network:
    """Decides when, how often and whether a message arrives."""

    def __init__(self, rng: random.Random, weather: Weather, faults: Counter[str]) -> None:
        self._rng = rng
        self._random = rng.random
        self._faults = faults
        self.weather = weather
        self._even = not (weather.loss or weather.slow or weather.repeat)
        self.cut: set[tuple[int, int]] = set()
        """Directed links that carry nothing."""
        self.clogged: dict[tuple[int, int], int] = {}
        """Directed links and the time at which they open again."""
        self.one_way = False

    def connected(self, a: int, b: int) -> bool:
        """Whether a message from a reaches b at all."""
        return (a, b) not in self.cut

    @property
    def plain(self) -> bool:
        """Whether each message arrives once after `1 + int(random() * 2 * delay_ms)`."""
        return self._even and not self.cut and not self.clogged

    def arrivals(self, a: int, b: int, now_ms: int) -> tuple[int, ...]:
        """Delays after which copies of one message arrive; empty when it is lost."""
        weather, random = self.weather, self._random
        delay = 1 + int(random() * 2 * weather.delay_ms)
        if self._even and not self.cut and not self.clogged:
            return (delay,)
        if self.cut and (a, b) in self.cut:
            self._faults["cut off messages"] += 1
            return ()
        if weather.loss and random() < weather.loss:
            self._faults["lost messages"] += 1
            return ()
        if weather.slow and random() < weather.slow:
            delay *= 10
        if self.clogged:
            opens_ms = self.clogged.get((a, b), 0)
            if opens_ms > now_ms:
                delay += opens_ms - now_ms
        if weather.repeat and random() < weather.repeat:
            self._faults["repeated messages"] += 1
            late = 1 if self._random() < 0.9 else 50
            return (delay, delay + late * int(self._random() * 2 * weather.delay_ms))
        return (delay,)

    def split(self, mode: PartitionMode, nodes: list[int], *, one_way: bool) -> None:
        """Cut the nodes into two groups; `one_way` cuts only one direction."""
        rng = self._rng
        order = list(nodes)
        rng.shuffle(order)
        if mode is PartitionMode.ISOLATE_ONE:
            left = set(order[:1])
        elif mode is PartitionMode.UNIFORM_SIZE:
            left = set(order[: rng.randint(1, max(1, len(order) - 1))])
        elif mode is PartitionMode.UNIFORM_SPLIT:
            left = {node for node in order if rng.random() < 0.5}
        else:
            left = set(order[: len(order) // 2])
        for a in nodes:
            for b in nodes:
                if a in left and b not in left:
                    self.cut.add((a, b))
                    if not one_way:
                        self.cut.add((b, a))

    def isolate(self, node: int, nodes: list[int]) -> None:
        """Cut one node off (a step of a swizzle)."""
        self.cut |= {(node, other) for other in nodes} | {(other, node) for other in nodes}

    def rejoin(self, node: int) -> None:
        """End the isolation of one node."""
        self.cut = {(a, b) for a, b in self.cut if node not in (a, b)}

    def clog(self, a: int, b: int, until_ms: int) -> None:
        """Hold back everything on one link."""
        self.clogged[(a, b)] = until_ms

    def heal(self) -> None:
        """End all partitions."""
        self.cut = set()

    def calm(self) -> None:
        """From now on nothing is lost and delays are short."""
        self.weather = CALM
        self._even = True
        self.cut = set()
        self.clogged = {}
