"""An evaluator answers members with a slot left, refuses the rest by code, and cheaply."""

from __future__ import annotations

import asyncio
import threading

import pytest
from msgspec.structs import replace

from bulwark.privacy.query import EvaluationAnswer, RefusalCode, Refused, Scope
from bulwark.privacy.threshold import TaggingRound
from node.guarded.evaluator import MAX_WAITING, MAX_WAITING_OF_ONE
from node.storage.errors import StoreWriteFailed
from tests.unit.node.guarded.questions import (
    RELAY,
    code_of,
    counted,
    elements,
    proven,
    reply_to,
    request_of,
    sealed_to,
    until,
)
from tests.unit.node.guarded.world import DOMAIN, Member, World, deterministic


@pytest.fixture
def asker(world: World) -> Member:
    return world["bank-a"]


@pytest.fixture
def evaluator(world: World) -> Member:
    return world["bank-b"]


async def test_an_answer_is_signed_and_its_proof_holds(
    world: World, asker: Member, evaluator: Member
) -> None:
    live = world.live(1)
    tagging = TaggingRound(live.key, [b"input"], deterministic(b"client"))
    request = request_of(world, blinded=tuple(tagging.blinded_elements()))
    reply = await reply_to(evaluator, proven(asker, request, world.view()))
    assert isinstance(reply, EvaluationAnswer)
    reply.check_signature(DOMAIN, evaluator.account.address)
    assert (reply.request, reply.evaluation.index) == (request.digest(), evaluator.index)
    assert tagging.accept(reply.evaluation)


async def test_the_statement_is_logged_once_with_its_proof(
    world: World, asker: Member, evaluator: Member
) -> None:
    question = proven(asker, request_of(world), world.view())
    for _ in range(3):
        assert await code_of(evaluator, question) is None
    ((statement, proof),) = evaluator.served
    assert statement.message == question.request.digest()
    assert proof.encode() == question.proof


async def test_nothing_is_answered_before_the_spent_slot_is_on_disk(
    world: World, asker: Member, evaluator: Member
) -> None:
    question = proven(asker, request_of(world), world.view())
    await reply_to(evaluator, question)
    assert evaluator.store.synced_writes == 1
    evaluator.store.refuse_writes = True
    with pytest.raises(StoreWriteFailed):
        await reply_to(evaluator, proven(asker, request_of(world, slot=6), world.view()))


async def test_a_request_asked_again_is_answered_again_without_a_proof(
    world: World, asker: Member, evaluator: Member
) -> None:
    checks = counted(evaluator)
    question = proven(asker, request_of(world), world.view())
    first, second = await reply_to(evaluator, question), await reply_to(evaluator, question)
    assert isinstance(first, EvaluationAnswer) and isinstance(second, EvaluationAnswer)
    assert first.evaluation.elements == second.evaluation.elements
    assert checks.seen == ["claim", "links", "membership"]
    assert (evaluator.evaluator.answered, evaluator.evaluator.repeated) == (1, 1)


async def test_a_slot_used_for_another_request_never_reaches_the_proof_check(
    world: World, asker: Member, evaluator: Member
) -> None:
    await reply_to(evaluator, proven(asker, request_of(world), world.view()))
    checks = counted(evaluator)
    other = proven(asker, request_of(world, nonce=b"n" * 16), world.view())
    assert await code_of(evaluator, other) is RefusalCode.SPENT
    assert checks.seen == []


async def test_a_spent_slot_stays_spent_over_a_restart(
    world: World, asker: Member, evaluator: Member
) -> None:
    first = proven(asker, request_of(world), world.view())
    await reply_to(evaluator, first)
    evaluator.rebuilt_evaluator()
    other = proven(asker, request_of(world, blinded=elements(3)), world.view())
    assert await code_of(evaluator, other) is RefusalCode.SPENT
    assert await code_of(evaluator, first) is None


