"""Fuzzes one target: `python -m tests.fuzz messages --seconds 60 --seed 1`; `--list` names them."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from tests.fuzz import corpus, coverage_guided
from tests.fuzz.engine import Session
from tests.fuzz.guard import Guard
from tests.fuzz.target import Target
from tests.fuzz.targets import PLACES, target_class


def main() -> int:
    """Exit code 0 when nothing failed."""
    options = _options()
    if options.list or options.target is None:
        for name in PLACES:
            _say(f"{name:10} {target_class(name).about}")
        return 0
    logging.getLogger().addHandler(logging.NullHandler())
    logging.lastResort = None
    if options.engine == "atheris":
        return coverage_guided.run(options.target, options.seconds, options.seed)
    target = target_class(options.target)()
    try:
        if options.replay:
            return _replay(target, options.replay)
        return _fuzz(target, options)
    finally:
        target.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("target", nargs="?", choices=[*PLACES], help="what to fuzz")
    parser.add_argument("--list", action="store_true", help="say what can be fuzzed")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long")
    parser.add_argument("--executions", type=int, default=0, help="stop after so many; 0: by time")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same executions")
    parser.add_argument("--keep", action="store_true", help="put what is new into the corpus")
    parser.add_argument("--replay", nargs="+", type=Path, metavar="FILE", help="run these inputs")
    parser.add_argument("--engine", choices=["own", "atheris"], default="own")
    return parser.parse_args()


def _fuzz(target: Target, options: argparse.Namespace) -> int:
    guard = Guard(target, corpus.FAILURES / f"under-way-{target.name}.bin")
    session = Session(target, options.seed, guard)
    report = session.run(options.seconds, options.executions, _say)
    (corpus.FAILURES / f"slowest-{target.name}.bin").write_bytes(report.slowest_input)
    for line in report.lines():
        _say(line)
    if options.keep:
        files = corpus.replace(
            target.name, corpus.cover(session.entries, frozenset(target.seeds()))
        )
        _say(f"corpus of {target.name}: {files} files")
    return 1 if report.failures else 0


def _replay(target: Target, files: list[Path]) -> int:
    failed = 0
    for path in files:
        outcome = Guard(target).run(path.read_bytes())
        verdict = "FAILS" if outcome.failure else "passes"
        _say(f"{path}: {verdict} in {outcome.seconds * 1000:.1f} ms: {outcome.word}")
        if outcome.failure:
            _say(outcome.failure)
            failed += 1
    return 1 if failed else 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
