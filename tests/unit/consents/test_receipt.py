"""A receipt carries every field of the standard, round-trips, and says nothing without its salt."""

from __future__ import annotations

import csv
import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.consents.commitment import canonical, commitment_of, matches
from bulwark.consents.facts import ReceiptFacts
from bulwark.consents.faults import DocumentRefused
from bulwark.consents.parsing import parse
from bulwark.consents.receipt import renew_receipt
from bulwark.consents.schema import Schema, check, faults_of
from bulwark.consents.vocabulary import basis_of, basis_term, covering, purpose_of, purpose_term
from bulwark.indicators.vocabulary import Kind, LawfulBasis, Purpose
from tests.unit.consents.receipts import CONSENT_ID, NOW_MS, RICH, VECTORS, receipt

VARIANTS: list[dict[str, Any]] = [
    {},
    RICH,
    {"consent_type": "implied"},
    {"valid_until": "2031-05-06"},
    *({"lawful_basis": basis.label} for basis in LawfulBasis if basis > LawfulBasis.CONSENT),
    *({"purpose": purpose.label} for purpose in Purpose if purpose),
]


@pytest.mark.parametrize("more", VARIANTS)
def test_what_is_issued_satisfies_its_schema_and_round_trips_byte_for_byte(
    more: dict[str, Any],
) -> None:
    made = receipt(**more)
    check(made, Schema.RECEIPT)
    raw = canonical(made)
    assert canonical(parse(raw)) == raw
    assert canonical(parse(json.dumps(made, indent=3, ensure_ascii=True).encode())) == raw


def test_a_consent_receipt_is_one_in_the_eyes_of_the_standard() -> None:
    for more in ({}, RICH, {"consent_type": "expressed"}):
        assert faults_of(receipt(**more), Schema.DPV) == []


def test_a_receipt_on_another_basis_claims_no_consent() -> None:
    made = receipt(lawful_basis="legitimate_interests", valid_until="2030-01-01")
    text = json.dumps(made)
    assert made["@type"] == "bulwark:ProcessingReceipt"
    assert "27560" not in text and "dpv:Consent" not in text and "WithdrawConsent" not in text
    assert not ReceiptFacts.of(made).is_consent
    assert faults_of(made, Schema.DPV)


