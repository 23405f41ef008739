"""MISP events to statements: what is taken, left and refused, and with which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bulwark.interop.carried import Action, Carried, Fate, Item
from bulwark.interop.misp.forms import DocumentInvalid, read_document
from bulwark.interop.misp.importer import convert
from bulwark.interop.misp.options import ImportOptions
from bulwark.interop.misp.warninglists import Warninglist

NOW_MS = 1_767_225_600_000
LISTS = Path(__file__).resolve().parents[5] / "shared" / "data" / "misp" / "warninglists"
U = "5d1f0b1e-0001-4000-8000-0000000000{:02x}"


def carried(document: Any, lists: tuple[Warninglist, ...] = (), **options: Any) -> Carried:
    chosen = ImportOptions.from_mapping({"fraud_type": "phishing", **options})
    return convert(document, chosen, now_ms=NOW_MS, lists=lists)


def one(kind: str, value: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "value": value, "uuid": U.format(1), **more}


def event(*attributes: dict[str, Any], **head: Any) -> dict[str, Any]:
    return {"Event": {"info": "x", "date": "2025-12-30", "Attribute": list(attributes), **head}}


def rows(found: Carried) -> list[tuple[object, object]]:
    return [(s.row["kind"], s.row["value"]) for s in found.statements]


def item(found: Carried, what: str) -> Item:
    (match,) = [one for one in found.items if one.what.startswith(what)]
    return match


def fate(found: Carried, what: str = "attribute") -> tuple[Fate, str]:
    match = item(found, what)
    return match.fate, match.reason


def test_every_form_of_a_document_gives_the_same_statement() -> None:
    attribute = one("domain", "evil-shop.com")
    whole = event(attribute)
    forms: list[Any] = [
        whole, whole["Event"], [whole], {"response": [whole]}, {"response": whole},
        {"response": {"Attribute": [attribute]}}, [attribute], attribute,
        {"Attribute": [attribute]}, {"response": [{"Attribute": attribute}]},
        {"response": [{"Object": {"name": "url", "Attribute": [attribute]}}]},
    ]  # fmt: skip
    for form in forms:
        assert rows(carried(form)) == [("domain", "evil-shop.com")], form


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("domain|ip", "evil.com|8.8.8.8", [("domain", "evil.com"), ("ip", "8.8.8.8")]),
        ("hostname|port", "evil.com|80", [("domain", "evil.com")]),
        ("ip-dst|port", "8.8.8.8|443", [("ip", "8.8.8.8")]),
        ("url", "hxxp://evil[.]com/a", [("url", "hxxp://evil[.]com/a")]),
        ("email-src", "a@evil.com", [("email", "a@evil.com")]),
        ("whois-registrant-phone", "+44 7911 123456", [("phone", "+44 7911 123456")]),
        ("iban", "DE89370400440532013000", [("iban", "DE89370400440532013000")]),
        ("bank-account-nr", "DE89 3704 0044 0532 0130 00", [("iban", "DE89370400440532013000")]),
        ("btc", "1BoatSLRHtKNngkdXEeobR76b53LETtpyT",
         [("wallet", "btc:1BoatSLRHtKNngkdXEeobR76b53LETtpyT")]),
    ],
)  # fmt: skip
def test_types_become_kinds(kind: str, value: str, expected: list[tuple[str, str]]) -> None:
    assert rows(carried(one(kind, value))) == expected


def test_an_object_says_what_stands_beside_an_attribute() -> None:
    bank = {
        "name": "bank-account",
        "meta-category": "financial",
        "Attribute": [
            {"object_relation": "account", "type": "bank-account-nr", "value": "12345678"},
            {"object_relation": "aba-rtn", "type": "aba-rtn", "value": "021000021"},
        ],
    }
    coin = {
        "name": "coin-address",
        "Attribute": [
            {"object_relation": "symbol", "type": "text", "value": "ETH"},
            {
                "object_relation": "address-crypto",
                "type": "text",
                "value": "0xde0b295669a9fd93d5f28d9ec85e40f4cb697bae",
            },
        ],
    }
    phone = {
        "name": "phone",
        "Attribute": [
            {"object_relation": "msisdn", "type": "text", "value": "447911123456"},
            {"object_relation": "imei", "type": "text", "value": "352099001761481"},
        ],
    }
    person = {
        "name": "person",
        "Attribute": [
            {"object_relation": "role", "type": "text", "value": "Victim"},
            {"object_relation": "phone-number", "type": "phone-number", "value": "+447911123457"},
        ],
    }
    found = carried({"response": [{"Object": o} for o in (bank, coin, phone, person)]})
    assert rows(found) == [
        ("bank_account", "US:021000021::12345678"),
        ("wallet", "evm:0xde0b295669a9fd93d5f28d9ec85e40f4cb697bae"),
        ("phone", "+447911123456"),
        ("imei", "352099001761481"),
        ("phone", "+447911123457"),
    ]
    assert found.statements[-1].row["object_role"] == "compromised_victim"


def test_a_card_number_is_left_with_its_reason_and_never_shown() -> None:
    found = carried(one("cc-number", "4111111111111111"))
    match = item(found, "attribute")
    assert (match.fate, match.reason) == (Fate.LEFT, "no_kind") and "PAN" in match.detail
    assert "4111" not in repr(found)


def test_tags_of_the_event_hold_for_its_attributes_and_nearer_ones_go_before() -> None:
    tags = [
        {"name": "tlp:green"},
        {"name": 'gsma-fraud:business="wangiri"'},
        {"name": 'misp:confidence-level="usually-confident"'},
        {"name": 'workflow:state="incomplete"'},
    ]
    found = carried(
        event(
            one("phone-number", "+447911123456", Tag=[{"name": 'phishing:techniques="x"'}]),
            one("phone-number", "+447911123457", Tag=["tlp:amber+strict", 'rsit:fraud="phishing"']),
            Tag=tags,
        )
    )
    first, second = (s.row for s in found.statements)
    assert (first["tlp"], first["fraud_type"], first["confidence"]) == ("green", "wangiri", 75)
    assert (second["tlp"], second["fraud_type"]) == ("amber_strict", "phishing")
    left = [one.what for one in found.items if one.reason == "no_place"]
    assert left == ['tag workflow:state="incomplete"', 'tag phishing:techniques="x"']


def test_our_own_words_come_back_exactly() -> None:
    names = ["fraud_type=romance", "object_role=mule", "evidence_level=confirmed", "channel=sms"]
    names += ["loss_band=under_1k", "country=GB", "distinct_customers=3", "confidence=83"]
    tags = [f'fraud-alliance:{n.split("=")[0]}="{n.split("=")[1]}"' for n in names]
    tagged = one("domain", "evil.com", Tag=tags)
    (statement,) = carried(tagged, trust_tags=True).statements
    assert {n.split("=")[0]: str(statement.row[n.split("=")[0]]) for n in names} == dict(
        n.split("=") for n in names
    ) | {"country": "gb"}


def test_whoever_may_tag_in_misp_does_not_speak_for_the_member() -> None:
    names = ['evidence_level="authority"', 'distinct_customers="900"', 'lawful_basis="contract"']
    tags = [f"fraud-alliance:{name}" for name in [*names, 'purpose="supervision"']]
    found = carried(one("domain", "evil.com", Tag=tags))
    (statement,) = found.statements
    assert statement.row["evidence_level"] == "suspected"
    assert "distinct_customers" not in statement.row
    assert statement.row["lawful_basis"] == "legitimate_interests"
    assert found.counts()["left"] == {"no_place": 4}


@pytest.mark.parametrize(
    ("head", "attribute", "options", "expected"),
    [
        ({"Tag": [{"name": "tlp:red"}]}, {}, {}, "marked_red"),
        ({"Tag": [{"name": "TLP:RED"}]}, {"Tag": ["tlp:green"]}, {}, "marked_red"),
        ({"Tag": [{"name": "tlp:red"}]}, {}, {"red_as": "amber_strict"}, ""),
        ({"Tag": ["tlp:unclear"]}, {}, {}, "marking_unknown"),
        ({"distribution": "0"}, {"distribution": "5"}, {}, "own_org_only"),
        ({"distribution": 0}, {}, {"take_own_org": True}, ""),
        ({"distribution": "0"}, {"distribution": "3"}, {}, ""),
        ({"distribution": "3"}, {"distribution": "0"}, {}, "own_org_only"),
        ({"distribution": "3"}, {"Tag": ["misp:should-not-sync"]}, {}, "own_org_only"),
        ({"distribution": "4"}, {}, {}, "sharing_group"),
        ({"distribution": "4", "SharingGroup": {"uuid": U.format(9)}}, {}, {}, "sharing_group"),
        ({"distribution": "4", "SharingGroup": {"uuid": U.format(9).upper()}}, {},
         {"sharing_groups": [U.format(9)]}, ""),
        ({"distribution": "9"}, {}, {}, "marking_unknown"),
    ],
)  # fmt: skip
def test_markings_and_distribution_are_respected(
    head: dict[str, Any], attribute: dict[str, Any], options: dict[str, Any], expected: str
) -> None:
    found = carried(event(one("domain", "evil.com", **attribute), **head), **options)
    assert fate(found) == ((Fate.REFUSED, expected) if expected else (Fate.TAKEN, "stated"))
    assert len(found.statements) == (0 if expected else 1)


def test_context_is_left_unless_asked_for() -> None:
    context = one("domain", "evil.com", to_ids="0")
    assert fate(carried(context)) == (Fate.LEFT, "not_detection")
    assert fate(carried(context, take_context=True)) == (Fate.TAKEN, "stated")


def test_sightings_raise_the_last_day_and_act_by_their_type() -> None:
    sightings = [
        {"type": "0", "date_sighting": "1767139200", "uuid": U.format(2)},
        {"type": "1", "date_sighting": "1767139200", "uuid": U.format(3)},
        {"type": "2", "date_sighting": "1767139200", "uuid": U.format(4)},
        {"type": "7", "date_sighting": "1767139200"},
        {"type": "0"},
    ]
    found = carried(event(one("domain", "evil.com", Sighting=sightings)))
    actions = [s.action for s in found.statements]
    assert actions == [Action.FALSE_POSITIVE, Action.EXPIRE, Action.REPORT]
    assert {s.ref for s in found.statements} == {U.format(1)}
    row = found.statements[-1].row
    assert (row["first_seen"], row["last_seen"]) == ("2025-12-30", "2025-12-31")
    assert found.counts()["refused"] == {"malformed": 2}
    quiet = carried(event(one("domain", "e.com", Sighting=sightings)), on_false_positive="leave")
    assert Action.FALSE_POSITIVE not in {s.action for s in quiet.statements}


def test_what_the_alliance_said_in_misp_is_no_word_of_somebody_else() -> None:
    """A hit that was sent back as a sighting must not make its own record newer, or dispute it."""
    sightings = [
        {"type": kind, "date_sighting": "1767139200", "source": source}
        for kind in ("0", "1")
        for source in ("fraud-alliance", "fraud-alliance:bank-b")
    ]
    found = carried(event(one("domain", "evil.com", Sighting=sightings)))
    (statement,) = found.statements
    assert statement.row["last_seen"] == "2025-12-30"
    assert found.counts()["left"] == {"kept_elsewhere": 4}
    free = [{**entry, "attribute_uuid": U.format(1)} for entry in sightings]
    assert carried({"Sighting": free}).statements == ()


def test_what_was_deleted_is_taken_back_and_states_nothing() -> None:
    (statement,) = carried(one("domain", "evil.com", deleted=True)).statements
    assert (statement.action, statement.ref) == (Action.RETRACT, U.format(1))
    gone = {"name": "url", "deleted": "1", "Attribute": [one("url", "http://evil.com")]}
    assert [s.action for s in carried({"Object": [gone]}).statements] == [Action.RETRACT]


def test_proposals_relations_reports_and_galaxies_are_items() -> None:
    found = carried(
        event(
            one("domain", "evil.com", ShadowAttribute=[one("domain", "other.com")], Galaxy=[{}]),
            ShadowAttribute=[one("domain", "third.com")],
            RelatedEvent=[{}],
            EventReport=[{"uuid": U.format(8)}],
            Object=[{"name": "file", "Attribute": [], "ObjectReference": [{}, {}]}],
        )
    )
    assert rows(found) == [("domain", "evil.com")]
    left = found.counts()["left"]
    assert (left["proposal"], left["relation"], left["context"]) == (2, 3, 2)


def test_an_invalid_value_is_refused_by_the_rule_that_it_breaks() -> None:
    found = carried(one("iban", "DE00370400440532013000"))
    match = item(found, "attribute")
    assert match.reason == "value_invalid" and match.detail.startswith("iban.checksum: ")
    assert fate(carried(one("domain|ip", "evil.com"))) == (Fate.REFUSED, "malformed")
    assert fate(carried(one("domain", "x" * 5000))) == (Fate.REFUSED, "too_large")
    assert fate(carried(one("domain", "a.com", first_seen="2031-01-01"))) == (
        Fate.REFUSED, "field_invalid",
    )  # fmt: skip
    nothing = convert(one("domain", "a.com"), ImportOptions(), now_ms=NOW_MS)
    assert fate(nothing) == (Fate.REFUSED, "no_fraud_type")


@pytest.mark.data
@pytest.mark.parametrize(
    ("kind", "value", "name"),
    [
        ("domain", "www.1822direkt.com", "List of known bank domains"),
        ("url", "https://1stbk.com/login", "List of known bank domains"),
        ("phone-number", "+12125550123", "Unattributed phone number."),
        ("domain", "1rx.io", "Top 1000 websites from Cisco Umbrella"),
    ],
)
def test_what_is_on_a_warninglist_is_refused_with_its_name(
    kind: str, value: str, name: str
) -> None:
    if not LISTS.is_dir():
        pytest.skip("the folder shared/data is not here")
    lists = tuple(Warninglist.from_json(path.read_bytes()) for path in sorted(LISTS.glob("*")))
    found = carried(one(kind, value), lists)
    match = item(found, "attribute")
    if match.reason == "value_invalid":  # a fictitious number that no numbering plan has, either
        pytest.fail(match.detail)
    assert (match.reason, match.detail) == ("warninglist", f"warninglist {name}")
    assert fate(carried(one(kind, value.replace("1", "9") + "x"), lists))[1] != "warninglist"


def test_bytes_that_are_no_json_are_refused_without_repeating_them() -> None:
    with pytest.raises(DocumentInvalid) as caught:
        read_document(b'{"value": "secret.com", ')
    assert "secret" not in str(caught.value)


def test_all_that_one_event_says_has_the_event_as_its_source() -> None:
    event_id = "9C1F0B1E-0001-4000-8000-000000000001"
    given = [one("domain", "evil-shop.com"), one("btc", "1BoatSLRHtKNngkdXEeobR76b53LETtpyT")]
    found = carried(event(*given, uuid=event_id))
    assert {s.row["source"] for s in found.statements} == {event_id.lower()}
    beside = {"name": "url", "uuid": U.format(9), "Attribute": [one("url", "http://evil.com/a")]}
    found = carried(event(uuid=event_id, Object=[beside]))
    assert [s.row["source"] for s in found.statements] == [event_id.lower()]
    searched = {"response": {"Attribute": [{**given[0], "Event": {"uuid": event_id}}]}}
    assert [s.row["source"] for s in carried(searched).statements] == [event_id.lower()]


def test_a_copy_without_event_has_its_attribute_or_the_unknown_source() -> None:
    attribute = one("domain", "evil-shop.com")
    assert [s.row["source"] for s in carried(attribute).statements] == [U.format(1)]
    del attribute["uuid"]
    assert [s.row["source"] for s in carried(attribute).statements] == ["unknown"]


def test_who_tags_an_event_does_not_choose_its_source() -> None:
    tags = [{"name": 'fraud-alliance:source="other"'}]
    found = carried(event(one("domain", "evil-shop.com", Tag=tags), Tag=tags))
    assert [s.row["source"] for s in found.statements] == [U.format(1)]
