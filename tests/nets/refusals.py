"""What a refused question costs an evaluator: `python -m tests.nets.refusals`.

A real alliance, one rogue member, one evaluator. Of each wrong question many copies are sent, and
the CPU time of the evaluator's process is read before and after; what it uses while nobody asks is
taken off. So TLS, framing, opening the seal and sealing the refusal are in the figure.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import psutil

from bulwark.privacy.query import GuardedRequest
from node.devnet.devnet import Devnet
from tests.nets.rogue import Rogue
from tests.nets.wrongs import SPENDING, WRONGS, wrong

Tell = Callable[[str], None]
IDLE_S = 6.0
UNREADABLE = "no sealed question"
ANSWERED = "(a good question, for comparison)"
SPENT = "slot spent for another request"


@dataclass(frozen=True, slots=True)
class Cost:
    """One line of the table."""

    what: str
    code: str
    cpu_ms: float
    """Of the evaluator's process for one question."""
    ms: float
    """From sending to the refusal, one after another."""

    def line(self) -> str:
        """For people."""
        return f"{self.what:<36} {self.code:<14} {self.cpu_ms:8.2f} {self.ms:8.2f}"


def heading() -> str:
    """Over the lines."""
    return f"{'question':<36} {'answer':<14} {'CPU ms':>8} {'ms':>8}"


class Meter:
    """CPU of one process, without what it uses when nobody asks."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        before = self._cpu_s()
        time.sleep(IDLE_S)
        self._idle = (self._cpu_s() - before) / IDLE_S

    def _cpu_s(self) -> float:
        used = self._process.cpu_times()
        return float(used.user + used.system)

    def of(self, work: Callable[[], None], times: int) -> tuple[float, float]:
        """CPU and wall clock of one call, milliseconds."""
        began, before = time.monotonic(), self._cpu_s()
        for _ in range(times):
            work()
        wall = time.monotonic() - began
        cpu = self._cpu_s() - before - self._idle * wall
        return 1000 * cpu / times, 1000 * wall / times


def measure(home: Path, members: int, times: int, tell: Tell) -> list[Cost]:
    """The table, one line a kind of question. Takes a minute or two."""
    with Devnet.create(home, members, 0) as devnet:
        devnet.start()
        names = [node.name for node in devnet.nodes]
        evaluator, last = names[0], names[-1]
        devnet.kill(last)
        pid = devnet.node(evaluator).pid
        assert pid is not None
        with Rogue(devnet.node(last).home) as rogue:
            tell(f"{members} members; {evaluator} is asked {times} times a line")
            meter = Meter(pid)
            tell(heading())
            found = []
            for cost in _costs(rogue, evaluator, meter, times):
                found.append(cost)
                tell(cost.line())
            return found


def _costs(rogue: Rogue, evaluator: str, meter: Meter, times: int):  # type: ignore[no-untyped-def]
    size = len(rogue.sealed(rogue.padded(rogue.prove(rogue.request(0))), evaluator))
    noise = os.urandom(size)
    cpu, wall = meter.of(lambda: _none(rogue.send(noise, evaluator)), times)
    yield Cost(UNREADABLE, "none", cpu, wall)
    for number, (case, code) in enumerate(WRONGS.items()):
        if case in SPENDING:
            continue
        question = wrong(rogue, case, slot=100 + number)
        cpu, wall = meter.of(_asking(rogue, question, evaluator), times)
        yield Cost(case, code.name, cpu, wall)
    rogue.ask(rogue.prove(rogue.request(0)), evaluator)
    other = rogue.prove(rogue.request(0))
    cpu, wall = meter.of(_asking(rogue, other, evaluator), times)
    yield Cost(SPENT, "SPENT", cpu, wall)
    for number, case in enumerate(sorted(SPENDING)):
        base = 1_000 + number * 2 * times
        questions = iter([wrong(rogue, case, slot=base + 2 * i) for i in range(times)])
        cpu, wall = meter.of(lambda left=questions: _ask(rogue, next(left), evaluator), times)  # type: ignore[misc]
        yield Cost(f"{case} (its slot is spent)", WRONGS[case].name, cpu, wall)
    good = iter([rogue.prove(rogue.request(100_000 + i)) for i in range(times)])
    cpu, wall = meter.of(lambda: _ask(rogue, next(good), evaluator), times)
    yield Cost(ANSWERED, "answer", cpu, wall)


def _asking(rogue: Rogue, question: GuardedRequest, evaluator: str) -> Callable[[], None]:
    sealed = rogue.sealed(rogue.padded(question), evaluator)
    return lambda: _some(rogue.send(sealed, evaluator))


def _ask(rogue: Rogue, question: GuardedRequest, evaluator: str) -> None:
    _asking(rogue, question, evaluator)()


def _some(answer: bytes | None) -> None:
    assert answer is not None, "the evaluator does not answer"


def _none(answer: bytes | None) -> None:
    assert answer is None, "noise was answered"


@click.command()
@click.option("--members", type=click.IntRange(min=4, max=10), default=4, show_default=True)
@click.option("--times", type=click.IntRange(min=10), default=200, show_default=True)
def main(members: int, times: int) -> None:
    """Measure what refused questions cost an evaluator."""
    with tempfile.TemporaryDirectory(prefix="bulwark-refusals-") as place:
        measure(Path(place) / "alliance", members, times, click.echo)


if __name__ == "__main__":
    main()
