"""MISP events in a real alliance: taken in once, edited, deleted, contested, and out again."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymisp import MISPEvent

from bulwark.interop.misp.pss import BLOOM, LIST, Bloom
from tests.process.support import Alliance, until

pytestmark = pytest.mark.process

EVENTS = Path(__file__).resolve().parents[3] / "shared" / "data" / "misp" / "events"
UUID = "5d1f0b1e-0001-4000-8000-0000000000{:02x}"
HOST = "quokka-login.example-bank-secure.com"
DAY = "2026-01-0{}"


@pytest.fixture(scope="module")
def alliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alliance]:
    made = Alliance.create(tmp_path_factory.mktemp("misp") / "alliance")
    config = made.node(made.validators[0]).home / "node.toml"
    config.write_text(config.read_text() + "\n[exchange]\nkeep_clear_text = true\n")
    try:
        made.start()
        yield made
    finally:
        made.close()


class Desk:
    """The fraud desk of one member."""

    def __init__(self, alliance: Alliance, at: int = 0) -> None:
        self.alliance = alliance
        self.name = alliance.validators[at]
        self.client = alliance.client(self.name, "reporter")

    def take(self, document: Any, **more: Any) -> dict[str, Any]:
        options = {"fraud_type": "phishing", **more.pop("options", {})}
        body = {"document": document, "options": options, **more}
        answer = self.client.post("/v1/exchange/misp", json=body, timeout=60.0)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def events(self, **wish: Any) -> list[dict[str, Any]]:
        self.settle()
        answer = self.client.post("/v1/exchange/misp/export", json=wish)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["response"])

    def settle(self) -> None:
        """Until everything executed is final."""
        height = self.alliance.height(self.name)
        self.alliance.until_final(height, [self.name])

    def attributes(self, **wish: Any) -> dict[str, dict[str, Any]]:
        """Exported attributes by record id."""
        found = {}
        for document in self.events(**wish):
            for attribute in document["Event"]["Attribute"]:
                found[attribute["Tag"][0]["name"].split('"')[1]] = attribute
        return found


def fate_of(report: dict[str, Any], uuid: str, what: str) -> tuple[str, str]:
    (item,) = [i for i in report["items"] if i["ref"] == uuid and i["what"].startswith(what)]
    return item["fate"], item["reason"]


def event(*attributes: dict[str, Any]) -> dict[str, Any]:
    head = {"uuid": UUID.format(0), "info": "x", "date": DAY.format(1), "distribution": "1"}
    return {"Event": {**head, "Attribute": list(attributes)}}


def attribute(number: int, kind: str, value: str, **more: Any) -> dict[str, Any]:
    base = {"uuid": UUID.format(number), "type": kind, "value": value, "timestamp": "1767225600"}
    return {**base, "to_ids": True, **more}


def test_a_desk_takes_an_event_edits_it_and_deletes_from_it(alliance: Alliance) -> None:
    desk = Desk(alliance)
    first = event(
        attribute(1, "domain|ip", f"{HOST}|93.184.216.77"),
        attribute(2, "phone-number", "+44 7911 123456", Tag=[{"name": "tlp:green"}]),
        attribute(3, "sha256", "a" * 64),
        attribute(4, "domain", "red-secret.com", Tag=[{"name": "tlp:red"}]),
        attribute(5, "email", "quokka@scam-post.net"),
    )
    foreseen = desk.take(first, dry_run=True)
    assert (foreseen["new"], foreseen["dry_run"]) == (4, True)
    assert desk.take(first, dry_run=True) == foreseen, "a dry run leaves nothing"
    report = desk.take(first, keep_clear=True, source="misp-a", cursor="1767225600")
    assert (report["new"], report["known"], report["kept"]) == (4, 0, 4)
    assert report["counts"] == foreseen["counts"]
    assert fate_of(report, UUID.format(3), "attribute") == ("left", "no_kind")
    assert fate_of(report, UUID.format(4), "attribute") == ("refused", "marked_red")
    assert HOST not in json.dumps(report)
    source = desk.client.get("/v1/exchange/misp/sources/misp-a").json()
    assert source == {"name": "misp-a", "cursor": "1767225600"}

    # The same event again, also by another path, makes nothing.
    again = desk.take({"response": [first]})
    assert (again["new"], again["known"], again["ended"]) == (0, 4, 0)
    found = desk.alliance.screen(alliance.validators[1], kind="domain", value=HOST)
    assert found["hit"] and found["records"][0]["tlp"] == "amber"

    # An edit replaces what it changes; what is deleted is taken back.
    edited = copy.deepcopy(first)
    changed = edited["Event"]["Attribute"]
    changed[1]["Tag"].append({"name": 'misp:confidence-level="usually-confident"'})
    changed[4]["value"] = "wombat@scam-post.net"
    report = desk.take(edited)
    assert (report["new"], report["known"], report["replaced"]) == (2, 2, 2), report
    assert fate_of(report, UUID.format(2), "attribute") == ("taken", "replaced")
    old = desk.alliance.screen(desk.name, kind="email", value="quokka@scam-post.net")
    assert not old["hit"]
    phone = desk.alliance.screen(desk.name, kind="phone", value="+447911123456")
    assert [r["confidence"] for r in phone["records"]] == [75]
    assert desk.take(edited)["known"] == 4

    changed[0]["deleted"] = True
    report = desk.take(edited)
    assert report["ended"] == 2
    assert not desk.alliance.screen(desk.name, kind="domain", value=HOST)["hit"]
    changed[0]["deleted"] = False
    assert desk.take(edited)["new"] == 2, "undeleted in MISP, so stated again"
    assert desk.alliance.screen(desk.name, kind="domain", value=HOST)["hit"]


def test_a_false_positive_disputes_the_record_once(alliance: Alliance) -> None:
    desk = Desk(alliance, 1)
    document = event(attribute(16, "url", "http://quokka.example-pay.com/login"))
    desk.take(document)
    sighting = {"uuid": UUID.format(17), "type": "1", "date_sighting": "1767225600"}
    document["Event"]["Attribute"][0]["Sighting"] = [sighting]
    report = desk.take(document)
    assert (report["disputed"], report["new"]) == (1, 0)
    (record,) = [
        dispute["record_id"]
        for dispute in desk.client.get("/v1/disputes?whose=opened").json()["disputes"]
        if dispute["ground"] == "wrong_data"
    ]
    assert desk.take(document)["disputed"] == 0
    exported = desk.attributes(own_only=True)[record]
    assert 'false-positive:risk="high"' in [tag["name"] for tag in exported["Tag"]]

    # Another member sees the token in its own export and says so of it, too.
    other = Desk(alliance, 2)
    shown = other.attributes()[record]
    assert shown["value"] != exported["value"], "tokens are each member's own"
    free = {**sighting, "uuid": UUID.format(18), "attribute_uuid": shown["uuid"]}
    assert other.take({"Sighting": [free]})["disputed"] == 1


def test_what_goes_out_is_read_by_pymisp_and_comes_back_as_known(alliance: Alliance) -> None:
    desk = Desk(alliance)
    value = "roundtrip.example-pay.com"
    desk.take(event(attribute(32, "hostname", value)), keep_clear=True)
    exported = desk.events(own_only=True, clear=True)
    values = {}
    for document in exported:
        loaded = MISPEvent()
        loaded.load(document)
        values |= {one.value: one for one in loaded.attributes if not one.get("deleted")}
    assert values[value].type == "hostname" and values[value].to_ids is False
    report = desk.take({"response": exported})
    assert (report["new"], report["replaced"], report["ended"]) == (0, 0, 0), report["counts"]
    # Without asking for clear text there is none, for nobody.
    assert value not in json.dumps(desk.events())
    reader = alliance.client(desk.name, "analyst")
    refused = reader.post("/v1/exchange/misp/export", json={"clear": True})
    assert refused.status_code == 403
    other = Desk(alliance, 1).client.post(
        "/v1/exchange/misp", json={"document": {}, "keep_clear": True}
    )
    assert other.status_code == 403 and "keep_clear_text" in other.text

    # The feed of another member has tokens, and every file that its manifest names.
    feed = alliance.client(alliance.validators[1], "analyst")
    manifest = feed.get("/v1/exchange/misp/feed/manifest.json").raise_for_status().json()
    for uuid in manifest:
        document = feed.get(f"/v1/exchange/misp/feed/{uuid}.json").raise_for_status().json()
        types = {one["type"] for one in document["Event"]["Attribute"]}
        assert types == {"anonymised"}
    lines = feed.get("/v1/exchange/misp/feed/hashes.csv").text.splitlines()
    assert {line.split(",")[1] for line in lines} == set(manifest)
    assert feed.get(f"/v1/exchange/misp/feed/{UUID.format(1)}.json").status_code == 404

    # A search set is of kept values alone, and of none once they are forgotten.
    wish = {"name": "partner", "key": "0f" * 32, "key_id": "partner-1"}
    files = desk.client.post("/v1/exchange/misp/search-set", json=wish).json()["files"]
    bloom = Bloom.decode(base64.b64decode(files[BLOOM]))
    assert all(line in bloom for line in base64.b64decode(files[LIST]).split())
    assert desk.client.post("/v1/exchange/misp/forget", json={}).json()["forgotten"] > 0
    assert desk.client.post("/v1/exchange/misp/search-set", json=wish).status_code == 409


@pytest.mark.data
def test_all_events_of_the_test_data_go_in_once(alliance: Alliance) -> None:
    if not EVENTS.is_dir():
        pytest.skip("the folder shared/data is not here")
    desk = Desk(alliance, 3)
    options = {"take_context": True, "take_own_org": True, "tlp": "green"}
    new = known = 0
    for path in sorted(EVENTS.glob("*.json")):
        report = desk.take(json.loads(path.read_bytes()), options=options)
        new, known = new + report["new"], known + report["known"]
        assert sum(sum(r.values()) for r in report["counts"].values()) == len(report["items"])
    assert new > 350
    for path in sorted(EVENTS.glob("*.json")):
        report = desk.take(json.loads(path.read_bytes()), options=options)
        settled = (report["new"], report["ended"], report["disputed"])
        assert settled == (0, 0, 0), (path.name, report["counts"])
    until(lambda: alliance.height(desk.name, "finalized") > 0, "final blocks")


def test_a_killed_node_knows_what_it_took_in(alliance: Alliance) -> None:
    desk = Desk(alliance, 2)
    document = event(attribute(64, "domain", "killed.example-pay.com"))
    assert desk.take(document, source="misp-k", cursor="5")["new"] == 1
    alliance.devnet.kill(desk.name)
    alliance.start()
    source = desk.client.get("/v1/exchange/misp/sources/misp-k").json()
    assert source["cursor"] == "5"
    again = desk.take(document)
    assert (again["new"], again["known"]) == (0, 1)
    document["Event"]["Attribute"][0]["deleted"] = True
    assert desk.take(document)["ended"] == 1


def test_two_members_that_take_the_same_event_are_one_voice(alliance: Alliance) -> None:
    first, second = Desk(alliance), Desk(alliance, 1)
    shared = event(attribute(41, "domain", "one-voice-quokka.com"))
    shared["Event"]["uuid"] = UUID.format(40)
    for desk in (first, second):
        report = desk.take(shared, options={"evidence_level": "confirmed", "confidence": 90})
        assert report["new"] == 1

    def answer() -> dict[str, Any]:
        question = {
            "kind": "domain", "value": "one-voice-quokka.com",
            "purpose": "fraud_prevention", "lawful_basis": "legitimate_interests",
        }  # fmt: skip
        asked = first.client.post("/v1/screenings", json=question)
        assert asked.status_code == 200, asked.text
        return dict(asked.json())

    until(lambda: len(answer()["records"]) == 2, "both records are executed at the first member")
    found = answer()
    reasons = {reason["code"] for reason in found["reasons"]}
    assert found["reporters"] == 1
    assert "same_source" in reasons and "corroboration" not in reasons
    # What the second member knows by itself is no duplicate of its copy, and does corroborate.
    own = {
        "kind": "domain", "value": "one-voice-quokka.com", "fraud_type": "phishing",
        "evidence_level": "reported_by_customer", "object_role": "offender_controlled",
    }  # fmt: skip
    said = second.client.post("/v1/indicators?wait=executed", json=own)
    assert said.status_code in (200, 201), said.text
    assert not said.json()["duplicate"]
    until(lambda: answer()["reporters"] == 2, "the own report is executed")
    assert "corroboration" in {reason["code"] for reason in answer()["reasons"]}
