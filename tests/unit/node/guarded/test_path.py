"""The guarded path from asker through relays to evaluators and back."""

from __future__ import annotations

from node.requests import Topic
from tests.unit.node.guarded.world import World


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
