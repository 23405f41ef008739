"""The guarded path from asker through relays to evaluators and back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from msgspec.structs import replace

from bulwark.ledger.ids import MemberId
from bulwark.privacy.query import RefusalCode, Scope
from node.requests import Topic
from node.tagging.tagger import NO_KEY, QuotaUsedUp, TaggingUnavailable
from tests.unit.node.guarded.world import Handler, World


async def test_tag_through_relays_is_that_of_the_undivided_key(world: World) -> None:
    asker = world["bank-a"]
    found = await asker.tagger().tags([("phone", "+442079460958"), ("domain", "evil.example")])
    assert found == [
        world.expected("phone", "+442079460958"),
        world.expected("domain", "evil.example"),
    ]
    assert asker.prover.proofs == 1


async def test_every_foreign_evaluator_is_reached_through_a_third_member(world: World) -> None:
    for number in range(4):
        await world["bank-a"].tagger().tags([("domain", f"{number}.example")])
    for message in world.messages:
        if message.topic is Topic.GUARDED:
            assert message.sender != "bank-a"
            assert message.receiver not in ("bank-a", message.sender)
        else:
            assert message.sender == "bank-a"


async def test_a_list_takes_one_bulk_slot_a_round(world: World) -> None:
    asker = world["bank-a"]
    values = [("domain", f"{number}.example") for number in range(60)]
    assert await asker.tagger().tags(values) == [world.expected(*value) for value in values]
    assert asker.slots.used(9, Scope.BULK) == 1
    assert asker.slots.used(9, Scope.SMALL) == 0


async def test_a_member_without_a_share_asks_t_others(world: World) -> None:
    asker = world["bank-a"]
    asker.keys.live = replace(world.live(asker.index), share=None)
    found = await asker.tagger().tags([("domain", "evil.example")])
    assert found == [world.expected("domain", "evil.example")]
    assert not asker.evaluator.answered
    assert sum(member.evaluator.answered for member in world.members.values()) == 3


async def test_past_the_last_slot_people_are_told_and_known_tags_go_on(world: World) -> None:
    asker = world["bank-a"]
    tagger = asker.tagger()
    for number in range(20):
        (tag,) = await tagger.tags([("domain", f"{number}.example")])
        assert isinstance(tag, bytes)
    (refused,) = await tagger.tags([("domain", "20.example")])
    assert isinstance(refused, QuotaUsedUp)
    assert "all 20 small requests" in str(refused)
    assert await tagger.tags([("domain", "3.example")]) == [world.expected("domain", "3.example")]
    world.follow(world.view(since=101, epoch=10))
    (tag,) = await tagger.tags([("domain", "20.example")])
    assert tag == world.expected("domain", "20.example")


async def test_a_member_that_forgets_its_slots_is_stopped_and_leaps_past_them(
    pool: ThreadPoolExecutor,
) -> None:
    """Where t = 2f+1 of n = 3f+1: two sets of evaluators share one that knows the slot."""
    world = World(pool, ["bank-a", "bank-b", "bank-c", "tel-d"], 3)
    world.follow(world.view(since=101, epoch=10, quotas={Scope.SMALL: 1_000, Scope.BULK: 3}))
    asker = world["bank-a"]
    tagger = asker.tagger()
    for number in range(10):
        await tagger.tags([("domain", f"{number}.example")])
    for key, _ in list(asker.store.iterate(b"u\x02")):
        asker.store.write({key: None}, sync=False)
    asker.slots._open.clear()
    (tag,) = await tagger.tags([("domain", "10.example")])
    assert tag == world.expected("domain", "10.example")
    others = [member for member in world.members.values() if member is not asker]
    assert sum(member.evaluator.refusals[RefusalCode.SPENT] for member in others) >= 1
    assert asker.slots.used(10, Scope.SMALL) > 10
    world.close()


async def test_a_new_sharing_between_rounds_is_used_whole(world: World) -> None:
    asker = world["bank-a"]
    tagger = asker.tagger()
    for share_epoch in (1, 2):
        for member in world.members.values():
            member.keys.live = world.live(member.index, share_epoch)
        value = f"{share_epoch}.example"
        assert await tagger.tags([("domain", value)]) == [world.expected("domain", value)]
    assert tagger.cached("domain", "1.example") == world.expected("domain", "1.example")
    assert tagger.bad_evaluations == 0


def changing(world: World, asker: str, share_epoch: int) -> None:
    """The asker's next question meets evaluators that went over to another sharing."""

    def changes(name: MemberId) -> Handler:
        member = world.members[name]

        async def serve(sender: MemberId, body: bytes) -> bytes:
            for each in world.members.values():
                each.keys.live = world.live(each.index, share_epoch)
            return await member.evaluator.serve(sender, body)

        return serve

    for name in world.members:
        if name != asker:
            world.handlers[name, Topic.GUARDED] = changes(name)


