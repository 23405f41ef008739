"""Goals: every figure's name, unit and direction, what this stage expects and the design's goal.

Rules: the order here is the order of the table; expectations are those of the stage's issue, goals
those of the design's section 10. A figure without either is shown for itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from bench.ceremony import SIZES as CEREMONY_SIZES
from bench.figures import Figure
from bench.ring import MEMBERS as RING_MEMBERS


class Better(Enum):
    """Which way is good."""

    MORE = ">="
    LESS = "<="


@dataclass(frozen=True, slots=True)
class Goal:
    """A row of the table before it is measured."""

    key: str
    what: str
    unit: str
    better: Better = Better.LESS
    expected: float | None = None
    goal: float | None = None


def _more(
    key: str, what: str, unit: str, expected: float | None = None, goal: float | None = None
) -> Goal:
    return Goal(key, what, unit, Better.MORE, expected, goal)


GOALS: Final = (
    _more(
        "single.executed.rate",
        "one REST call each, known tags, wait=executed",
        "records/s",
        1_600,
        3_200,
    ),
    Goal("single.executed.p50", "  answer p50", "ms"),
    Goal("single.executed.p99", "  answer p99", "ms"),
    _more("single.accepted.rate", "the same, wait=accepted", "records/s", 1_600, 3_200),
    Goal("single.accepted.p50", "  answer p50", "ms"),
    Goal("single.accepted.p99", "  answer p99", "ms"),
    _more("bulk.one.rate", "bulk, known tags, one member", "records/s", 20_000, 50_000),
    _more("bulk.all.rate", "bulk, known tags, all members", "records/s", 20_000, 50_000),
    _more("fresh.one.rate", "bulk, fresh values, one member", "records/s", 1_000, 1_500),
    _more("fresh.all.rate", "bulk, fresh values, all members", "records/s", 1_000, 1_500),
    Goal("hit.200.p50", "local hit at 200/s, p50", "ms"),
    Goal("hit.200.p99", "local hit at 200/s, p99", "ms", expected=10),
    Goal("hit.200.max", "  longest", "ms"),
    Goal("hit.1000.p50", "local hit at 1,000/s, p50", "ms"),
    Goal("hit.1000.p99", "local hit at 1,000/s, p99", "ms", goal=10),
    Goal("hit.1000.max", "  longest", "ms"),
    Goal("ask.fresh.p50", "fresh screening at 20/s, p50", "ms"),
    Goal("ask.fresh.p99", "fresh screening at 20/s, p99", "ms", goal=100),
    Goal("ask.fresh.max", "  longest", "ms"),
    _more("oprf.client.rate", "tags of a client, 3 of 5 in bulk", "tags/s", None, 1_500),
    _more("oprf.evaluator.rate", "evaluations of a node", "evaluations/s"),
    Goal("ring.multiply", "one multiplication of an element", "us"),
    *(
        row
        for members in RING_MEMBERS
        for row in (
            Goal(
                f"ring.{members}.prove",
                f"ring proof over {members} members: prove",
                "ms",
                goal=13 if members == 64 else None,
            ),
            Goal(f"ring.{members}.verify", "  verify", "ms", goal=5 if members == 64 else None),
            Goal(
                f"ring.{members}.batch",
                "  verify in a batch of 16, a proof",
                "ms",
                goal=1.5 if members == 64 else None,
            ),
            Goal(f"ring.{members}.decode", "  decode", "ms"),
            Goal(f"ring.{members}.bytes", "  length", "bytes"),
        )
    ),
    *(
        Goal(f"ceremony.{holders}.node", f"key ceremony of {holders}, CPU of one node", "ms")
        for holders in CEREMONY_SIZES
    ),
    Goal(
        "proposer.next_block",
        "proposer killed under load, to the next block",
        "s",
        expected=3,
        goal=1,
    ),
    Goal("proposer.gap", "  gap between the blocks around it, as seen", "s"),
    Goal("proposer.ledger_gap", "  the same by block timestamps", "s"),
    Goal("proposer.back", "  restarted node back in step", "s"),
    Goal("all.next_block", "all nodes killed, from restart to the next block", "s", goal=5),
    Goal("faults.lost", "acknowledged records lost in these", "records", expected=0, goal=0),
    Goal("offered.cpu", "CPU at 10,000 records/s offered in bulk", "% of cores", goal=30),
    _more("offered.rate", "  of which executed", "records/s", None, 10_000),
    Goal("start.ready", "alliance started, until all nodes serve", "s"),
    Goal("idle.cpu", "CPU of the idle alliance", "% of cores"),
    Goal("single.cpu", "CPU a thousand single records, all nodes", "s"),
    Goal("bulk.cpu", "CPU a thousand bulk records, all nodes", "s"),
    Goal("fresh.cpu", "CPU a thousand fresh records, all nodes", "s"),
    Goal("hit.cpu", "CPU a thousand local hits, all nodes", "s"),
    Goal("single.disk", "disk a thousand single records, all nodes", "kB"),
    Goal("bulk.disk", "disk a thousand bulk records, all nodes", "kB"),
    Goal("single.written", "  written a thousand single records", "kB"),
    Goal("bulk.written", "  written a thousand bulk records", "kB"),
    Goal("memory.max", "memory of the largest node at the end", "MB"),
    Goal("memory.mean", "memory a node at the end", "MB"),
    Goal("loader.cpu", "CPU of the loader while it was busiest", "% of a core"),
)
BY_KEY: Final = {goal.key: goal for goal in GOALS}


def verdict(figure: Figure) -> str:
    """`met`, or by how much it falls short of the stage or the goal; empty without either."""
    row = BY_KEY[figure.key]
    if row.expected is None and row.goal is None:
        return ""
    if figure.value is None:
        return "not measured"
    behind = _short(figure.value, row.expected, row.better)
    if behind is not None:
        return f"short by {behind}"
    away = _short(figure.value, row.goal, row.better)
    if away is not None:
        return f"goal short by {away}" if row.expected is None else f"met; goal short by {away}"
    return "met" if row.goal is None else "goal met"


def _short(value: float, wanted: float | None, better: Better) -> str | None:
    """How far a value is from what is wanted, None when it is there (or nothing is wanted)."""
    if wanted is None:
        return None
    missing = wanted - value if better is Better.MORE else value - wanted
    return number(missing) if missing > 0 else None


def number(value: float) -> str:
    """A number with three significant digits, thousands with commas."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
