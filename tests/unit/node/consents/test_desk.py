"""The desk and the gate over a real ledger: gift, renewal, end, erasure, issuing checks."""

from __future__ import annotations

import pytest

from bulwark.consents.commitment import commitment_of
from bulwark.consents.faults import DocumentRefused
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Address, Digest, RecordId, Tag
from bulwark.ledger.lifecycle import ConsentStanding
from bulwark.ledger.record import Record, RecordPayload
from bulwark.ledger.sidecar import Sidecar
from contracts.bindings import CONSENT_REGISTRY
from node.consents.port import PersonName
from node.service import Conflict, Forbidden, Idempotency, NotFound, Stage
from tests.consent_terms import TERMS, terms
from tests.unit.node.consents.world import World, report
from tests.unit.node.execution.alliance import ACCOUNTS, anchor, call

PERSON = PersonName(subject="pairwise-17")


@pytest.fixture
def world() -> World:
    return World()


def standing(world: World, consent_id: str) -> ConsentStanding:
    return world.reader.standing(bytes.fromhex(consent_id), world.node.chain.tip)


async def test_a_gift_is_anchored_with_the_commitment_of_its_receipt(world: World) -> None:
    sent = await world.desk.give(TERMS, wait=Stage.ACCEPTED, idempotency=None)
    assert (sent.stage, sent.height, sent.status) == (Stage.ACCEPTED, None, "given")
    assert standing(world, sent.consent_id) is ConsentStanding.UNKNOWN
    world.settle()
    given = world.desk.show(sent.consent_id)
    assert (given.stage, given.height, given.version) == (Stage.FINALIZED, 1, 1)
    facts = world.reader.facts(given.anchor_id)
    assert facts is not None and facts.commitment == given.commitment
    stored = world.vault.find(given.consent_id)
    assert stored is not None
    version = world.vault.version(stored)
    assert commitment_of(version.receipt, version.salt) == given.commitment
    assert "pairwise-17" not in repr(given)


async def test_a_renewal_brings_another_salt_and_last_day(world: World) -> None:
    given = await world.give(terms(valid_until="2023-12-01"))
    await world.desk.renew(
        given.consent_id,
        {"valid_until": "2024-12-01", "method": "call"},
        wait=Stage.ACCEPTED,
        idempotency=None,
    )
    world.settle()
    renewed = world.desk.show(given.consent_id)
    assert (renewed.version, renewed.height) == (2, 2)
    assert renewed.commitment != given.commitment
    stored = world.vault.find(given.consent_id)
    assert stored is not None
    salts = {each.salt for each in world.vault.versions(stored)}
    assert len(salts) == 2
    world.settle(days_later=300)
    assert standing(world, given.consent_id) is ConsentStanding.GIVEN
    world.settle(days_later=300)
    assert world.desk.show(given.consent_id).status == "expired"
    with pytest.raises(Conflict, match="expired"):
        await world.desk.renew(given.consent_id, {}, wait=Stage.ACCEPTED, idempotency=None)


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"valid_until": "2001-01-01"}, "$['valid_until']"),
        ({"valid_until": 5}, "$['valid_until']"),
        ({"method": "x\ny"}, "$['method']"),
        ({"purpose": "supervision"}, "$['purpose']"),
    ],
)
async def test_a_renewal_changes_nothing_else(
    world: World, document: dict[str, object], path: str
) -> None:
    given = await world.give(TERMS)
    with pytest.raises(DocumentRefused) as refused:
        await world.desk.renew(given.consent_id, document, wait=Stage.ACCEPTED, idempotency=None)
    assert refused.value.faults[0].path == path
    assert not world.sent


@pytest.mark.parametrize(
    ("basis", "reason", "ok"),
    [
        ("consent", "withdrawn", True),
        ("consent", "expired", True),
        ("consent", "invalidated", True),
        ("consent", "objected", False),
        ("consent", "?", False),
        ("contract", "withdrawn", False),
        ("contract", "objected", True),
        ("contract", "expired", True),
    ],
)
async def test_what_rests_on_consent_is_withdrawn_and_what_does_not_is_objected_to(
    world: World, basis: str, reason: str, ok: bool
) -> None:
    given = await world.give(terms(lawful_basis=basis))
    if not ok:
        with pytest.raises(Conflict):
            await world.end(given.consent_id, reason)
        return
    ended = await world.end(given.consent_id, reason)
    assert (ended.status, ended.withdrawn_height) == (reason, 2)
    expected = ConsentStanding.EXPIRED if reason == "expired" else ConsentStanding.WITHDRAWN
    assert standing(world, given.consent_id) is expected
    with pytest.raises(Conflict, match="already"):
        await world.end(given.consent_id, reason)
    with pytest.raises(Conflict, match=reason):
        await world.desk.renew(given.consent_id, {}, wait=Stage.ACCEPTED, idempotency=None)


async def test_one_key_is_one_wish_and_a_member_without_the_role_issues_nothing(
    world: World,
) -> None:
    key = Idempotency("k", Digest(sha256(b"body")))
    given = await world.give(TERMS, key)
    again = await world.desk.give(TERMS, wait=Stage.ACCEPTED, idempotency=key)
    assert again.consent_id == given.consent_id and not world.sent
    world.may_issue = False
    with pytest.raises(Forbidden):
        await world.desk.give(TERMS, wait=Stage.ACCEPTED, idempotency=None)
    with pytest.raises(Forbidden):
        await world.end(given.consent_id)
    assert not world.sent