async def test_of_two_requests_for_one_slot_at_the_same_time_one_is_answered(
    world: World, asker: Member, evaluator: Member
) -> None:
    both = threading.Barrier(2, timeout=10)
    counted(evaluator).gate = lambda: both.wait() and None
    questions = [
        proven(asker, request_of(world, nonce=bytes([number]) * 16), world.view())
        for number in range(2)
    ]
    codes = await asyncio.gather(*(code_of(evaluator, question) for question in questions))
    assert sorted(codes, key=str) == [RefusalCode.SPENT, None]
    assert len(evaluator.served) == 1


async def test_copies_of_one_request_at_the_same_time_are_checked_once(
    world: World, asker: Member, evaluator: Member
) -> None:
    checks = counted(evaluator)
    question = proven(asker, request_of(world), world.view())
    assert await asyncio.gather(*(code_of(evaluator, question) for _ in range(4))) == [None] * 4
    assert checks.seen == ["claim", "links", "membership"]
    assert len(evaluator.served) == 1
    assert (evaluator.evaluator.answered, evaluator.evaluator.repeated) == (1, 3)


async def test_a_copy_after_a_restart_is_evaluated_again_without_a_proof(
    world: World, asker: Member, evaluator: Member
) -> None:
    question = proven(asker, request_of(world), world.view())
    await reply_to(evaluator, question)
    evaluator.rebuilt_evaluator()
    checks = counted(evaluator)
    assert await code_of(evaluator, question) is None
    assert checks.seen == [] and len(evaluator.served) == 1
    assert (evaluator.evaluator.answered, evaluator.evaluator.repeated) == (1, 1)


async def test_a_copy_with_a_nullifier_of_somebody_else_is_proved_anew(
    world: World, asker: Member, evaluator: Member
) -> None:
    question = proven(asker, request_of(world), world.view())
    await reply_to(evaluator, question)
    foreign = proven(world["bank-c"], request_of(world, slot=6), world.view()).proof
    forged = question.proof[:65] + foreign[65:97] + question.proof[97:]
    assert await code_of(evaluator, replace(question, proof=forged)) is RefusalCode.BAD_PROOF


async def test_two_members_use_the_same_slot_number(world: World, evaluator: Member) -> None:
    for name in ("bank-a", "bank-c"):
        question = proven(world[name], request_of(world), world.view())
        assert await code_of(evaluator, question) is None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"expires_ms": 0}, RefusalCode.EXPIRED),
        ({"expires_ms": 1_800_000_003_000}, RefusalCode.EXPIRED),
        ({"expires_ms": 1_800_000_063_001}, RefusalCode.EXPIRED),
        ({"key_id": 2}, RefusalCode.WRONG_KEY),
        ({"share_epoch": 1}, RefusalCode.WRONG_KEY),
        ({"epoch": 8}, RefusalCode.WRONG_EPOCH),
        ({"epoch": 10}, RefusalCode.WRONG_EPOCH),
        ({"ring_height": 63}, RefusalCode.FOREIGN_RING),
        ({"ring_height": 101}, RefusalCode.FOREIGN_RING),
        ({"opener_epoch": 4}, RefusalCode.FOREIGN_RING),
        ({"slot": 20}, RefusalCode.NO_SUCH_SLOT),
        ({"scope": Scope.BULK, "slot": 3}, RefusalCode.NO_SUCH_SLOT),
    ],
)
async def test_a_request_that_breaks_a_rule_is_refused_by_code_before_any_proof_check(
    world: World,
    asker: Member,
    evaluator: Member,
    changes: dict[str, object],
    code: RefusalCode,
) -> None:
    checks = counted(evaluator)
    question = proven(asker, request_of(world, **changes), world.view())
    assert await code_of(evaluator, question) is code
    assert evaluator.evaluator.refusals == {code: 1}
    assert checks.seen == [] and not evaluator.served and evaluator.store.synced_writes == 0


@pytest.mark.parametrize("ahead_ms", [1, 60_000])
async def test_the_bounds_of_an_expiry_are_inside(
    world: World, asker: Member, evaluator: Member, ahead_ms: int
) -> None:
    request = request_of(world, expires_ms=world.now_ms + ahead_ms)
    assert await code_of(evaluator, proven(asker, request, world.view())) is None


