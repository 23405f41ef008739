"""The engine: mutate, execute, keep what is new, save what fails.

Rules: the same target, corpus and seed give the same executions in the same order, whatever the
machine's speed (only where the run stops depends on time); an input is kept when its outcome's word
or, where it was traced, one of its edges is new. One failure is reported once, minimised.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tests.fuzz import corpus
from tests.fuzz.corpus import Entry
from tests.fuzz.coverage import Edge
from tests.fuzz.guard import Guard, Outcome, peak_mib, smaller
from tests.fuzz.mutate import havoc
from tests.fuzz.structure import UNENCODABLE
from tests.fuzz.target import Target

MAX_FAILURES = 20
"""Distinct failures after which a run stops."""
MAX_LIVE = 4_000
"""Inputs held in memory."""


@dataclass
class Report:
    """What a run did."""

    target: str
    seed: int
    executions: int = 0
    seconds: float = 0.0
    known: int = 0
    """Inputs it began with."""
    fresh: int = 0
    """Inputs kept."""
    edges: int = 0
    words: int = 0
    slowest: float = 0.0
    slowest_input: bytes = b""
    failures: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """For people."""
        rate = self.executions / max(self.seconds, 1e-9)
        return [
            f"target {self.target}, seed {self.seed}",
            f"executions {self.executions} in {self.seconds:.0f} s, {rate:.0f} exec/s",
            f"corpus {self.known} inputs at the start, {self.fresh} new; "
            f"{self.edges} edges, {self.words} outcomes",
            f"slowest input {self.slowest * 1000:.1f} ms of CPU, {len(self.slowest_input)} bytes, "
            f"kept as slowest-{self.target}.bin beside the failures",
            f"peak memory {peak_mib():.0f} MiB",
            f"failures {len(self.failures)}",
            *self.failures,
        ]


class Session:
    """One run of one target."""

    def __init__(self, target: Target, seed: int, guard: Guard) -> None:
        self.target = target
        self.report = Report(target.name, seed)
        self._rng = Random(f"{target.name} {seed}")
        self._guard = guard
        self.entries: list[Entry] = []
        self._edges: set[Edge] = set()
        self._words: set[str] = set()
        self._failed: set[str] = set()

    def begin(self) -> None:
        """Execute seeds and corpus, all traced."""
        inputs = dict.fromkeys(self.target.seeds())
        inputs |= {data: None for _, data in corpus.load(self.target.name)}
        for data in inputs:
            self._execute(data, trace=True)
        for data in inputs:
            self._execute(data, trace=False)
        self.report.known, self.report.fresh = len(inputs), 0
        self._guard.memory_base = peak_mib()

    def run(
        self, seconds: float, executions: int, tell: Callable[[str], None] = lambda line: None
    ) -> Report:
        """Fuzz for so long, or so many executions if that comes first (0: no such limit)."""
        began = time.monotonic()
        self.begin()
        said = began
        count = 0
        while len(self.report.failures) < MAX_FAILURES:
            now = time.monotonic()
            if now - began >= seconds or (executions and count >= executions):
                break
            if now - said >= 10:
                said = now
                tell(self._progress(now - began))
            count += 1
            data = self._next()
            self._execute(data, trace=count % self.target.trace_every == 0)
        self.report.seconds = time.monotonic() - began
        self.report.edges, self.report.words = len(self._edges), len(self._words)
        return self.report

    def _progress(self, seconds: float) -> str:
        report = self.report
        return (
            f"{seconds:6.0f} s {report.executions:9d} executions {report.fresh:5d} new "
            f"{len(self._edges):6d} edges {len(report.failures):3d} failures"
        )

    def _next(self) -> bytes:
        rng = self._rng
        recent = rng.random() < 0.5
        at = rng.randrange(len(self.entries))
        if recent:
            at = len(self.entries) - 1 - at * rng.randrange(len(self.entries)) // len(self.entries)
        data = self.entries[at].data
        changed: bytes | None = None
        if rng.random() < 0.6:
            try:
                changed = self.target.reshape(data, rng)
            except UNENCODABLE:
                changed = None
        if changed is None or rng.random() < 0.25:
            others = [rng.choice(self.entries).data for _ in range(2)]
            changed = havoc(data if changed is None else changed, rng, self.target.words, others)
        return changed[: self.target.most_bytes]

    def _execute(self, data: bytes, trace: bool) -> None:
        outcome = self._guard.run(data, trace=trace)
        self.report.executions += 1
        if outcome.failure:
            self._fail(data, outcome)
            return
        if not trace and outcome.seconds > self.report.slowest:
            self.report.slowest, self.report.slowest_input = outcome.seconds, data
        fresh = outcome.word not in self._words
        edges = outcome.edges
        if fresh and edges is None:
            edges = self._guard.run(data, trace=True).edges
        if not fresh and (edges is None or edges <= self._edges):
            return
        self._words.add(outcome.word)
        self._edges |= edges or frozenset()
        if len(self.entries) < MAX_LIVE:
            self.entries.append(Entry(data, outcome.word, edges or frozenset()))
            self.report.fresh += 1

    def _fail(self, data: bytes, outcome: Outcome) -> None:
        if outcome.word in self._failed:
            return
        self._failed.add(outcome.word)
        least = data
        if outcome.word not in ("slow", "memory"):
            least = smaller(data, lambda d: self._guard.run(d).word == outcome.word)
        folder = corpus.FAILURES
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.target.name}-{corpus.name_of(least)}.bin"
        path.write_bytes(least)
        path.with_suffix(".txt").write_text(f"{outcome.word}\n\n{outcome.failure}\n")
        last = outcome.failure.strip().splitlines()[-1]
        shown = path.relative_to(corpus.HERE.parents[1])
        self.report.failures.append(
            f"{outcome.word}\n  {last[:300]}\n"
            f"  python -m tests.fuzz {self.target.name} --replay {shown}"
        )
