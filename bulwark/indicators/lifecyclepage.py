"""The lifecycle's table as Markdown and Mermaid for docs/lifecycle.md.

Rules: every table is made from the code alone, so a test can hold the page to it. It writes no
file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from bulwark.ledger.lifecycle import (
    FORM_REFUSALS,
    GUARD_REFUSALS,
    TABLE,
    Cell,
    Guard,
    Move,
    Party,
    State,
)

_SECTION: Final = re.compile(r"(<!-- begin ([\w-]+) -->\n).*?(<!-- end \2 -->)", re.DOTALL)
_ANYBODY: Final = "anybody"


def fill(page: str) -> str:
    """The page with every known section made anew; KeyError for a section nobody makes."""
    made = sections()
    return _SECTION.sub(lambda match: match[1] + made[match[2]] + match[3], page)


def sections() -> dict[str, str]:
    """All generated sections by name."""
    return {
        "diagram": _diagram(),
        "transitions": _transitions(),
        "refusals": _refusals(),
        "guards": _guards(),
        "forms": _table(("rule", "refuses"), ((f"`{r}`", t) for r, t in FORM_REFUSALS.items())),
    }


def _diagram() -> str:
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> active: add, sight"]
    edges: dict[tuple[State, State, Move], None] = {}
    for (state, move, _), cell in TABLE.items():
        if cell.state is not None and cell.state is not state:
            edges[state, cell.state, move] = None
    arrows: dict[tuple[State, State], list[str]] = {}
    for before, after, move in edges:
        arrows.setdefault((before, after), []).append(move.value)
    lines += [f"    {a.label} --> {b.label}: {', '.join(m)}" for (a, b), m in arrows.items()]
    return "\n".join([*lines, "```", ""])


def _transitions() -> str:
    rows = []
    for state in State:
        for move in Move:
            for cell, parties in _grouped(state, move):
                if cell.state is not None:
                    guard = "" if cell.guard is None else cell.guard.value
                    rows.append((state.label, move.value, parties, cell.state.label, guard))
    return _table(("state", "move", "by", "becomes", "if"), rows)


def _refusals() -> str:
    found: dict[str, list[str]] = {}
    for state in State:
        for move in Move:
            for cell, parties in _grouped(state, move):
                if cell.refusal is not None:
                    what = f"{move.value} of an {state.label} record by {parties}"
                    found.setdefault(cell.refusal, []).append(what)
    rows = [(f"`{rule}`", "; ".join(_article(w) for w in found[rule])) for rule in sorted(found)]
    return _table(("rule", "refuses"), rows)


def _article(text: str) -> str:
    return re.sub(r"\ban ([^aeiou])", r"a \1", text)


def _guards() -> str:
    rows = (
        (guard.value, ", ".join(f"`{rule}`" for rule in GUARD_REFUSALS[guard]) or "none")
        for guard in Guard
    )
    return _table(("condition", "refused by, where it does not hold"), rows)


def _grouped(state: State, move: Move) -> list[tuple[Cell, str]]:
    """Cells of a state and move with the parties that share each."""
    found: dict[Cell, list[str]] = {}
    for party in Party:
        found.setdefault(TABLE[state, move, party], []).append(party.name.lower())
    return [
        (cell, _ANYBODY if len(parties) == len(Party) else ", ".join(parties))
        for cell, parties in found.items()
    ]


def _table(heads: tuple[str, ...], lines: Iterable[tuple[object, ...]]) -> str:
    head = f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n"
    return head + "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)
