"""What nodes answer follows from the ledger's follow-ups, at the last block and at any before."""

from __future__ import annotations

import pytest

from bulwark.indicators.vocabulary import ObjectRole
from bulwark.ledger.ids import Height, RecordId, Tag
from bulwark.ledger.lifecycle import Operation, Ruling, State, reference_tag
from bulwark.ledger.record import Record, RecordPayload
from bulwark.ledger.sidecar import Sidecar
from node.service import NotFound
from tests.unit.node.chain.lifecycle_world import (
    DAY_MS,
    START_DAY,
    TAG,
    World,
    answer_of,
    follow_up,
    statement,
)

ALPHA, BRAVO, CHARLIE, REGULATOR = range(4)
CONSENT = b"\x77" * 32


def codes(answer: object) -> list[str]:
    return [reason.code for reason in answer.reasons]  # type: ignore[attr-defined]


async def test_a_dispute_restricts_at_once_and_every_height_keeps_its_answer() -> None:
    world = World()
    add = statement(1, confidence=80)
    added = world.say(ALPHA, add)
    disputed = world.follow(BRAVO, add.record_id, Operation.DISPUTE, 5)
    rejected = world.follow(REGULATOR, add.record_id, Operation.RULE, Ruling.REJECTED)
    retracted = world.follow(ALPHA, add.record_id, Operation.RETRACT)
    seen = {}
    for height in (added, disputed, rejected, retracted):
        answer = await answer_of(world.node, height)
        seen[height] = (answer.hit, answer.score > 0, codes(answer), len(answer.records))
    assert seen == {
        added: (True, True, ["evidence"], 1),
        disputed: (False, False, ["disputed"], 0),
        rejected: (True, True, ["evidence"], 1),
        retracted: (False, False, ["withdrawn"], 0),
    }
    assert (await answer_of(world.node)).height == retracted


async def test_time_is_the_timestamp_of_the_block_that_is_read() -> None:
    world = World()
    add = statement(1, valid_days=2)
    first = world.say(ALPHA, add)
    late = world.block(at_ms=(START_DAY + 3) * DAY_MS)
    assert (await answer_of(world.node, first)).hit
    answer = await answer_of(world.node, late)
    assert not answer.hit and codes(answer) == ["expired"]


async def test_a_height_that_is_not_executed_here_is_not_answered() -> None:
    world = World()
    world.say(ALPHA, statement(1))
    with pytest.raises(NotFound, match="the last is 1"):
        await answer_of(world.node, Height(2))


async def test_a_withdrawn_consent_restricts_the_records_that_rest_on_it() -> None:
    world = World()
    given = world.give(ALPHA, CONSENT, START_DAY + 5)
    world.say(ALPHA, statement(1, consent=CONSENT))
    assert (await answer_of(world.node)).hit
    before = await answer_of(world.node, given)
    assert not before.hit and before.reasons == ()
    over = world.block(at_ms=(START_DAY + 6) * DAY_MS)
    assert codes(await answer_of(world.node, over)) == ["consent"]
    world = World()
    world.give(ALPHA, CONSENT)
    world.say(ALPHA, statement(1, consent=CONSENT))
    world.withdraw(ALPHA, CONSENT)
    answer = await answer_of(world.node)
    assert not answer.hit and codes(answer) == ["consent"] and answer.records == ()


async def test_a_consent_that_is_on_no_ledger_carries_nothing() -> None:
    world = World()
    world.say(ALPHA, statement(1, consent=CONSENT))
    assert codes(await answer_of(world.node)) == ["consent"]


async def test_a_statement_of_a_pure_regulator_counts_nowhere() -> None:
    world = World()
    world.say(REGULATOR, statement(1))
    answer = await answer_of(world.node)
    assert not answer.hit and codes(answer) == ["breach"]


async def test_what_stands_under_a_reference_tag_but_is_no_follow_up_changes_nothing() -> None:
    world = World()
    add = statement(1)
    world.say(ALPHA, add)
    elsewhere = RecordId(b"\x05" * 32)
    payload = RecordPayload(operation=Operation.RETRACT, kind=255, previous_record=elsewhere)
    world.say(ALPHA, Record.of(b"\x01" * 32, reference_tag(add.record_id), payload))
    world.say(ALPHA, statement(2, tag=Tag(reference_tag(add.record_id))))
    newer = RecordPayload(operation=99, kind=255, previous_record=add.record_id)
    world.say(BRAVO, Record.of(b"\x02" * 32, reference_tag(add.record_id), newer))
    # A follow-up under the indicator's own tag is found by nobody either.
    under = RecordPayload(operation=Operation.RETRACT, kind=1, previous_record=add.record_id)
    world.say(ALPHA, Record.of(b"\x03" * 32, TAG, under))
    answer = await answer_of(world.node)
    assert answer.hit and answer.reporters == 1 and len(answer.records) == 1
    found = world.node.records.by_id(add.record_id)
    assert found is not None
    history = world.node.standings.life(found).history
    assert [step.refused for step in history] == ["lifecycle.code_99.unknown"]


async def test_a_follow_up_from_before_its_record_is_none() -> None:
    world = World()
    add = statement(1)
    world.follow(BRAVO, add.record_id, Operation.DISPUTE, 1)
    world.block(
        (BRAVO, Sidecar((follow_up(50, add.record_id, Operation.DISPUTE, 1),))),
        (ALPHA, Sidecar((add,))),
    )
    assert (await answer_of(world.node)).hit
    found = world.node.records.by_id(add.record_id)
    assert found is not None and world.node.standings.life(found).history == []


async def test_whoever_anchors_a_record_again_does_not_become_its_reporter() -> None:
    world = World()
    add = statement(1)
    world.say(ALPHA, add)
    world.say(BRAVO, add, statement(2, ObjectRole.TARGET))
    world.follow(BRAVO, add.record_id, Operation.RETRACT)
    answer = await answer_of(world.node)
    assert answer.hit and answer.reporters == 1 and answer.score > 0
    found = world.node.records.by_id(add.record_id)
    assert found is not None
    assert world.node.standings.member_of(found.reporter) == "alpha"
    (step,) = world.node.standings.life(found).history
    assert step.refused == "lifecycle.retract.not_the_reporter"


async def test_a_record_that_is_erased_by_now_answers_at_no_height() -> None:
    world = World()
    add = statement(1)
    added = world.say(ALPHA, add)
    world.follow(ALPHA, add.record_id, Operation.ERASE, 1)
    for height in (added, None):
        answer = await answer_of(world.node, height)
        assert not answer.hit and answer.reasons == () and answer.records == ()


async def test_history_of_an_erased_record_reads_as_before() -> None:
    world = World()
    add = statement(1)
    world.say(ALPHA, add)
    world.follow(BRAVO, add.record_id, Operation.DISPUTE, 1)
    world.follow(BRAVO, add.record_id, Operation.RETRACT)
    world.follow(REGULATOR, add.record_id, Operation.ERASE, 1)
    found = world.node.records.by_id(add.record_id)
    assert found is not None
    before = world.node.standings.life(found).standing()
    assert before.state is State.ERASED
    erase(world, add)
    gone = world.node.records.by_id(add.record_id)
    assert gone is not None and gone.payload is None
    assert world.node.standings.life(gone).standing() == before
    assert world.node.standings.shown(gone) == before


def erase(world: World, record: Record) -> None:
    """Destroy a record at this node, as an order that is final does."""
    from node.chain.erasing import Eraser

    eraser = Eraser(world.node.store, world.node.chain)
    for group in eraser.groups([record.record_id]):
        eraser.erase(group, lambda gone: {})
