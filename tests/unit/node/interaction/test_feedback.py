"""Feedback: counted once, by reporter, kind and band; and the figures that follow from it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bulwark.indicators.model import IndicatorReport
from bulwark.indicators.vocabulary import Band, DisputeGround, LossBand
from bulwark.ledger.ids import RecordId
from bulwark.ledger.lifecycle import Operation
from node.disputes.port import DisputeView
from node.interaction.feedbackport import FeedbackView, Finding, NewFeedback, Verdict
from node.interaction.figures import RECORD, RIGHT, Figures, percentile
from node.service import Caller, Forbidden, NotFound, RuleRefused, Stage
from tests.unit.node.interaction.office import ANALYST, BY, NOW_MS, Office

DAY_MS = 86_400_000
LABELS = st.sampled_from(["low", "medium", "high", "very_high", RECORD])
ENTRIES = st.fixed_dictionaries(
    {
        "verdict": st.sampled_from([v.value for v in Verdict]),
        "band": LABELS,
        "pairs": st.lists(
            st.tuples(st.sampled_from(["bank-a", "bank-b"]), st.sampled_from(["phone", "iban"])),
            unique=True,
            max_size=3,
        ),
        "loss": st.sampled_from([None, "under_1k"]),
    }
)


def record(office: Office, reporter: str = "bank-b", value: str = "+44 20 7946 0958") -> RecordId:
    row = {"kind": "phone", "value": value, "fraud_type": "vishing"}
    return office.ledger.add(IndicatorReport.from_mapping(row, now_ms=NOW_MS), reporter)


async def said(
    office: Office,
    verdict: Verdict,
    *records: RecordId,
    band: Band | None = Band.HIGH,
    by: Caller = BY,
    **more: object,
) -> FeedbackView:
    feedback = NewFeedback(verdict, Finding.OTHER, records, band, LossBand.UNKNOWN)
    given = replace(feedback, **more)  # type: ignore[arg-type]
    return await office.feedback.give(given, by=by, wait=Stage.EXECUTED)


async def test_feedback_counts_over_power_cuts_and_its_figures_follow() -> None:
    office = Office()
    one, two = record(office), record(office, "bank-c", "+44 20 7946 0959")
    await said(office, Verdict.AGREED, one, two, loss_prevented=LossBand.UNDER_1K)
    await said(office, Verdict.ACTIONED, one)
    await said(office, Verdict.DISAGREED, two)
    await said(office, Verdict.NO_ACTION, one)
    await said(office, Verdict.DISAGREED, one, band=Band.LOW)
    await said(office, Verdict.ENRICHED, one, band=None)
    office = office.restarted()
    found = await office.feedback.summary()
    assert (found.threshold, found.judged, found.right) == ("medium", 3, 2)
    assert found.precision == pytest.approx(2 / 3)
    rates = {row.reporter: row.false_positive_rate for row in found.reporters}
    assert rates == {"bank-b": 1 / 4, "bank-c": 1 / 2}
    assert found.verdicts["no_action"] == 1 and found.by_band[RECORD] == {"enriched": 1}
    assert found.loss_prevented == {"under_1k": 1}
    assert (found.shares, found.share_median_ms, found.share_p95_ms) == (3, 2_000, 3_000)


async def test_one_case_counts_once_on_the_same_records() -> None:
    office = Office()
    one = record(office)
    first = await said(office, Verdict.AGREED, one, case_ref="case 1")
    again = await said(office, Verdict.DISAGREED, one, case_ref="case 1")
    assert again.replaced and again.feedback_id == first.feedback_id
    await said(office, Verdict.DISAGREED, one, case_ref="case 2")
    found = await office.feedback.summary()
    assert (found.verdicts["agreed"], found.verdicts["disagreed"]) == (0, 2)


async def test_a_disagreement_can_become_a_dispute_by_the_lifecycle_s_rules() -> None:
    office = Office()
    one, own = record(office), record(office, "bank-a", "+44 20 7946 0959")
    plain = await said(office, Verdict.DISAGREED, one)
    assert (plain.follow_up, plain.dispute) == ("dispute", None)
    assert (await said(office, Verdict.DISAGREED, own)).follow_up == "retract"
    assert (await said(office, Verdict.AGREED, one)).follow_up == "none"
    ground = DisputeGround.REASSIGNED
    for verdict, records in ((Verdict.AGREED, (one,)), (Verdict.DISAGREED, (one, own))):
        with pytest.raises(RuleRefused, match=r"feedback\.dispute_of_one"):
            await said(office, verdict, *records, dispute=ground)
    with pytest.raises(Forbidden):
        await said(office, Verdict.DISAGREED, one, dispute=ground, by=ANALYST)
    before = office.feedback.figures.to_dict()
    assert office.ledger.wishes == []
    disputed = await said(office, Verdict.DISAGREED, one, dispute=ground)
    assert disputed.follow_up == "disputed" and disputed.dispute is not None
    (sent,) = office.ledger.wishes
    assert (sent.operation, sent.subject, sent.reason) == (Operation.DISPUTE, one, ground)
    assert office.feedback.figures.to_dict() != before


async def test_feedback_on_what_is_not_there_counts_nothing() -> None:
    office = Office()
    with pytest.raises(NotFound):
        await said(office, Verdict.AGREED, RecordId(bytes(32)))
    assert office.feedback.figures.to_dict() == {"bands": {}, "reporters": {}, "losses": {}}


async def test_entries_go_after_their_time_and_their_counts_stay() -> None:
    office = Office(feedback_days=2)
    await said(office, Verdict.AGREED, record(office))
    office.now_ms += 3 * DAY_MS
    assert await office.feedback.prune() == 1
    assert await office.feedback.prune() == 0
    assert (await office.feedback.summary()).verdicts["agreed"] == 1


async def test_disputes_are_told_by_how_they_ended() -> None:
    office = Office()
    ended = ["upheld", "corrected", "rejected", "open", "moot", "refused"]
    office.disputes = [cast(DisputeView, SimpleNamespace(status=status)) for status in ended]
    found = await office.feedback.summary()
    assert (found.disputes_decided, found.disputes_upheld, found.disputes_open) == (3, 2, 1)


async def test_a_member_that_never_delays_has_no_threshold() -> None:
    office = Office(delay_from="never")
    await said(office, Verdict.AGREED, record(office))
    found = await office.feedback.summary()
    assert (found.threshold, found.judged, found.precision) == (None, 0, None)


@given(st.lists(ENTRIES, max_size=30))
def test_figures_are_what_the_entries_say_and_survive_their_own_form(
    entries: list[dict[str, object]],
) -> None:
    figures = Figures()
    for entry in entries:
        figures.count(entry)
    kept = Figures(figures.to_dict())
    assert kept.to_dict() == figures.to_dict()
    right = {verdict.value for verdict in RIGHT}
    judged = [e for e in entries if e["band"] in ("medium", "high", "very_high")]
    expected = [e["verdict"] in right for e in judged if e["verdict"] != "no_action"]
    assert kept.at_threshold(Band.MEDIUM) == (len(expected), sum(expected))
    assert sum(kept.verdicts().values()) == len(entries)
    for row in kept.reporters():
        about = [e for e in entries if (row.reporter, row.kind) in e["pairs"]]  # type: ignore[operator]
        assert sum(row.verdicts.values()) == len(about)
    for entry in entries:
        figures.count(entry, -1)
    assert figures.to_dict() == {"bands": {}, "reporters": {}, "losses": {}}


@given(st.lists(st.integers(0, 1_000), min_size=1), st.integers(1, 100))
def test_a_percentile_is_a_value_with_that_share_below_or_at_it(
    values: list[int], percent: int
) -> None:
    found = percentile(values, percent)
    assert found in values
    at_most = sum(value <= found for value in values)
    assert at_most * 100 >= percent * len(values)
    assert percentile([], 50) is None
