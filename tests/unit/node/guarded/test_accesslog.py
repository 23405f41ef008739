"""The member's access log on disk and on the real contract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from bulwark.ledger.accesslog import AccessEntry, AccessKind, Gap, Head
from bulwark.ledger.errors import LimitExceeded
from bulwark.ledger.ids import Digest
from contracts.bindings import Role, encode_set_roles, member_id_bytes
from contracts.privacy.bindings import (
    QUERY_LOG,
    AccessAnchored,
    decode_query_log_event,
    read_access_anchor,
)
from node.guarded.accesslog import INTERVAL_MS, AccessAnchorer, AccessLog
from node.guarded.atrest import AtRest
from node.guarded.loganchor import RETRY_MS, AnchorLedger
from node.storage.durability import Durability
from node.storage.errors import StoreDamaged
from node.storage.memory import MemoryStore
from tests.contracts.harness import signer
from tests.unit.contracts.privacy_harness import PrivacyChain, privacy_alliance, validators
from tests.unit.node.guarded.served_world import FakeLane
from tests.unit.privacy.opening_world import stream

GENESIS = b"\x99" * 32
MINE = member_id_bytes("m0")


def access(store: MemoryStore, key: bytes = b"\x05" * 32) -> AccessLog:
    return AccessLog(store, AtRest(key, b"access-log", stream("access")), GENESIS, MINE)


def note(log: AccessLog, at: int = 0) -> AccessEntry:
    return log.record(
        who="desk-7",
        role="analyst",
        purpose="fraud-prevention",
        lawful_basis="legitimate-interests",
        case_ref=f"CASE-{at}",
        kind=AccessKind.SCREENING,
        count=1,
        now_ms=1_700_000_000_000 + at,
    )


def test_entries_are_chained_over_restarts_and_read_in_pages() -> None:
    store = MemoryStore()
    made = [note(access(store), at) for at in range(5)]
    log = access(store)
    assert log.page() == made
    assert log.page(2, 2) == made[2:4]
    assert log.page(5) == []
    assert log.check([made[1].head, made[4].head]) is None
    assert log.check([Head(2, Digest(b"\1" * 32))]) == Gap(
        2, "the head here is not the one that was anchored"
    )


def test_nothing_of_an_entry_is_readable_on_disk() -> None:
    store = MemoryStore()
    note(access(store))
    stored = b"".join(key + value for key, value in store.iterate(b"u"))
    for text in (b"desk-7", b"analyst", b"CASE-0", b"fraud"):
        assert text not in stored
    with pytest.raises(StoreDamaged):
        access(store, b"\x06" * 32)


def test_entries_can_not_be_moved_swapped_or_bent_on_disk() -> None:
    store = MemoryStore()
    log = access(store)
    for at in range(3):
        note(log, at)
    (_, one), (second, two), _ = store.iterate(b"u\x20")
    for wrong in (one, two[:-1], b"", two[:5] + bytes([two[5] ^ 1]) + two[6:]):
        store.write({second: wrong}, sync=True)
        with pytest.raises(StoreDamaged):
            log.page()


def test_a_cut_takes_the_last_entries_and_none_in_the_middle() -> None:
    for kept in range(4):
        store = MemoryStore()
        log = access(store)
        for at in range(3):
            note(log, at)
        after = access(store.crash(kept))
        assert (after.head.count, after.check([])) == (min(kept, 3), None)
        note(after, 9)
        assert after.check([]) is None


def test_a_text_that_is_too_long_adds_nothing() -> None:
    log = access(MemoryStore())
    with pytest.raises(LimitExceeded):
        log.record(
            who="x" * 300,
            role="",
            purpose="",
            lawful_basis="",
            case_ref="",
            kind=AccessKind.REPORT,
            count=1,
            now_ms=0,
        )
    assert log.head == log.start


def test_old_entries_are_dropped_up_to_an_anchored_head_alone() -> None:
    store = MemoryStore()
    log = access(store)
    made = [note(log, at) for at in range(9)]
    assert log.prune(10**15) == 0
    for head, time_ms in ((made[3].head, 100), (made[5].head, 200), (made[8].head, 300)):
        log.note_anchored(head, time_ms)
    assert log.prune(250, most=4) == 4
    assert log.page()[0].number == 7
    log = access(store)
    assert log.prune(250, most=4) == 2
    assert log.prune(250) == 0
    assert [entry.number for entry in access(store).page()] == [7, 8, 9]
    heads = [made[i].head for i in (3, 5, 8)]
    assert access(store).check(heads) is None
    assert [head.count for head, _ in log.anchors()] == [6, 9]
    assert log.prune(10**15) == 3
    last = access(store)
    assert (last.head, last.page()) == (made[8].head, [])
    assert note(last, 10).previous == made[8].head.digest


@dataclass
class Scene:
    """One member over a real chain."""

    store: MemoryStore = field(default_factory=MemoryStore)
    chain: PrivacyChain = field(default_factory=lambda: privacy_alliance(validators(4), []))
    delivered: int = 0
    reasons: list[str | None] = field(default_factory=list)
    heads: list[Head] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lane = FakeLane(self.store)
        self.start()

    def start(self) -> None:
        self.lane.store = self.store
        self.durability = Durability(self.store)
        self.log = access(self.store)
        self.anchorer = AccessAnchorer(
            self.log,
            self.store,
            self.lane,
            AnchorLedger(lambda a, n: self.chain.state.get_storage(a, n), self._waits),
            self.durability,
            MINE,
        )

    def _waits(self, transaction: bytes) -> bool:
        return any(made.hash == transaction for made in self.lane.sent[self.delivered :])

    def deliver(self) -> None:
        for made in self.lane.sent[self.delivered :]:
            outcome = self.chain.send(signer("m0"), QUERY_LOG, made.data)
            self.reasons.append(outcome.reason)
            for address, topics, data in outcome.logs:
                event = decode_query_log_event(address, topics, data)
                if isinstance(event, AccessAnchored):
                    self.heads.append(Head(event.count, Digest(event.root)))
        self.delivered = len(self.lane.sent)

    async def follow(self, ms: int = 0) -> None:
        if ms:
            self.chain.wait(ms // 1000)
        await self.anchorer.follow(self.chain.now_s * 1000)


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.durability.close()


async def test_the_head_is_anchored_every_interval_in_which_something_was_added(
    scene: Scene,
) -> None:
    await scene.follow()
    assert scene.lane.sent == []
    for turn in range(3):
        note(scene.log, turn)
        note(scene.log, turn)
        await scene.follow(INTERVAL_MS)
        await scene.follow()
        scene.deliver()
        await scene.follow()
    await scene.follow(INTERVAL_MS)
    assert [head.count for head in scene.heads] == [2, 4, 6]
    assert set(scene.reasons) == {None}
    assert scene.log.check(scene.heads) is None
    assert [head for head, _ in scene.log.anchors()] == scene.heads
    found = read_access_anchor(scene.chain.state.get_storage, MINE)
    assert found is not None
    assert found.root == scene.log.head.digest


async def test_a_restart_anchors_nothing_twice(scene: Scene) -> None:
    note(scene.log)
    scene.start()
    await scene.follow()
    scene.start()
    await scene.follow()
    scene.deliver()
    scene.start()
    await scene.follow(INTERVAL_MS)
    assert len(scene.lane.sent) == 1
    note(scene.log)
    scene.start()
    await scene.follow()
    scene.deliver()
    assert scene.reasons == [None, None]
    assert scene.log.check(scene.heads) is None


async def test_what_the_ledger_refused_or_lost_is_anchored_later(scene: Scene) -> None:
    note(scene.log)
    scene.chain.govern(encode_set_roles(MINE, Role(0)))
    scene.lane.busy = True
    await scene.follow()
    scene.lane.busy = False
    await scene.follow()
    scene.delivered = len(scene.lane.sent)  # lost
    note(scene.log)
    await scene.follow()
    assert len(scene.lane.sent) == 1
    await scene.follow(RETRY_MS)
    scene.deliver()
    await scene.follow()
    assert scene.heads == [scene.log.head]


async def test_a_head_is_on_disk_before_it_is_on_the_ledger(scene: Scene) -> None:
    note(scene.log)
    note(scene.log)
    await scene.follow()
    scene.deliver()
    scene.store = scene.store.crash()
    scene.start()
    assert scene.log.check(scene.heads) is None
    note(scene.log)
    await scene.follow()
    scene.deliver()
    assert scene.reasons == [None, None]
    assert scene.log.check(scene.heads) is None


async def test_a_lost_log_stays_visible(scene: Scene) -> None:
    for at in range(3):
        note(scene.log, at)
    await scene.follow()
    scene.deliver()
    scene.store = MemoryStore()
    scene.start()
    note(scene.log)
    await scene.follow(INTERVAL_MS)
    assert (scene.anchorer.shrank, len(scene.lane.sent)) == (True, 1)
    gap = scene.log.check(scene.heads)
    assert gap == Gap(2, "3 entries were anchored, 1 are there")
