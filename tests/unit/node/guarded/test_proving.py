"""A proven question shows nothing of its maker, spends one slot and takes whole steps of time."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bulwark.privacy.memberkeys import new_ring_key
from bulwark.privacy.query import Scope
from node.guarded.proving import (
    BEHIND_TIP,
    EXPIRY_STEP_MS,
    PROVING_STEP_MS,
    QuestionProver,
    expiry,
    to_next_step_s,
)
from node.tagging.rounds import CannotAsk, QuotaUsed
from tests.unit.node.guarded.questions import elements
from tests.unit.node.guarded.world import Member, World, deterministic


@pytest.fixture
def asker(world: World) -> Member:
    return world["bank-a"]


async def test_up_to_eight_elements_take_a_small_slot_and_more_a_bulk_one(
    world: World, asker: Member
) -> None:
    for count, scope in ((1, Scope.SMALL), (8, Scope.SMALL), (9, Scope.BULK)):
        prepared = await asker.prover.prepare(world.live(1), elements(count))
        assert prepared.request.scope is scope
    assert asker.slots.used(9, Scope.SMALL) == 2
    assert asker.slots.used(9, Scope.BULK) == 1


async def test_clocks_that_are_off_do_not_show_in_the_expiry(world: World) -> None:
    seen = set()
    for name, off_ms in (("bank-a", -2_000), ("bank-b", 0), ("bank-c", 3_500)):
        world[name].clock_off_ms = off_ms
        prepared = await world[name].prover.prepare(world.live(1), elements(1))
        seen.add(prepared.request.expires_ms)
    assert len(seen) == 1


@pytest.mark.parametrize("now_ms", [0, 1, EXPIRY_STEP_MS - 1, EXPIRY_STEP_MS, 1_800_000_009_999])
def test_an_expiry_is_forty_to_fifty_seconds_ahead_in_whole_steps(now_ms: int) -> None:
    assert expiry(now_ms) % EXPIRY_STEP_MS == 0
    assert 40_000 < expiry(now_ms) - now_ms <= 50_000


@pytest.mark.parametrize(
    ("took_ms", "left_s"), [(0.0, 0.0), (0.5, 0.0095), (10.0, 0.0), (12.25, 0.00775)]
)
def test_proving_time_is_filled_up_to_whole_steps(took_ms: float, left_s: float) -> None:
    assert to_next_step_s(took_ms) == pytest.approx(left_s)


async def test_a_question_is_held_until_the_next_step(world: World, asker: Member) -> None:
    pauses: list[float] = []
    times = iter((100.0, 113.5))

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    parts = replace(asker.prover._parts, pause=pause, steady_ms=lambda: next(times))
    await QuestionProver(parts).prepare(world.live(1), elements(1))
    assert pauses == [pytest.approx((2 * PROVING_STEP_MS - 13.5) / 1000)]


async def test_no_question_is_made_before_what_was_written_is_on_disk(
    world: World, asker: Member
) -> None:
    await asker.prover.prepare(
        world.live(1), elements(1)
    )  # reserves slots, with a flush of its own
    asker.store.write({b"an entry": b"of the access log"}, sync=False)
    assert asker.store.after_power_cut().get(b"an entry") is None
    await asker.prover.prepare(world.live(1), elements(1))
    assert asker.store.after_power_cut().get(b"an entry") is not None


async def test_the_height_named_lies_behind_the_tip(world: World, asker: Member) -> None:
    prepared = await asker.prover.prepare(world.live(1), elements(1))
    assert prepared.request.ring_height == asker.chain.tip - BEHIND_TIP


async def test_a_question_made_anew_keeps_its_slot_while_the_epoch_runs(
    world: World, asker: Member
) -> None:
    first = await asker.prover.prepare(world.live(1), elements(1))
    world.follow(world.view(since=101, without=["tel-e"]))
    second = await asker.prover.prepare(world.live(1), elements(1), first)
    assert (second.slot, second.request.blinded) == (first.slot, first.request.blinded)
    assert second.request.nonce != first.request.nonce
    world.follow(world.view(since=102, epoch=10))
    third = await asker.prover.prepare(world.live(1), elements(1), second)
    assert third.request.epoch == 10
    assert asker.slots.used(9, Scope.SMALL) == 1


async def test_past_the_quota_the_reason_is_for_people(world: World, asker: Member) -> None:
    for _ in range(3):
        await asker.prover.prepare(world.live(1), elements(9))
    with pytest.raises(QuotaUsed, match="all 3 bulk requests"):
        await asker.prover.prepare(world.live(1), elements(9))


async def test_a_quota_that_shrank_gives_no_slot_that_would_be_refused(
    world: World, asker: Member
) -> None:
    await asker.prover.prepare(world.live(1), elements(1))
    world.follow(world.view(since=101, quotas={Scope.SMALL: 6, Scope.BULK: 0}))
    slots = []
    with pytest.raises(QuotaUsed):
        while True:
            slots.append((await asker.prover.prepare(world.live(1), elements(1))).slot)
    assert all(slot < 6 for slot in slots)
    with pytest.raises(QuotaUsed):
        await asker.prover.prepare(world.live(1), elements(9))


async def test_a_member_that_is_not_in_the_ring_is_told_so(world: World, asker: Member) -> None:
    world.follow(world.view(since=101, without=["bank-a"]))
    with pytest.raises(CannotAsk, match="no ring key in force"):
        await asker.prover.prepare(world.live(1), elements(1))
    assert asker.slots.used(9, Scope.SMALL) == 0


async def test_a_key_that_waits_for_its_epoch_is_no_key_yet(world: World, asker: Member) -> None:
    asker.ring_secret = new_ring_key(deterministic(b"new"))
    with pytest.raises(CannotAsk, match="no ring key in force"):
        await asker.prover.prepare(world.live(1), elements(1))


async def test_without_an_opener_nothing_is_asked(world: World, asker: Member) -> None:
    world.follow(replace(world.view(since=101), opener=None))
    with pytest.raises(CannotAsk, match="council"):
        await asker.prover.prepare(world.live(1), elements(1))


async def test_secrets_are_not_printed(world: World, asker: Member) -> None:
    prepared = await asker.prover.prepare(world.live(1), elements(1))
    assert prepared.reply_key.secret.hex() not in repr(prepared)
    assert repr(prepared.reply_key.secret) not in repr(prepared)