async def test_only_what_ended_is_erased_and_then_nobody_finds_it(world: World) -> None:
    given = await world.give(terms(phone="+442079460958"))
    with pytest.raises(Conflict, match="stands"):
        await world.desk.erase(given.consent_id)
    await world.end(given.consent_id)
    erased = await world.desk.erase(given.consent_id)
    assert (erased.status, erased.receipt, erased.version) == ("erased", None, 1)
    assert (erased.height, erased.withdrawn_height) == (1, 2)
    assert world.desk.search(PERSON) == world.desk.search(PersonName(phone="+442079460958")) == []
    assert world.desk.page("", 10) == []
    for read in (world.desk.kantara, world.desk.proof):
        with pytest.raises(NotFound, match="erased"):
            read(given.consent_id)
    with pytest.raises(NotFound):
        await world.desk.erase(given.consent_id)
    assert standing(world, given.consent_id) is ConsentStanding.WITHDRAWN


async def test_nothing_is_erased_while_its_end_is_on_the_way(world: World) -> None:
    given = await world.give(TERMS)
    await world.desk.withdraw(given.consent_id, "withdrawn", wait=Stage.ACCEPTED, idempotency=None)
    assert world.desk.show(given.consent_id).status == "withdrawn"
    with pytest.raises(Conflict, match="executed"):
        await world.desk.erase(given.consent_id)
    world.settle()
    assert (await world.desk.erase(given.consent_id)).status == "erased"


async def test_an_end_that_the_registry_reverted_is_none_and_can_be_sent_again(
    world: World,
) -> None:
    given = await world.give(TERMS)
    await world.desk.withdraw(given.consent_id, "withdrawn", wait=Stage.ACCEPTED, idempotency=None)
    sent = world.sent.pop().transaction
    # The same transaction with too little gas: in the block, and of no effect.
    stored = world.vault.find(given.consent_id)
    assert stored is not None
    short = call(ACCOUNTS[0], sent.nonce, Address(CONSENT_REGISTRY), sent.data, gas=25_000)
    world.node.block(short)
    world.node.store.write(world.vault.put_facts(stored.end(short.hash, 1)), sync=True)
    assert world.desk.show(given.consent_id).status == "given"
    with pytest.raises(Conflict, match="stands"):
        await world.desk.erase(given.consent_id)


async def test_a_receipt_whose_time_is_over_can_be_erased_without_a_withdrawal(
    world: World,
) -> None:
    given = await world.give(terms(valid_until="2023-12-01"))
    world.settle(days_later=60)
    assert (await world.desk.erase(given.consent_id)).status == "erased"


async def test_the_gate_refuses_what_a_consent_does_not_permit(world: World) -> None:
    given = await world.desk.give(TERMS, wait=Stage.ACCEPTED, idempotency=None)
    consent_id = given.consent_id

    def rule(**more: str) -> str | None:
        refusal = world.gate.refusal(report(**{"consent_id": consent_id, **more}))
        return None if refusal is None else refusal.rule

    assert rule() == "consent.not-given"
    world.settle()
    assert rule() is None
    assert rule(kind="email", value="a@b.example") == "consent.does-not-cover"
    assert rule(purpose="counter_money_laundering") == "consent.does-not-cover"
    assert rule(lawful_basis="legitimate_interests") == "consent.does-not-cover"
    assert rule(consent_id="ab" * 32) == "consent.not-given"
    plain = report("", lawful_basis="legitimate_interests")
    assert world.gate.refusal(plain) is None
    assert world.gate.resting(plain, RecordId(bytes(32))) == {}
    await world.end(consent_id)
    refusal = world.gate.refusal(report(consent_id))
    assert refusal is not None and "withdrawn" in refusal.detail


async def test_a_consent_that_another_member_holds_covers_nothing_here(world: World) -> None:
    other = World(member=1)
    given = await other.desk.give(TERMS, wait=Stage.ACCEPTED, idempotency=None)
    world.node.block(other.sent[0].transaction)
    assert standing(world, given.consent_id) is ConsentStanding.GIVEN
    refusal = world.gate.refusal(report(given.consent_id))
    assert refusal is not None and refusal.rule == "consent.does-not-cover"
    assert "vault" in refusal.detail


async def test_who_withdraws_is_told_which_own_records_rest_on_the_consent(world: World) -> None:
    given = await world.give(TERMS)
    payload = RecordPayload(
        operation=1, kind=1, fraud_type=2, confidence=80, country=b"GB",
        consent_anchor=given.anchor_id,
    )  # fmt: skip
    record = Record.of(sha256(b"salt"), Tag(sha256(b"tag")), payload)
    sidecar = Sidecar((record,))
    world.node.store.write(
        world.gate.resting(report(given.consent_id), record.record_id), sync=True
    )
    unsent = RecordId(b"\x07" * 32)
    world.node.store.write(world.gate.resting(report(given.consent_id), unsent), sync=True)
    assert world.desk.show(given.consent_id).records == ()
    nonce = world.node.executor.nonce(ACCOUNTS[0].address)
    world.node.block(anchor(ACCOUNTS[0], nonce, sidecar), sidecars=[sidecar])
    assert world.desk.show(given.consent_id).records == (record.record_id,)


async def test_status_words_follow_the_ledger(world: World) -> None:
    person = PersonName(phone="+442079460958")
    purpose, scope = "dpv:FraudPreventionAndDetection", "indicator:share"
    assert world.desk.status(person, [scope], purpose) is None
    given = await world.give(terms(phone="+442079460958", valid_until="2023-12-01"))

    def word() -> object:
        answer = world.desk.status(person, [scope, "x"], purpose)
        assert answer is not None
        return answer["statusInfo"][0].get("statusReason", "valid")

    assert word() == "valid"
    world.settle(days_later=60)
    assert word() == "EXPIRED"
    await world.end(given.consent_id, "expired")
    assert word() == "EXPIRED"
    again = await world.give(terms(phone="+442079460958"))
    assert word() == "valid"
    await world.end(again.consent_id)
    assert word() == "DENIED"