def _names(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {name for below in value.values() for name in _names(below)}
    if isinstance(value, list):
        return {name for below in value for name in _names(below)}
    return set()


def test_every_field_of_the_guides_table_has_a_place_in_a_receipt() -> None:
    with (VECTORS / "dpv_27560_record_fields.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 42
    ours = {
        "dpv:hasIdentifier": "dct:identifier",
        "schema:contactPoint": "dpv:hasContact",
        "dpv:hasEntity, dpv:hasDataController, dpv:hasDataProcessor, dpv:hasThirdParty, "
        "dpv:hasAuthority, dpv:hasDataSubject": "dpv:hasDataController",
    }
    optional = {"Processing Condition", "Geographic Restriction"}
    found = _names(receipt(**RICH))
    for row in rows:
        place = row["dpv_property"]
        if row["field"] in optional:
            assert row["cardinality"].startswith("0")
            continue
        assert ours.get(place, place) in found, row["field"]
    assert {"dpv:hasAddress", "dpv:hasDuration", "dct:language"} <= found


def test_a_renewal_adds_an_event_and_leaves_the_rest() -> None:
    first = receipt(valid_until="2030-01-01")
    second = renew_receipt(first, valid_until_day=30_000, method="call", now_ms=NOW_MS + 5_000)
    assert (first["bulwark:version"], second["bulwark:version"]) == (1, 2)
    events = second["dpv:hasRecordOfActivity"]["dpv:hasConsentStatus"]
    assert [event["@type"][0] for event in events] == [
        "dpv:ConsentGiven",
        "dpv:RenewedConsentGiven",
    ]
    assert ReceiptFacts.of(second).valid_until == "2052-02-20"
    assert ReceiptFacts.of(first).valid_until == "2030-01-01"
    for name in ("dpv:hasProcess", "dpv:hasDataSubject", "dpv:hasNotice"):
        assert first["dpv:hasRecordOfActivity"][name] == second["dpv:hasRecordOfActivity"][name]
    other = receipt(lawful_basis="contract")
    again = renew_receipt(other, valid_until_day=0, method="", now_ms=NOW_MS)
    assert len(again["dpv:hasRecordOfActivity"]["dpv:hasActivityStatus"]) == 2


def _places(value: object, steps: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every member and list item below a value."""
    found: list[tuple[str | int, ...]] = []
    pairs: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        pairs = [(str(name), below) for name, below in value.items()]
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    for step, below in pairs:
        found += [(*steps, step), *_places(below, (*steps, step))]
    return found


def _parent(document: Any, steps: tuple[str | int, ...]) -> Any:
    for step in steps[:-1]:
        document = document[step]
    return document


_OPTIONAL = {
    "schema:email", "schema:telephone", "schema:url", "dpv:hasIndicationMethod", "dct:hasVersion",
    "dct:date", "bulwark:sha256", "dpv:hasAddress", "dpv:hasLocation", "dpv:hasProcessing",
    "dpv:hasDataSource", "dpv:hasService", "dpv:hasOrganisationalMeasure", "dpv:hasAuthority",
    "dpv:hasAssessment", "dct:references",
}  # fmt: skip


def _path(steps: tuple[str | int, ...]) -> str:
    return "$" + "".join(f"[{s}]" if isinstance(s, int) else f"['{s}']" for s in steps)


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_a_member_that_is_taken_out_is_named_by_its_path(data: st.DataObject) -> None:
    bent = receipt(**RICH)
    steps = data.draw(st.sampled_from([p for p in _places(bent) if isinstance(p[-1], str)]))
    if steps[0] == "@context" and len(steps) > 1:
        expected = "$['@context']"
    else:
        expected = _path(steps)
    del _parent(bent, steps)[steps[-1]]
    paths = [fault.path for fault in faults_of(bent, Schema.RECEIPT)]
    # An address is needed of a controller and not of a recipient, and so on.
    is_optional = steps[-1] in _OPTIONAL and "dpv:hasDataController" not in steps
    if is_optional or steps[-1] in _OPTIONAL - {"dpv:hasAddress"}:
        assert paths == [] or expected in paths
    else:
        assert expected in paths


@settings(deadline=None, max_examples=200)
@given(data=st.data(), bad=st.sampled_from([None, 7, 1.5, True, "", [], {}, [[]], {"x": "y"}]))
def test_a_value_of_another_kind_is_named_by_its_path_or_one_above(
    data: st.DataObject, bad: object
) -> None:
    bent = receipt(**RICH)
    steps = data.draw(st.sampled_from(_places(bent)))
    parent = _parent(bent, steps)
    before = parent[steps[-1]]
    parent[steps[-1]] = bad
    paths = [fault.path for fault in faults_of(bent, Schema.RECEIPT)]
    if type(before) is type(bad) and before == bad:
        assert paths == []
        return
    if isinstance(before, bool) and isinstance(bad, bool):
        assert paths == []
        return
    if steps == ("bulwark:version",) and bad in (7, True):
        assert paths == [] or bad is True
        return
    where = _path(steps)
    assert paths and any(p.startswith(where) or where.startswith(p) for p in paths)


def test_a_member_that_is_unknown_is_named() -> None:
    bent = receipt()
    bent["dpv:hasRecordOfActivity"]["dpv:hasProcess"][0]["note"] = "call jane.doe@example.org"
    [fault] = faults_of(bent, Schema.RECEIPT)
    assert fault.path == "$['dpv:hasRecordOfActivity']['dpv:hasProcess'][0]['note']"
    assert "jane" not in str(fault)


def test_a_receipt_longer_than_what_is_read_is_refused() -> None:
    party = {"name": "B", "contact": "c", "purpose": "p", "method": "m", "personal_data": ["pd:N1"]}
    many = [{**party, "address": "é" * 256, "id": str(n)} for n in range(128)]
    with pytest.raises(DocumentRefused, match="bytes"):
        receipt(recipients=many)


def test_only_receipt_and_salt_together_open_the_commitment() -> None:
    made, salt = receipt(), bytes(range(32))
    commitment = commitment_of(made, salt)
    assert matches(made, salt, commitment)
    assert not matches(made, bytes(32), commitment)
    assert not matches(receipt(subject="pairwise-18"), salt, commitment)
    with pytest.raises(ValueError, match="32 bytes"):
        commitment_of(made, b"short")
    assert canonical(made) == rfc8785.dumps(made)


def test_terms_of_the_vocabulary_are_those_of_dpv() -> None:
    known = set()
    for path in (VECTORS / "dpv").glob("*.csv"):
        with path.open() as stream:
            known |= {f"dpv:{row['term']}" for row in csv.DictReader(stream)}
    stated = {purpose_term(purpose) for purpose in Purpose if purpose}
    stated |= {basis_term(basis) for basis in LawfulBasis if basis > LawfulBasis.CONSENT}
    made = receipt(**RICH)["dpv:hasRecordOfActivity"]
    stated |= {made["dpv:hasLegalBasis"], made["dpv:hasConsentControl"]["@type"]}
    stated |= {*made["dpv:hasConsentStatus"][0]["@type"], made["dpv:hasNotice"]["@type"]}
    other = receipt(lawful_basis="contract")["dpv:hasRecordOfActivity"]
    stated |= {other["dpv:hasActivityStatus"][0]["@type"], other["dpv:hasNotice"]["@type"]}
    assert {term for term in stated if term.startswith("dpv:")} <= known


@pytest.mark.parametrize("purpose", [p for p in Purpose if p])
def test_purposes_and_bases_are_read_back(purpose: Purpose) -> None:
    assert purpose_of(purpose_term(purpose)) is purpose
    for basis in LawfulBasis:
        if basis > LawfulBasis.CONSENT:
            assert basis_of(basis_term(basis)) is basis
    assert basis_of("dpv:ExpressedConsent") is LawfulBasis.CONSENT
    assert purpose_of("dpv:Marketing") is None and basis_of("dpv:Marketing") is None


@pytest.mark.parametrize("kind", list(Kind))
def test_a_receipt_covers_what_it_names_and_nothing_else(kind: Kind) -> None:
    asked = (kind, Purpose.FRAUD_PREVENTION, LawfulBasis.CONSENT)
    covers = ReceiptFacts.of(receipt(personal_data=[covering(kind)[0]]))
    assert covers.gaps(*asked) == ()
    assert "personal data" in ReceiptFacts.of(receipt(personal_data=["pd:Name"])).gaps(*asked)[0]
    assert covers.gaps(kind, Purpose.SUPERVISION, LawfulBasis.CONSENT) == ("purpose",)
    assert covers.gaps(kind, Purpose.FRAUD_PREVENTION, LawfulBasis.CONTRACT) == ("lawful basis",)
    no_share = receipt(personal_data=[covering(kind)[0]], scopes=["indicator:query"])
    assert ReceiptFacts.of(no_share).gaps(*asked) == ("scope indicator:share",)
    assert ReceiptFacts.of(receipt()).version == 1 and CONSENT_ID
