"""Bent questions that a member seals itself: a coded refusal or silence, nothing spent, no defect.

Bytes are bent inside the seal, so that they reach every decoder and check behind it.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest
from msgspec.structs import replace

from bulwark.privacy.query import EvaluationAnswer, GuardedRequest, RefusalCode, Refused
from bulwark.privacy.sealing import SealingKey
from node.guarded.envelope import EnvelopeRefused, Envelopes, open_question, pad_question
from tests.unit.node.guarded.questions import RELAY, REPLY_KEY, proven, request_of
from tests.unit.node.guarded.world import DOMAIN, Member, World

ENVELOPES = Envelopes(DOMAIN)
ROUNDS = 250


async def said_to(evaluator: Member, padded: bytes) -> RefusalCode | str | None:
    """The code, None for an answer, "silence", or "unreadable" if the reply key was bent."""
    sealed = ENVELOPES.seal_question(padded, evaluator.id, evaluator.sealing.public)
    try:
        reply = await evaluator.evaluator.serve(RELAY, sealed)
    except EnvelopeRefused:
        return "silence"
    try:
        said = ENVELOPES.unseal_answer(reply, open_question(padded).request, REPLY_KEY)
    except EnvelopeRefused:
        return "unreadable"
    return said.code if isinstance(said, Refused) else None


def bent(padded: bytes, draw: random.Random) -> bytes:
    made = bytearray(padded)
    for _ in range(draw.randint(1, 2)):
        at = draw.randrange(len(made))
        made[at] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, made[at] ^ 1 << draw.randrange(8)))
    return bytes(made)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_question_with_bent_bytes_is_never_answered_and_spends_nothing(
    world: World, seed: int
) -> None:
    draw = random.Random(seed)
    evaluator = world["bank-b"]
    padded = pad_question(proven(world["bank-a"], request_of(world), world.view()), 5)
    seen: Counter[object] = Counter()
    for _ in range(ROUNDS):
        other = bent(padded, draw)
        if other != padded:
            seen[await said_to(evaluator, other)] += 1
    assert None not in seen
    assert not evaluator.served and evaluator.store.synced_writes == 0
    assert {RefusalCode.BAD_PROOF, RefusalCode.MALFORMED, "silence"} <= set(seen)
    assert await said_to(evaluator, padded) is None


async def test_every_scalar_and_point_of_a_proof_has_one_encoding(world: World) -> None:
    evaluator = world["bank-b"]
    question = proven(world["bank-a"], request_of(world), world.view())
    for at in range(1, len(question.proof), 32):
        part = bytearray(question.proof[at : at + 32])
        part[31] |= 0x80
        proof = question.proof[:at] + bytes(part) + question.proof[at + 32 :]
        padded = pad_question(GuardedRequest(question.request, proof), 5)
        assert await said_to(evaluator, padded) is RefusalCode.MALFORMED


async def test_a_proof_shortened_or_prolonged_within_the_padding_is_malformed(
    world: World,
) -> None:
    evaluator = world["bank-b"]
    question = proven(world["bank-a"], request_of(world), world.view())
    for proof in (question.proof[:-1], question.proof + b"\x00", b""):
        padded = pad_question(GuardedRequest(question.request, proof), 5)
        assert await said_to(evaluator, padded) is RefusalCode.MALFORMED


async def test_a_question_of_another_length_class_is_malformed(world: World) -> None:
    question = proven(world["bank-a"], request_of(world), world.view())
    for ring_keys in (17, 65):
        code = await said_to(world["bank-b"], pad_question(question, ring_keys))
        assert code is RefusalCode.MALFORMED


async def test_the_key_of_the_epoch_before_still_opens(world: World) -> None:
    evaluator = world["bank-b"]
    old, new = evaluator.sealing, SealingKey.new(evaluator.random)
    evaluator.parts = replace(evaluator.parts, sealing_keys=lambda: [new, old])
    evaluator.evaluator = type(evaluator.evaluator)(evaluator.parts)
    question = proven(world["bank-a"], request_of(world), world.view())
    padded = pad_question(question, 5)
    for key in (old, new):
        sealed = ENVELOPES.seal_question(padded, evaluator.id, key.public)
        reply = await evaluator.evaluator.serve(RELAY, sealed)
        said = ENVELOPES.unseal_answer(reply, question.request, REPLY_KEY)
        assert isinstance(said, EvaluationAnswer)
