"""Policy documents: canonical, bounded, strict, every fault with its JSON path."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from bulwark.indicators.vocabulary import EvidenceLevel, Kind, LawfulBasis, Operation, Tlp
from bulwark.policies.document import (
    MAX_POLICY_BYTES,
    PolicyInvalid,
    canonical,
    parse_policy,
    policy_id,
)
from bulwark.policies.library import TITLES, shipped
from tests.unit.policies.documents import DOCUMENT, changed, policy

FAULTS = [
    ("format", "bulwark-policy/2", "$.format"),
    ("version", 0, "$.version"),
    ("version", "1", "$.version"),
    ("title", "EU PSR", "$.title"),
    ("title", "", "$.title"),
    ("text", "two\nlines", "$.text"),
    ("text", "", "$.text"),
    ("jurisdictions", [], "$.jurisdictions"),
    ("jurisdictions", ["EU"], "$.jurisdictions"),
    ("jurisdictions", ["*", "DE"], "$.jurisdictions"),
    ("jurisdictions", ["DE", "DE"], "$.jurisdictions"),
    ("jurisdictions", ["DE", 7], "$.jurisdictions[1]"),
    ("legal_gateways", ["a", "a"], "$.legal_gateways"),
    ("legal_gateways", [" a"], "$.legal_gateways[0]"),
    ("grounds", [], "$.grounds"),
    ("grounds.0.basis", "unknown", "$.grounds[0].basis"),
    ("grounds.0.basis", "Consent", "$.grounds[0].basis"),
    ("grounds.1.purposes", [], "$.grounds[1].purposes"),
    ("grounds.1.purposes", ["unknown"], "$.grounds[1].purposes"),
    ("grounds.0.purposes", ["fun"], "$.grounds[0].purposes[0]"),
    ("grounds.0.operations", ["erase"], "$.grounds[0].operations"),
    ("grounds.0.operations", [], "$.grounds[0].operations"),
    ("grounds.2.kinds", ["phone", "pigeon"], "$.grounds[2].kinds[1]"),
    ("grounds.2.kinds", [], "$.grounds[2].kinds"),
    ("grounds.0.weight", 1, "$.grounds[0].weight"),
    ("retention_days", {"phone": 30}, "$.retention_days.iban"),
    ("retention_days.phone", 0, "$.retention_days.phone"),
    ("retention_days.phone", 4_000, "$.retention_days.phone"),
    ("retention_days.imei", 30, "$.retention_days.imei"),
    ("retention_days.pigeon", 30, "$.retention_days.pigeon"),
    ("thresholds.distinct_customers.iban", 0, "$.thresholds.distinct_customers.iban"),
    ("thresholds.distinct_customers.iban", True, "$.thresholds.distinct_customers.iban"),
    ("thresholds.evidence_level", "rumour", "$.thresholds.evidence_level"),
    ("thresholds.greatest_tlp", "unknown", "$.thresholds.greatest_tlp"),
    ("thresholds.confidence", 50, "$.thresholds.confidence"),
    ("consent_receipt", ["wallet", "wallet"], "$.consent_receipt"),
    ("own_assessment", 1, "$.own_assessment"),
    ("dispute_due_days", 0, "$.dispute_due_days"),
    ("dispute_due_days", 367, "$.dispute_due_days"),
    ("data_classes", {"iban": "sensitive"}, "$.data_classes.phone"),
    ("data_classes.iban", "Very Sensitive", "$.data_classes.iban"),
    ("extra", 1, "$.extra"),
    *((name, None, f"$.{name}") for name in DOCUMENT),
]


@pytest.mark.parametrize(("path", "value", "named"), FAULTS)
def test_a_fault_is_named_by_its_json_path(path, value, named):
    with pytest.raises(PolicyInvalid) as caught:
        policy(changed(path, value))
    assert caught.value.path == named
    assert named in str(caught.value)


def test_a_policy_is_read_into_the_words_of_the_vocabulary():
    found = policy()
    assert found.id == sha256(rfc8785.dumps(DOCUMENT)).digest() == policy_id(found.document)
    assert found.kinds == {Kind.IBAN, Kind.PHONE, Kind.WALLET}
    assert found.retention_days == {Kind.IBAN: 100, Kind.PHONE: 30, Kind.WALLET: 100}
    assert found.data_classes[Kind.IBAN] == "sensitive"
    assert found.data_classes[Kind.PHONE] == "personal"
    assert found.distinct_customers == {Kind.IBAN: 2}
    assert (found.evidence_level, found.greatest_tlp) == (
        EvidenceLevel.REPORTED_BY_CUSTOMER,
        Tlp.AMBER,
    )
    assert found.grounds[0].basis is LawfulBasis.STATUTORY_GATEWAY
    assert found.grounds[0].operations == {Operation.ADD}
    assert found.jurisdictions == {"DE", "FR"}
    assert policy(changed("jurisdictions", ["*"])).jurisdictions == frozenset()


@pytest.mark.parametrize(
    "bent",
    [
        json.dumps(DOCUMENT).encode(),
        rfc8785.dumps(DOCUMENT) + b"\n",
        json.dumps(DOCUMENT, sort_keys=True, indent=1).encode(),
    ],
)
def test_only_the_canonical_form_is_a_policy_and_every_spelling_has_it(bent):
    with pytest.raises(PolicyInvalid, match="canonical"):
        parse_policy(bent)
    assert canonical(bent) == rfc8785.dumps(DOCUMENT)


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"nonsense",
        b"[]",
        b"7",
        b"\xff",
        b'{"a":1,"a":2}',
        b'{"a":0.5}',
        b"[" * 100_000,
        b'{"a":1' + b"0" * 400 + b"}",
        b" " * 40_000,
    ],
)
def test_junk_is_refused_with_a_reason(junk):
    with pytest.raises(PolicyInvalid, match=r"^\$"):
        parse_policy(junk)
    with pytest.raises(PolicyInvalid, match=r"^\$"):
        parse_policy(canonical(junk))


def test_a_policy_has_at_most_eight_kibibytes():
    found = changed("text", "x" * 1_000)
    found["legal_gateways"] = [f"{n:064d}" for n in range(32)]
    assert len(policy(found).document) < MAX_POLICY_BYTES
    with pytest.raises(PolicyInvalid, match="at most 8192"):
        parse_policy(b"{" + b" " * MAX_POLICY_BYTES)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_parser_fail_in_another_way(data):
    with pytest.raises(PolicyInvalid):
        parse_policy(data)


@pytest.mark.parametrize("title", TITLES)
def test_what_ships_is_a_policy_of_its_own_title(title):
    found = shipped(title)
    assert found.title == title
    assert parse_policy(found.document) == found


def test_no_other_policy_ships():
    with pytest.raises(KeyError):
        shipped("other")