async def test_a_sharing_that_changes_during_a_round_begins_it_anew(world: World) -> None:
    asker = world["bank-a"]
    changing(world, "bank-a", 1)
    tagger = asker.tagger()
    found = await tagger.tags([("domain", "evil.example")])
    assert found == [world.expected("domain", "evil.example")]
    assert (tagger.rounds, tagger.bad_evaluations) == (2, 0)
    assert asker.slots.used(9, Scope.SMALL) == 2


async def test_evaluators_of_another_sharing_are_not_mixed_in(world: World) -> None:
    asker = world["bank-a"]
    for name in ("bank-c", "tel-d", "tel-e"):
        world[name].keys.live = world.live(world[name].index, 1)
    (refused,) = await asker.tagger().tags([("domain", "evil.example")])
    assert isinstance(refused, TaggingUnavailable)
    assert (refused.good, refused.needed) == (2, 3)
    assert "refused: wrong key" in str(refused)


async def test_another_key_empties_the_cache(world: World) -> None:
    asker = world["bank-a"]
    tagger = asker.tagger()
    await tagger.tags([("domain", "evil.example")])
    asker.keys.live = world.live(asker.index, key_id=2)
    assert tagger.cached("domain", "evil.example") is None
    assert len(tagger.cache) == 0


async def test_without_a_key_the_reason_is_told(world: World) -> None:
    asker = world["bank-a"]
    asker.keys.live = None
    (refused,) = await asker.tagger().tags([("domain", "evil.example")])
    assert isinstance(refused, TaggingUnavailable) and str(refused) == NO_KEY


async def test_silent_evaluators_are_replaced_and_too_few_are_counted(world: World) -> None:
    tagger = world["bank-a"].tagger()
    world.down = {MemberId("bank-b"), MemberId("bank-c")}
    for number in range(3):
        value = f"{number}.example"
        assert await tagger.tags([("domain", value)]) == [world.expected("domain", value)]
    world.down.add(MemberId("tel-d"))
    (refused,) = await tagger.tags([("domain", "evil.example")])
    assert isinstance(refused, TaggingUnavailable) and (refused.good, refused.needed) == (1, 3)
    assert "no third member" in str(refused)


async def test_without_a_third_member_connected_the_direct_way_must_be_allowed(
    pool: ThreadPoolExecutor,
) -> None:
    world = World(pool, ["bank-a", "bank-b", "bank-c"], 2)
    world.down.add("bank-c")
    asker = world["bank-a"]
    (refused,) = await asker.tagger().tags([("domain", "evil.example")])
    assert isinstance(refused, TaggingUnavailable) and "no third member" in str(refused)
    assert not [m for m in world.messages if (m.sender, m.topic) == ("bank-a", Topic.GUARDED)]
    direct = asker.asker_with(allow_direct=True)
    found = await asker.tagger(direct).tags([("domain", "evil.example")])
    assert found == [world.expected("domain", "evil.example")]
    assert direct.direct == 1
    world.close()


async def test_in_an_alliance_of_two_there_is_only_the_direct_way(pool: ThreadPoolExecutor) -> None:
    world = World(pool, ["bank-a", "bank-b"], 2)
    found = await world["bank-a"].tagger().tags([("domain", "evil.example")])
    assert found == [world.expected("domain", "evil.example")]
    world.close()


async def test_a_member_alone_needs_nobody(pool: ThreadPoolExecutor) -> None:
    world = World(pool, ["bank-a"], 1)
    asker = world["bank-a"]
    found = await asker.tagger().tags([("domain", "evil.example")])
    assert found == [world.expected("domain", "evil.example")]
    assert (asker.prover.proofs, world.messages) == (0, [])
    world.close()