async def test_a_proof_for_another_message_is_refused_and_spends_nothing(
    world: World, asker: Member, evaluator: Member
) -> None:
    request = request_of(world)
    stolen = proven(asker, request, world.view(), message=b"m" * 64)
    checks = counted(evaluator)
    assert await code_of(evaluator, stolen) is RefusalCode.BAD_PROOF
    assert checks.seen == ["claim", "links"]
    assert await code_of(evaluator, proven(asker, request, world.view())) is None


async def test_a_proof_that_nobody_can_open_is_refused(
    world: World, asker: Member, evaluator: Member
) -> None:
    own = world["bank-c"].ring_secret.public
    question = proven(asker, request_of(world), world.view(), opener=own)
    assert await code_of(evaluator, question) is RefusalCode.BAD_PROOF


async def test_somebody_outside_the_ring_proves_nothing(world: World, evaluator: Member) -> None:
    stranger = Member(world, world["bank-a"].id, 1)
    stranger.ring_secret = type(stranger.ring_secret)(world.secret)
    view = world.view()
    assert view.ring is not None
    forged = replace(view, ring=type(view.ring)(view.ring.suite, (
        stranger.ring_secret.public, *view.ring.keys[1:]
    )))  # fmt: skip
    question = proven(stranger, request_of(world), forged)
    assert await code_of(evaluator, question) is RefusalCode.BAD_PROOF


async def test_bent_elements_are_refused(world: World, asker: Member, evaluator: Member) -> None:
    for slot, element in enumerate((bytes(32), b"\xff" * 32, elements(1)[0][:31] + b"\x80")):
        request = request_of(world, slot=slot, blinded=(elements(1)[0], element))
        question = proven(asker, request, world.view())
        assert await code_of(evaluator, question) is RefusalCode.MALFORMED


async def test_an_evaluator_without_a_share_is_not_ready(
    world: World, asker: Member, evaluator: Member
) -> None:
    question = proven(asker, request_of(world), world.view())
    evaluator.keys.live = replace(world.live(evaluator.index), share=None)
    assert await code_of(evaluator, question) is RefusalCode.NOT_READY
    evaluator.keys.live = None
    assert await code_of(evaluator, question) is RefusalCode.NOT_READY


async def test_overload_is_answered_by_busy_and_passes(
    world: World, asker: Member, evaluator: Member
) -> None:
    gate = threading.Event()
    counted(evaluator).gate = lambda: gate.wait(10) and None
    world.view()
    question = proven(asker, request_of(world), world.view())
    sealed = sealed_to(evaluator, question)
    serve = evaluator.evaluator.serve
    tasks = [asyncio.create_task(serve(RELAY, sealed)) for _ in range(MAX_WAITING_OF_ONE)]
    await until(lambda: evaluator.evaluator.waiting == MAX_WAITING_OF_ONE)
    assert await code_of(evaluator, question) is RefusalCode.BUSY
    other = world["bank-c"].id
    while len(tasks) < MAX_WAITING:
        tasks.append(asyncio.create_task(serve(other, sealed)))
    await until(lambda: evaluator.evaluator.waiting == MAX_WAITING)
    reply = await reply_to(evaluator, question, relay=world["tel-d"].id)
    assert isinstance(reply, Refused) and reply.code is RefusalCode.BUSY
    gate.set()
    await asyncio.gather(*tasks)
    assert evaluator.evaluator.waiting == 0
    assert await code_of(evaluator, question) is None


async def test_what_can_not_be_opened_gets_no_answer(
    world: World, asker: Member, evaluator: Member
) -> None:
    question = proven(asker, request_of(world), world.view())
    for sealed in (
        b"",
        bytes(2000),
        sealed_to(world["bank-c"], question),
        sealed_to(evaluator, question)[:-1],
    ):
        with pytest.raises(ValueError, match="refused"):
            await evaluator.evaluator.serve(RELAY, sealed)
    assert evaluator.evaluator.unreadable == 4
