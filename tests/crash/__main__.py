"""`python -m tests.crash [--blocks 50] [--victim 0..3 | all]`: every effect, every fault."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.crash.world import CHANGE_AT, FAULTS, record, survive


def main() -> int:
    """Exit code 0 when every crash was survived."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash")
    parser.add_argument("--blocks", type=int, default=50)
    parser.add_argument("--victim", default="all", choices=["0", "1", "2", "3", "all"])
    options = parser.parse_args()
    victims = range(4) if options.victim == "all" else [int(options.victim)]
    failed = 0
    for victim in victims:
        began = time.perf_counter()
        moments, _ = record(victim, options.blocks, CHANGE_AT)
        counts: Counter[str] = Counter()
        for moment in moments:
            for fault in FAULTS if moment.is_persist else FAULTS[:1]:
                try:
                    survive(moment, victim, fault)
                    counts[fault] += 1
                except Exception as error:  # whatever goes wrong is a finding to be listed
                    failed += 1
                    sys.stdout.write(f"FAILED victim {victim} {moment.number} {fault} ")
                    sys.stdout.write(f"{moment.effect}: {error}\n")
        took = time.perf_counter() - began
        sys.stdout.write(f"victim {victim}: {dict(counts)} survived in {took:.0f} s\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
