"""Guard: one execution under its bounds of time and memory.

Rules: CPU time is what counts against a bound (the machine is shared); an input over it is run
again twice, and the best time counts. An execution that hangs is interrupted. The input under way
lies in a mapped file, so that a death of the interpreter leaves it behind.
"""

from __future__ import annotations

import mmap
import re
import resource
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from tests.fuzz.coverage import Edge, Tracer
from tests.fuzz.target import Finding, Target, refusal

HANG_SECONDS = 30.0
SCRATCH_BYTES = 4 * 1024 * 1024


class TooLong(BaseException):
    """An input ran into the hard limit of time."""


@dataclass(frozen=True)
class Outcome:
    """What became of one input."""

    word: str
    """Equal words are equal outcomes."""
    seconds: float
    """CPU time."""
    failure: str = ""
    """The traceback or the bound that was broken; empty when all is well."""
    edges: frozenset[Edge] | None = None
    """Only of traced executions."""


def peak_mib() -> float:
    """Largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Guard:
    """Runs inputs of one target."""

    def __init__(self, target: Target, scratch: Path | None = None) -> None:
        self._target = target
        self._tracer = Tracer()
        self.memory_base = 0.0
        """Resident MiB to which `memory_mib` is added; 0 switches the bound off."""
        self._scratch: mmap.mmap | None = None
        if scratch is not None:
            scratch.parent.mkdir(parents=True, exist_ok=True)
            scratch.write_bytes(bytes(SCRATCH_BYTES))
            with scratch.open("r+b") as file:
                self._scratch = mmap.mmap(file.fileno(), SCRATCH_BYTES)

    def run(self, data: bytes, *, trace: bool = False) -> Outcome:
        """Execute one input; a slow one is measured again."""
        if self._scratch is not None:
            self._scratch[: 4 + len(data)] = len(data).to_bytes(4, "big") + data
        outcome = self._once(data, trace)
        limit = self._target.seconds
        if not outcome.failure and not trace and outcome.seconds > limit:
            best = min(outcome.seconds, self._once(data, False).seconds)
            best = min(best, self._once(data, False).seconds)
            if best > limit:
                text = f"took {best:.2f} s of CPU, at most {limit} s are allowed"
                outcome = Outcome("slow", best, text)
        return self._memory(outcome)

    def _memory(self, outcome: Outcome) -> Outcome:
        if not self.memory_base or outcome.failure:
            return outcome
        peak = peak_mib()
        if peak > self.memory_base + self._target.memory_mib:
            grown = peak - self.memory_base
            self.memory_base = peak
            text = f"grew by {grown:.0f} MiB, {self._target.memory_mib} MiB are allowed"
            return Outcome("memory", outcome.seconds, text, outcome.edges)
        return outcome

    def _once(self, data: bytes, trace: bool) -> Outcome:
        edges: frozenset[Edge] | None = None
        failure, word = "", ""
        signal.signal(signal.SIGALRM, _alarm)
        signal.setitimer(signal.ITIMER_REAL, HANG_SECONDS * (5 if trace else 1))
        began = time.process_time()
        try:
            if trace:
                word, edges = self._tracer.run(lambda: self._target.run(data))
            else:
                word = self._target.run(data)
        except (Exception, TooLong) as error:
            word = f"FAILED {refusal(error)}"
            if isinstance(error, Finding):
                word += " " + re.sub("[^a-z ]+", "", str(error))[:40]
            failure = traceback.format_exc()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return Outcome(word, time.process_time() - began, failure, edges)


def _alarm(number: int, frame: FrameType | None) -> None:
    raise TooLong(f"still running after {HANG_SECONDS} s")


def smaller(data: bytes, fails: Callable[[bytes], bool], attempts: int = 600) -> bytes:
    """A shorter input that still fails: pieces of shrinking size are left out."""
    size = max(1, len(data) // 2)
    while size and attempts > 0:
        at, shrunk = 0, False
        while at < len(data) and attempts > 0:
            attempts -= 1
            candidate = data[:at] + data[at + size :]
            if fails(candidate):
                data, shrunk = candidate, True
            else:
                at += size
        if not shrunk or size > 1:
            size //= 2
    return data
