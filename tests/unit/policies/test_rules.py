"""What a policy refuses: one case a rule, the order of the rules, and what is not judged."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulwark.indicators.lifetime import LIFETIMES
from bulwark.indicators.model import IndicatorReport
from bulwark.indicators.records import payload_of
from bulwark.indicators.vocabulary import (
    EvidenceLevel,
    Kind,
    LawfulBasis,
    Operation,
    Purpose,
    Tlp,
)
from bulwark.policies import rules
from bulwark.policies.library import TITLES, shipped
from bulwark.policies.rules import breach_of
from tests.unit.policies.documents import TODAY, Row, changed, policy

ANCHOR = b"\x01" * 32
PHONE = Row(
    kind=Kind.PHONE,
    lawful_basis=LawfulBasis.LEGITIMATE_INTERESTS,
    valid_until_day=TODAY + 30,
    distinct_customers=0,
)
REFUSED = [
    (Row(kind=Kind.EMAIL), rules.KIND, "iban, phone, wallet"),
    (Row(kind=99), rules.KIND, "iban"),
    (Row(lawful_basis=LawfulBasis.LEGITIMATE_INTERESTS), rules.BASIS, "statutory_gateway"),
    (Row(lawful_basis=LawfulBasis.UNKNOWN), rules.BASIS, "consent"),
    (Row(purpose=Purpose.LEGAL_CLAIMS), rules.PURPOSE, "fraud_prevention"),
    (Row(operation=Operation.SIGHT), rules.OPERATION, "add"),
    (Row(operation=0), rules.OPERATION, "add"),
    (Row(country=b"US"), rules.JURISDICTION, "DE, FR"),
    (Row(country=b"\xff\xff"), rules.JURISDICTION, "DE, FR"),
    (Row(distinct_customers=1), rules.CUSTOMERS, "iban from 2"),
    (Row(evidence_level=EvidenceLevel.SUSPECTED), rules.EVIDENCE, "reported_by_customer"),
    (Row(evidence_level=EvidenceLevel.UNKNOWN), rules.EVIDENCE, "reported_by_customer"),
    (Row(tlp=Tlp.AMBER_STRICT), rules.TLP, "up to amber"),
    (Row(tlp=Tlp.UNKNOWN), rules.TLP, "up to amber"),
    (Row(lawful_basis=LawfulBasis.CONSENT), rules.CONSENT, "basis is consent"),
    (replace(PHONE, kind=Kind.WALLET), rules.CONSENT, "every wallet"),
    (Row(usage=0), rules.ASSESSMENT, "no_sole_basis"),
    (Row(valid_until_day=TODAY + 101), rules.RETENTION, "at most 100 days"),
    (Row(valid_until_day=0), rules.RETENTION, "at most 100 days"),
    (replace(PHONE, valid_until_day=TODAY + 31), rules.RETENTION, "at most 30 days"),
]
ALLOWED = [
    Row(),
    Row(country=bytes(2)),
    Row(lawful_basis=LawfulBasis.CONSENT, consent_anchor=ANCHOR),
    Row(lawful_basis=LawfulBasis.CONSENT, consent_anchor=ANCHOR, operation=Operation.SIGHT),
    PHONE,
    replace(PHONE, tlp=Tlp.CLEAR, country=b"FR"),
    replace(PHONE, kind=Kind.WALLET, consent_anchor=ANCHOR, valid_until_day=TODAY + 100),
]


@pytest.mark.parametrize(("facts", "rule", "allowed"), REFUSED)
def test_a_record_that_breaks_a_rule_is_told_the_rule_and_what_is_allowed(facts, rule, allowed):
    found = breach_of(policy(), facts, TODAY)
    assert found is not None
    assert found.rule == rule
    assert allowed in found.allowed


@pytest.mark.parametrize("facts", ALLOWED)
def test_a_record_that_fits_its_policy_breaks_nothing(facts):
    assert breach_of(policy(), facts, TODAY) is None


def test_every_rule_on_records_has_a_case_here():
    judged = {rule for _, rule, _ in REFUSED}
    assert judged == set(rules.RULES) - {rules.UNKNOWN, rules.NOT_IN_FORCE, rules.UNREADABLE}


@pytest.mark.parametrize("operation", [o for o in Operation if o > Operation.SIGHT])
def test_follow_ups_share_no_indicator_and_are_not_judged(operation):
    assert breach_of(policy(), Row(operation=operation, kind=255, usage=0), TODAY) is None


def test_a_policy_without_the_duty_asks_for_no_flag():
    without = policy(changed("own_assessment", False))
    assert breach_of(without, Row(usage=0), TODAY) is None


def test_a_stored_record_may_lie_over_its_retention_by_the_clocks_of_one_midnight():
    facts = Row(valid_until_day=TODAY + 101)
    assert breach_of(policy(), facts, TODAY, tolerance=rules.CLOCK_DAYS) is None
    over = breach_of(policy(), facts, TODAY - 1, tolerance=rules.CLOCK_DAYS)
    assert over is not None and over.rule == rules.RETENTION


@given(
    st.builds(
        Row,
        operation=st.integers(0, 255),
        kind=st.integers(0, 255),
        evidence_level=st.integers(0, 255),
        tlp=st.integers(0, 255),
        country=st.binary(min_size=2, max_size=2),
        valid_until_day=st.integers(0, 2**32 - 1),
        distinct_customers=st.integers(0, 65_535),
        lawful_basis=st.integers(0, 255),
        purpose=st.integers(0, 255),
        usage=st.integers(0, 65_535),
        consent_anchor=st.none() | st.just(ANCHOR),
    ),
    st.sampled_from(TITLES),
)
def test_any_codes_get_an_answer_and_a_rule_that_is_documented(facts, title):
    found = breach_of(shipped(title), facts, TODAY)
    assert found is None or found.rule in rules.RULES


@pytest.mark.parametrize("kind", list(Kind))
def test_the_default_policy_takes_a_row_with_nothing_but_defaults(kind):
    row = {"kind": kind.label, "value": "x", "fraud_type": "other"}
    report = IndicatorReport.from_mapping(row, now_ms=TODAY * 86_400_000)
    payload = payload_of(report, oprf_key_id=1)
    assert payload.valid_until_day == TODAY + LIFETIMES[kind].days
    assert breach_of(shipped("alliance-default"), payload, TODAY) is None


def test_the_psr_policy_takes_an_iban_from_the_second_customer_on():
    psr, row = shipped("eu-psr-83"), Row(country=b"IE")
    assert breach_of(psr, row, TODAY) is None
    one = breach_of(psr, replace(row, distinct_customers=1), TODAY)
    assert one is not None and one.rule == rules.CUSTOMERS


def test_the_chinese_policy_takes_an_account_with_separate_consent_alone():
    law = shipped("cn-anti-fraud")
    row = Row(
        kind=Kind.BANK_ACCOUNT,
        country=b"CN",
        lawful_basis=LawfulBasis.CONSENT,
        consent_anchor=ANCHOR,
    )
    assert breach_of(law, row, TODAY) is None
    without = breach_of(law, replace(row, consent_anchor=None), TODAY)
    assert without is not None and without.rule == rules.CONSENT
    duty = breach_of(law, replace(row, lawful_basis=LawfulBasis.LEGAL_OBLIGATION), TODAY)
    assert duty is not None and duty.rule == rules.BASIS
