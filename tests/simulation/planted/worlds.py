"""Plain worlds with an expectation, for planted bugs that only slow things down or need a nudge."""

from __future__ import annotations

from bulwark.ledger.ids import Height
from consensus.config import Config
from consensus.events import StateInstalled
from tests.simulation.checkers import Violation
from tests.simulation.network import Weather
from tests.simulation.options import Options
from tests.simulation.world import World


def lost_messages_alone_change_no_view() -> None:
    """R1 to R3: one message in twenty is lost, and STATUS repairs it within the timeout."""
    config = Config(heartbeat_ms=5_000, base_timeout_ms=8_000, request_timeout_ms=20_000)
    world = World(Options(blocks=40, seed=3, weather=Weather(5, loss=0.05), config=config))
    world.run()
    if world.checkers.new_views.entered:
        raise Violation(f"R3: {world.checkers.new_views.entered} views changed by loss alone")


def a_full_pipeline_keeps_its_pace() -> None:
    """W2: with a pipeline as long as the window, messages just above it are waited for."""
    config = Config(heartbeat_ms=5_000, pipeline=8)
    options = Options(
        blocks=60, seed=2, weather=Weather(30), request_every_ms=5, config=config, fsync_ms=0
    )
    world = World(options)
    world.run()
    took = world.now - world.began
    if took > PACE_MS:
        raise Violation(f"W2: {took} ms for {world.height()} blocks, {PACE_MS} allowed")


PACE_MS = 6_000


def a_late_sync_answer_changes_nothing() -> None:
    """C5: block sync answers with a height that was executed long ago."""
    world = World(Options(blocks=10, seed=4))
    node = world.nodes[1]
    world.clients.begin()
    for each in world.nodes:
        world.restart(each)
    world.run_until(lambda: node.disk.best_stable() is not None, 60_000)
    certificate = node.disk.best_stable()
    if certificate is None:
        raise Violation("no block")
    height = certificate.subject.height
    world.run_until(lambda: node.ledger.height >= height + 3, 60_000)
    node.give(StateInstalled(Height(height), certificate.subject.digest, certificate))
    goal = node.ledger.height + 3
    if not world.run_until(lambda: node.ledger.height >= goal, 20_000):
        raise Violation("C5: a late sync answer stops the node")
    world.checkers.at_end()


def requests_are_ordered_once() -> None:
    """O10: nothing that is in flight is proposed again; the calm world counts repetitions."""
    world = World(Options(blocks=20, seed=1, request_every_ms=20))
    world.run()
