"""No order of operations makes a victim score, a closed record answer, or two nodes disagree."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bulwark.indicators.vocabulary import ObjectRole
from bulwark.ledger.ids import Height
from bulwark.ledger.lifecycle import Operation, State
from bulwark.ledger.record import Record
from bulwark.ledger.sidecar import Sidecar
from node.chain.install import Installation
from node.service import ScreeningAnswer
from tests.unit.node.chain.lifecycle_world import (
    DAY_MS,
    START_DAY,
    World,
    answer_of,
    encode_give,
    encode_withdraw,
    follow_up,
    statement,
)
from tests.unit.node.chain.test_install import bring_state
from tests.unit.node.execution.alliance import Node
from tests.unit.node.sync.support import sync_blocks

CONSENT = b"\x77" * 32
PROTECTED = (ObjectRole.COMPROMISED_VICTIM, ObjectRole.IMPERSONATED, ObjectRole.TARGET)
ROLES = (*PROTECTED, ObjectRole.OFFENDER_CONTROLLED, ObjectRole.MULE, ObjectRole.UNKNOWN)

statements = st.tuples(
    st.just("say"),
    st.integers(0, 3),
    st.sampled_from(ROLES),
    st.integers(0, 3),
    st.booleans(),
)
follow_ups = st.tuples(
    st.just("follow"),
    st.integers(0, 3),
    st.integers(0, 3),
    st.sampled_from([3, 3, 4, 4, 5, 6, 7, 8, 77]),
    st.integers(0, 4),
)
others = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 20)),
    st.tuples(st.just("give"), st.integers(0, 6)),
    st.tuples(st.just("withdraw")),
    st.tuples(st.just("copy"), st.integers(0, 2), st.integers(0, 3)),
)
stories = st.lists(st.one_of(statements, follow_ups, follow_ups, others), min_size=1, max_size=14)


class Telling:
    """A story told to a ledger; what each operation anchors, in order, with its time."""

    def __init__(self, story: Sequence[tuple[object, ...]]) -> None:
        self.said: list[Record] = []
        self.work: list[tuple[int, Sidecar | bytes, int]] = []
        self.given = self.withdrawn = False
        now_ms = START_DAY * DAY_MS
        for number, line in enumerate(story):
            if line[0] == "wait":
                now_ms += int(str(line[1])) * DAY_MS
                continue
            member, what = self._line(number, line, now_ms // DAY_MS)
            if what is not None:
                self.work.append((member, what, now_ms))

    def _line(
        self, number: int, line: tuple[object, ...], day: int
    ) -> tuple[int, Sidecar | bytes | None]:
        numbers = [int(str(int(word))) for word in line[1:]]  # type: ignore[call-overload]
        if line[0] == "say":
            member, role, valid_days, rests = numbers
            consent = CONSENT if rests else None
            record = statement(number, role, valid_days=valid_days, consent=consent, day=day)
            self.said.append(record)
            return member, Sidecar((record,))
        if line[0] == "follow" and self.said:
            member, which, operation, reason = numbers
            subject = self.said[which % len(self.said)].record_id
            return member, Sidecar((follow_up(number, subject, operation, reason),))
        if line[0] == "copy" and self.said:
            record = self.said[numbers[1] % len(self.said)]
            junk = statement(1_000 + number, ObjectRole.TARGET, valid_days=0, day=day - 400)
            return numbers[0], Sidecar((record, junk))
        if line[0] == "give" and not self.given:
            self.given = True
            until = numbers[0] and day + numbers[0]
            return 0, encode_give(CONSENT, b"\x01" * 32, 1, 1, until)
        if line[0] == "withdraw" and self.given and not self.withdrawn:
            self.withdrawn = True
            return 0, encode_withdraw(CONSENT, 1)
        return 0, None


def grown(telling: Telling) -> World:
    """The story at one node, one operation a block."""
    world = World()
    for member, what, at_ms in telling.work:
        world.block((member, what), at_ms=at_ms)
    return world


def grown_in_batches(telling: Telling) -> World:
    """The same with all operations of one time in one block."""
    world = World()
    index = 0
    while index < len(telling.work):
        at_ms = telling.work[index][2]
        block = [(m, what) for m, what, at in telling.work[index:] if at == at_ms]
        world.block(*block, at_ms=at_ms)
        index += len(block)
    return world


def seen(answer: ScreeningAnswer) -> tuple[object, ...]:
    """What two nodes must agree on; times and places of records are those of their blocks."""
    return (answer.hit, answer.band, answer.score, answer.reasons, answer.reporters,
            answer.permitted_actions, answer.limits,
            [record.record_id for record in answer.records])  # fmt: skip


def copy_by_sync(node: Node) -> Node:
    """Another node that got blocks, records and state without executing anything."""
    fresh = Node(genesis=node.genesis)
    installation = Installation(fresh.store, fresh.chain, fresh.genesis)
    for block in sync_blocks(node):
        installation.add(block)
    bring_state(fresh, node)
    installation.finish()
    return fresh


def ask(node: Node, at: Height | None = None) -> ScreeningAnswer:
    return asyncio.run(answer_of(node, at))


@given(stories)
@settings(deadline=None, max_examples=60)
def test_only_records_that_stand_answer_and_no_victim_scores(
    story: list[tuple[object, ...]],
) -> None:
    telling = Telling(story)
    world = grown(telling)
    tip = world.tip
    today = tip.timestamp_ms // DAY_MS
    for height in range(tip.height + 1):
        ask(world.node, Height(height))
    answer = ask(world.node)
    scoring = False
    for record in telling.said:
        found = world.node.records.by_id(record.record_id)
        assert found is not None and found.payload is not None
        standing = world.node.standings.of(found, tip)
        stands = (
            standing.state is State.ACTIVE
            and not standing.restricted
            and found.payload.valid_until_day >= today
            and found.reporter != world.node.genesis.members[3].account
        )
        shown = any(view.record_id == record.record_id for view in answer.records)
        assert shown is stands
        scoring = scoring or (stands and found.payload.object_role not in PROTECTED)
    assert (answer.score > 0) is scoring
    assert answer.hit is bool(answer.records)


@given(stories)
@settings(deadline=None, max_examples=40)
def test_nodes_agree_whatever_the_batching_and_however_they_came_by_the_ledger(
    story: list[tuple[object, ...]],
) -> None:
    telling = Telling(story)
    one, other = grown(telling), grown_in_batches(telling)
    final = max((at for _, _, at in telling.work), default=0) + DAY_MS // 2
    one.block(at_ms=final)
    other.block(at_ms=final)
    assert seen(ask(one.node)) == seen(ask(other.node))
    synced = copy_by_sync(one.node)
    for height in range(one.tip.height + 1):
        there = ask(one.node, Height(height))
        here = ask(synced, Height(height))
        assert replace(here, age_ms=there.age_ms) == there
    for record in telling.said:
        first = one.node.records.by_id(record.record_id)
        second = synced.records.by_id(record.record_id)
        assert first is not None and second == first
        assert one.node.standings.life(first).standing() == synced.standings.life(second).standing()


@given(stories, st.integers(0, 3), st.sampled_from(list(Operation)))
@settings(deadline=None, max_examples=40)
def test_a_desk_refuses_exactly_what_the_ledger_will_refuse(
    story: list[tuple[object, ...]], member: int, operation: Operation
) -> None:
    telling = Telling([("say", 0, 1, 3, False), *story])
    world = grown(telling)
    subject = telling.said[0].record_id
    found = world.node.records.by_id(subject)
    assert found is not None
    told = world.node.standings.life(found)
    record = follow_up(9_999, subject, operation, 1)
    world.block((member, Sidecar((record,))))
    stored = world.node.records.follow_ups(subject)[-1]
    assert stored.record_id == record.record_id
    expected = told.refusal(world.node.standings.follow_up(stored))
    step = world.node.standings.life(found).history[-1]
    assert step.refused == expected
