"""TAXII 2.1 at a real node: polled as OpenCTI does, read by taxii2-client, written to, pulled."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from taxii2client.v21 import ApiRoot, Collection, Server, as_pages

from tests.process.support import ROOT, Alliance, until

pytestmark = pytest.mark.process

ROOT_PATH = "/taxii2/alliance/"
MEDALLION = ROOT.parent / "shared" / "vectors" / "cti" / "taxii2.1" / "medallion_default_data.json"
TYPE = {"Accept": "application/taxii+json;version=2.1"}
INDICATOR: dict[str, Any] = {
    "type": "indicator",
    "spec_version": "2.1",
    "id": "indicator--5f0d8b1e-3c1b-4b52-9a0f-6d3b0d4f9a01",
    "created": "2026-11-01T10:00:00.000Z",
    "modified": "2026-11-01T10:00:00.000Z",
    "pattern": "[domain-name:value = 'taxii-one.example.net']",
    "pattern_type": "stix",
    "valid_from": "2026-11-01T10:00:00.000Z",
    "labels": ["phishing"],
}


@pytest.fixture(scope="module")
def alliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alliance]:
    """Four members; the first keeps clear text of what it takes in."""
    made = Alliance.create(tmp_path_factory.mktemp("taxii") / "alliance", 4, 0)
    config = made.node(made.validators[0]).home / "node.toml"
    config.write_text(config.read_text() + "\n[exchange]\nkeep_clear_text = true\n")
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture
def server(alliance: Alliance) -> Server:
    """A TAXII client library at the first member, logged in by HTTP Basic."""
    name = alliance.validators[0]
    url = f"{alliance.node(name).rest_url}/taxii2/"
    return Server(url, user="any", password=alliance.key(name, "reporter"))


def collection(server: Server, title: str) -> Collection:
    root: ApiRoot = server.default
    return next(one for one in root.collections if one.title == title)


def get(alliance: Alliance, path: str, role: str = "analyst", **query: str) -> httpx.Response:
    client = alliance.client(alliance.validators[0], role)
    return client.get(ROOT_PATH + path, params=query, headers=TYPE)


def post(alliance: Alliance, objects: list[Any], role: str = "reporter") -> httpx.Response:
    client = alliance.client(alliance.validators[0], role)
    headers = {**TYPE, "Content-Type": TYPE["Accept"]}
    body = json.dumps({"objects": objects})
    return client.post(f"{ROOT_PATH}collections/inbox/objects/", content=body, headers=headers)


class Poller:
    """Asks for what was added since the last page, and never uses `next`, as OpenCTI does."""

    def __init__(self, alliance: Alliance, which: str = "records") -> None:
        self.alliance = alliance
        self.path = f"collections/{which}/objects/"
        self.after = ""
        self.seen: Counter[tuple[str, str]] = Counter()
        self.newest: dict[str, dict[str, Any]] = {}

    def poll(self) -> list[dict[str, Any]]:
        """All that is new."""
        found: list[dict[str, Any]] = []
        while True:
            query = {"limit": "3", **({"added_after": self.after} if self.after else {})}
            answer = get(self.alliance, self.path, **query).raise_for_status()
            body = answer.json()
            found += body.get("objects", [])
            if body.get("objects"):
                assert answer.headers["x-taxii-date-added-first"] > self.after
                self.after = answer.headers["x-taxii-date-added-last"]
            if not body.get("more"):
                break
        for one in found:
            self.seen[one["id"], one.get("modified", "")] += 1
            self.newest[one["id"]] = one
        return found

    def until(self, ready: Any, what: str) -> None:
        until(lambda: (self.poll(), ready(self))[1], what)


def test_a_poller_sees_every_object_and_every_later_change_once(alliance: Alliance) -> None:
    poller = Poller(alliance)
    poller.poll()
    one, two = (
        alliance.report(name, kind="email", value=f"poll.{name}@scam-post.net")["record_id"]
        for name in alliance.validators[:2]
    )
    by_record = lambda p: {  # noqa: E731
        reference["external_id"]: one
        for one in p.newest.values()
        if one["type"] == "indicator"
        for reference in one["external_references"]
    }
    poller.until(lambda p: {one, two} <= by_record(p).keys(), "both records")
    assert "revoked" not in by_record(poller)[one]
    first, second = alliance.validators[:2]
    taken = alliance.client(second, "reporter").post(
        "/v1/disputes", json={"record_id": one, "ground": "wrong_data"}
    )
    assert taken.status_code == 201, taken.text
    poller.until(lambda p: any(o["type"] == "opinion" for o in p.newest.values()), "the dispute")
    opinion = next(o for o in poller.newest.values() if o["type"] == "opinion")
    assert opinion["object_refs"] == [by_record(poller)[one]["id"]]
    assert 'fraud-alliance:state="disputed"' in by_record(poller)[one]["labels"]
    ended = alliance.client(first, "reporter").post(f"/v1/records/{one}/retraction", json={})
    assert ended.status_code == 201, ended.text
    poller.until(lambda p: by_record(p)[one].get("revoked") is True, "the retraction")
    assert poller.newest[opinion["id"]]["revoked"] is True
    assert not poller.poll()
    assert set(poller.seen.values()) == {1}, poller.seen
    listed = get(alliance, "collections/records/manifest/").json()["objects"]
    assert {entry["id"] for entry in listed} == set(poller.newest)


def test_the_forms_of_answers_are_those_of_the_reference_server(alliance: Alliance) -> None:
    if not MEDALLION.exists():
        pytest.skip("the TAXII vectors are not here")
    known = json.loads(MEDALLION.read_bytes())
    discovery = alliance.client(alliance.validators[0], "auditor").get("/taxii2/", headers=TYPE)
    assert discovery.headers["content-type"] == "application/taxii+json;version=2.1"
    assert discovery.json().keys() <= known["/discovery"].keys()
    assert get(alliance, "").json().keys() == known["api1"]["information"].keys()
    listed = get(alliance, "collections/").json()["collections"]
    form = known["trustgroup1"]["collections"][0].keys() - {"objects", "manifest"}
    assert all(form <= one.keys() for one in listed)
    one = get(alliance, f"collections/{listed[0]['id']}/").json()
    assert one == listed[0]
    entry = get(alliance, "collections/records/manifest/").json()["objects"][0]
    full = next(c for c in known["trustgroup1"]["collections"] if c["manifest"])
    assert entry.keys() == full["manifest"][0].keys()
    status = post(alliance, [INDICATOR]).json()
    assert status.keys() == known["trustgroup1"]["status"][0].keys() | {"total_count"}


def test_a_client_library_reads_pages_of_any_size_alike(alliance: Alliance, server: Server) -> None:
    alliance.report(alliance.validators[0], kind="email", value="pages@scam-post.net")
    records = collection(server, "Records of the alliance")
    alliance.until_final(alliance.height(alliance.validators[0]), alliance.validators[:1])
    whole = [o for page in as_pages(records.get_objects, per_request=500) for o in page["objects"]]
    small = [o for page in as_pages(records.get_objects, per_request=2) for o in page["objects"]]
    assert small == whole
    listed = [
        entry for page in as_pages(records.get_manifest, per_request=3) for entry in page["objects"]
    ]
    assert [entry["id"] for entry in listed] == [one["id"] for one in whole]
    dates = [entry["date_added"] for entry in listed]
    assert dates == sorted(set(dates))
    only = records.get_objects(type="marking-definition")["objects"]
    assert only and {one["type"] for one in only} == {"marking-definition"}
    name = whole[-1]["id"]
    assert records.get_object(name)["objects"] == [whole[-1]]
    assert records.object_versions(name)["versions"] == [listed[-1]["version"]]
    assert records.get_objects(id=name, version="last")["objects"] == [whole[-1]]
    assert not records.get_objects(spec_version="2.0").get("objects")


def test_what_is_written_to_the_inbox_is_reported_and_read_back(
    alliance: Alliance, server: Server
) -> None:
    inbox = collection(server, "Inbox")
    broken = {**INDICATOR, "id": "indicator--5f0d8b1e-3c1b-4b52-9a0f-6d3b0d4f9a02",
              "modified": "2020-01-01T00:00:00.000Z"}  # fmt: skip
    red = {**INDICATOR, "id": "indicator--5f0d8b1e-3c1b-4b52-9a0f-6d3b0d4f9a03",
           "pattern": "[domain-name:value = 'red.example.net']",
           "object_marking_refs": ["marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"],
           }  # fmt: skip
    good = {**INDICATOR, "id": "indicator--5f0d8b1e-3c1b-4b52-9a0f-6d3b0d4f9a04",
            "pattern": "[email-addr:value = 'inbox@scam-post.net']"}  # fmt: skip
    status = inbox.add_objects({"objects": [broken, red, good]})
    assert status.status == "complete" and (status.success_count, status.failure_count) == (1, 2)
    told = {one["id"]: one["message"] for one in status.failures}
    assert "/objects/0/modified" in told[broken["id"]]
    assert "marked_red" in told[red["id"]]
    again = get(alliance, f"status/{status.id}/").json()
    assert (again["successes"], again["failures"]) == (status.successes, status.failures)
    assert inbox.get_object(good["id"])["objects"] == [good]
    name = alliance.validators[1]
    hit = alliance.screen(name, kind="email", value="inbox@scam-post.net")
    assert (
        hit["hit"] and alliance.screen(name, kind="domain", value="red.example.net")["score"] == 0
    )
    newer = {**good, "modified": "2026-11-02T10:00:00.000Z", "revoked": True}
    assert inbox.add_objects({"objects": [newer]}).success_count == 1
    assert not alliance.screen(name, kind="email", value="inbox@scam-post.net")["hit"]
    versions = inbox.object_versions(good["id"])["versions"]
    assert versions == [good["modified"], newer["modified"]]
    assert inbox.get_object(good["id"])["objects"] == [newer]
    assert inbox.get_object(good["id"], version="first")["objects"] == [good]
    inbox.delete_object(good["id"], version=good["modified"])
    assert inbox.object_versions(good["id"])["versions"] == [newer["modified"]]
    inbox.delete_object(good["id"])
    gone = get(alliance, f"collections/inbox/objects/{good['id']}/")
    assert gone.status_code == 404 and gone.json()["http_status"] == "404"


def test_an_opinion_about_what_was_exported_disputes_the_record(alliance: Alliance) -> None:
    other = alliance.validators[2]
    record = alliance.report(other, kind="email", value="denied@scam-post.net")["record_id"]
    poller = Poller(alliance)
    poller.until(lambda p: any(record in json.dumps(o) for o in p.newest.values()), "the record")
    shown = next(o for o in poller.newest.values() if record in json.dumps(o))
    opinion = {
        "type": "opinion",
        "spec_version": "2.1",
        "id": "opinion--5f0d8b1e-3c1b-4b52-9a0f-6d3b0d4f9a05",
        "created": "2026-11-03T10:00:00.000Z",
        "modified": "2026-11-03T10:00:00.000Z",
        "opinion": "strongly-disagree",
        "object_refs": [shown["id"]],
    }
    status = post(alliance, [opinion]).json()
    assert status["success_count"] == 1, status
    client = alliance.client(alliance.validators[0], "auditor")
    history = client.get(f"/v1/records/{record}/history").raise_for_status().json()
    assert [step["operation"] for step in history["history"]] == ["dispute"]


def test_what_taxii_forbids_is_refused_in_its_own_words(alliance: Alliance) -> None:
    url = alliance.node(alliance.validators[0]).rest_url
    stranger = httpx.get(f"{url}/taxii2/", headers=TYPE)
    assert stranger.status_code == 401
    assert 'Basic realm="bulwark"' in ", ".join(stranger.headers.get_list("www-authenticate"))
    assert stranger.headers["content-type"] == "application/taxii+json;version=2.1"
    assert httpx.get(f"{url}/taxii2/", auth=("x", "wrong"), headers=TYPE).status_code == 401
    cases = {
        "collections/none/": 404,
        "collections/records/objects/?limit=0": 400,
        "collections/records/objects/?added_after=yesterday": 400,
        "collections/records/objects/?match[colour]=red": 400,
        "collections/records/objects/indicator--nothing/": 404,
        "status/5f0d8b1e-3c1b-4b52-9a0f-6d3b0d4f9a06/": 404,
    }
    client = alliance.client(alliance.validators[0], "auditor")
    for path, expected in cases.items():
        answer = client.get(ROOT_PATH + path, headers=TYPE)
        assert answer.status_code == expected, path
        assert answer.json()["http_status"] == str(expected) and answer.json()["title"]
    assert client.get("/taxii2/", headers={"Accept": "text/html"}).status_code == 406
    assert client.get(f"{ROOT_PATH}collections/own/objects/", headers=TYPE).status_code == 403
    assert post(alliance, [INDICATOR], role="analyst").status_code == 403
    wrong = alliance.client(alliance.validators[0], "reporter").post(
        f"{ROOT_PATH}collections/inbox/objects/", content="{}",
        headers={**TYPE, "Content-Type": "application/taxii+json;version=2.0"},
    )  # fmt: skip
    assert wrong.status_code == 415
    twice = alliance.client(alliance.validators[0], "reporter").post(
        f"{ROOT_PATH}collections/inbox/objects/", content='{"objects":[],"objects":[]}',
        headers={**TYPE, "Content-Type": TYPE["Accept"]},
    )  # fmt: skip
    assert twice.status_code == 400 and "twice" in twice.json()["description"]


def test_an_erased_record_is_revoked_in_every_view_and_its_value_is_in_none(
    alliance: Alliance,
) -> None:
    entry = {**INDICATOR, "id": "indicator--5f0d8b1e-3c1b-4b52-9a0f-6d3b0d4f9a07",
             "pattern": "[email-addr:value = 'erased@scam-post.net']"}  # fmt: skip
    assert post(alliance, [entry]).json()["success_count"] == 1
    views = {which: Poller(alliance, which) for which in ("records", "own")}
    shown = lambda p: [  # noqa: E731
        one for one in p.newest.values() if "erased@scam-post.net" in json.dumps(one)
    ]
    views["own"].until(lambda p: len(shown(p)) == 2, "the indicator and its observable")
    views["records"].poll()
    indicator = next(one for one in shown(views["own"]) if one["type"] == "indicator")
    record = indicator["external_references"][0]["external_id"]
    client = alliance.client(alliance.validators[0], "reporter")
    ordered = client.post(f"/v1/records/{record}/erasure", json={"ground": "request"})
    assert ordered.status_code == 201, ordered.text
    for view in views.values():
        named = lambda p: [  # noqa: E731
            one
            for one in p.newest.values()
            if one["type"] == "indicator" and record in json.dumps(one) and one.get("revoked")
        ]
        view.until(lambda p, named=named: named(p), "the erasure")
        (gone,) = named(view)
        (extension,) = gone["extensions"].values()
        assert "token" not in extension and extension["state"] == "erased"
    assert named(views["own"])[0]["id"] == indicator["id"]
    whole = get(alliance, "collections/own/objects/").text
    assert "erased@scam-post.net" not in whole


def test_where_no_clear_text_may_be_kept_the_inbox_is_written_to_and_forgets(
    alliance: Alliance,
) -> None:
    name = alliance.validators[3]
    client = alliance.client(name, "reporter")
    listed = client.get(f"{ROOT_PATH}collections/", headers=TYPE).json()["collections"]
    inbox = next(one for one in listed if one["alias"] == "inbox")
    assert (inbox["can_read"], inbox["can_write"]) == (False, True)
    entry = {**INDICATOR, "id": "indicator--5f0d8b1e-3c1b-4b52-9a0f-6d3b0d4f9a08",
             "pattern": "[email-addr:value = 'forgotten@scam-post.net']"}  # fmt: skip
    headers = {**TYPE, "Content-Type": TYPE["Accept"]}
    path = f"{ROOT_PATH}collections/inbox/objects/"
    added = client.post(path, content=json.dumps({"objects": [entry]}), headers=headers)
    assert added.json()["success_count"] == 1, added.text
    assert alliance.screen(name, kind="email", value="forgotten@scam-post.net")["hit"]
    assert client.get(path, headers=TYPE).status_code == 403
    own = client.get(f"{ROOT_PATH}collections/own/objects/", headers=TYPE).json()
    assert "forgotten@" not in json.dumps(own)


def test_dates_outlive_a_restart(alliance: Alliance) -> None:
    before = get(alliance, "collections/records/manifest/").json()
    name = alliance.validators[0]
    alliance.devnet.kill(name)
    until(lambda: alliance.ended(name), f"{name} is gone")
    alliance.start()

    def manifest() -> Any:
        try:
            return get(alliance, "collections/records/manifest/").json()
        except httpx.HTTPError:
            return None

    until(lambda: manifest() == before, "the same manifest")


def test_a_pull_takes_over_a_collection_and_goes_on_where_it_was(
    alliance: Alliance, tmp_path: Path
) -> None:
    source, target = alliance.validators[:2]
    assert post(alliance, [INDICATOR]).status_code == 202
    alliance.until_final(alliance.height(source), [source])
    credentials = tmp_path / "taxii.cred"
    credentials.write_text(f"pull:{alliance.key(source, 'reporter')}")
    credentials.chmod(0o600)
    url = f"{alliance.node(source).rest_url}{ROOT_PATH}collections/inbox/"

    def pull() -> dict[str, Any]:
        words = ("stix", "pull", url, "--credentials", str(credentials), "--json", "--home",
                 str(alliance.node(target).home))  # fmt: skip
        ended = subprocess.run(
            [sys.executable, "-m", "node.cli.main", *words],
            cwd=ROOT, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        return dict(json.loads(ended.stdout))

    first = pull()
    assert sum(page["new"] for page in first["pages"]) >= 1 and first["cursor"]
    assert pull()["pages"] == []
    newer = {**INDICATOR, "modified": "2026-11-05T10:00:00.000Z", "confidence": 90}
    assert post(alliance, [newer]).json()["success_count"] == 1
    assert [page["replaced"] for page in pull()["pages"]] == [1]
