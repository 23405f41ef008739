"""Records to MISP events: the same every time, readable by PyMISP, and back as they went."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from pymisp import MISPEvent

from bulwark.indicators.vocabulary import (
    Channel,
    EvidenceLevel,
    FraudType,
    LossBand,
    ObjectRole,
    Purpose,
    Tlp,
)
from bulwark.interop.misp.exporter import export
from bulwark.interop.misp.feed import feed_files, hashes, manifest
from bulwark.interop.misp.importer import convert
from bulwark.interop.misp.options import ImportOptions
from bulwark.interop.misp.outgoing import Alliance, Clear, Outgoing

ALLIANCE = Alliance("north", b"g" * 32)
DAY_MS = 86_400_000
STATED_MS = 1_767_225_600_000
FIELDS: dict[str, str | int | None] = {
    "kind": "domain", "fraud_type": "phishing", "object_role": "offender_controlled",
    "evidence_level": "confirmed", "confidence": 70, "tlp": "green", "channel": "sms",
    "country": "GB", "first_seen": "2025-12-01", "last_seen": "2025-12-30",
    "valid_until": "2026-03-01", "distinct_customers": 2, "loss_band": "under_1k",
    "lawful_basis": "legitimate_interests", "purpose": "fraud_prevention",
}  # fmt: skip


def record(number: int = 1, state: str = "active", **more: Any) -> Outgoing:
    fields = {**FIELDS, **more.pop("fields", {})}
    made = Outgoing(
        bytes([number]) * 32, fields, bytes([number]) * 32, state, "bank-a", STATED_MS, STATED_MS
    )
    return replace(made, **more)


def only(*records: Outgoing) -> dict[str, Any]:
    (document,) = export(records, ALLIANCE)
    return dict(document["Event"])


def tags(attribute: dict[str, Any]) -> set[str]:
    return {tag["name"] for tag in attribute["Tag"]}


def test_the_same_records_give_the_same_events_and_uuids_of_version_5() -> None:
    records = [record(1), record(2, "retracted")]
    first, second = export(records, ALLIANCE), export(records, ALLIANCE)
    assert first == second and feed_files(first) == feed_files(second)
    event = first[0]["Event"]
    uuids = [event["uuid"], *(one["uuid"] for one in event["Attribute"])]
    assert len(set(uuids)) == 3 and all(uuid[14] == "5" for uuid in uuids)
    other = export(records, Alliance("north", b"h" * 32))
    assert other[0]["Event"]["uuid"] != event["uuid"]


@pytest.mark.parametrize(
    ("state", "deleted", "has_tag"),
    [
        ("active", False, False), ("disputed", False, True), ("expired", False, False),
        ("retracted", True, False), ("overruled", True, False), ("erased", True, False),
    ],
)  # fmt: skip
def test_the_state_of_a_record_is_said_in_misps_words(
    state: str, deleted: bool, has_tag: bool
) -> None:
    (attribute,) = only(record(1, state))["Attribute"]
    assert attribute["deleted"] is deleted
    assert ('false-positive:risk="high"' in tags(attribute)) is has_tag
    assert f'fraud-alliance:status="{state}"' in tags(attribute)


def test_an_erased_record_shows_no_token_and_keeps_its_uuid() -> None:
    gone = Outgoing(b"\x01" * 32, {}, b"", "erased", "bank-a", STATED_MS, STATED_MS + 1)
    event = only(replace(gone))
    (attribute,) = event["Attribute"]
    assert attribute["value"] == "erased" and attribute["deleted"]
    before = only(record(1, fields={"tlp": "amber_strict"}))["Attribute"][0]
    assert attribute["uuid"] == before["uuid"]


@pytest.mark.parametrize(
    ("tlp", "tag", "distribution"),
    [
        ("clear", "tlp:clear", "3"), ("green", "tlp:green", "1"), ("amber", "tlp:amber", "0"),
        ("amber_strict", "tlp:amber+strict", "0"), ("unknown", "tlp:amber+strict", "0"),
    ],
)  # fmt: skip
def test_distribution_follows_the_marking(tlp: str, tag: str, distribution: str) -> None:
    event = only(record(fields={"tlp": tlp}))
    assert [one["name"] for one in event["Tag"]] == [tag]
    assert event["distribution"] == distribution
    assert {one["distribution"] for one in event["Attribute"]} == {distribution}


def test_other_records_of_one_identifier_are_sightings_of_it() -> None:
    token = b"\x07" * 32
    event = only(
        record(1, token=token),
        record(2, token=token, reporter="bank-b"),
        record(3, "disputed", token=token, reporter="bank-c"),
        record(4, "retracted", token=token),
    )
    (attribute,) = event["Attribute"]
    seen = [(one["type"], one["source"]) for one in attribute["Sighting"]]
    assert seen == [("0", "fraud-alliance:bank-b"), ("1", "fraud-alliance:bank-c")]
    (method,) = event["Object"]
    assert [one["referenced_uuid"] for one in method["ObjectReference"]] == [attribute["uuid"]]


def test_a_clear_value_goes_out_in_the_type_in_which_it_came() -> None:
    clear = Clear("evil.com", {"type": "hostname", "category": "Payload delivery"})
    (attribute,) = only(record(clear=clear))["Attribute"]
    shown = (attribute["type"], attribute["category"], attribute["to_ids"])
    assert shown == ("hostname", "Payload delivery", True)
    composite = Clear("evil.com", {"type": "domain|ip"})
    (attribute,) = only(record(clear=composite))["Attribute"]
    assert attribute["type"] == "domain"
    victim = record(clear=clear, fields={"object_role": "compromised_victim"})
    assert only(victim)["Attribute"][0]["to_ids"] is False, "protects only"


def test_manifest_and_hashes_are_those_that_pymisp_makes() -> None:
    events = export([record(1), record(2, clear=Clear("evil.com"))], ALLIANCE)
    event = MISPEvent()
    event.load(export([record(1), record(2, clear=Clear("evil.com"))], ALLIANCE)[0])
    ours = [line.split(",")[0] for line in hashes(events).decode().splitlines()]
    assert sorted(ours) == sorted(event.attributes_hashes("md5"))
    (entry,) = manifest(events).values()
    theirs = event.manifest[event.uuid]
    for name in ("info", "date", "timestamp", "analysis", "threat_level_id"):
        assert str(entry[name]) == str(theirs[name])


def labels(vocabulary: Any) -> st.SearchStrategy[str]:
    return st.sampled_from([term.label for term in vocabulary if term])


VALUES = st.sampled_from(
    [("domain", "evil.com"), ("phone", "+447911123456"), ("email", "a@evil.com"),
     ("iban", "DE89370400440532013000"), ("ip", "8.8.8.8"), ("url", "http://evil.com/a"),
     ("wallet", "btc:1BoatSLRHtKNngkdXEeobR76b53LETtpyT"), ("imei", "35209900176148"),
     ("wallet", "evm:0xde0b295669a9fd93d5f28d9ec85e40f4cb697bae"),
     ("device_id", "ios:idfv:6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
     ("bank_account", "US:021000021::12345678")]
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(
    VALUES,
    st.fixed_dictionaries(
        {
            "fraud_type": labels(FraudType),
            "object_role": labels(ObjectRole),
            "evidence_level": labels(EvidenceLevel),
            "channel": labels(Channel),
            "loss_band": labels(LossBand),
            "purpose": labels(Purpose),
            "tlp": labels([tlp for tlp in Tlp if tlp is not Tlp.RED]),
            "confidence": st.integers(0, 100),
            "distinct_customers": st.integers(0, 65_535),
        }
    ),
)
def test_a_kept_value_comes_back_as_the_row_that_it_was(
    value: tuple[str, str], fields: dict[str, Any]
) -> None:
    kind, canonical = value
    made = record(fields={**fields, "kind": kind}, clear=Clear(canonical))
    document = export([made], ALLIANCE)[0]
    options = ImportOptions(take_context=True, take_own_org=True, trust_tags=True)
    (statement,) = convert(document, options, now_ms=STATED_MS).statements
    row = statement.row
    assert statement.record == made.record_id.hex()
    assert row["kind"] == kind
    for name, expected in {**FIELDS, **fields, "kind": kind}.items():
        if expected and expected != "unknown":
            assert str(row[name]).lower() == str(expected).lower(), name
