"""Roots of the query log on the real contract: each once, over restarts, cuts and refusals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from bulwark.ledger.ids import MemberId
from contracts.bindings import Role, encode_set_roles, member_id_bytes
from contracts.privacy.bindings import QUERY_LOG, read_anchor, read_last_anchor
from node.guarded.loganchor import RETRY_MS, AnchorLedger, LogAnchorer
from node.guarded.querylog import Interval, QueryLog
from node.storage.durability import Durability
from node.storage.memory import MemoryStore
from tests.contracts.harness import signer
from tests.unit.contracts.privacy_harness import DAY, PrivacyChain, privacy_alliance, validators
from tests.unit.node.guarded.served_world import FakeLane, served

ME = MemberId("m0")
MINE = member_id_bytes("m0")


@dataclass
class Scene:
    """One evaluator over a real chain; transactions are delivered when the test says so."""

    store: MemoryStore = field(default_factory=MemoryStore)
    chain: PrivacyChain = field(default_factory=lambda: privacy_alliance(validators(4), []))
    delivered: int = 0
    reasons: list[str | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lane = FakeLane(self.store)
        self.start()

    def start(self) -> None:
        """The node starts on what its disk holds."""
        self.lane.store = self.store
        self.durability = Durability(self.store)
        self.log = QueryLog(self.store, epoch_seconds=DAY)
        ledger = AnchorLedger(self.chain.state.get_storage, self._waits)
        self.anchorer = LogAnchorer(self.log, self.lane, ledger, self.durability, ME)

    def _waits(self, transaction: bytes) -> bool:
        return any(made.hash == transaction for made in self.lane.sent[self.delivered :])

    @property
    def now_ms(self) -> int:
        return self.chain.now_s * 1000

    def serve(self, *slots: int) -> Interval:
        for slot in slots:
            self.log.record(served(0, slot), self.now_ms)
        return self.log.interval_at(self.now_ms)

    def deliver(self) -> None:
        """Blocks execute what was sent."""
        for made in self.lane.sent[self.delivered :]:
            outcome = self.chain.send(signer("m0"), QUERY_LOG, made.data)
            self.reasons.append(outcome.reason)
        self.delivered = len(self.lane.sent)
        self.anchorer._ledger = AnchorLedger(self.chain.state.get_storage, self._waits)

    async def follow(self, seconds: int = 0) -> None:
        if seconds:
            self.chain.wait(seconds)
            self.deliver()
        await self.anchorer.follow(self.now_ms)


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.durability.close()


def anchored(scene: Scene, interval: Interval) -> bool:
    root, _ = scene.log.root(interval)
    return read_anchor(scene.chain.state.get_storage, MINE, root) is not None


async def test_an_interval_is_anchored_once_when_it_is_over(scene: Scene) -> None:
    interval = scene.serve(1, 2, 3)
    await scene.follow()
    assert scene.lane.sent == []
    await scene.follow(60)
    await scene.follow()
    assert len(scene.lane.sent) == 1
    scene.deliver()
    await scene.follow()
    assert scene.reasons == [None]
    found = read_last_anchor(scene.chain.state.get_storage, MINE)
    assert found is not None
    assert (found.epoch, found.interval, found.count) == (interval.epoch, interval.number, 3)
    assert scene.log.waiting() == []
    assert [i for i, _ in scene.log.anchorings()] == [interval]
    await scene.follow(RETRY_MS // 1000)
    assert len(scene.lane.sent) == 1


async def test_nothing_served_is_nothing_anchored(scene: Scene) -> None:
    for _ in range(3):
        await scene.follow(60)
    assert scene.lane.sent == []


async def test_a_restart_at_any_moment_anchors_nothing_twice(scene: Scene) -> None:
    interval = scene.serve(1, 2)
    scene.start()
    await scene.follow(60)
    scene.start()
    await scene.follow()
    scene.deliver()
    scene.start()
    await scene.follow()
    scene.start()
    await scene.follow(RETRY_MS // 1000)
    assert scene.reasons == [None]
    assert anchored(scene, interval)


async def test_no_root_leaves_before_its_entries_are_on_disk(scene: Scene) -> None:
    interval = scene.serve(1, 2)
    await scene.follow(60)
    scene.deliver()
    # The cut takes the note that the anchor was sent, and nothing that is under its root.
    scene.store = scene.store.crash()
    scene.start()
    assert anchored(scene, interval)
    await scene.follow()
    assert (len(scene.lane.sent), scene.log.waiting()) == (1, [])
    (entry,) = scene.log.find(served(0, 2).statement_hash)
    assert scene.log.anchorage(entry, MINE) is not None


async def test_a_sent_anchor_that_the_cut_took_goes_out_again_unchanged(scene: Scene) -> None:
    scene.serve(1, 2)
    await scene.follow(60)
    scene.store = scene.store.crash()
    scene.start()
    await scene.follow()
    first, second = scene.lane.sent
    assert first.data == second.data
    scene.deliver()
    assert scene.reasons == [None, "bulwark: root anchored"]


async def test_a_full_lane_is_tried_again(scene: Scene) -> None:
    interval = scene.serve(1)
    scene.lane.busy = True
    await scene.follow(60)
    scene.lane.busy = False
    scene.start()
    await scene.follow()
    scene.deliver()
    assert anchored(scene, interval)


async def test_what_the_ledger_refused_comes_later_under_the_next_number(scene: Scene) -> None:
    first = scene.serve(1)
    scene.chain.govern(encode_set_roles(MINE, Role(0)))
    await scene.follow(60)
    scene.deliver()
    assert scene.reasons == ["bulwark: not an evaluator"]
    scene.chain.govern(encode_set_roles(MINE, Role.VALIDATOR))
    second = scene.serve(2)
    await scene.follow(60)
    scene.deliver()
    open_one = scene.serve(3)
    await scene.follow(RETRY_MS // 1000)
    scene.deliver()
    await scene.follow()
    assert all(anchored(scene, interval) for interval in (first, second, open_one))
    assert scene.reasons[0] is not None
    assert scene.reasons[1:] == [None, None, None]
    for slot, interval in ((1, first), (2, second), (3, open_one)):
        (entry,) = scene.log.find(served(0, slot).statement_hash)
        place = scene.log.anchorage(entry, MINE)
        assert place is not None
        name = Interval(place.anchor.epoch, place.anchor.interval)
        assert name == interval if slot == 2 else name > interval


async def test_statements_of_two_epochs_are_anchored_in_their_order(scene: Scene) -> None:
    left = DAY - scene.chain.now_s % DAY
    scene.chain.wait(left - 3)
    old = scene.serve(1)
    scene.chain.wait(10)
    new = scene.serve(2)
    assert (new.epoch, new.number) == (old.epoch + 1, 0)
    await scene.follow(60)
    scene.deliver()
    assert scene.reasons == [None, None]
    assert anchored(scene, old)
    assert anchored(scene, new)
