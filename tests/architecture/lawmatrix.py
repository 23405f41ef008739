"""docs/law-matrix.md taken apart: its rows, their rules and tests, and the list of all tests.

`python -m tests.architecture.lawmatrix` prints every test that the page names, once; `make law`
runs exactly these.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "law-matrix.md"
NOT_ENFORCED = "not enforced by code"
_CODE = re.compile(r"`([^`]+)`")
_COLUMNS = 4


@dataclass(frozen=True)
class Row:
    """One row: what it is about, the rules and tests that it names, and the words of the rule."""

    law: str
    asks: str
    rules: tuple[str, ...]
    tests: tuple[str, ...]
    rule_text: str


def rows() -> list[Row]:
    """The rows of the page in order; ValueError for a row of another shape."""
    found = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if not line.startswith("|") or line.startswith(("|---", "| law and article |")):
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != _COLUMNS:
            raise ValueError(f"{len(cells)} cells where {_COLUMNS} are needed: {line[:60]}")
        law, asks, rule, test = cells
        found.append(Row(law, asks, tuple(_CODE.findall(rule)), tuple(_CODE.findall(test)), rule))
    return found


def tests() -> list[str]:
    """Every test that the page names, once, in the order of the page."""
    return list(dict.fromkeys(test for row in rows() for test in row.tests))


if __name__ == "__main__":
    sys.stdout.write("\n".join(tests()) + "\n")
