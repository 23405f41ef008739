"""Typed words survive the way into a ledger payload and back; unknown codes do no harm."""

from __future__ import annotations

from msgspec.structs import replace

from bulwark.indicators.lifetime import DAY_MS
from bulwark.indicators.model import IndicatorReport
from bulwark.indicators.records import labels_of, payload_of, view_of
from bulwark.indicators.scoring import assess
from bulwark.indicators.vocabulary import Kind, ObjectRole, Operation, Ruling, Tlp
from bulwark.ledger.ids import RecordId
from bulwark.ledger.lifecycle import REFERENCE_KIND
from bulwark.ledger.record import RecordPayload

NOW_MS = 20_000 * DAY_MS
REPORT = IndicatorReport.from_mapping(
    {
        "kind": "wallet",
        "value": "0x" + "ab" * 20,
        "fraud_type": "crypto_investment",
        "object_role": "offender",
        "evidence_level": "confirmed",
        "confidence": 90,
        "country": "GB",
        "consent_anchor": "11" * 32,
        "channel": "messenger",
        "loss_band": "under_10k",
        "distinct_customers": 2,
    },
    now_ms=NOW_MS,
)


def test_report_comes_back_in_words_from_the_encoded_payload() -> None:
    payload = payload_of(REPORT, oprf_key_id=3, case_commitment=b"c" * 32, link_group=b"l" * 32)
    again = RecordPayload.decode(payload.encode())
    assert again == payload
    assert labels_of(again) == {
        "operation": "add",
        "kind": "wallet",
        "fraud_type": "crypto_investment",
        "object_role": "offender_controlled",
        "evidence_level": "confirmed",
        "tlp": "amber",
        "channel": "messenger",
        "loss_band": "under_10k",
        "lawful_basis": "legitimate_interests",
        "purpose": "fraud_prevention",
        "confidence": 90,
        "distinct_customers": 2,
        "oprf_key_id": 3,
        "first_seen_day": 20_000,
        "last_seen_day": 20_000,
        "valid_until_day": 20_365,
        "country": "GB",
        "usage": "no_sole_basis",
        "reason": None,
        "case_commitment": "63" * 32,
        "consent_anchor": "11" * 32,
        "previous_record": None,
        "link_group": "6c" * 32,
    }


def test_view_of_a_payload_is_scored() -> None:
    view = view_of(payload_of(REPORT, oprf_key_id=1), "bank-a")
    assert view is not None and view.kind is Kind.WALLET and view.reporter == "bank-a"
    assert assess([view], NOW_MS).score == 74


def test_a_follow_up_is_shown_in_words_and_is_never_scored_itself() -> None:
    ruling = RecordPayload(
        operation=Operation.RULE,
        kind=REFERENCE_KIND,
        reason=Ruling.UPHELD,
        previous_record=RecordId(b"\x01" * 32),
    )
    shown = labels_of(ruling)
    assert (shown["operation"], shown["kind"], shown["reason"]) == ("rule", "reference", "upheld")
    assert view_of(ruling, "council") is None
    # Nor one that calls itself an indicator.
    assert view_of(replace(ruling, kind=Kind.WALLET), "council") is None


def test_an_unknown_mark_counts_as_the_strictest() -> None:
    view = view_of(replace(payload_of(REPORT, oprf_key_id=1), tlp=77), "bank-a")
    assert view is not None and view.tlp is Tlp.RED


def test_codes_of_a_newer_version_are_shown_by_number_and_raise_no_score() -> None:
    payload = payload_of(REPORT, oprf_key_id=1)
    newer = replace(payload, object_role=200, channel=77, country=b"QQ", evidence_level=99)
    shown = labels_of(newer)
    assert (shown["object_role"], shown["channel"]) == ("code 200", "code 77")
    assert shown["country"] == "QQ"
    view = view_of(newer, "bank-a")
    assert view is not None and view.object_role is ObjectRole.TARGET
    assert assess([view], NOW_MS).score == 0
    assert view_of(replace(payload, kind=250), "a") is None
    assert view_of(replace(payload, operation=99), "a") is None


def test_not_stated_codes_stay_not_stated() -> None:
    bare = RecordPayload(operation=Operation.ADD, kind=Kind.IP)
    view = view_of(bare, "a")
    assert view is not None and view.object_role is ObjectRole.UNKNOWN
    assert labels_of(bare)["country"] is None and labels_of(bare)["usage"] == ""
