"""The asker: relays and evaluators that fail or cheat, stale rings, signed evidence."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from bulwark.ledger.codec import Reader
from bulwark.ledger.ids import MemberId
from bulwark.privacy.query import (
    EvaluationAnswer,
    EvaluationRequest,
    RefusalCode,
    Refused,
    Scope,
    answer,
)
from bulwark.privacy.threshold import Evaluation
from node.guarded.asking import GuardedRound, Patience
from node.guarded.envelope import Envelopes, open_question
from node.guarded.relay import decode_pass
from node.requests import Topic
from node.tagging.rounds import (
    CannotAsk,
    EvaluatorRefused,
    EvaluatorUnavailable,
    NoRelay,
)
from tests.unit.node.guarded.questions import elements
from tests.unit.node.guarded.world import DOMAIN, Member, World

ENVELOPES = Envelopes(DOMAIN)


@pytest.fixture
def asker(world: World) -> Member:
    return world["bank-a"]


async def open_round(
    asker: Member, *, allow_direct: bool = False, patience: Patience | None = None
) -> GuardedRound:
    evaluators = asker.asker_with(allow_direct=allow_direct, patience=patience)
    live = asker.keys.tag_key()
    assert live is not None
    return await evaluators.open(live, elements(2))


def request_seen(member: Member, sealed: bytes) -> EvaluationRequest:
    padded = ENVELOPES.unseal_question(sealed, member.id, [member.sealing])
    return open_question(padded).request


def relays_of(world: World) -> list[MemberId]:
    return [m.receiver for m in world.messages if m.topic is Topic.RELAY]


async def test_the_own_share_costs_neither_slot_nor_proof_nor_message(
    world: World, asker: Member
) -> None:
    asking = await open_round(asker)
    assert asking.preferred()[0] == 1
    assert (await asking.ask(1)).index == 1
    assert (asker.prover.proofs, world.messages) == (0, [])
    assert asker.slots.used(9, Scope.SMALL) == 0


async def test_all_evaluators_of_a_round_get_the_same_request_in_other_ciphertexts(
    world: World, asker: Member
) -> None:
    asking = await open_round(asker)
    await asyncio.gather(*(asking.ask(index) for index in (2, 3, 4)))
    assert asker.prover.proofs == 1
    sealed = [m for m in world.messages if m.topic is Topic.GUARDED]
    requests = {request_seen(world.members[m.receiver], m.body).encode() for m in sealed}
    assert len(requests) == 1
    assert len({m.body for m in sealed}) == 3


async def test_evaluators_are_drawn_anew_for_each_round(asker: Member) -> None:
    orders = {tuple((await open_round(asker)).preferred()) for _ in range(20)}
    assert len(orders) > 5
    assert all(order[0] == 1 for order in orders)


async def test_a_member_that_is_down_comes_last(world: World, asker: Member) -> None:
    world.down = {MemberId("bank-c")}
    for _ in range(5):
        assert (await open_round(asker)).preferred()[-1] == world["bank-c"].index


async def test_a_relay_does_not_evaluate_in_the_round_while_there_is_another(
    world: World, asker: Member
) -> None:
    for _ in range(5):
        world.messages.clear()
        asking = await open_round(asker)
        chosen = asking.preferred()[1:3]
        await asyncio.gather(*(asking.ask(index) for index in chosen))
        evaluating = {m.receiver for m in world.messages if m.topic is Topic.GUARDED}
        assert not evaluating & set(relays_of(world))


async def test_a_relay_that_fails_is_replaced_and_the_request_stays_the_same(
    world: World, asker: Member
) -> None:
    seen: list[bytes] = []

    async def lost(sender: MemberId, body: bytes) -> bytes:
        seen.append(body)
        raise ValueError("no")

    asking = await open_round(asker)
    evaluator = world["bank-b"]
    working = MemberId("tel-e")
    for name in world.members:
        if name != working:
            world.handlers[name, Topic.RELAY] = lost
    answered = await asking.ask(evaluator.index)
    assert answered.index == evaluator.index
    assert len(set(relays_of(world))) == len(relays_of(world))
    sent = [decode_pass(body)[1] for body in seen]
    requests = {request_seen(evaluator, sealed).encode() for sealed in sent}
    assert len(requests) <= 1 and asker.prover.proofs == 1


async def test_an_answer_lost_on_its_way_is_asked_for_again_without_another_slot(
    world: World, asker: Member
) -> None:
    evaluator = world["bank-b"]
    lost = 0

    async def loses(sender: MemberId, body: bytes) -> bytes:
        nonlocal lost
        reply = await evaluator.evaluator.serve(sender, body)
        lost += 1
        if lost == 1:
            raise ValueError("lost")
        return reply

    world.handlers[evaluator.id, Topic.GUARDED] = loses
    assert (await (await open_round(asker)).ask(evaluator.index)).index == evaluator.index
    assert (evaluator.evaluator.answered, evaluator.evaluator.repeated) == (1, 1)
    assert len(evaluator.served) == 1


async def test_tries_are_bounded_in_number(world: World, asker: Member) -> None:
    world.down = {MemberId("bank-b")}
    with pytest.raises(EvaluatorUnavailable, match="no sound answer"):
        await (await open_round(asker)).ask(world["bank-b"].index)
    assert len(relays_of(world)) == Patience().tries


async def test_tries_are_bounded_in_time(world: World, asker: Member) -> None:
    async def slow(sender: MemberId, body: bytes) -> bytes:
        world.now_ms += 6_000
        raise ValueError("late")

    for name in world.members:
        world.handlers[name, Topic.RELAY] = slow
    asking = await open_round(asker, patience=Patience(tries=50, pass_ms=6_000, round_ms=20_000))
    with pytest.raises(EvaluatorUnavailable, match="time"):
        await asking.ask(2)
    assert len(relays_of(world)) == 4
    with pytest.raises(EvaluatorUnavailable, match="time"):
        await asking.ask(3)


async def test_without_a_third_member_nothing_is_asked(world: World, asker: Member) -> None:
    world.down = set(world.members) - {asker.id, MemberId("bank-b")}
    patience = Patience(relay_ms=0)
    with pytest.raises(NoRelay, match="third member"):
        await (await open_round(asker, patience=patience)).ask(world["bank-b"].index)
    assert not world.messages


async def test_a_question_waits_for_connections_that_were_all_ended_at_once(
    world: World, asker: Member
) -> None:
    world.down = set(world.members) - {asker.id}
    asking = await open_round(asker)
    asyncio.get_running_loop().call_later(0.12, world.down.clear)
    evaluation = await asking.ask(world["bank-b"].index)
    assert evaluation.index == world["bank-b"].index


async def test_without_a_third_member_the_direct_way_only_if_it_was_allowed(
    world: World, asker: Member
) -> None:
    world.down = set(world.members) - {asker.id, MemberId("bank-b")}
    evaluation = await (await open_round(asker, allow_direct=True)).ask(world["bank-b"].index)
    assert evaluation.index == world["bank-b"].index
    assert [(m.receiver, m.topic) for m in world.messages] == [("bank-b", Topic.GUARDED)]


async def test_a_refusal_is_an_error_with_its_code(world: World, asker: Member) -> None:
    evaluator = world["bank-b"]
    evaluator.keys.live = None
    with pytest.raises(EvaluatorRefused) as refused:
        await (await open_round(asker)).ask(evaluator.index)
    assert refused.value.code is RefusalCode.NOT_READY
    assert len(relays_of(world)) == 1


async def test_a_newer_ring_makes_the_question_anew_with_the_same_slot(
    world: World, asker: Member
) -> None:
    asking = await open_round(asker)
    await asking.ask(2)
    view = world.view(since=101, without=["tel-e"])
    world.follow(view)
    world.now_ms += 15_000
    await asyncio.gather(asking.ask(3), asking.ask(4))
    assert asker.prover.proofs == 2
    assert asker.slots.used(9, Scope.SMALL) == 1
    assert world["bank-c"].served[0][0].slot == world["bank-b"].served[0][0].slot


async def test_a_newer_epoch_makes_the_question_anew_with_a_slot_of_its_own(
    world: World, asker: Member
) -> None:
    asking = await open_round(asker)
    await asking.ask(2)
    world.follow(world.view(since=101, epoch=10))
    world.now_ms += 61_000
    for member in world.members.values():
        member.clock_off_ms = -61_000  # the request itself has not run out
    asking._ends_ms += 61_000
    await asking.ask(3)
    assert (asker.slots.used(9, Scope.SMALL), asker.slots.used(10, Scope.SMALL)) == (1, 1)
    assert world["bank-c"].served[0][0].epoch == 10


async def test_an_evaluator_that_is_behind_costs_no_second_proof(
    world: World, asker: Member
) -> None:
    world.follow(world.view(since=101, without=["tel-e"]), asker, world["bank-c"])
    asking = await open_round(asker)
    with pytest.raises(EvaluatorRefused) as refused:
        await asking.ask(world["bank-b"].index)
    assert refused.value.code is RefusalCode.FOREIGN_RING
    assert asker.prover.proofs == 1


async def test_a_question_is_made_anew_once_only(world: World, asker: Member) -> None:
    evaluator = world["bank-b"]
    count = 0

    async def fussy(sender: MemberId, body: bytes) -> bytes:
        nonlocal count
        count += 1
        world.follow(world.view(since=100 + count, without=[f"tel-{'de'[count % 2]}"]), asker)
        refusal = Refused(RefusalCode.FOREIGN_RING, "")
        return ENVELOPES.seal_answer(refusal, request_seen(evaluator, body))

    world.handlers[evaluator.id, Topic.GUARDED] = fussy
    for name in world.members:
        world.members[name].relay._sizes = lambda: range(1 << 16)
    with pytest.raises(EvaluatorRefused):
        await (await open_round(asker)).ask(evaluator.index)
    assert (count, asker.prover.proofs) == (2, 2)


async def test_a_member_without_a_key_in_the_ring_is_told_so(world: World, asker: Member) -> None:
    world.follow(world.view(since=101, without=["bank-a"]))
    with pytest.raises(CannotAsk, match="ring key"):
        await (await open_round(asker)).ask(2)
    assert not world.messages


def cheats(world: World, evaluator: Member, spoil: str) -> None:
    """An evaluator whose answers are spoiled in one thing."""

    async def serve(sender: MemberId, body: bytes) -> bytes:
        request = request_seen(evaluator, body)
        good = await evaluator.evaluator.serve(sender, body)
        del good
        live = evaluator.keys.tag_key()
        assert live is not None
        index = evaluator.index if spoil != "index" else evaluator.index % 5 + 1
        asked = replace(request, nonce=b"x" * 16) if spoil == "request" else request
        if spoil == "key":
            asked = replace(request, key_id=2)
        if spoil == "share epoch":
            asked = replace(request, share_epoch=7)
        signer = world["tel-e"].account if spoil == "signer" else evaluator.account
        shown = Evaluation(index, elements(2, b"wrong"), bytes(64))
        made = answer(asked, shown, DOMAIN, signer)
        if spoil == "key":
            made = replace(made, request=request.digest())
        return ENVELOPES.seal_answer(made, request)

    world.handlers[evaluator.id, Topic.GUARDED] = serve


@pytest.mark.parametrize("spoil", ["index", "request", "key", "share epoch", "signer"])
async def test_an_answer_that_is_not_the_evaluators_to_this_request_is_none(
    world: World, asker: Member, spoil: str
) -> None:
    cheats(world, world["bank-b"], spoil)
    asking = await open_round(asker)
    with pytest.raises(EvaluatorUnavailable, match="no sound answer"):
        await asking.ask(world["bank-b"].index)
    asking.wrong(world["bank-b"].index, "reason")
    assert not asker.wrongs


async def test_a_wrong_answer_is_named_and_its_evidence_convinces_others(
    world: World, asker: Member
) -> None:
    evaluator = world["bank-b"]
    cheats(world, evaluator, "the proof")
    tagger = asker.tagger()
    for number in range(8):
        value = f"{number}.example"
        assert await tagger.tags([("domain", value)]) == [world.expected("domain", value)]
    assert tagger.bad_evaluations == len(asker.wrongs) > 0
    for wrong in asker.wrongs:
        assert wrong.index == evaluator.index
        assert wrong.relay not in (None, asker.id, evaluator.id)
        reader = Reader(wrong.request, "evidence")
        request = EvaluationRequest.read(reader)
        reader.end()
        shown = EvaluationAnswer.decode(wrong.answer)
        shown.check_signature(DOMAIN, evaluator.account.address)
        assert shown.request == request.digest()
