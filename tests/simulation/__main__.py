"""Runs seeds and stops at the first that fails: `python -m tests.simulation --seeds 0-99 --n 4`."""

from __future__ import annotations

import argparse
import sys
import time
import traceback

from tests.simulation.world import EPOCH_MS, Options, World


def main() -> int:
    """Exit code 0 when every seed passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", default="0-29", help="first-last, or one seed")
    parser.add_argument("--n", type=int, default=4, help="validators")
    parser.add_argument("--blocks", type=int, default=40, help="blocks a run must reach")
    parser.add_argument("--keep-going", action="store_true", help="run all, list the failures")
    options = parser.parse_args()
    first, _, last = options.seeds.partition("-")
    failed: list[int] = []
    began, simulated, steps = time.perf_counter(), 0, 0
    for seed in range(int(first), int(last or first) + 1):
        world = World(Options.from_seed(seed, options.n, options.blocks))
        try:
            world.run()
        except Exception:
            traceback.print_exc()
            sys.stdout.write(f"FAILED seed {seed} n {options.n} blocks {options.blocks}\n")
            failed.append(seed)
            if not options.keep_going:
                return 1
        simulated += world.now - EPOCH_MS
        steps += world.steps
    took = time.perf_counter() - began
    sys.stdout.write(
        f"{simulated / 1000:.0f} s simulated in {took:.1f} s "
        f"({simulated / 1000 / max(took, 1e-9):.0f}x), {steps} steps, failed seeds {failed}\n"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
