"""The report: a table for people and a JSON document for machines, of the same figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.figures import Figure
from bench.goals import BY_KEY, GOALS, Goal, number, verdict

FORMAT: Final = "bulwark-bench/1"


def in_order(figures: Sequence[Figure]) -> list[Figure]:
    """Figures in the order of the goals, the last of each key."""
    found = {figure.key: figure for figure in figures}
    return [found[goal.key] for goal in GOALS if goal.key in found]


def document(
    figures: Sequence[Figure], machine: Mapping[str, object], run: Mapping[str, object]
) -> dict[str, object]:
    """The JSON document; see tests for its shape."""
    rows: list[dict[str, object]] = []
    for figure in in_order(figures):
        goal = BY_KEY[figure.key]
        rows.append(
            {
                "key": figure.key,
                "what": goal.what.strip(),
                "value": None if figure.value is None else round(figure.value, 6),
                "unit": goal.unit,
                "better": goal.better.value,
                "expected": goal.expected,
                "goal": goal.goal,
                "verdict": verdict(figure),
                "note": figure.note,
            }
        )
    return {"format": FORMAT, "run": dict(run), "machine": dict(machine), "figures": rows}


def write(path: Path, content: Mapping[str, object]) -> None:
    """Write the document, making the folder if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")


def table(figures: Sequence[Figure]) -> Table:
    """The table, one row a figure."""
    shown = Table(title="Bulwark benchmark", title_justify="left")
    for name in ("what", "value", "unit", "expected", "goal", "verdict", "note"):
        right = name in ("value", "expected", "goal")
        shown.add_column(name, justify="right" if right else "left", no_wrap=right)
    for figure in in_order(figures):
        goal = BY_KEY[figure.key]
        shown.add_row(
            goal.what,
            "-" if figure.value is None else number(figure.value),
            goal.unit,
            _wish(goal, goal.expected),
            _wish(goal, goal.goal),
            verdict(figure),
            figure.note,
        )
    return shown


def show(console: Console, figures: Sequence[Figure], machine: Mapping[str, object]) -> None:
    """Print the machine and the table."""
    for name, value in machine.items():
        text = value
        if isinstance(value, Mapping):
            text = ", ".join(f"{key} {item}" for key, item in value.items())
        console.print(f"{name}: {text}", highlight=False, markup=False)
    console.print(table(figures))


def _wish(goal: Goal, value: float | None) -> str:
    return "" if value is None else f"{goal.better.value} {number(value)}"
