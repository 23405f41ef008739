"""The simulator's command line: `python -m tests.simulation run|replay|speed`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bulwark.ledger.errors import LedgerError
from bulwark.ledger.genesis import Genesis
from consensus.errors import ConsensusError
from node.driver.trace import replay_file
from tests.simulation import report, runner, speed
from tests.simulation.checkers import Violation
from tests.simulation.keeping import Kept
from tests.simulation.options import Options
from tests.simulation.trace import Tracer
from tests.simulation.world import World


def main() -> int:
    """Exit code 0 when everything passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run a range of seeds")
    run.add_argument("--seeds", default="0-99", help="first-last, or one seed")
    run.add_argument("--n", default="4,5,6,7,10", help="validators, taken in turn by seed")
    run.add_argument("--blocks", type=int, default=300, help="blocks a world must reach")
    run.add_argument("--seconds", type=float, default=0, help="begin no seed after this; 0: all")
    run.add_argument("--jobs", type=int, default=1, help="processes")
    run.add_argument("--keep", type=Path, help="file of outcomes; a later run goes on from it")
    run.add_argument("--report", type=Path, help="write a Markdown summary")
    replay = commands.add_parser("replay", help="run one seed again")
    replay.add_argument("--seed", type=int, required=True)
    replay.add_argument("--n", type=int, default=4)
    replay.add_argument("--blocks", type=int, default=300)
    replay.add_argument("--log", action="store_true", help="one line an event")
    trace = commands.add_parser("replay-trace", help="repeat a trace that a node recorded")
    trace.add_argument("file", type=Path)
    trace.add_argument("--genesis", type=Path, required=True, help="the alliance's genesis.json")
    pace = commands.add_parser("speed", help="simulated time against CPU time")
    pace.add_argument("--real", action="store_true", help="real signatures, core only")
    pace.add_argument("--blocks", type=int, default=200)
    options = parser.parse_args()
    if options.command == "run":
        return _run(options)
    if options.command == "replay":
        return _replay(options)
    if options.command == "replay-trace":
        return _replay_trace(options)
    return speed.main(options.real, options.blocks)


def _run(options: argparse.Namespace) -> int:
    first, _, last = options.seeds.partition("-")
    sizes = [int(n) for n in options.n.split(",")]
    seeds = range(int(first), int(last or first) + 1)
    jobs = [runner.Job(seed, sizes[seed % len(sizes)], options.blocks) for seed in seeds]
    at = runner.commit()
    kept = Kept(options.keep, at) if options.keep is not None else None
    summary = runner.run(jobs, options.seconds, options.jobs, kept)
    if kept is not None:
        kept.close()
    if options.report is not None:
        command = "python -m tests.simulation " + " ".join(sys.argv[1:])
        commits = sorted(kept.commits) if kept is not None else [at]
        options.report.write_text(report.report(summary, command, commits), encoding="utf-8")
    return 1 if summary.failures else 0


def _replay(options: argparse.Namespace) -> int:
    tracer = Tracer(sys.stdout) if options.log else None
    world = World(Options.from_seed(options.seed, options.n, options.blocks), tracer)
    code = 0
    try:
        world.run()
    except Violation as broken:
        sys.stdout.write(f"FAILED at commit {runner.commit()}: {broken}\n")
        code = 1
    sys.stdout.write(
        f"seed {options.seed}: {(world.now - world.began) / 1000:.1f} s simulated, "
        f"{world.steps} steps, {world.sent} messages, trace {world.trace:016x}\n"
    )
    return code


def _replay_trace(options: argparse.Namespace) -> int:
    try:
        genesis = Genesis.from_json(options.genesis.read_bytes())
        done = replay_file(options.file, genesis)
    except (ConsensusError, LedgerError, OSError) as error:
        sys.stdout.write(f"DIFFERENT or unreadable: {error}\n")
        return 1
    sys.stdout.write(f"same effects in {done.steps} steps of {done.epochs} replicas\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
