"""Each party plays its role and tries: what evaluators and relays hold and can change."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from msgspec.structs import fields, replace

from bulwark.ledger.ids import MemberId
from bulwark.privacy.query import (
    EvaluationRequest,
    GuardedRequest,
    RefusalCode,
    Refused,
    Scope,
)
from node.guarded.asking import GuardedRound
from node.guarded.envelope import EnvelopeRefused, Envelopes, open_question
from node.guarded.relay import decode_pass
from node.requests import Topic
from node.tagging.rounds import EvaluatorUnavailable
from tests.unit.node.guarded.questions import REPLY_KEY, elements
from tests.unit.node.guarded.world import DOMAIN, Member, World

ENVELOPES = Envelopes(DOMAIN)
NAMES = ["bank-a", "bank-b", "bank-c", "tel-d", "tel-e"]
TARGET = "bank-c"


@dataclass(frozen=True)
class Sight:
    """All that one evaluator got to see and keeps of one question."""

    peers: set[str]
    question: GuardedRequest
    sealed: bytes
    padded: bytes
    disk: dict[bytes, bytes]


async def opened(world: World, asker: Member, count: int = 2) -> GuardedRound:
    return await asker.asker.open(world.live(asker.index), elements(count))


async def sight_of(world: World, asker: Member, count: int = 2) -> Sight:
    target = world[TARGET]
    await (await opened(world, asker, count)).ask(target.index)
    (seen,) = [m for m in world.messages if (m.receiver, m.topic) == (TARGET, Topic.GUARDED)]
    padded = ENVELOPES.unseal_question(seen.body, target.id, [target.sealing])
    return Sight(
        peers={m.sender for m in world.messages if m.receiver == TARGET},
        question=open_question(padded),
        sealed=seen.body,
        padded=padded,
        disk=dict(target.store.iterate(b"u")),
    )


@pytest.fixture
def twin(pool: ThreadPoolExecutor) -> Iterator[World]:
    """The same alliance once more."""
    made = World(pool, NAMES, 3)
    yield made
    made.close()


async def test_an_evaluator_sees_the_same_of_two_askers_but_for_random_bytes(
    world: World, twin: World
) -> None:
    one, two = world["bank-a"], twin["tel-d"]
    one.clock_off_ms, two.clock_off_ms = -2_500, 3_500
    first, second = await sight_of(world, one), await sight_of(twin, two)
    for sight, asker in ((first, one), (second, two)):
        assert asker.id not in sight.peers
        public = (
            asker.id.encode(),
            asker.account.address,
            asker.sealing.public,
            asker.ring_secret.public.encoding,
        )
        held = sight.padded + b"".join(key + value for key, value in sight.disk.items())
        assert not [name for name in public if name in held]
    drawn = {"nonce", "reply_key", "slot"}
    for field in fields(EvaluationRequest):
        if field.name not in drawn:
            mine = getattr(first.question.request, field.name)
            assert mine == getattr(second.question.request, field.name), field.name
    assert len(first.sealed) == len(second.sealed)
    assert [len(v) for v in first.disk.values()] == [len(v) for v in second.disk.values()]


async def test_two_questions_of_one_member_share_nothing_that_two_members_do_not(
    world: World,
) -> None:
    asker, target = world["bank-a"], world[TARGET]
    for _ in range(2):
        await (await opened(world, asker)).ask(target.index)
    (_, one), (_, two) = target.served
    assert not set(one.elements()) & set(two.elements())
    assert not set(one.scalars()) & set(two.scalars())


async def test_a_relay_sees_whom_and_one_of_two_lengths(world: World, twin: World) -> None:
    lengths = set()
    for alliance, count in ((world, 1), (twin, 8)):
        sight = await sight_of(alliance, alliance["bank-a"], count)
        (passed,) = [m for m in alliance.messages if m.topic is Topic.RELAY]
        target, sealed = decode_pass(passed.body)
        assert target == TARGET
        assert sealed == sight.sealed
        lengths.add(len(passed.body))
        for secret in (*sight.question.request.blinded, sight.question.request.nonce):
            assert secret not in passed.body
    assert len(lengths) == 1


async def test_a_question_sent_to_another_evaluator_opens_for_nobody(world: World) -> None:
    async def misleads(sender: MemberId, body: bytes) -> bytes:
        _, sealed = decode_pass(body)
        return await world["tel-d"].evaluator.serve(sender, sealed)

    for name in NAMES:
        world.handlers[MemberId(name), Topic.RELAY] = misleads
    with pytest.raises(EvaluatorUnavailable):
        await (await opened(world, world["bank-a"])).ask(world[TARGET].index)
    assert world["tel-d"].evaluator.unreadable == 3
    assert not world["tel-d"].served


async def test_a_changed_question_opens_for_nobody_and_spends_nothing(world: World) -> None:
    sight = await sight_of(world, world["bank-a"])
    evaluator = world["bank-b"].evaluator
    for at in range(0, len(sight.sealed), 97):
        bent = bytearray(sight.sealed)
        bent[at] ^= 1
        with pytest.raises(EnvelopeRefused):
            await world[TARGET].evaluator.serve(MemberId("tel-e"), bytes(bent))
    assert evaluator.answered == 0
    assert len(world[TARGET].served) == 1


async def test_a_replayed_question_spends_nothing_and_ends_with_its_expiry(world: World) -> None:
    sight = await sight_of(world, world["bank-a"])
    target = world[TARGET]
    again = await target.evaluator.serve(MemberId("tel-e"), sight.sealed)
    assert len(target.served) == 1
    with pytest.raises(EnvelopeRefused):
        ENVELOPES.unseal_answer(again, sight.question.request, REPLY_KEY)
    world.now_ms = sight.question.request.expires_ms
    await target.evaluator.serve(MemberId("tel-e"), sight.sealed)
    assert target.evaluator.refusals == {RefusalCode.EXPIRED: 1}


@pytest.mark.parametrize(
    "changes",
    [
        {"reply_key": REPLY_KEY.public},
        {"blinded": elements(2, b"thief")},
        {"expires_ms": 1_800_000_060_000},
        {"nonce": b"t" * 16},
        {"slot": 7},
    ],
)
async def test_a_stolen_proof_serves_no_other_request(
    world: World, changes: dict[str, object]
) -> None:
    """One evaluator passes what it was asked on to another, changed in its favour."""
    sight = await sight_of(world, world["bank-a"])
    honest = world["bank-b"]
    stolen = replace(sight.question.request, **{"reply_key": REPLY_KEY.public, **changes})
    padded = len(sight.padded)
    bent = GuardedRequest(stolen, sight.question.proof).encode()
    plain = len(bent).to_bytes(4, "big") + bent + bytes(padded - 4 - len(bent))
    sealed = ENVELOPES.seal_question(plain, honest.id, honest.sealing.public)
    reply = await honest.evaluator.serve(MemberId(TARGET), sealed)
    said = ENVELOPES.unseal_answer(reply, stolen, REPLY_KEY)
    assert isinstance(said, Refused) and said.code is RefusalCode.BAD_PROOF
    assert not honest.served
    await (await opened(world, world["bank-a"])).ask(honest.index)


async def test_one_evaluators_answer_does_not_pass_for_anothers(world: World) -> None:
    asking = await opened(world, world["bank-a"])
    answers: dict[MemberId, bytes] = {}
    other = world["bank-b"]

    async def swaps(sender: MemberId, body: bytes) -> bytes:
        target, sealed = decode_pass(body)
        answers[target] = await world.members[target].evaluator.serve(MemberId("tel-e"), sealed)
        return answers.get(other.id, answers[target])

    for name in NAMES:
        world.handlers[MemberId(name), Topic.RELAY] = swaps
    assert (await asking.ask(other.index)).index == other.index
    with pytest.raises(EvaluatorUnavailable, match="no sound answer"):
        await asking.ask(world[TARGET].index)


async def test_an_answer_redirected_to_another_asker_does_not_open(world: World) -> None:
    kept: list[bytes] = []

    async def keeps(sender: MemberId, body: bytes) -> bytes:
        target, sealed = decode_pass(body)
        kept.append(await world.members[target].evaluator.serve(MemberId("tel-e"), sealed))
        return kept[0]

    for name in NAMES:
        world.handlers[MemberId(name), Topic.RELAY] = keeps
    target = world[TARGET].index
    assert (await (await opened(world, world["bank-a"])).ask(target)).index == target
    with pytest.raises(EvaluatorUnavailable, match="no sound answer"):
        await (await opened(world, world["tel-d"])).ask(target)


async def test_slots_of_a_member_come_in_an_order_that_tells_no_count(world: World) -> None:
    asker, target = world["bank-a"], world[TARGET]
    for _ in range(6):
        await (await opened(world, asker)).ask(target.index)
    slots = [statement.slot for statement, _ in target.served]
    assert len(set(slots)) == 6
    assert slots != sorted(slots)
    assert asker.slots.used(9, Scope.SMALL) == 6
