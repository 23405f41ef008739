"""Customers' reports: counted by customer, stated as chosen, encrypted, gone after their time."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from bulwark.advice.reference import plain_code
from bulwark.indicators.country import NOT_STATED
from bulwark.indicators.errors import FieldError, RowError
from bulwark.indicators.vocabulary import (
    Channel,
    EvidenceLevel,
    FraudType,
    Kind,
    LawfulBasis,
    LossBand,
    ObjectRole,
)
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Digest, RecordId
from bulwark.ledger.lifecycle import Operation, State
from node.interaction.reportport import (
    Choice,
    DeclineReason,
    Identifier,
    NewReport,
    ReportState,
    ReportView,
)
from node.interaction.wiring import REPORTS
from node.service import (
    Busy,
    Idempotency,
    IdempotencyMismatch,
    NotFound,
    Refusal,
    ReportOutcome,
    RuleRefused,
    Stage,
)
from tests.unit.node.interaction.office import BY, NOW_MS, Office

DAY_MS = 86_400_000
PHONE = Identifier(Kind.PHONE, "+44 20 7946 0958", NOT_STATED)
SAME = Identifier(Kind.PHONE, "0044 20 79460958", NOT_STATED)
MAIL = Identifier(Kind.EMAIL, "quokka@scam-post.net", NOT_STATED)
TEXT = "Somebody called in the name of my bank."
CHOICE = Choice(
    0, FraudType.IMP_BANK, ObjectRole.OFFENDER_CONTROLLED, 80, LawfulBasis.LEGITIMATE_INTERESTS
)


def said(customer: str = "customer 1", *identifiers: Identifier) -> NewReport:
    return NewReport(
        customer, Channel.VOICE_CALL, "en", TEXT, identifiers or (PHONE,),
        NOW_MS // DAY_MS - 2, LossBand.UNDER_1K, (FraudType.IMP_BANK,), "case 1",
    )  # fmt: skip


async def sent(office: Office, view: ReportView, choice: Choice = CHOICE) -> ReportView:
    await office.reports.triage(view.report_id, (choice,), "looks right", BY)
    return await office.reports.report(view.report_id, by=BY, wait=Stage.EXECUTED)


async def refused(work: object) -> str:
    with pytest.raises(RuleRefused) as caught:
        await work  # type: ignore[misc]
    return caught.value.rule


async def test_what_was_said_is_kept_over_a_power_cut_and_in_clear_nowhere() -> None:
    office = Office()
    taken = await office.reports.take(said())
    office = office.restarted()
    shown = office.reports.show(taken.report_id)
    assert shown == taken and shown.text == TEXT and shown.code is not None
    assert shown.identifiers[0].value == PHONE.value
    for secret in (TEXT, PHONE.value, "+442079460958", "customer 1", shown.code):
        assert not office.on_disk(secret), secret
    found = office.reports.by_code(plain_code(shown.code))
    assert found is not None and found.report_id == taken.report_id
    assert TEXT not in repr(said()) + repr(taken) + repr(taken.identifiers[0])


async def test_distinct_customers_are_counted_over_spellings_and_once_each() -> None:
    office = Office()
    first = await office.reports.take(said("customer 1"))
    await office.reports.take(said("customer 1", SAME))
    assert office.reports.show(first.report_id).identifiers[0].customers == 1
    second = await office.reports.take(said("customer 2", SAME, MAIL))
    assert [each.customers for each in second.identifiers] == [2, 1]
    await office.reports.decline(second.report_id, DeclineReason.NOT_FRAUD, "")
    assert office.reports.show(first.report_id).identifiers[0].customers == 1


async def test_a_choice_becomes_a_statement_by_customers_with_their_number() -> None:
    office = Office()
    await office.reports.take(said("customer 2"))
    view = await sent(office, await office.reports.take(said()))
    assert (view.state, view.identifiers[0].rule) == (ReportState.REPORTED, None)
    (report,) = office.ledger.reports
    assert report.evidence_level is EvidenceLevel.REPORTED_BY_CUSTOMER
    assert (report.distinct_customers, report.loss_band) == (2, LossBand.UNDER_1K)
    assert report.last_seen_day == NOW_MS // DAY_MS - 2
    assert report.case_ref == f"customer-report {view.report_id}"
    again = office.reports.report(view.report_id, by=BY, wait=Stage.EXECUTED)
    assert await refused(again) == "customer_report.ended"


async def test_more_customers_make_a_new_statement_and_the_old_one_expires() -> None:
    office = Office()
    first = await sent(office, await office.reports.take(said("customer 1")))
    second = await sent(office, await office.reports.take(said("customer 2")))
    old, new = (RecordId(bytes.fromhex(str(v.identifiers[0].record_id))) for v in (first, second))
    assert old != new
    assert office.ledger.view(new).fields["distinct_customers"] == 2
    assert [(w.operation, w.subject) for w in office.ledger.wishes] == [(Operation.EXPIRE, old)]
    third = await sent(office, await office.reports.take(said("customer 2")))
    assert third.identifiers[0].duplicate and third.identifiers[0].record_id == new.hex()


@pytest.mark.parametrize(
    ("state", "rule"),
    [(State.DISPUTED, "restate.disputed"), (State.OVERRULED, "restate.overruled")],
)
async def test_what_was_contested_is_not_said_again(state: State, rule: str) -> None:
    office = Office()
    first = await sent(office, await office.reports.take(said("customer 1")))
    record = RecordId(bytes.fromhex(str(first.identifiers[0].record_id)))
    office.ledger.becomes(record, state)
    second = await sent(office, await office.reports.take(said("customer 2")))
    assert (second.state, second.identifiers[0].rule) == (ReportState.TRIAGED, rule)
    assert office.ledger.wishes == []


async def test_what_was_taken_back_can_be_said_again() -> None:
    office = Office()
    first = await sent(office, await office.reports.take(said("customer 1")))
    record = RecordId(bytes.fromhex(str(first.identifiers[0].record_id)))
    office.ledger.becomes(record, State.RETRACTED)
    second = await sent(office, await office.reports.take(said("customer 1")))
    assert second.identifiers[0].record_id != record.hex()


async def test_a_policy_s_refusal_stands_at_its_identifier_and_the_choice_stays() -> None:
    office = Office()
    office.ledger.refusal = Refusal("policy.customers-below-threshold", "2 or more")
    view = await sent(office, await office.reports.take(said()))
    assert view.state is ReportState.TRIAGED
    assert view.identifiers[0].rule == "policy.customers-below-threshold"
    office.ledger.refusal = None
    later = await office.reports.report(view.report_id, by=BY, wait=Stage.EXECUTED)
    assert (later.state, later.identifiers[0].rule) == (ReportState.REPORTED, None)


async def test_steps_out_of_order_are_refused_with_their_rule() -> None:
    office = Office()
    view = await office.reports.take(said())
    desk, name = office.reports, view.report_id
    wish = desk.report(name, by=BY, wait=Stage.EXECUTED)
    assert await refused(wish) == "customer_report.not_triaged"
    with pytest.raises(FieldError, match="0 to 0"):
        await desk.triage(name, (replace(CHOICE, number=1),), "", BY)
    assert await refused(desk.merge(name, name)) == "customer_report.nothing_in_common"
    other = await desk.take(said("customer 3", MAIL))
    assert await refused(desk.merge(name, other.report_id)) == "customer_report.nothing_in_common"
    twin = await desk.take(said("customer 3"))
    await desk.decline(twin.report_id, DeclineReason.TOO_LITTLE, "")
    assert await refused(desk.merge(name, twin.report_id)) == "customer_report.target_ended"
    assert await refused(desk.triage(twin.report_id, (CHOICE,), "", BY)) == "customer_report.ended"
    for unknown in ("00" * 16, "zz", ""):
        with pytest.raises(NotFound):
            desk.show(unknown)


async def test_every_identifier_that_is_none_is_told_and_none_repeated() -> None:
    office = Office()
    bad = Identifier(Kind.IBAN, "DE00 secret", NOT_STATED)
    with pytest.raises(RowError) as caught:
        await office.reports.take(said("customer 1", bad, PHONE, bad))
    assert [p.field for p in caught.value.problems] == [
        "identifiers[0].value", "identifiers[2].value",
    ]  # fmt: skip
    assert "secret" not in str(caught.value)
    assert office.reports.taken == 0


async def test_an_erasure_leaves_state_times_and_records_alone() -> None:
    office = Office()
    taken = await office.reports.take(said())
    view = await sent(office, taken)
    gone = await office.reports.erase(view.report_id)
    assert (gone.state, gone.text, gone.identifiers, gone.code) == (
        ReportState.ERASED, None, (), None,
    )  # fmt: skip
    assert gone.received_ms == taken.received_ms and gone.reported_ms == view.reported_ms
    again = await office.reports.erase(view.report_id)
    assert again == gone, "whoever asks twice gets the same"
    office = office.restarted()
    status = office.reports.by_code(plain_code(str(taken.code)))
    assert status is not None and status.state is ReportState.ERASED
    fresh = await office.reports.take(said("customer 2"))
    assert fresh.identifiers[0].customers == 1, "an erased customer counts no more"


async def test_text_goes_after_its_time_and_what_is_left_a_term_later() -> None:
    office = Office(report_days=10)
    view = await office.reports.take(said())
    office.now_ms += 9 * DAY_MS
    assert await office.reports.prune() == 0
    office.now_ms += 2 * DAY_MS
    assert await office.reports.prune() == 1
    assert office.reports.show(view.report_id).state is ReportState.ERASED
    office.now_ms += 11 * DAY_MS
    assert await office.reports.prune() == 1
    with pytest.raises(NotFound):
        office.reports.show(view.report_id)
    assert office.reports.by_code(plain_code(str(view.code))) is None


async def test_as_many_as_are_kept_and_no_more() -> None:
    office = Office(max_reports=10, report_days=1)
    for number in range(10):
        await office.reports.take(said(f"customer {number}"))
    with pytest.raises(Busy):
        await office.reports.take(said())
    office = office.restarted()
    with pytest.raises(Busy):
        await office.reports.take(said())
    for _ in range(2):
        office.now_ms += 2 * DAY_MS
        await office.reports.prune()
    await office.reports.take(said())


async def test_lists_page_newest_first_and_hold_nothing_that_was_said() -> None:
    office = Office()
    made = []
    for number in range(60):
        office.now_ms += 1
        made.append((await office.reports.take(said(f"customer {number}"))).report_id)
    page = await office.reports.page(None, None)
    rest = await office.reports.page(None, page.next)
    assert [v.report_id for v in (*page.reports, *rest.reports)] == made[::-1]
    assert rest.next is None
    assert all(v.text is None and v.code is None for v in page.reports)
    assert all(each.value is None for v in page.reports for each in v.identifiers)
    none = await office.reports.page(ReportState.DECLINED, None)
    assert none.reports == ()


async def test_the_alert_for_case_tools_has_every_identifier() -> None:
    office = Office()
    view = await office.reports.take(said("customer 1", PHONE, MAIL))
    alert = office.reports.export(view.report_id)
    assert [(o["dataType"], o["data"]) for o in alert["observables"]] == [
        ("other", PHONE.value), ("mail", MAIL.value),
    ]  # fmt: skip
    assert alert["sourceRef"] == view.report_id and alert["description"] == TEXT
    assert "customer 1" not in str(alert), "no pseudonym leaves"


async def test_one_key_is_one_report_over_a_power_cut_and_another_body_is_refused() -> None:
    office = Office()
    promise = Idempotency("app 7", Digest(sha256(b"body")))
    first = await office.reports.take(said(), promise)
    office = office.restarted()
    assert await office.reports.take(said(), promise) == first
    assert len((await office.reports.page(None, None)).reports) == 1
    with pytest.raises(IdempotencyMismatch):
        await office.reports.take(said(), Idempotency("app 7", Digest(sha256(b"other"))))


async def test_an_erasure_while_it_is_reported_holds_and_the_record_stays_known() -> None:
    office = Office()
    view = await office.reports.take(said())
    await office.reports.triage(view.report_id, (CHOICE,), "", BY)
    report = office.ledger.report

    async def slow(*given: Any, **how: Any) -> list[ReportOutcome]:
        await office.reports.erase(view.report_id)
        return await report(*given, **how)

    office.reports._parts.restater._report = slow
    gone = await office.reports.report(view.report_id, by=BY, wait=Stage.EXECUTED)
    assert (gone.state, gone.text) == (ReportState.ERASED, None)
    document = office.shelf(REPORTS).get(bytes.fromhex(view.report_id))
    assert document is not None
    assert document["records"] == [record.hex() for record in office.ledger.statements]
