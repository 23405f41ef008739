"""Rows of clients: all problems at once, documented defaults, nothing private in errors."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.indicators.errors import RowError
from bulwark.indicators.lifetime import DAY_MS, LIFETIMES
from bulwark.indicators.model import (
    REPORT_FIELDS,
    SCREENING_FIELDS,
    IndicatorReport,
    ReportDefaults,
    ScreeningDefaults,
    ScreeningRequest,
)
from bulwark.indicators.vocabulary import (
    Channel,
    EvidenceLevel,
    FraudType,
    Kind,
    LawfulBasis,
    LossBand,
    ObjectRole,
    Operation,
    Purpose,
    Tlp,
)

TODAY = (date(2026, 11, 22) - date(1970, 1, 1)).days
NOW_MS = TODAY * DAY_MS + 3_600_000
SHORT = {"kind": "phone", "value": "+442079460958", "fraud_type": "imp_bank"}
QUESTION = {
    "kind": "iban",
    "value": "DE89370400440532013000",
    "purpose": "fraud_prevention",
    "lawful_basis": "legal_obligation",
}


def day(text: str) -> int:
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def report(**cells: object) -> IndicatorReport:
    return IndicatorReport.from_mapping({**SHORT, **cells}, now_ms=NOW_MS)


def problems(**cells: object) -> dict[str, tuple[str, str]]:
    with pytest.raises(RowError) as caught:
        report(**cells)
    return {problem.field: (problem.given, problem.allowed) for problem in caught.value.problems}


def test_short_row_takes_the_documented_defaults() -> None:
    assert report() == IndicatorReport(
        kind=Kind.PHONE,
        value="+442079460958",
        fraud_type=FraudType.IMP_BANK,
        object_role=ObjectRole.UNKNOWN,
        evidence_level=EvidenceLevel.SUSPECTED,
        confidence=50,
        first_seen_day=TODAY,
        last_seen_day=TODAY,
        valid_until_day=TODAY + 10,
        lawful_basis=LawfulBasis.LEGITIMATE_INTERESTS,
        purpose=Purpose.FRAUD_PREVENTION,
        case_ref="",
        consent_anchor=b"",
        region="",
        tlp=Tlp.AMBER,
        channel=Channel.UNKNOWN,
        country="",
        distinct_customers=0,
        loss_band=LossBand.UNKNOWN,
        policy="",
        link_group="",
        operation=Operation.ADD,
    )


def test_full_row_of_csv_texts_is_read_field_by_field() -> None:
    full = report(
        object_role="mule",
        evidence_level="confirmed",
        confidence=" 80 ",
        first_seen="2026-11-01",
        last_seen="2026-11-20T23:30:00-05:00",
        valid_until="1800000000",
        lawful_basis="consent",
        purpose="dpv:CounterMoneyLaundering",
        case_ref="C-1",
        consent_anchor="0x" + "ab" * 32,
        region="gb",
        tlp="RED",
        channel="Voice Call",
        country="CN",
        distinct_customers="2",
        loss_band="under_1k",
        policy="eu-psr-83",
        link_group="case-9",
        operation="sight",
    )
    assert (full.first_seen_day, full.last_seen_day) == (day("2026-11-01"), day("2026-11-21"))
    assert full.valid_until_day == 1_800_000_000 // 86_400
    assert full.consent_anchor == b"\xab" * 32 and full.operation is Operation.SIGHT
    assert (full.confidence, full.distinct_customers, full.policy) == (80, 2, "eu-psr-83")
    assert (full.region, full.country, full.channel) == ("GB", "CN", Channel.VOICE_CALL)


def test_blank_cells_of_a_csv_row_count_as_absent() -> None:
    blank = dict.fromkeys(REPORT_FIELDS - SHORT.keys(), "")
    assert report(**blank) == report() == report(**dict.fromkeys(blank))


def test_member_defaults_stand_in_for_absent_cells() -> None:
    own = ReportDefaults(fraud_type=FraudType.WANGIRI, confidence=70, lawful_basis=None)
    row = {"kind": "phone", "value": "x", "lawful_basis": "public_interest"}
    made = IndicatorReport.from_mapping(row, defaults=own, now_ms=NOW_MS)
    assert (made.fraud_type, made.confidence) == (FraudType.WANGIRI, 70)


@pytest.mark.parametrize("kind", list(Kind))
def test_life_span_of_the_kind_counts_from_the_report(kind: Kind) -> None:
    made = report(kind=kind.label, first_seen="2026-10-01", last_seen="2026-10-05")
    assert (made.first_seen_day, made.last_seen_day) == (day("2026-10-01"), day("2026-10-05"))
    assert made.valid_until_day == TODAY + LIFETIMES[kind].days


def test_report_without_a_last_sighting_is_of_today() -> None:
    made = report(first_seen="2019-12-13")
    assert (made.first_seen_day, made.last_seen_day) == (day("2019-12-13"), TODAY)


def test_all_problems_of_a_row_are_reported_at_once() -> None:
    found = problems(
        kind="fax",
        value="",
        fraud_type="",
        confidence=101,
        first_seen="yesterday",
        country="XX",
        consent_anchor="zz",
        purpose="unknown",
        operation="erase",
        colour="red",
    )
    assert set(found) == {
        *("kind", "value", "fraud_type", "confidence", "first_seen", "country"),
        *("consent_anchor", "purpose", "operation", "colour"),
    }
    assert found["kind"] == (
        "'fax'",
        "one of phone, email, domain, url, ip, iban, bank_account, wallet, device_id, imei",
    )
    assert found["value"][0] == found["fraud_type"][0] == "nothing"
    assert found["operation"] == ("'erase'", "one of add, sight")
    assert "unknown" not in found["purpose"][1]


@pytest.mark.parametrize(
    ("cells", "field"),
    [
        ({"last_seen": "2026-11-01", "first_seen": "2026-11-02"}, "last_seen"),
        ({"last_seen": "2026-11-10", "valid_until": "2026-11-09"}, "valid_until"),
        ({"valid_until": "2026-11-21", "last_seen": "2026-11-20"}, "valid_until"),
        ({"first_seen": "2026-11-24"}, "first_seen"),
        ({"valid_until": "2046-01-01"}, "valid_until"),
        ({"first_seen": "1969-12-31"}, "first_seen"),
        ({"first_seen": 1_795_000_000_000}, "first_seen"),
        ({"first_seen": True}, "first_seen"),
        ({"confidence": True}, "confidence"),
        ({"confidence": "80.5"}, "confidence"),
        ({"confidence": -1}, "confidence"),
        ({"distinct_customers": 65_536}, "distinct_customers"),
        ({"value": 442079460958}, "value"),
        ({"value": "9" * 2049}, "value"),
        ({"case_ref": "x" * 129}, "case_ref"),
        ({"consent_anchor": "ab" * 31}, "consent_anchor"),
        ({"lawful_basis": "consent"}, "consent_anchor"),
        ({"lawful_basis": "unknown"}, "lawful_basis"),
        ({"tlp": {"a": 1}}, "tlp"),
    ],
)
def test_field_out_of_bounds_is_named(cells: dict[str, object], field: str) -> None:
    assert set(problems(**cells)) == {field}


def test_private_cells_are_never_repeated() -> None:
    secret = "s3cret" * 400
    row = {**SHORT, "value": secret, "case_ref": secret, "link_group": secret}
    with pytest.raises(RowError) as caught:
        IndicatorReport.from_mapping(row, now_ms=NOW_MS)
    assert "s3cret" not in str(caught.value) and len(caught.value.problems) == 3
    assert "+442079460958" not in repr(report()) and "C-1" not in repr(report(case_ref="C-1"))


def test_screening_must_state_purpose_and_basis() -> None:
    asked = ScreeningRequest.from_mapping({**QUESTION, "region": "DE", "case_ref": "7"})
    assert (asked.kind, asked.purpose) == (Kind.IBAN, Purpose.FRAUD_PREVENTION)
    assert (asked.lawful_basis, asked.case_ref) == (LawfulBasis.LEGAL_OBLIGATION, "7")
    assert "DE89" not in repr(asked)
    with pytest.raises(RowError) as caught:
        ScreeningRequest.from_mapping({"kind": "iban", "value": "x", "channel": "sms"})
    named = {problem.field for problem in caught.value.problems}
    assert named == {"purpose", "lawful_basis", "channel"}


def test_screening_defaults_of_a_member_are_taken() -> None:
    own = ScreeningDefaults(LawfulBasis.PUBLIC_INTEREST, Purpose.FRAUD_INVESTIGATION)
    asked = ScreeningRequest.from_mapping({"kind": "ip", "value": "x"}, defaults=own)
    assert asked.purpose is Purpose.FRAUD_INVESTIGATION


cells = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70) | st.just([])


@given(
    st.dictionaries(st.sampled_from(sorted(REPORT_FIELDS)) | st.text(max_size=8), cells),
    st.dictionaries(st.sampled_from(sorted(SCREENING_FIELDS)), cells),
)
@settings(deadline=None, max_examples=300)
def test_any_row_is_read_or_refused_with_bounded_problems(
    row: dict[str, object], question: dict[str, object]
) -> None:
    for cls_row in (
        lambda: IndicatorReport.from_mapping({**SHORT, **row}, now_ms=NOW_MS),
        lambda: ScreeningRequest.from_mapping({**QUESTION, **question}),
    ):
        try:
            cls_row()
        except RowError as error:
            assert 0 < len(error.problems) <= 64
            assert all(len(p.field) <= 64 and len(p.given) <= 64 for p in error.problems)
