"""A member's quota holds on real nodes, whatever the member does: slots, nullifiers, keys.

One member is a rogue: its real node, with questions made by hand (`tests/nets/rogue.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from bulwark.ledger.ids import Address, MemberId
from bulwark.privacy.memberkeys import new_ring_key, register
from bulwark.privacy.query import EvaluationAnswer, GuardedRequest, RefusalCode, Refused, Scope
from bulwark.privacy.ring.ristretto import member_ring
from contracts.bindings import member_id_bytes
from contracts.privacy.keys import PRIVACY_KEYS, encode_register, read_keys
from tests.nets.rogue import Rogue, elements
from tests.nets.wrongs import WRONGS, wrong
from tests.process.support import Alliance, until

pytestmark = pytest.mark.process

QUOTA = 12
REGISTER_GAS = 600_000


@pytest.fixture(scope="module")
def alliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alliance]:
    """Four members that may ask twelve questions a day each."""
    home = tmp_path_factory.mktemp("quota") / "alliance"
    made = Alliance.create(home, 4, 0, quota_small=QUOTA, quota_bulk=1)
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def rogue(alliance: Alliance) -> Iterator[Rogue]:
    """The last member, from now on a rogue."""
    name = alliance.validators[-1]
    alliance.devnet.kill(name)
    with Rogue(alliance.node(name).home) as made:
        yield made


@pytest.fixture
def others(alliance: Alliance) -> list[str]:
    """The honest members."""
    return alliance.validators[:-1]


def codes(rogue: Rogue, question: GuardedRequest, others: list[str]) -> set[RefusalCode | None]:
    """Refusal codes of all of them, None for an answer."""
    replies = rogue.answers(question, others).values()
    return {reply.code if isinstance(reply, Refused) else None for reply in replies}


def test_past_the_last_slot_a_member_is_told_and_known_values_go_on(alliance: Alliance) -> None:
    asker = alliance.validators[0]
    for number in range(QUOTA):
        answer = alliance.screen(asker, kind="email", value=f"question-{number}@quota-test.net")
        assert answer["complete"], answer
    refused = alliance.screen(asker, kind="email", value="one-more@quota-test.net")
    assert not refused["complete"]
    assert "quota" in refused["incomplete_reason"], refused
    assert alliance.screen(asker, kind="email", value="question-0@quota-test.net")["complete"]
    alliance.devnet.kill(asker)
    alliance.devnet.start_node(asker)
    refused = alliance.screen(asker, kind="email", value="one-more@quota-test.net")
    assert "quota" in refused["incomplete_reason"], refused


def test_no_evaluator_answers_past_the_last_slot(rogue: Rogue, others: list[str]) -> None:
    for slot in (QUOTA, QUOTA + 1, 2**32 - 1):
        question = rogue.prove(rogue.request(slot))
        assert codes(rogue, question, others) == {RefusalCode.NO_SUCH_SLOT}


def test_a_spent_nullifier_serves_no_other_message_also_after_a_kill(
    alliance: Alliance, rogue: Rogue, others: list[str]
) -> None:
    first = rogue.prove(rogue.request(0))
    assert codes(rogue, first, others) == {None}
    assert codes(rogue, rogue.prove(rogue.request(0)), others) == {RefusalCode.SPENT}
    for name in others:
        alliance.devnet.kill(name)
    for name in others:
        alliance.devnet.start_node(name, wait=False)
    for name in others:
        alliance.devnet.start_node(name)
    until(lambda: len(rogue.node._mesh.connected()) == len(others), "the rogue is connected again")
    again = replace(first.request, expires_ms=rogue.request(0).expires_ms)
    assert codes(rogue, rogue.prove(again), others) == {RefusalCode.SPENT}
    # The very same request is no new question: who lost the answer gets it again.
    assert codes(rogue, first, others) <= {None, RefusalCode.EXPIRED}


def test_slots_shared_out_among_evaluators_give_no_tag_more_than_the_quota(
    rogue: Rogue, others: list[str]
) -> None:
    """Two sets of t evaluators, the asker left out of both, share an honest one."""
    threshold = rogue.key.key.threshold
    assert threshold == 3
    for slot in (1, 2, 3):
        for sets in (others[:2], others[1:], [others[0], others[2]]):
            question = rogue.prove(rogue.request(slot))
            replies = [rogue.ask(question, name) for name in sets]
            got = sum(isinstance(reply, EvaluationAnswer) for reply in replies)
            is_first = sets == others[:2]
            assert (got + 1 >= threshold) == is_first, f"slot {slot} served twice by {sets}"


def test_a_new_ring_key_in_the_middle_of_an_epoch_gains_nothing(
    rogue: Rogue, others: list[str]
) -> None:
    node, chain_id = rogue.node, rogue.domain.chain_id
    member = node._home.member
    name, before = member_id_bytes(member.id), rogue.view
    assert before.ring is not None
    spent = rogue.prove(rogue.request(4))
    assert codes(rogue, spent, others) == {None}

    fresh = new_ring_key(os.urandom)
    assert member.sealing_key is not None
    sealing = node._guarded.evaluator._parts.sealing_keys()[0].public
    made = register(fresh, sealing, chain_id, name, os.urandom)
    data = encode_register(made.ring_key.encoding, made.possession, made.sealing_key)

    async def send() -> None:
        node._anchorer.send(Address(PRIVACY_KEYS), data, gas=REGISTER_GAS)

    rogue.run(send())

    async def keys() -> list[bytes]:
        return [key.ring_key for key in read_keys(node._executor.slot, name)]

    until(lambda: fresh.public.encoding in rogue.run(keys()), "the new key is on the ledger")
    assert rogue.view.ring is not None
    assert rogue.view.ring.root == before.ring.root, "the ring waits for the next epoch"
    changed = [fresh.public if key == rogue.ring_secret.public else key for key in before.ring.keys]
    forged = rogue.prove(rogue.request(4), ring=member_ring(changed), secret=fresh)
    assert codes(rogue, forged, others) == {RefusalCode.BAD_PROOF}
    assert codes(rogue, rogue.prove(rogue.request(4)), others) == {RefusalCode.SPENT}


@pytest.mark.parametrize(("case", "code"), WRONGS.items(), ids=list(WRONGS))
def test_a_question_with_one_thing_wrong_is_refused_by_all_with_its_code(
    rogue: Rogue, others: list[str], case: str, code: RefusalCode
) -> None:
    assert codes(rogue, wrong(rogue, case, slot=5), others) == {code}


def test_what_is_no_sealed_question_gets_no_answer(rogue: Rogue, others: list[str]) -> None:
    question = rogue.prove(rogue.request(8))
    padded = rogue.padded(question)
    first, second = others[:2]
    good = rogue.sealed(padded, first)
    bent = bytearray(good)
    bent[len(bent) // 2] ^= 1
    for sealed in (b"", good[:-1], good + b"\0", bytes(bent), os.urandom(len(good))):
        assert rogue.send(sealed, first) is None
    assert rogue.send(good, second) is None, "sealed to another"
    short = rogue.send(rogue.sealed(padded[:-32], first), first)
    reply = rogue.unsealed(short, question)
    assert isinstance(reply, Refused) and reply.code is RefusalCode.MALFORMED
    assert isinstance(rogue.unsealed(rogue.send(good, first), question), EvaluationAnswer)


def test_the_slot_of_refused_questions_is_still_free(rogue: Rogue, others: list[str]) -> None:
    """Runs after the refusals above: none of them spent slot 5."""
    assert codes(rogue, rogue.prove(rogue.request(5)), others) == {None}


def test_a_question_of_the_other_scope_has_slots_of_its_own(
    rogue: Rogue, others: list[str]
) -> None:
    bulk = rogue.request(0, scope=Scope.BULK, blinded=elements(9))
    assert codes(rogue, rogue.prove(bulk), others) == {None}
    more = rogue.request(1, scope=Scope.BULK, blinded=elements(9))
    assert codes(rogue, rogue.prove(more), others) == {RefusalCode.NO_SUCH_SLOT}


def test_the_honest_members_go_on(alliance: Alliance, rogue: Rogue, others: list[str]) -> None:
    second, third = others[1:]
    report = alliance.report(
        second, kind="email", value="after-the-rogue@quota-test.net", wait="finalized"
    )
    alliance.until_final(report["height"], others)
    assert alliance.screen(third, kind="email", value="after-the-rogue@quota-test.net")["hit"]
    assert MemberId(alliance.validators[-1]) in rogue.view.members
