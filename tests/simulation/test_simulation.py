"""Some seeds on every run, and every seed that ever failed for ever."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from bulwark.ledger.ids import ValidatorIndex
from consensus.config import Config
from consensus.events import PeerDown
from tests.simulation.checkers import Violation
from tests.simulation.options import Options
from tests.simulation.runner import Job, failed_jobs
from tests.simulation.world import World

BLOCKS = 12


@pytest.mark.parametrize("seed", range(24))
def test_four_validators_agree_and_finish(seed: int) -> None:
    World(replace(Options.from_seed(seed, 4, BLOCKS), freeze_ms=0)).run()


@pytest.mark.parametrize(("seed", "n"), [(0, 1), (1, 2), (2, 3), (3, 5), (4, 6), (5, 7)])
def test_any_number_of_validators_agrees_and_finishes(seed: int, n: int) -> None:
    World(replace(Options.from_seed(seed, n, BLOCKS), freeze_ms=0)).run()


@pytest.mark.search
@pytest.mark.parametrize("job", failed_jobs(), ids=lambda job: f"{job.seed}-{job.n}-{job.blocks}")
def test_a_seed_that_failed_once_passes(job: Job) -> None:
    World(Options.from_seed(job.seed, job.n, job.blocks)).run()


def test_a_run_without_faults_is_calm() -> None:
    world = World(Options(blocks=30, seed=7))
    world.run()
    for node in world.nodes:
        assert node.replica is not None
        assert node.replica.snapshot().view == 0
    assert world.checkers.reports == 0


def test_the_same_seed_is_the_same_run_whatever_the_hash_seed_is() -> None:
    found = set()
    for hash_seed in ("1", "2"):
        command = [sys.executable, "-m", "tests.simulation", "replay", "--seed", "5"]
        done = subprocess.run(
            [*command, "--n", "4", "--blocks", "10"],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        found.add(done.stdout)
    assert len(found) == 1


def test_the_log_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    from tests.simulation.trace import Tracer

    options = replace(Options.from_seed(1, 4, 8), freeze_ms=0)
    silent, loud = World(options), World(options, Tracer(sys.stdout))
    silent.run()
    loud.run()
    assert (silent.trace, silent.now) == (loud.trace, loud.now)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["time", "ms", "node", "epoch", "view", "height", "event"]
    assert len(lines) > loud.steps


def test_an_idle_alliance_stores_heartbeats_and_changes_no_view() -> None:
    options = Options(blocks=5, request_every_ms=10**9, config=Config(heartbeat_ms=1_000))
    world = World(options)
    world.run()
    assert {node.replica.snapshot().view for node in world.nodes if node.replica} == {0}
    assert world.now - world.began >= 4_000


def test_a_dead_proposer_is_replaced_within_a_second_when_its_connections_close() -> None:
    world = World(Options(blocks=10, seed=3, request_every_ms=50))
    world.run()
    dead = world.nodes[0]
    before, height = world.now, world.height()
    world.crash(dead)
    for node in world.nodes[1:]:
        node.later(5, node.peer, PeerDown(ValidatorIndex(0)))
        node.later(5, node.submit, b"tx after")
    world.submitted.append(b"tx after")

    def replaced() -> bool:
        return all(node.ledger.height > height for node in world.nodes[1:])

    assert world.run_until(replaced, 5_000)
    assert world.now - before <= 1_000


def test_a_wiped_proposer_of_an_idle_alliance_votes_again() -> None:
    """Without T7's second half this hangs: only heartbeats bring the silent node back."""
    options = Options(blocks=3, request_every_ms=10**9, config=Config(heartbeat_ms=1_000))
    world = World(options)
    world.run()
    world.crash(world.nodes[0])
    world.nodes[0].wipe()
    world.restart(world.nodes[0])
    assert world.run_until(world.done, 120_000)
    assert world.height() >= 16


def test_the_validator_set_changes_at_the_same_height_everywhere() -> None:
    world = World(Options(blocks=60, seed=4, epoch_changes=3, request_every_ms=200))
    world.run()
    epochs = {tuple(node.ledger.epochs) for node in world.nodes}
    assert len(epochs) == 1
    assert len(epochs.pop()) > 1


def test_the_checkers_notice_a_fork() -> None:
    world = World(Options(blocks=3, seed=2))
    world.run()
    block = world.nodes[0].disk.blocks[0]
    forged = replace(block, header_hash=world.nodes[0].disk.blocks[1].header_hash)
    with pytest.raises(Violation):
        world.checkers.on_block(world.nodes[1], forged)
