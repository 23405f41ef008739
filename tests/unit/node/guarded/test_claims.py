"""Claims of this member: encrypted at rest, read page by page, on disk before a question leaves."""

from __future__ import annotations

import json
import os

import pytest
from msgspec.structs import replace

from bulwark.privacy.group import Scalar, decode_element
from bulwark.privacy.memberkeys import RingSecret
from bulwark.privacy.query import Scope
from bulwark.privacy.slotclaim import Slot, SlotClaim, check_claim, make_claim
from node.guarded.accessfile import AccessFileInvalid
from node.guarded.atrest import AtRest
from node.guarded.claimfile import MAX_LINE, claims_head, read_claims
from node.guarded.claims import CLAIMS, ClaimBook, asked_for
from node.guarded.proving import QuestionProver
from node.storage.errors import StoreDamaged
from node.storage.memory import MemoryStore
from tests.unit.node.guarded.questions import elements
from tests.unit.node.guarded.world import DOMAIN, Member, World

SECRET = RingSecret(Scalar.from_int(77))


@pytest.fixture
def asker(world: World) -> Member:
    return world["bank-a"]


def claim(epoch: int, slot: int, scope: int = 1) -> SlotClaim:
    return make_claim(SECRET, Slot(1, bytes(32), epoch, scope, slot), (1, 1), os.urandom)


def book(store: MemoryStore, vault_key: bytes = bytes(32)) -> ClaimBook:
    return ClaimBook(store, AtRest(vault_key, b"slot-claims", os.urandom))


def test_claims_come_back_in_their_order_page_by_page_and_are_encrypted_at_rest() -> None:
    store = MemoryStore()
    made = [claim(1, 9), claim(2, 3), claim(2, 4), claim(2, 4, scope=2), claim(3, 0)]
    for each in reversed(made):
        book(store).note(each)
    found: list[SlotClaim] = []
    after: bytes | None = None
    while True:
        page = book(store).page(after, 2)
        assert len(page.claims) <= 2
        found += page.claims
        after = page.next
        if after is None:
            break
    assert found == made
    for _, value in store.iterate(CLAIMS):
        assert not any(each.nullifier in value for each in made)
    with pytest.raises(StoreDamaged):
        book(store, b"\x01" * 32).page()


def test_claims_of_old_epochs_are_dropped() -> None:
    store = MemoryStore()
    for epoch in (1, 2, 3):
        book(store).note(claim(epoch, epoch))
    assert book(store).prune(3, most=1) == 1
    assert book(store).prune(3) == 1
    assert [each.epoch for each in book(store).page().claims] == [3]


async def test_a_question_is_claimed_for_the_entries_of_its_request_before_it_is_durable(
    world: World, asker: Member
) -> None:
    claims = book(asker.store)
    prover = QuestionProver(replace(asker.prover._parts, claim=claims.note))
    asked_for.set((4, 5))
    prepared = await prover.prepare(world.live(1), elements(1))
    (kept,) = claims.page().claims
    assert (kept.first, kept.last, kept.slot) == (4, 5, prepared.slot)
    check_claim(kept, DOMAIN.chain_id, DOMAIN.genesis_hash)
    assert decode_element(kept.ring_key) == asker.ring_secret.public
    left = asker.store.after_power_cut()
    assert len(list(left.iterate(CLAIMS))) == 1, "it is on disk before the question leaves"


async def test_what_asks_outside_of_any_request_is_claimed_for_no_entry(
    world: World, asker: Member
) -> None:
    claims = book(asker.store)
    prover = QuestionProver(replace(asker.prover._parts, claim=claims.note))
    asked_for.set((0, 0))
    await prover.prepare(world.live(1), elements(9))
    (kept,) = claims.page().claims
    assert (kept.first, kept.last, kept.scope) == (0, 0, Scope.BULK)


async def test_the_nullifier_of_a_claim_is_the_one_that_the_question_proves(
    world: World, asker: Member
) -> None:
    claims = book(asker.store)
    prover = QuestionProver(replace(asker.prover._parts, claim=claims.note))
    prepared = await prover.prepare(world.live(1), elements(1))
    (kept,) = claims.page().claims
    assert kept.nullifier in prepared.question.proof


def test_a_file_of_claims_is_read_back_and_what_is_none_is_named_with_its_line() -> None:
    made = [claim(1, 2), claim(1, 3)]
    lines = [claims_head("coast") + "\n", *(f"{each.encode().hex()}\n" for each in made)]
    assert list(read_claims(lines, "coast")) == made
    other = json.dumps({"format": "x", "member": "coast"})
    for bad, line, reason in (
        ([], 1, "format and member"),
        ([other], 1, "is needed"),
        ([claims_head("alps")], 1, "not the claims of coast"),
        ([lines[0], "zz"], 2, "no claim"),
        ([lines[0], lines[1][:-4]], 2, "no claim"),
        ([lines[0], lines[1], "0" * (MAX_LINE + 1)], 3, "over"),
    ):
        with pytest.raises(AccessFileInvalid, match=reason) as caught:
            list(read_claims(bad, "coast"))
        assert caught.value.line == line
