"""Runs planted bugs and writes the table: `python -m tests.simulation.planted [--bug ID]`.

`--search` looks for a catching seed of each first, and stores them in `seeds.py`.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path

from tests.simulation.planted import BUGS, PlantedBug
from tests.simulation.planted.search import find, write
from tests.simulation.planted.seeds import SEEDS

PAGE = Path(__file__).parents[3] / "docs" / "planted-bugs.md"
HEAD = """# Planted bugs

Each line is a rule taken out of the core, and what notices. `python -m tests.simulation.planted`
plants one after another, runs the world beside it, and writes this page; with `--bug ID` it runs
one. `tests/simulation/test_planted.py` does the same in `make test`, and also runs every world
without its bug. Seconds are CPU seconds of one core until the bug was caught.

A world is `Options.from_seed(seed, n, blocks)` with the changes named; invariant numbers are those
of `tests/simulation/checkers`, 0 stands for a rule of `docs/protocol.md` beside the fourteen.

| bug | pitfall, rule | what it breaks | caught in | caught by | s |
|---|---|---|---|---|---|
"""
TAIL = """
Not planted: L10 (reads by quorum without proof are not implemented, so there is nothing to break).
"""


def attempt(bug: PlantedBug) -> tuple[str, float]:
    """What noticed the bug ("" if nothing did) and the CPU seconds until then."""
    began = time.process_time()
    found = ""
    with bug.planted():
        try:
            bug.run()
        except Exception as error:  # whatever notices, notices
            text = re.sub(r" at \d+ ms:.*", "", str(error).split("\n")[0])
            told = text.split(":")[0] if text.startswith("liveness:") else text[:70]
            found = told if type(error).__name__ == "Violation" else type(error).__name__
    return found, time.process_time() - began


def main() -> int:
    """Exit code 0 if every bug that ran was caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.planted")
    parser.add_argument("--bug", help="only this one")
    parser.add_argument("--search", action="store_true", help="look for catching seeds first")
    parser.add_argument("--seconds", type=float, default=20.0, help="most time to look, each")
    options = parser.parse_args()
    chosen = [bug for bug in BUGS if options.bug in (None, bug.id)]
    if options.search:
        for bug in chosen:
            seed = find(bug, options.seconds)
            if seed is not None:
                SEEDS[bug.id] = seed
        write({bug.id: SEEDS[bug.id] for bug in BUGS if bug.id in SEEDS})
    rows, missed = [], 0
    for bug in chosen:
        found, seconds = attempt(bug)
        missed += not found
        caught = found or "**not caught**"
        row = f"| {bug.id} | {bug.pitfall} | {bug.breaks} | {bug.where()} | {caught} |"
        rows.append(f"{row} {seconds:.2f} |")
        sys.stdout.write(rows[-1] + "\n")
    if options.bug is None:
        PAGE.write_text(HEAD + "\n".join(rows) + "\n" + TAIL)
    sys.stdout.write(f"{len(chosen)} planted, {missed} not caught\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
