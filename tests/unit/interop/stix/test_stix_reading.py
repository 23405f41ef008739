"""STIX documents to statements: markings, dates, actions, and that no item holds a value."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.indicators.model import IndicatorReport
from bulwark.indicators.vocabulary import FraudType, Tlp
from bulwark.interop.carried import Action, Carried, Fate, Reason
from bulwark.interop.misp.options import ImportOptions, OnFalsePositive
from bulwark.interop.stix.names import EXTENSION
from bulwark.interop.stix.reading import convert
from bulwark.interop.stix.selection import PATHS

NOW_MS = 1_795_000_000_000
"""2026-11-18."""
PHISHING = ImportOptions(fraud_type=FraudType.PHISHING)
ALL = ImportOptions(fraud_type=FraudType.PHISHING, take_context=True)
RED = "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"
RED_2 = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"
GREEN = "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"
STRICT = "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003"
OTHER = "marking-definition--5f0d8b1e-3c1b-4b52-9a0f-6d3b0d4f9a09"
TIMES = {"created": "2026-11-01T10:00:00.000Z", "modified": "2026-11-02T10:00:00.000Z"}


def uid(kind: str, number: int = 1) -> str:
    return f"{kind}--5f0d8b1e-3c1b-4b52-9a0f-{number:012d}"


def made(kind: str, number: int = 1, **more: Any) -> dict[str, Any]:
    common = {"type": kind, "spec_version": "2.1", "id": uid(kind, number)}
    return {**common, **TIMES, **more}


def indicator(number: int = 1, value: str = "hidden.example.net", **more: Any) -> dict[str, Any]:
    start = {"pattern_type": "stix", "valid_from": "2026-10-01T00:00:00Z"}
    pattern = f"[domain-name:value = '{value}']"
    return made("indicator", number, **{"pattern": pattern, **start, **more})


def take(*objects: Any, options: ImportOptions = PHISHING) -> Carried:
    bundle = {"type": "bundle", "id": uid("bundle"), "objects": list(objects)}
    return convert(json.dumps(bundle).encode(), options, now_ms=NOW_MS)


def fates(carried: Carried) -> list[tuple[str, str]]:
    return [(item.fate.value, item.reason) for item in carried.items]


def test_an_indicator_becomes_a_row_that_the_node_takes() -> None:
    found = take(
        indicator(confidence=80, valid_until="2026-12-24T00:00:00Z", object_marking_refs=[GREEN])
    )
    (statement,) = found.statements
    assert (statement.action, statement.ref) == (Action.REPORT, uid("indicator"))
    assert statement.version == TIMES["modified"]
    row = dict(statement.row)
    assert row["value"] == "hidden.example.net" and row["tlp"] == "green"
    assert (row["confidence"], row["fraud_type"]) == (80, "phishing")
    assert (row["first_seen"], row["last_seen"]) == ("2026-10-01", "2026-11-02")
    assert row["valid_until"] == "2026-12-24"
    assert IndicatorReport.from_mapping(row, now_ms=NOW_MS).confidence == 80
    assert "hidden" not in repr(statement) and "hidden" not in str(found.items)


@pytest.mark.parametrize(
    ("marks", "reason"),
    [
        ({"object_marking_refs": [RED]}, Reason.MARKED_RED),
        ({"object_marking_refs": [GREEN, RED_2]}, Reason.MARKED_RED),
        ({"object_marking_refs": [OTHER]}, Reason.MARKING_UNKNOWN),
        ({"granular_markings": [{"selectors": ["pattern"], "marking_ref": RED}]},
         Reason.MARKED_RED),
        ({"granular_markings": [{"selectors": ["labels.[0]"], "marking_ref": OTHER}]},
         Reason.MARKING_UNKNOWN),
        ({"labels": ["tlp:red"]}, Reason.MARKED_RED),
    ],
)  # fmt: skip
def test_red_and_what_is_not_understood_stay_where_they_are(
    marks: dict[str, Any], reason: Reason
) -> None:
    found = take(indicator(**marks))
    assert not found.statements
    assert fates(found) == [("refused", reason.value)]


def test_markings_that_are_understood_go_with_the_record_the_strictest_of_them() -> None:
    statement = take(indicator(object_marking_refs=[GREEN, STRICT])).statements[0]
    assert statement.row["tlp"] == "amber_strict"
    part = [{"selectors": ["description"], "marking_ref": RED}]
    described = take(indicator(description="x", granular_markings=part)).statements[0]
    assert described.row["tlp"] == "amber"
    agreed = ImportOptions(fraud_type=FraudType.PHISHING, red_as=Tlp.AMBER)
    assert take(indicator(object_marking_refs=[RED]), options=agreed).statements[0].row["tlp"] == (
        "amber"
    )
    own = made("marking-definition", 9, definition_type="statement",
               definition={"statement": "Copyright"}, id=OTHER)  # fmt: skip
    del own["modified"]
    found = take(own, indicator(object_marking_refs=[OTHER]))
    assert len(found.statements) == 1
    assert ("left", "no_place") in fates(found)


def test_the_fraud_type_comes_from_words_of_the_object_then_from_what_it_indicates() -> None:
    plain = ImportOptions()
    assert fates(take(indicator(), options=plain)) == [("refused", "no_fraud_type")]
    tagged = indicator(labels=['fraud-alliance:fraud_type="vishing"', "something else"])
    found = take(tagged, options=plain)
    assert found.statements[0].row["fraud_type"] == "vishing"
    assert ("left", "no_place") in fates(found)
    technique = made("attack-pattern", name="Smishing - F1016")
    link = made("relationship", relationship_type="indicates", source_ref=uid("indicator"),
                target_ref=uid("attack-pattern"))  # fmt: skip
    found = take(indicator(), technique, link, options=plain)
    assert found.statements[0].row["fraud_type"] == "smishing"
    assert fates(found) == [("taken", "stated"), ("taken", "field"), ("taken", "field")]


def test_observables_are_taken_only_where_the_import_says_so_and_never_twice() -> None:
    observable = {"type": "email-addr", "id": uid("email-addr"), "value": "x@scam-post.net"}
    seen = made("observed-data", first_observed="2026-11-03T00:00:00Z", number_observed=2,
                last_observed="2026-11-04T00:00:00Z", object_refs=[uid("email-addr")])  # fmt: skip
    assert fates(take(observable)) == [("left", "not_detection")]
    found = take(seen, observable, options=ALL)
    assert found.statements[0].row["first_seen"] == "2026-11-03"
    assert found.statements[0].row["last_seen"] == "2026-11-04"
    again = {"type": "domain-name", "id": uid("domain-name"), "value": "hidden.example.net"}
    assert fates(take(indicator(), again, options=ALL)) == [
        ("taken", "stated"), ("taken", "duplicate"),
    ]  # fmt: skip
    old = made("observed-data", first_observed="2026-11-03T00:00:00Z", number_observed=1,
               last_observed="2026-11-03T00:00:00Z",
               objects={"0": {"type": "url", "value": "https://a.example.net/"}})  # fmt: skip
    assert take(old, options=ALL).statements[0].where == "/objects/0/objects/0"


@pytest.mark.parametrize(
    ("kind", "more", "expected"),
    [
        ("phone-number", {"value": "447911123456"}, ("phone", "+447911123456")),
        ("bank-account", {"iban": "DE89 3704 0044 0532 0130 00"},
         ("iban", "DE89 3704 0044 0532 0130 00")),
        ("cryptocurrency-wallet", {"value": "1BoatSLRHtKNngkdXEeobR76b53LETtpyT"},
         ("wallet", "1BoatSLRHtKNngkdXEeobR76b53LETtpyT")),
    ],
)  # fmt: skip
def test_observables_of_the_community_are_read(
    kind: str, more: dict[str, str], expected: tuple[str, str]
) -> None:
    found = take({"type": kind, "id": uid(kind), **more}, options=ALL)
    (statement,) = found.statements
    assert (statement.row["kind"], statement.row["value"]) == expected


def test_a_payment_card_is_left_with_its_reason_and_its_number_is_nowhere() -> None:
    found = take({"type": "payment-card", "id": uid("payment-card"), "value": "4111111111111111"},
                 options=ALL)  # fmt: skip
    assert fates(found) == [("left", "no_kind")]
    assert "PAN" in found.items[0].detail and "4111" not in str(found)


def test_revoked_takes_back_and_a_validity_that_is_over_ends() -> None:
    found = take(indicator(revoked=True))
    assert [one.action for one in found.statements] == [Action.RETRACT]
    found = take(indicator(valid_until="2026-11-01T00:00:00Z"))
    assert [one.action for one in found.statements] == [Action.EXPIRE]


def test_opinions_and_sightings_act_on_what_they_name() -> None:
    opinion = made("opinion", opinion="strongly-disagree", object_refs=[uid("indicator", 7)])
    (statement,) = take(opinion).statements
    assert (statement.action, statement.ref) == (Action.FALSE_POSITIVE, uid("indicator", 7))
    agreeing = made("opinion", opinion="agree", object_refs=[uid("indicator", 7)])
    assert fates(take(agreeing)) == [("left", "no_place")]
    leaving = ImportOptions(on_false_positive=OnFalsePositive.LEAVE)
    assert not take(opinion, options=leaving).statements
    denied = made("opinion", opinion="disagree", object_refs=[uid("indicator")])
    found = take(indicator(), denied)
    assert [one.action for one in found.statements] == [Action.FALSE_POSITIVE]
    assert found.items[0].reason == Reason.DISPUTED_THERE
    sighting = made("sighting", sighting_of_ref=uid("indicator", 7),
                    last_seen="2026-11-10T00:00:00Z")  # fmt: skip
    (statement,) = take(sighting).statements
    assert statement.action is Action.SIGHTING
    assert statement.row == {"last_seen": "2026-11-10"}
    inside = made("sighting", sighting_of_ref=uid("indicator"), last_seen="2026-11-10T00:00:00Z")
    (statement,) = take(indicator(), inside).statements
    assert statement.row["last_seen"] == "2026-11-10"
    unseen = made("sighting", sighting_of_ref=uid("indicator", 7), count=0)
    assert not take(unseen).statements


def test_of_two_versions_of_an_object_the_newest_counts() -> None:
    older = indicator(value="old.example.net")
    newer = indicator(value="new.example.net", modified="2026-11-09T10:00:00.000Z")
    for order in ((older, newer), (newer, older)):
        found = take(*order)
        assert [one.row["value"] for one in found.statements] == ["new.example.net"]
        assert sorted(fates(found)) == [("taken", "duplicate"), ("taken", "stated")]


def test_a_record_that_was_a_sighting_elsewhere_is_stated_as_one() -> None:
    own = {"extension_type": "property-extension", "operation": "sight", "fraud_type": "vishing",
           "country": "DE", "state": "active"}  # fmt: skip
    found = take(indicator(extensions={EXTENSION: own}), options=ImportOptions())
    (statement,) = found.statements
    assert statement.action is Action.REPORT
    report = IndicatorReport.from_mapping(dict(statement.row), now_ms=NOW_MS)
    assert (report.operation.label, report.fraud_type.label) == ("sight", "vishing")


def test_a_document_of_too_many_statements_is_refused_from_there_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bulwark.interop.stix.reading.STATEMENTS_MAX", 2)
    found = take(*(indicator(at, f"d{at}.example.net") for at in range(4)))
    assert fates(found) == [("taken", "stated")] * 2 + [("refused", "too_many")] * 2


def test_properties_and_extensions_without_a_place_are_told_by_name() -> None:
    other = "extension-definition--5f0d8b1e-3c1b-4b52-9a0f-6d3b0d4f9a09"
    found = take(
        indicator(
            name="hidden name",
            x_score=7,
            extensions={other: {"extension_type": "property-extension", "score": 7}},
        )
    )
    assert fates(found) == [("taken", "stated"), ("left", "no_place")]
    told = found.items[1]
    assert told.where == "/objects/0/name"
    assert told.detail.startswith("name, x_score, extensions:") and "hidden" not in told.detail


def test_objects_that_are_none_are_refused_one_by_one_and_the_others_go_on() -> None:
    found = take(7, {"type": "indicator"}, indicator(2, modified="2020-01-01T00:00:00.000Z"),
                 indicator(3))  # fmt: skip
    assert [item.fate for item in found.items] == [Fate.REFUSED] * 3 + [Fate.TAKEN]
    assert [item.where for item in found.items] == [f"/objects/{at}" for at in range(4)]
    assert "/objects/2/modified" in found.items[2].detail


def test_all_identifiers_of_a_long_pattern_are_parts_of_one_statement_each() -> None:
    listed = ", ".join(f"'d{at}.example.net'" for at in range(300))
    found = take(indicator(pattern=f"[domain-name:value IN ({listed})]"))
    assert [one.part for one in found.statements] == list(range(300))
    assert fates(found) == [("taken", "stated")]


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**6) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner,
                                                                max_size=3),
    max_leaves=8,
)  # fmt: skip
_property = st.sampled_from(
    ["pattern", "pattern_type", "labels", "object_marking_refs", "granular_markings", "extensions",
     "revoked", "valid_from", "valid_until", "modified", "created", "confidence", "object_refs",
     "opinion", "sighting_of_ref", "objects", "value", "indicator_types", "spec_version", "id"]
)  # fmt: skip
_some = st.sampled_from(
    [
        indicator(),
        made("opinion", opinion="disagree", object_refs=[uid("indicator")]),
        made("sighting", sighting_of_ref=uid("indicator")),
        made("observed-data", first_observed=TIMES["created"], last_observed=TIMES["created"],
             number_observed=1, object_refs=[uid("url")]),
        {"type": "url", "id": uid("url"), "value": "https://a.example.net/"},
    ]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(_some, st.dictionaries(_property, _json, max_size=3)), max_size=4))
def test_whatever_an_object_holds_it_gets_a_fate_and_no_value_is_told(
    given_objects: list[tuple[dict[str, Any], dict[str, Any]]],
) -> None:
    objects = [{**entry, **change} for entry, change in given_objects]
    found = take(*objects, options=ALL)
    places = {"/".join(item.where.split("/")[:3]) for item in found.items}
    assert places >= {f"/objects/{at}" for at in range(len(objects))}
    assert all(item.reason in {reason.value for reason in Reason} for item in found.items)
    assert "hidden.example" not in str(found.items)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_report(raw: bytes) -> None:
    assert convert(raw, ALL, now_ms=NOW_MS).items


def test_every_path_that_names_an_identifier_is_read() -> None:
    for path in PATHS:
        kind = path.partition(":")[0]
        value = {"ipv4-addr": "1.1.1.1", "ipv6-addr": "2606:4700::1111"}.get(kind, "1.1.1.1")
        found = take(indicator(pattern=f"[{path} = '{value}']"))
        assert found.statements or found.items[0].reason == Reason.VALUE_INVALID, path


def test_an_object_is_the_same_source_with_and_without_a_report_around_it() -> None:
    report = made("report", 7, name="x", published=TIMES["created"], object_refs=[uid("indicator")])
    alone = take(indicator()).statements[0].row["source"]
    within = take(indicator(), report).statements[0].row["source"]
    assert alone == within == uid("indicator").partition("--")[2]


def test_what_misp_wrote_as_stix_has_the_event_as_its_source_as_its_json_has() -> None:
    labels = ['misp:category="Network activity"']
    report = made("report", 7, name="x", published=TIMES["created"], object_refs=[uid("indicator")])
    found = take(indicator(labels=labels), report)
    assert found.statements[0].row["source"] == uid("report", 7).partition("--")[2]


def test_an_observable_is_told_by_the_report_around_it_since_its_id_is_that_of_its_value() -> None:
    domain = {"type": "domain-name", "spec_version": "2.1", "value": "hidden.example.net"}
    domain["id"] = uid("domain-name")
    report = made("report", 7, name="x", published=TIMES["created"], object_refs=[domain["id"]])
    (said,) = take(domain, report, options=ALL).statements
    assert said.row["source"] == uid("report", 7).partition("--")[2]
    (alone,) = take(domain, options=ALL).statements
    assert alone.row["source"] == domain["id"].partition("--")[2]
