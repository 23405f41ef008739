"""Only the ring of now is in time, and for a moment the one that it replaced."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bulwark.privacy.query import RefusalCode, Scope
from node.guarded.envelope import question_size
from node.guarded.freshness import EPOCH_GRACE_MS, RING_GRACE_MS, RequestRefused
from tests.unit.node.guarded.questions import code_of, proven, request_of
from tests.unit.node.guarded.world import World


def refusal(world: World, **changes: object) -> RefusalCode | None:
    try:
        world["bank-b"].fresh.standing(request_of(world, **changes))
    except RequestRefused as refused:
        return refused.code
    return None


def test_the_ring_before_is_good_for_its_grace_and_no_longer(world: World) -> None:
    world.follow(world.view(since=101, without=["tel-e"]))
    assert refusal(world, ring_height=101) is None
    assert refusal(world, ring_height=64) is None
    world.now_ms += RING_GRACE_MS - 1
    assert refusal(world, ring_height=64) is None
    world.now_ms += 1
    assert refusal(world, ring_height=64) is RefusalCode.FOREIGN_RING
    assert refusal(world, ring_height=101) is None


def test_the_epoch_before_is_good_for_a_minute_with_its_own_ring_only(world: World) -> None:
    world.follow(world.view(since=101, epoch=10))
    assert refusal(world, ring_height=101, epoch=10) is None
    assert refusal(world, ring_height=64, epoch=9) is None
    assert refusal(world, ring_height=64, epoch=10) is RefusalCode.FOREIGN_RING
    assert refusal(world, ring_height=101, epoch=9) is RefusalCode.FOREIGN_RING
    world.now_ms += EPOCH_GRACE_MS
    assert refusal(world, ring_height=64, epoch=9) is RefusalCode.WRONG_EPOCH


def test_an_epoch_two_back_is_never_in_time(world: World) -> None:
    world.follow(world.view(since=101, epoch=10))
    world.follow(world.view(since=102, epoch=11))
    assert refusal(world, ring_height=101, epoch=10) is None
    assert refusal(world, ring_height=64, epoch=9) is RefusalCode.WRONG_EPOCH


def test_a_change_that_was_missed_gets_no_grace(world: World) -> None:
    member = world["bank-b"]
    member.chain.views.append(world.view(since=101, without=["tel-e"]))
    member.chain.tip = member.chain.views[-1].since
    assert refusal(world, ring_height=64) is RefusalCode.FOREIGN_RING
    assert refusal(world, ring_height=101) is None


def test_an_older_height_of_the_same_ring_does_not_bring_its_quota_back(world: World) -> None:
    quotas = {Scope.SMALL: 2, Scope.BULK: 0}
    world.follow(world.view(since=101, quotas=quotas))
    standing = world["bank-b"].fresh.standing(request_of(world, ring_height=64))
    assert standing.quotas == quotas


def test_nobody_names_a_height_that_is_still_to_come(world: World) -> None:
    assert refusal(world, ring_height=100) is None
    assert refusal(world, ring_height=101) is RefusalCode.FOREIGN_RING
    assert refusal(world, ring_height=1 << 63) is RefusalCode.FOREIGN_RING


def test_without_a_ring_or_an_opener_nothing_is_ready(world: World) -> None:
    world.follow(world.view(since=101, without=list(world.members)[:4]))
    world.follow(replace(world.view(since=102), opener=None))
    assert refusal(world, ring_height=102) is RefusalCode.NOT_READY


def test_relays_pass_the_lengths_of_the_rings_in_time(world: World) -> None:
    world.follow(world.view(since=101, without=["bank-b", "bank-c", "tel-d"]))
    sizes = world["bank-b"].fresh.sealed_sizes()
    assert sizes == {question_size(scope, keys) + 48 for scope in Scope for keys in (2, 5)}
    world.now_ms += RING_GRACE_MS
    assert len(world["bank-b"].fresh.sealed_sizes()) == 2


async def test_a_member_that_left_proves_for_the_grace_only(world: World) -> None:
    before = world.view()
    world.follow(world.view(since=101, without=["bank-a"]))
    asker, evaluator = world["bank-a"], world["bank-b"]
    assert await code_of(evaluator, proven(asker, request_of(world), before)) is None
    world.now_ms += RING_GRACE_MS
    late = proven(asker, request_of(world, slot=6), before)
    assert await code_of(evaluator, late) is RefusalCode.FOREIGN_RING
    mixed = request_of(world, ring_height=101, slot=6)
    code = await code_of(evaluator, proven(asker, mixed, before))
    assert code in (RefusalCode.BAD_PROOF, RefusalCode.MALFORMED)


@pytest.mark.parametrize("height", [0, 63])
def test_a_ring_that_is_not_kept_is_foreign(world: World, height: int) -> None:
    assert refusal(world, ring_height=height) is RefusalCode.FOREIGN_RING
