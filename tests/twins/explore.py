"""Plays scenarios by number, or all of them below a beginning with shared prefixes.

A number is twin + 4 * (p0 + 16 * p1 + 256 * p2 + ...): the twin, then the partitions in base 16.
Scenarios with equal beginnings are played once up to where they differ: the net is a plain value
that can be copied between rounds.
"""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.scenarios.net import Net
from tests.twins.world import PARTITIONS, VALIDATORS, Outcome, begin, play_round, settle


@dataclass
class Tally:
    """What many scenarios were like."""

    played: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    slowest_ms: int = 0
    failures: list[tuple[int, str]] = field(default_factory=list)

    def add(self, number: int, outcome: Outcome | str) -> None:
        """One more scenario: how it was, or why it failed."""
        self.played += 1
        if isinstance(outcome, str):
            self.failures.append((number, outcome))
            return
        self.counts["reached a view change"] += outcome.view_changes
        self.counts["carried a prepared certificate into a view"] += outcome.carried
        self.counts["ordered a null batch"] += outcome.nulls
        self.counts["two proposals of one key"] += outcome.forked_proposals
        self.counts["evidence reported"] += outcome.evidence
        self.counts[f"ended in view {outcome.highest_view}"] += 1
        self.slowest_ms = max(self.slowest_ms, outcome.settled_ms)

    def merge(self, other: Tally) -> None:
        """Add the scenarios of another tally."""
        self.played += other.played
        self.counts += other.counts
        self.slowest_ms = max(self.slowest_ms, other.slowest_ms)
        self.failures += other.failures

    def lines(self) -> Iterator[str]:
        """The counts, for people."""
        for name, count in sorted(self.counts.items()):
            yield f"{name:44} {count:7} {100 * count / max(1, self.played):5.1f} %"
        yield f"{'slowest to settle once whole':44} {self.slowest_ms:7} ms simulated"


def total(rounds: int) -> int:
    """How many scenarios there are."""
    return VALIDATORS * int(PARTITIONS**rounds)


def partitions_of(number: int, rounds: int) -> tuple[int, tuple[int, ...]]:
    """The twin and the partitions of a scenario number."""
    twin, rest = number % VALIDATORS, number // VALIDATORS
    return twin, tuple(rest // PARTITIONS**i % PARTITIONS for i in range(rounds))


def number_of(twin: int, partitions: tuple[int, ...]) -> int:
    """Inverse of partitions_of."""
    return twin + VALIDATORS * sum(p * PARTITIONS**i for i, p in enumerate(partitions))


def play_number(number: int, rounds: int) -> Outcome:
    """One scenario; raises Violation."""
    twin, partitions = partitions_of(number, rounds)
    net = begin(twin)
    for index, partition in enumerate(partitions):
        play_round(net, index, partition)
    return settle(net)


def explore(twin: int, first: tuple[int, ...], rounds: int) -> Tally:
    """All scenarios of a twin that begin with these partitions."""
    tally = Tally()
    net = begin(twin)
    try:
        for index, partition in enumerate(first):
            play_round(net, index, partition)
    except Exception as error:  # whatever goes wrong is a finding to be listed
        tally.add(number_of(twin, first), f"{type(error).__name__}: {error}")
        return tally
    _below(net, twin, first, rounds, tally)
    return tally


def _below(net: Net, twin: int, done: tuple[int, ...], rounds: int, tally: Tally) -> None:
    """Every continuation of a beginning."""
    frozen = pickle.dumps(net, pickle.HIGHEST_PROTOCOL)
    for partition in range(PARTITIONS):
        copy: Net = pickle.loads(frozen)
        partitions = (*done, partition)
        try:
            play_round(copy, len(done), partition)
            if len(partitions) == rounds:
                tally.add(number_of(twin, partitions), settle(copy))
                continue
        except Exception as error:  # whatever goes wrong is a finding to be listed
            tally.add(number_of(twin, partitions), f"{type(error).__name__}: {error}")
            continue
        _below(copy, twin, partitions, rounds, tally)
