"""`python -m tests.twins [--rounds 3] [--jobs 2] [--only N]`: every scenario, or one by number."""

from __future__ import annotations

import argparse
import sys
import time
from itertools import product
from multiprocessing import get_context

from tests.twins.explore import Tally, explore, partitions_of, play_number, total
from tests.twins.world import PARTITIONS, VALIDATORS, far_side


def _work(task: tuple[int, tuple[int, ...], int]) -> Tally:
    return explore(*task)


def main() -> int:
    """Exit code 0 when every scenario passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.twins")
    parser.add_argument("--rounds", type=int, default=3, choices=range(1, 5))
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--only", type=int, help="play one scenario and say what it was like")
    options = parser.parse_args()
    if options.only is not None:
        return _one(options.only, options.rounds)
    tasks = [
        (twin, first, options.rounds)
        for first in product(range(PARTITIONS), repeat=min(options.rounds - 1, 2))
        for twin in range(VALIDATORS)
    ]
    tally, began, whole = Tally(), time.perf_counter(), total(options.rounds)
    with get_context("fork").Pool(options.jobs) as pool:
        for done, part in enumerate(pool.imap_unordered(_work, tasks), 1):
            tally.merge(part)
            if done % max(1, len(tasks) // 20) == 0:
                took = time.perf_counter() - began
                sys.stderr.write(f"{tally.played:7} of {whole} in {took:.0f} s\n")
    for line in tally.lines():
        sys.stdout.write(line + "\n")
    for number, why in sorted(tally.failures)[:20]:
        sys.stdout.write(f"FAILED --rounds {options.rounds} --only {number}: {why}\n")
    took = time.perf_counter() - began
    passed = tally.played - len(tally.failures)
    sys.stdout.write(f"{passed} of {whole} scenarios passed in {took:.0f} s\n")
    return 0 if passed == whole else 1


def _one(number: int, rounds: int) -> int:
    twin, partitions = partitions_of(number, rounds)
    sides = ", ".join(f"{sorted(far_side(p)) or 'whole'}" for p in partitions)
    sys.stdout.write(f"twin of {twin}, cut off from 0 by round: {sides}\n")
    sys.stdout.write(f"{play_number(number, rounds)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
