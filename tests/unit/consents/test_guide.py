"""The examples of the W3C guide on ISO/IEC TS 27560: complete ones are read, others refused."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulwark.consents.commitment import canonical
from bulwark.consents.faults import DocumentRefused
from bulwark.consents.parsing import MAX_DEPTH, MAX_DOCUMENT_BYTES, parse
from bulwark.consents.schema import Schema, faults_of
from tests.unit.consents.receipts import complete_example, examples

EXAMPLES = examples()
VALID = [each["jsonld"] for each in EXAMPLES if each["jsonld"] is not None]
MALFORMED = [each["text_as_published"] for each in EXAMPLES if each["jsonld"] is None]
RECORD = "dpv:hasRecordOfActivity"


def test_the_complete_receipt_and_its_record_are_read_and_round_trip() -> None:
    document = complete_example()
    assert faults_of(document, Schema.DPV) == []
    assert faults_of(document[RECORD], Schema.DPV) == []
    raw = canonical(document)
    assert canonical(parse(raw)) == raw


def test_every_other_example_is_a_fragment_and_its_faults_have_paths() -> None:
    assert (len(VALID), len(MALFORMED)) == (76, 14)
    whole = [each for each in VALID if not faults_of(each, Schema.DPV)]
    assert whole == [complete_example()]
    for each in VALID:
        for fault in faults_of(each, Schema.DPV):
            assert fault.path.startswith("$") and fault.found and fault.allowed


@pytest.mark.parametrize("text", MALFORMED)
def test_what_the_guide_publishes_as_no_json_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(DocumentRefused, match=r"\$: found no JSON at line \d+, column \d+"):
        parse(text.encode())


def _merged(base: Any, more: Any) -> Any:
    """`more` over `base`, member by member; an item of a list over the one item of the base."""
    if isinstance(base, dict) and isinstance(more, dict):
        return {**base, **{k: _merged(base[k], v) if k in base else v for k, v in more.items()}}
    if isinstance(base, dict) and isinstance(more, list):
        return [_merged(base, each) if isinstance(each, dict) else each for each in more]
    return more


FRAGMENTS = [each for each in VALID if each["@type"] == "dpv:ConsentRecord"]


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=range(len(FRAGMENTS)))
def test_every_form_that_the_guide_shows_is_taken_in_a_complete_record(
    fragment: dict[str, Any],
) -> None:
    """A fragment, laid over the complete record: no form of it is a fault."""
    record = copy.deepcopy(complete_example()[RECORD])
    record["dct:language"] = "en"  # some notices are named by an identifier alone
    for name, value in fragment.items():
        if name == "dpv:hasProcess":
            record[name] = _merged(record[name], value)
        elif name == "dpv:hasConsentStatus":
            event = {"dpv:isIndicatedBy": "dpv:DataSubject", "dpv:isIndicatedAtTime": "2024-01-01"}
            events = value if isinstance(value, list) else [value]
            shown = [each if isinstance(each, dict) else {"@type": each} for each in events]
            record[name] = [{**event, **each} for each in shown]
        else:
            record[name] = value
    assert faults_of(record, Schema.DPV) == []


MANDATORY = [
    (RECORD, "dct:identifier"),
    (RECORD, "dct:conformsTo"),
    (RECORD, "@type"),
    (RECORD, "dpv:hasDataSubject"),
    (RECORD, "dpv:hasDataController"),
    (RECORD, "dpv:hasJurisdiction"),
    (RECORD, "dpv:hasProcess"),
    (RECORD, "dpv:hasProcess", "dpv:hasPurpose"),
    (RECORD, "dpv:hasProcess", "dpv:hasPersonalData"),
    (RECORD, "dpv:hasProcess", "dpv:hasStorageCondition"),
    (RECORD, "dpv:hasConsentControl"),
    (RECORD, "dpv:hasRight"),
    (RECORD, "dpv:hasNotice"),
    (RECORD, "dpv:hasConsentStatus"),
    ("dct:identifier",),
    ("dct:conformsTo",),
    (RECORD,),
]


@pytest.mark.parametrize("steps", MANDATORY, ids=str)
def test_a_mandatory_field_that_is_missing_is_named(steps: tuple[str, ...]) -> None:
    bent = complete_example()
    parent = bent
    for step in steps[:-1]:
        parent = parent[step]
    del parent[steps[-1]]
    paths = [fault.path for fault in faults_of(bent, Schema.DPV)]
    assert "$" + "".join(f"['{step}']" for step in steps) in paths


@pytest.mark.parametrize("steps", MANDATORY, ids=str)
@pytest.mark.parametrize("bad", [None, 7, True, [], {}, ""])
def test_a_mandatory_field_of_another_kind_is_named(steps: tuple[str, ...], bad: object) -> None:
    bent = complete_example()
    parent = bent
    for step in steps[:-1]:
        parent = parent[step]
    parent[steps[-1]] = bad
    place = "$" + "".join(f"['{step}']" for step in steps)
    assert any(fault.path.startswith(place) for fault in faults_of(bent, Schema.DPV))


def test_a_recipient_may_stand_on_the_record_or_in_every_process_and_must_somewhere() -> None:
    bent = complete_example()
    recipient = bent[RECORD]["dpv:hasProcess"].pop("dpv:hasRecipient")
    [fault] = faults_of(bent, Schema.DPV)
    assert fault.path == f"$['{RECORD}']['dpv:hasRecipient']"
    bent[RECORD]["dpv:hasRecipient"] = recipient
    assert faults_of(bent, Schema.DPV) == []


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"[]", "a list of 0 entries"),
        (b"7", "a number"),
        (b"{", "no JSON at line 1, column 2"),
        (b"\xff{}", "no UTF-8 at byte 0"),
        (b'{"a": NaN}', "a number that JSON has not"),
        (b'{"a": 1e999}', "without a canonical form"),
        (b'{"a": "\\ud800"}', "without a canonical form"),
        (b'{"a": 12345678901234567890}', "without a canonical form"),
        (b'{"a": {"b": 1, "b": 2}}', "a member twice"),
        (b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}", f"more than {MAX_DEPTH} levels"),
        (b"[" * 100_000, f"{100_000} bytes"),
        (b"[" * 60_000, "$: found more than 16 levels"),
        (b" " * (MAX_DOCUMENT_BYTES + 1), "bytes"),
    ],
)
def test_what_has_no_canonical_form_or_no_bound_is_refused(raw: bytes, found: str) -> None:
    with pytest.raises(DocumentRefused) as refused:
        parse(raw)
    assert found in str(refused.value)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        document = parse(raw)
    except DocumentRefused as error:
        assert error.faults
    else:
        assert canonical(parse(canonical(document))) == canonical(document)


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=5) | st.integers(-9, 9),
        lambda below: (
            st.lists(below, max_size=3)
            | st.dictionaries(
                st.sampled_from(["@type", RECORD, "dpv:hasProcess", "x"]), below, max_size=3
            )
        ),
        max_leaves=12,
    )
)
def test_any_document_is_judged_without_an_error(document: object) -> None:
    for schema in Schema:
        for fault in faults_of(document, schema):
            assert fault.path.startswith("$")


def test_schemas_are_json_schema_2020_12_and_name_themselves() -> None:
    for schema in Schema:
        document = json.loads(schema.text())
        assert document["$schema"].endswith("2020-12/schema")
        assert document["$id"].startswith("urn:bulwark:schema:")
