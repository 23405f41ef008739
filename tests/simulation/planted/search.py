"""Finds, for every planted bug, the seed that catches it fastest and passes without it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from tests.simulation.planted.bug import Catch, PlantedBug
from tests.simulation.world import World

SEEDS_FILE = Path(__file__).with_name("seeds.py")
HEAD = '''"""Catching seeds; `python -m tests.simulation.planted --search` writes this file."""

from __future__ import annotations

SEEDS: dict[str, int] = {
'''


def find(bug: PlantedBug, budget_s: float, good_s: float = 0.5) -> int | None:
    """The best seed within the time, None if no seed catches; stops at a good one."""
    if not isinstance(bug.catch, Catch):
        return None
    began, best, seed = time.monotonic(), None, 0
    fastest = float("inf")
    while time.monotonic() - began < budget_s and fastest > good_s:
        catch, start = replace(bug.catch, seed=seed), time.process_time()
        with bug.planted():
            caught = _fails(catch)
        if caught and not _fails(catch) and time.process_time() - start < fastest:
            fastest, best = time.process_time() - start, seed
        seed += 1
    return best


def write(seeds: dict[str, int]) -> None:
    """Write the table of seeds."""
    lines = [f'    "{name}": {seed},\n' for name, seed in seeds.items()]
    SEEDS_FILE.write_text(HEAD + "".join(lines) + "}\n")


def _fails(catch: Catch) -> bool:
    try:
        World(catch.options()).run()
    except Exception:  # whatever notices, notices
        return True
    return False
