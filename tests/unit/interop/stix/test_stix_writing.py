"""Records to STIX: what others read of it, that it is the same every time, and what it hides."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import stix2
from hypothesis import given
from hypothesis import strategies as st

from bulwark.indicators.vocabulary import Kind
from bulwark.interop.misp.options import ImportOptions
from bulwark.interop.misp.outgoing import Alliance, Clear, Outgoing
from bulwark.interop.stix import writing
from bulwark.interop.stix.names import EXTENSION, observable_id
from bulwark.interop.stix.objects import fault_of
from bulwark.interop.stix.patterns import read_pattern
from bulwark.interop.stix.reading import convert
from bulwark.interop.stix.selection import select
from tests.interop.stixoracles import Schemas, as_misp, strictly

ROOT = Path(__file__).resolve().parents[4]
SHARED = Path(os.environ.get("BULWARK_TEST_SHARED") or ROOT.parent / "shared")
SCHEMAS = SHARED / "vectors" / "cti" / "stix2.1" / "schemas"
ALLIANCE = Alliance("test", bytes(32))
NOW_MS = 1_795_000_000_000
VALUES = {
    Kind.PHONE: "+447911123456",
    Kind.EMAIL: "o'neil@scam-post.net",
    Kind.DOMAIN: "evil.example.net",
    Kind.URL: "https://evil.example.net/a?b=c",
    Kind.IP: "2606:4700::1111",
    Kind.IBAN: "DE89370400440532013000",
    Kind.BANK_ACCOUNT: "GB:200000::55779911",
    Kind.WALLET: "btc:1BoatSLRHtKNngkdXEeobR76b53LETtpyT",
    Kind.DEVICE_ID: "android:advertising:38400000-8cf0-11bd-b23e-10b96e40000d",
    Kind.IMEI: "49015420323751",
}
FIELDS: dict[str, str | int | None] = {
    "fraud_type": "vishing",
    "operation": "add",
    "object_role": "mule",
    "evidence_level": "confirmed",
    "confidence": 80,
    "tlp": "amber",
    "channel": "sms",
    "country": "DE",
    "first_seen": "2026-11-01",
    "last_seen": "2026-11-10",
    "valid_until": "2027-02-01",
    "distinct_customers": 2,
    "loss_band": "none",
    "lawful_basis": "legitimate_interests",
    "purpose": "fraud_prevention",
    "usage": "no_sole_basis",
}


def record(
    number: int = 1, kind: Kind = Kind.EMAIL, state: str = "active", *, own: bool = False,
    **fields: Any,
) -> Outgoing:  # fmt: skip
    gone = state == "erased"
    return Outgoing(
        record_id=number.to_bytes(32, "big"),
        fields={} if gone else {**FIELDS, "kind": kind.label, **fields},
        token=b"" if gone else b"\x07" * 32,
        state=state,
        reporter="bank-a",
        stated_ms=1_794_000_000_000 + number,
        changed_ms=1_794_100_000_000 + number,
        clear=Clear(VALUES[kind]) if own and not gone else None,
    )


def objects(made: Outgoing, *, own: bool = False, disputes: int = 0) -> list[dict[str, Any]]:
    contested = tuple(
        writing.Contested(bytes([at + 1]) * 32, "bank-b", "reassigned", 1_794_050_000_000,
                          1_794_060_000_000, is_over=at > 0)
        for at in range(disputes)
    )  # fmt: skip
    return writing.objects_of(writing.Shown(made, contested, 3, own), ALLIANCE)


def whole() -> dict[str, Any]:
    """A bundle with every kind, state, sort of export and kind of statement."""
    found = [*writing.definitions(ALLIANCE), *writing.markings()]
    found += [writing.identity(member, member.title(), ALLIANCE) for member in ("bank-a", "bank-b")]
    states = ("active", "disputed", "retracted", "overruled", "expired", "erased")
    number = 0
    for kind in VALUES:
        for state in states:
            for own in (False, True):
                number += 1
                operation = "sight" if number % 3 == 0 else "add"
                made = record(number, kind, state, own=own, operation=operation)
                found += objects(made, own=own, disputes=2 if state == "disputed" else 0)
    return writing.bundle(found)


def test_others_read_every_kind_and_state_without_an_error() -> None:
    bundle = whole()
    assert strictly(bundle) == len(bundle["objects"]) > 200
    assert all(fault_of(one) is None for one in bundle["objects"])
    count, errors = as_misp(bundle)
    assert count > 100 and not errors


@pytest.mark.data
@pytest.mark.skipif(not SCHEMAS.is_dir(), reason="no folder of vectors beside the tree")
def test_the_schemas_of_the_standard_hold() -> None:
    schemas = Schemas(SCHEMAS)
    for one in whole()["objects"]:
        assert not schemas.faults(one), one["id"]


def test_ids_and_bytes_are_the_same_every_time_and_no_id_stands_twice() -> None:
    first, second = whole(), whole()
    assert json.dumps(first) == json.dumps(second)
    ids = [one["id"] for one in first["objects"]]
    assert len(ids) == len(set(ids))
    assert {ref for one in first["objects"] for ref in one.get("object_refs", [])} <= set(ids)


def test_ids_of_observables_are_those_of_the_standard() -> None:
    for kind, value in (("email-addr", "a@b.example"), ("url", "https://a.example/"),
                        ("domain-name", "a.example"), ("ipv4-addr", "203.0.113.1")):  # fmt: skip
        made = stix2.parse({"type": kind, "value": value}, version="2.1")
        assert observable_id(kind, {"value": value}) == made["id"]


def test_tokens_go_out_without_any_clear_value_and_red_never() -> None:
    told = json.dumps([objects(record(at, kind)) for at, kind in enumerate(VALUES, 1)])
    assert not any(value in told for value in VALUES.values())
    assert not objects(record(tlp="red"))
    assert not objects(record(own=True, tlp="red"), own=True)


def test_an_erased_record_shows_nothing_but_that_it_is_revoked() -> None:
    for own in (False, True):
        (shown,) = objects(record(state="erased", own=own), own=own)
        assert shown["revoked"] is True
        assert shown["id"] == objects(record(own=own), own=own)[0]["id"]
        extension = shown["extensions"][EXTENSION]
        assert extension.keys() == {"extension_type", "alliance", "record", "state"}
        assert "labels" not in shown and "confidence" not in shown
        assert (b"\x07" * 32).hex() not in json.dumps(shown)


def test_what_follows_a_record_is_seen_in_its_objects() -> None:
    active = objects(record())[0]
    assert "revoked" not in active and active["modified"] > active["created"]
    for state in ("retracted", "overruled", "expired"):
        assert objects(record(state=state))[0]["revoked"] is True
    shown, open_one, over = objects(record(state="disputed"), disputes=2)
    assert "revoked" not in shown
    assert (open_one["type"], open_one["opinion"]) == ("opinion", "strongly-disagree")
    assert "revoked" not in open_one and over["revoked"] is True
    assert open_one["object_refs"] == [shown["id"]]
    seen = objects(record(operation="sight"))
    assert [one["type"] for one in seen] == ["indicator", "sighting"]
    assert seen[1]["sighting_of_ref"] == seen[0]["id"]


@pytest.mark.parametrize("kind", list(VALUES))
def test_who_knows_nothing_reads_the_same_of_a_clear_export(kind: Kind) -> None:
    made = objects(record(1, kind, own=True), own=True)
    bundle = writing.bundle([*writing.markings(), *made])
    found = convert(json.dumps(bundle).encode(), ImportOptions(), now_ms=NOW_MS)
    (statement,) = [one for one in found.statements if one.ref.startswith("indicator--")]
    expected = {**FIELDS, "kind": kind.label}
    for name in ("kind", "fraud_type", "object_role", "evidence_level", "confidence", "tlp",
                 "channel", "country", "first_seen", "last_seen", "valid_until", "loss_band",
                 "distinct_customers", "lawful_basis", "purpose"):  # fmt: skip
        assert statement.row[name] == expected[name], name
    assert statement.row["value"] == VALUES[kind]
    assert statement.record == (1).to_bytes(32, "big").hex()


@given(st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable()))
def test_any_value_survives_its_pattern(value: str) -> None:
    clear = Outgoing(
        record_id=bytes(32), fields={**FIELDS, "kind": "email"}, token=b"", state="active",
        reporter="bank-a", stated_ms=1, changed_ms=1, clear=Clear(value),
    )  # fmt: skip
    shown = objects(clear, own=True)[0]
    assert [one.value for one in select(read_pattern(shown["pattern"])).identifiers] == [value]
