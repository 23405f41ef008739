"""Plain worlds with an expectation, for planted bugs that only slow things down or need a nudge."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from bulwark.ledger.batch import Batch
from bulwark.ledger.ids import Height, TimestampMs, ValidatorIndex, View
from bulwark.ledger.votes import VoteKind
from consensus.authentication import authenticate
from consensus.config import Config
from consensus.events import Received, StateInstalled
from consensus.messages import Message, NewView, ViewChange
from consensus.snapshot import Snapshot
from tests.simulation.adversaries import Adversary
from tests.simulation.checkers import Violation
from tests.simulation.network import Weather
from tests.simulation.node import SimNode
from tests.simulation.options import Options
from tests.simulation.world import World

PREPARE: Final = VoteKind.PREPARE
PACE_MS: Final = 6_000
"""Time for sixty blocks through a full pipeline."""


def lost_messages_alone_change_no_view() -> None:
    """R1 to R3: one message in ten is lost, and STATUS repairs it within the timeout."""
    config = Config(heartbeat_ms=5_000, base_timeout_ms=8_000, request_timeout_ms=20_000)
    world = World(Options(blocks=25, seed=3, weather=Weather(5, loss=0.1), config=config))
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


def a_forgotten_view_change_opens_no_view() -> None:
    """V10: NEW-VIEW(1) stands on a VIEW-CHANGE from long ago and passes over what is prepared."""
    world = World(Options(blocks=20, seed=4))
    world.run()
    node = world.nodes[2]
    stable, shot = node.disk.best_stable(), _shot(node)
    if stable is None or shot.proposer == node.index or shot.view:
        raise Violation("the world is not as this scenario needs it")
    liars = [
        Adversary(world.rng, 4, index, world.keyring_of(index, world.first)) for index in range(4)
    ]
    batch = Batch(TimestampMs(node.now()), ())
    _tell(node, shot.proposer, liars[shot.proposer].proposal(0, shot.next_height, batch))
    for index in (0, 1, 3):
        _tell(node, index, liars[index].vote(PREPARE, 0, shot.next_height, batch.digest))
    world.run_until(lambda: _shot(node).slots[-1].phase == "prepared", 1_000)
    blank = ViewChange(View(1), stable, (), node.index, b"")
    changes = [
        liars[index].sign_view_change(blank if index else replace(blank, checkpoint=None))
        for index in (0, 1, 3)
    ]
    for change in changes:
        _tell(node, change.signer, change)
    named = tuple((change.signer, change.hash()) for change in changes)
    _tell(node, 1, liars[1].sign_new_view(NewView(View(1), named, (), node.index, b"")))
    if _shot(node).active_view:
        raise Violation("V10: a NEW-VIEW on a forgotten VIEW-CHANGE is entered")


def _shot(node: SimNode) -> Snapshot:
    if node.replica is None:
        raise Violation("the node is down")
    return node.replica.snapshot()


def _tell(node: SimNode, sender: int, message: Message) -> None:
    node.give(Received(ValidatorIndex(sender), authenticate(message, node.world.terms)))
