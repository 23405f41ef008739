"""Protections: stated in a role that never scores, renewed, withdrawn, and possible again."""

from __future__ import annotations

import pytest

from bulwark.indicators.errors import FieldError, RowError
from bulwark.indicators.model import IndicatorReport
from bulwark.indicators.scoring import ROLE_WEIGHT
from bulwark.ledger.ids import RecordId
from bulwark.ledger.lifecycle import Operation, State
from node.interaction.protectiondesk import KEEP_MS
from node.interaction.protectionport import ROLES, NewProtection, ProtectionState, ProtectionView
from node.reporting.payload import day_text
from node.service import Conflict, NotFound, Refusal, RuleRefused, Stage
from tests.unit.node.interaction.office import BY, NOW_MS, Office

DAY_MS = 86_400_000
TODAY = NOW_MS // DAY_MS
VALUE = "+44 20 7946 0958"


def wish(person: str = "customer 1", days: int = 20, **more: object) -> NewProtection:
    row: dict[str, object] = {
        "kind": "phone",
        "value": VALUE,
        "fraud_type": "unknown",
        "object_role": "compromised_victim",
        "lawful_basis": "legitimate_interests",
        "purpose": "consumer_protection",
        "valid_until": day_text(TODAY + days),
    }
    return NewProtection(person, IndicatorReport.from_mapping(row | more, now_ms=NOW_MS))


async def made(office: Office, *more: object, **fields: object) -> ProtectionView:
    return await office.protections.register(wish(*more, **fields), by=BY, wait=Stage.EXECUTED)  # type: ignore[arg-type]


async def refused(work: object) -> str:
    with pytest.raises(RuleRefused) as caught:
        await work  # type: ignore[misc]
    return caught.value.rule


def record_of(view: ProtectionView) -> RecordId:
    return RecordId(bytes.fromhex(view.record_id))


def test_the_roles_that_protect_are_those_that_never_score() -> None:
    assert {role for role, weight in ROLE_WEIGHT.items() if weight == 0} == ROLES


async def test_a_protection_is_kept_encrypted_and_stands_on_the_ledger() -> None:
    office = Office()
    view = await made(office)
    assert (view.state, view.value, view.is_renewal_due) == (ProtectionState.ACTIVE, VALUE, True)
    assert record_of(view) in office.ledger.statements
    for secret in (VALUE, "+442079460958", "customer 1"):
        assert not office.on_disk(secret)
    office = office.restarted()
    assert office.protections.show(view.protection_id) == view
    (listed,) = (await office.protections.page(None)).protections
    assert listed.value is None and listed.protection_id == view.protection_id


async def test_one_person_has_one_protection_of_an_identifier_and_role() -> None:
    office = Office()
    await made(office)
    assert await refused(made(office)) == "protection.registered_already"
    await made(office, object_role="impersonated")
    with pytest.raises(FieldError, match="compromised_victim"):
        await made(office, object_role="mule")
    with pytest.raises(RowError, match=r"value: got \(not shown\)"):
        await made(office, value="12")


async def test_what_a_rule_refuses_registers_nothing() -> None:
    office = Office()
    office.ledger.refusal = Refusal("policy.basis-not-allowed", "another basis")
    assert await refused(made(office)) == "policy.basis-not-allowed"
    assert (await office.protections.page(None)).protections == ()


async def test_a_renewal_makes_a_longer_record_before_the_old_one_goes() -> None:
    office = Office()
    view = await made(office)
    desk = office.protections
    short = desk.renew(view.protection_id, 10, by=BY, wait=Stage.EXECUTED)
    assert await refused(short) == "protection.no_longer"
    longer = await desk.renew(view.protection_id, 100, by=BY, wait=Stage.EXECUTED)
    assert (longer.valid_until_day, longer.renewals) == (TODAY + 100, 1)
    assert record_of(longer) != record_of(view) and not longer.is_renewal_due
    (follow_up,) = office.ledger.wishes
    assert (follow_up.operation, follow_up.subject) == (Operation.EXPIRE, record_of(view))


async def test_a_withdrawal_retracts_drops_the_identifier_and_can_be_undone() -> None:
    office = Office()
    view = await made(office)
    desk = office.protections
    ended = await desk.withdraw(view.protection_id, erase=False, by=BY, wait=Stage.EXECUTED)
    assert (ended.state, ended.value) == (ProtectionState.WITHDRAWN, None)
    assert [w.operation for w in office.ledger.wishes] == [Operation.RETRACT]
    erased = await desk.withdraw(view.protection_id, erase=True, by=BY, wait=Stage.EXECUTED)
    assert erased.state is ProtectionState.WITHDRAWN
    assert [w.operation for w in office.ledger.wishes] == [Operation.RETRACT, Operation.ERASE]
    await desk.withdraw(view.protection_id, erase=True, by=BY, wait=Stage.EXECUTED)
    assert len(office.ledger.wishes) == 2, "erased once"
    renewal = desk.renew(view.protection_id, 100, by=BY, wait=Stage.EXECUTED)
    assert await refused(renewal) == "protection.withdrawn"
    anew = await made(office)
    assert record_of(anew) != record_of(view)


async def test_a_protection_lapses_is_renewed_or_withdrawn_late_and_goes_in_the_end() -> None:
    office = Office()
    view, other = await made(office), await made(office, "customer 2", value="+44 20 7946 0999")
    office.now_ms += 21 * DAY_MS
    assert office.protections.show(view.protection_id).state is ProtectionState.LAPSED
    office.ledger.becomes(record_of(view), State.EXPIRED)
    desk = office.protections
    again = await desk.renew(view.protection_id, 20, by=BY, wait=Stage.EXECUTED)
    assert again.state is ProtectionState.ACTIVE
    ended = await desk.withdraw(other.protection_id, erase=False, by=BY, wait=Stage.EXECUTED)
    assert ended.state is ProtectionState.WITHDRAWN
    assert await desk.prune() == 0
    office.now_ms += KEEP_MS + 1
    assert await desk.prune() == 1, "the one that is active is renewed or lapses first"
    with pytest.raises(NotFound):
        desk.show(other.protection_id)
    with pytest.raises(NotFound):
        desk.show("no id")


async def test_a_withdrawal_that_the_ledger_does_not_take_is_none() -> None:
    office = Office()
    view = await made(office)

    async def refuses(*given: object, **how: object) -> None:
        raise Conflict("the record registry refused this member's anchor")

    office.protections._parts.restater.follow = refuses  # type: ignore[assignment]
    with pytest.raises(Conflict):
        await office.protections.withdraw(
            view.protection_id, erase=False, by=BY, wait=Stage.EXECUTED
        )
    assert office.protections.show(view.protection_id).state is ProtectionState.ACTIVE
