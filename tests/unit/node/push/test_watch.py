"""What blocks say is told to those whom it concerns, each block once, over kills and syncs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from bulwark.ledger.ids import Digest, Height, MemberId, RecordId
from bulwark.ledger.lifecycle import Operation, Ruling
from bulwark.ledger.record import Record
from contracts.actions import SetParameter
from contracts.governance import GOVERNANCE, encode_propose
from node.disputes.casebook import Case, Casebook
from node.erasure.port import BatchView
from node.erasure.triggers import DESTROYED, RECALLED
from node.push.port import Event, EventType
from node.push.questions import Noted
from node.push.readers import (
    DisputeReader,
    ErasureReader,
    ProposalReader,
    Sources,
    StatementReader,
)
from node.push.retro import RetroHunt
from node.push.watch import LedgerWatch, WatchParts
from node.recall.port import OwnQuestion
from node.service import ScreeningAnswer
from node.storage.memory import MemoryStore
from tests.unit.node.chain.test_policies import DEFAULT, Play
from tests.unit.node.erasure.world import ALPHA, BRAVO, CHARLIE, REGULATOR, World, follow_up
from tests.unit.node.execution.alliance import make_sidecar
from tests.unit.node.push.world import KEY, Push

KEEP_MS = 10**15


def statements(seed: str = "s", count: int = 3) -> tuple[Record, ...]:
    return tuple(e for e in make_sidecar(count, seed).entries if isinstance(e, Record))


@dataclass
class Watching:
    """The push of one member over a real chain in memory."""

    world: World = field(default_factory=World)
    member: object = BRAVO
    answered: dict[bytes, list[OwnQuestion]] = field(default_factory=dict)
    missing: tuple[MemberId, ...] = ()
    keep_ms: int = KEEP_MS
    store: MemoryStore = field(default_factory=MemoryStore)
    """The member's own; the ledger's is shared by all who watch it here."""

    def __post_init__(self) -> None:
        node = self.world.node
        self.push = Push(self.store)
        self.push.now_ms = node.chain.tip.timestamp_ms
        self.casebook = Casebook(self.store, KEY, os.urandom)
        sources = Sources(
            chain=node.chain,
            records=node.records,
            standings=node.standings,
            casebook=self.casebook,
            questions=lambda subject, most: self.answered.get(bytes(subject), [])[:most],
            member=node.standings.member_of(self.member.address),  # type: ignore[attr-defined]
        )
        hunt = RetroHunt(self.push.core.questions, self.push.events, self._high)
        self.watch = LedgerWatch(
            WatchParts(
                store=self.store,
                chain=node.chain,
                events=self.push.events,
                readers=(
                    StatementReader(sources, hunt),
                    DisputeReader(sources),
                    ErasureReader(sources, self._batch),
                    ProposalReader(node.standings.member_of),
                ),
                looks=(),
                wall_ms=lambda: self.push.now_ms,
                keep_ms=self.keep_ms,
            )
        )

    def _high(self, _tag: object) -> ScreeningAnswer:
        return ScreeningAnswer(True, "high", 60, (), (), Height(9), 0, True)

    async def _batch(self, root: Digest) -> BatchView:
        return BatchView(root, Height(1), 1, (), self.missing)

    async def told(self) -> list[Event]:
        """Events since the last time that this was asked."""
        before = self.push.events.last
        await self.watch.follow()
        return list(self.push.events.after(before))

    def kinds(self, events: Sequence[Event]) -> list[str]:
        return [event.type.value for event in events]


async def test_a_dispute_is_told_to_the_reporter_the_disputer_and_the_asker_alone() -> None:
    world = World()
    asked = OwnQuestion(3, 5, "desk-1", "CASE-1")
    desks = {
        "reporter": Watching(world, ALPHA),
        "disputer": Watching(world, BRAVO),
        "asker": Watching(world, CHARLIE),
    }
    stranger = Watching(world, REGULATOR)
    (record, *_) = statements()
    desks["asker"].answered[record.record_id] = [asked]
    world.anchor(ALPHA, record)
    dispute = follow_up(Operation.DISPUTE, record.record_id, reason=3)
    world.anchor(BRAVO, dispute)
    for concern, desk in desks.items():
        (event,) = (await desk.told())[-1:]
        assert event.type is EventType.DISPUTE_OPENED, concern
        assert event.data["concerns"] == [concern]
        assert (event.data["record_id"], event.data["follow_up"]) == (
            record.record_id.hex(),
            dispute.record_id.hex(),
        )
        assert (event.data["ground"], event.data["state"]) == ("victim", "disputed")
        shown = event.data["questions"]
        assert shown == ([] if concern != "asker" else [
            {"id": 3, "time_ms": 5, "asked_by": "desk-1", "case_ref": "CASE-1"}
        ])  # fmt: skip
    assert await stranger.told() == []


async def test_a_ruling_says_how_it_ended_and_whether_a_person_waits_for_it() -> None:
    it = Watching()
    (record, *_) = statements()
    it.world.anchor(ALPHA, record)
    dispute = follow_up(Operation.DISPUTE, record.record_id, reason=3)
    case = Case(it.casebook.new_code(), dispute.record_id, record.record_id)
    it.store.write(it.casebook.puts(case), sync=False)
    it.world.anchor(BRAVO, dispute)
    it.world.anchor(REGULATOR, follow_up(Operation.RULE, record.record_id, Ruling.UPHELD))
    opened, ruled = await it.told()
    assert it.kinds([opened, ruled]) == ["dispute_opened", "dispute_ruled"]
    assert opened.data["for_person"] is ruled.data["for_person"] is True
    assert (ruled.data["ruling"], ruled.data["state"]) == ("upheld", "overruled")
    assert case.code not in str(opened.data) + str(ruled.data)


async def test_what_the_lifecycle_refused_is_not_told() -> None:
    it = Watching(member=ALPHA)
    (record, *_) = statements()
    it.world.anchor(ALPHA, record)
    it.world.anchor(BRAVO, follow_up(Operation.RULE, record.record_id, Ruling.UPHELD))
    assert await it.told() == []


async def test_a_later_record_is_told_with_the_question_that_found_nothing() -> None:
    it = Watching()
    record, other, _ = statements()
    it.push.core.questions.note(
        [Noted(record.tag, "desk-1", "CASE-1", "none", it.world.node.chain.applied)]
    )
    it.world.anchor(ALPHA, record, other)
    (hit,) = await it.told()
    assert hit.type is EventType.RETRO_HIT
    assert hit.data["records"] == [
        {
            "record_id": record.record_id.hex(),
            "reporter": it.world.node.standings.member_of(ALPHA.address),
        }
    ]


async def test_a_ruling_that_lets_a_record_stand_again_is_hunted_too() -> None:
    it = Watching()
    (record, *_) = statements()
    it.world.anchor(ALPHA, record)
    it.world.anchor(BRAVO, follow_up(Operation.DISPUTE, record.record_id, reason=3))
    it.push.core.questions.note(
        [Noted(record.tag, "desk-1", "CASE-1", "none", it.world.node.chain.applied)]
    )
    await it.told()
    it.world.anchor(REGULATOR, follow_up(Operation.RULE, record.record_id, Ruling.REJECTED))
    assert it.kinds(await it.told()) == ["retro_hit", "dispute_ruled"]


async def test_a_confirmed_erasure_is_told_to_the_reporter_and_to_no_stranger() -> None:
    world = World()
    reporter, stranger = Watching(world, ALPHA), Watching(world, CHARLIE)
    reporter.missing = (MemberId("charlie"),)
    record, other, _ = statements()
    world.anchor(ALPHA, record)
    world.anchor(BRAVO, other)
    orders = [follow_up(Operation.ERASE, each.record_id) for each in (record,)]
    root = world.anchor(ALPHA, *orders)
    confirmation = follow_up(Operation.CONFIRM, RecordId(root), RECALLED | DESTROYED)
    world.anchor(BRAVO, confirmation)
    world.anchor(CHARLIE, follow_up(Operation.CONFIRM, RecordId(root), RECALLED))
    (event,) = await reporter.told()
    assert event.type is EventType.ERASURE_CONFIRMED
    assert event.data == {
        "batch": root.hex(),
        "member": world.node.standings.member_of(BRAVO.address),
        "confirmation": confirmation.record_id.hex(),
        "recalled": True,
        "records": [record.record_id.hex()],
        "count": 1,
        "missing": ["charlie"],
    }
    assert await stranger.told() == []


async def test_a_proposal_is_told_to_every_member() -> None:
    world, play = World(), Play(DEFAULT.document)
    world.node = node = play.node
    it = Watching(world)
    expires_s = node.chain.tip.timestamp_ms // 1000 + 86_400
    play.send(ALPHA, GOVERNANCE, encode_propose(SetParameter("quota_small", 5_000), expires_s))
    (event,) = await it.told()
    assert event.type is EventType.PROPOSAL_OPENED
    assert event.data["action"] == "set_parameter"
    assert event.data["expires_ms"] == expires_s * 1000
    assert event.data["proposer"] == node.standings.member_of(ALPHA.address)


async def test_a_block_is_told_once_over_a_kill_anywhere() -> None:
    it = Watching(member=ALPHA)
    (record, *_) = statements()
    it.world.anchor(ALPHA, record)
    it.world.anchor(BRAVO, follow_up(Operation.DISPUTE, record.record_id, reason=3))
    height = it.watch.followed
    assert it.kinds(await it.told()) == ["dispute_opened"]
    again = Watching(it.world, ALPHA, store=it.store)
    assert await again.told() == [], "after a restart"
    again.watch.followed = height  # the height was not written any more
    assert await again.told() == [], "and after a kill before the height was noted"


async def test_a_node_that_meets_the_ledger_late_tells_nothing_old() -> None:
    world = World()
    (record, *_) = statements()
    world.anchor(ALPHA, record)
    world.anchor(BRAVO, follow_up(Operation.DISPUTE, record.record_id, reason=3))
    late = Watching(world, ALPHA)
    assert await late.told() == [] and late.watch.followed == world.node.chain.applied


@pytest.mark.parametrize("age_ms", [0, 2_000])
async def test_blocks_older_than_events_are_kept_are_passed_over(age_ms: int) -> None:
    it = Watching(member=ALPHA, keep_ms=1_000)
    (record, *_) = statements()
    it.world.anchor(ALPHA, record)
    it.world.anchor(BRAVO, follow_up(Operation.DISPUTE, record.record_id, reason=3))
    it.push.now_ms = it.world.node.chain.tip.timestamp_ms + age_ms
    assert len(await it.told()) == (0 if age_ms else 1)
    assert it.watch.followed == it.world.node.chain.applied
