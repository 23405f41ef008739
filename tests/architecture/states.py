"""Draws the diagrams of docs/protocol.md from the tables in `consensus.transitions`.

Run as `python -m tests.architecture.states` (`make layout` runs it too). A test holds the page to
the tables, so a rule that is added there shows here.
"""

from __future__ import annotations

import re
from pathlib import Path

from consensus.transitions import PHASES, STATUS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"
BEGIN = "<!-- diagram {}: written by tests/architecture/states.py -->"
END = "<!-- end of diagram -->"


def diagram(rows: list[tuple[str, str, str]]) -> str:
    """A Mermaid state diagram; it reads as a plain list too."""
    lines = [f"    {before} --> {after}: {why}" for before, after, why in rows]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```"])


def diagrams() -> dict[str, str]:
    """Name of each diagram to its text."""
    status = [(before.value, after.value, cause.value) for (before, cause), after in STATUS.items()]
    phases = [(before.value, after.value, why) for (before, after), why in PHASES.items()]
    return {"status": diagram(status), "phases": diagram(phases)}


def page(text: str) -> str:
    """The page with its diagrams as the tables have them."""
    for name, drawn in diagrams().items():
        begin = BEGIN.format(name)
        pattern = re.compile(re.escape(begin) + r".*?" + re.escape(END), re.DOTALL)
        if not pattern.search(text):
            raise SystemExit(f"docs/protocol.md has no place for the diagram {name!r}")
        replacement = f"{begin}\n{drawn}\n{END}"
        text = pattern.sub(lambda _, new=replacement: new, text)  # type: ignore[misc]
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
