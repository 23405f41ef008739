"""Which own records may be said anew: those that this member ended or that are out of date."""

from __future__ import annotations

import pytest

from bulwark.ledger.ids import MemberId, RecordId
from bulwark.ledger.lifecycle import Operation, Ruling
from node.reporting.recordviews import RecordViews
from tests.unit.node.chain.lifecycle_world import DAY_MS, START_DAY, World, statement

ALPHA, BRAVO, CHARLIE, REGULATOR = range(4)


def is_over(world: World, record_id: RecordId) -> bool:
    node = world.node
    return RecordViews(node.chain, node.records, node.standings, MemberId("alpha")).is_over(
        record_id
    )


def test_a_record_that_is_not_executed_or_that_answers_is_not_over() -> None:
    world, add = World(), statement(1)
    assert not is_over(world, add.record_id)
    world.say(ALPHA, add)
    assert not is_over(world, add.record_id)


@pytest.mark.parametrize("operation", [Operation.RETRACT, Operation.EXPIRE, Operation.ERASE])
def test_what_its_reporter_ended_may_be_said_again(operation: Operation) -> None:
    world, add = World(), statement(1)
    world.say(ALPHA, add)
    world.follow(ALPHA, add.record_id, operation)
    assert is_over(world, add.record_id)


def test_what_outlived_its_last_day_may_be_said_again_and_not_a_day_before() -> None:
    world, add = World(), statement(1, valid_days=2)
    world.say(ALPHA, add)
    world.block(at_ms=(START_DAY + 3) * DAY_MS - 1)
    assert not is_over(world, add.record_id)
    world.block(at_ms=(START_DAY + 3) * DAY_MS)
    assert is_over(world, add.record_id)


def test_what_is_disputed_or_overruled_waits_for_a_ruling_or_a_person() -> None:
    world, add = World(), statement(1, valid_days=2)
    world.say(ALPHA, add)
    world.follow(BRAVO, add.record_id, Operation.DISPUTE, 5)
    world.block(at_ms=(START_DAY + 30) * DAY_MS)
    assert not is_over(world, add.record_id)
    world.follow(REGULATOR, add.record_id, Operation.RULE, Ruling.UPHELD)
    assert not is_over(world, add.record_id)
