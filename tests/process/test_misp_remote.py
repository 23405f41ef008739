"""A MISP instance beside an alliance: pulled, pushed to and screened by the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymisp import MISPEvent, PyMISP

from tests.interop.mispserver import KEY, Misp
from tests.process.support import ROOT, Alliance, until

pytestmark = pytest.mark.process


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


@pytest.fixture
def misp(tmp_path: Path) -> Iterator[Misp]:
    made = Misp()
    try:
        yield made
    finally:
        made.close()


class Desk:
    """The command line of one member, with the key of a MISP instance in a file."""

    def __init__(self, alliance: Alliance, misp: Misp, folder: Path, at: int = 0) -> None:
        self.alliance, self.misp = alliance, misp
        self.name = alliance.validators[at]
        self.home = alliance.node(self.name).home
        self.key = folder / "misp.key"
        self.key.write_text(KEY + "\n")
        self.key.chmod(0o600)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "node.cli.main", "misp", *words]
        return subprocess.run(
            [*command, "--home", str(self.home)],
            cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def remote(self, name: str, *words: str) -> dict[str, Any]:
        options = ["--misp-url", self.misp.url, "--misp-key-file", str(self.key), "--json"]
        done = self.run(name, *options, *words)
        assert done.returncode == 0, done.stderr
        assert KEY not in done.stdout + done.stderr
        return dict(json.loads(done.stdout))

    def settle(self) -> None:
        self.alliance.until_final(self.alliance.height(self.name), [self.name])


def test_a_pull_takes_what_is_new_and_goes_on_where_it_ended(
    alliance: Alliance, misp: Misp, tmp_path: Path
) -> None:
    desk = Desk(alliance, misp, tmp_path)
    made = misp.put(
        {
            "info": "fake shop",
            "Attribute": [
                {"type": "domain", "value": "pull.example-shop.com"},
                {"type": "sha1", "value": "a" * 40},
            ],
        }
    )
    for number in range(60):
        misp.put({"Attribute": [{"type": "domain", "value": f"p{number}.example-shop.com"}]})
    misp.failing = 2
    phishing = ("--fraud-type", "phishing")
    first = desk.remote("pull", *phishing)
    assert len(first["parts"]) == 3 and sum(part["new"] for part in first["parts"]) == 61
    pages = [path for method, path in misp.asked if path == "/events/restSearch"]
    assert len(pages) == 4, "two refusals, two pages"

    # Only what changed is asked for again; its own cursor's second is seen twice, to no effect.
    made["Attribute"][0]["deleted"] = True
    misp.now += 10
    made["timestamp"] = str(misp.now)
    second = desk.remote("pull", *phishing)
    (part,) = second["parts"]
    assert part["events"].startswith("2 events")
    assert (part["new"], part["known"], part["ended"]) == (0, 1, 1)
    gone = alliance.screen(alliance.validators[2], kind="domain", value="pull.example-shop.com")
    assert not gone["hit"]


def test_pymisp_reads_what_is_pushed_and_a_push_of_the_same_changes_nothing(
    alliance: Alliance, misp: Misp, tmp_path: Path
) -> None:
    desk = Desk(alliance, misp, tmp_path, at=1)
    record = alliance.report(desk.name, kind="iban", value="DE89370400440532013000")["record_id"]
    desk.settle()
    assert desk.remote("push", "--own-only")["added"] == 1
    assert desk.remote("push", "--own-only") == {"added": 0, "edited": 0, "unchanged": 1}

    oracle = PyMISP(misp.url, KEY, ssl=False)
    (event,) = oracle.search(pythonify=True)
    assert isinstance(event, MISPEvent) and event.Orgc.name == alliance.genesis.alliance
    (attribute,) = [one for one in event.attributes if one.type == "anonymised"]
    names = {tag.name for tag in attribute.tags}
    assert f'fraud-alliance:record="{record}"' in names and not attribute.deleted
    assert [one.name for one in event.objects] == ["anonymisation"]

    # What is retracted here is deleted there.
    client = alliance.client(desk.name, "reporter")
    assert client.post(f"/v1/records/{record}/retraction").status_code == 201
    desk.settle()
    assert desk.remote("push", "--own-only")["edited"] == 1
    assert oracle.get_event(event.uuid)["Event"]["Attribute"][0]["deleted"] is True


def test_hits_go_back_as_sightings_and_tags_once(
    alliance: Alliance, misp: Misp, tmp_path: Path
) -> None:
    desk = Desk(alliance, misp, tmp_path, at=2)
    strong = {"evidence_level": "confirmed", "object_role": "offender_controlled"}
    alliance.report(desk.name, kind="phone", value="+447911000042", confidence=90, **strong)
    oracle = PyMISP(misp.url, KEY, ssl=False)
    event = MISPEvent()
    event.info = "calls of this week"
    event.add_attribute("phone-number", "+44 7911 000042")
    event.add_attribute("phone-number", "+44 7911 000043")
    event.add_attribute("phone-number", "no number")
    added = oracle.add_event(event, pythonify=True)
    assert isinstance(added, MISPEvent)

    def hit() -> bool:
        found = alliance.screen(desk.name, kind="phone", value="+447911000042")
        return bool(found["hit"])

    until(hit, "the record answers")
    told = desk.remote("screen")
    counted = (told["attributes"], told["hits"], told["sent"], told["refused"])
    assert counted == (3, 1, 1, 1), told
    assert desk.remote("screen")["sent"] == 0
    shown = oracle.get_event(added.uuid, pythonify=True)
    (seen,) = [one for one in shown.attributes if one.sightings]
    assert seen.value == "+44 7911 000042"
    assert any(tag.name.startswith("fraud-alliance:band=") for tag in seen.tags)


def test_what_misp_refuses_is_told_in_one_line(
    alliance: Alliance, misp: Misp, tmp_path: Path
) -> None:
    desk = Desk(alliance, misp, tmp_path)
    words = ["--misp-url", misp.url, "--misp-key-file", str(desk.key)]
    desk.key.write_text("wrongKey0000000000000000000000000000000000")
    done = desk.run("pull", *words)
    assert done.returncode == 1 and "HTTP 403: Authentication failed." in done.stderr
    assert "wrongKey" not in done.stderr and done.stderr.count("\n") == 1
    desk.key.chmod(0o644)
    done = desk.run("pull", *words)
    assert done.returncode == 2 and "0600" in done.stderr
    misp.close()
    desk.key.chmod(0o600)
    done = desk.run("push", *words)
    assert done.returncode == 1 and "ConnectError" in done.stderr


def test_files_go_in_and_out_by_the_command_line(
    alliance: Alliance, misp: Misp, tmp_path: Path
) -> None:
    desk = Desk(alliance, misp, tmp_path)
    source = tmp_path / "in"
    source.mkdir()
    document = {"Attribute": [{"type": "email", "value": "files@scam-post.net"}]}
    (source / "one.json").write_text(json.dumps(document))
    (source / "two.json").write_text("{")
    done = desk.run("import", str(source), "--fraud-type", "phishing", "--keep-clear")
    assert done.returncode == 1 and "two.json: no JSON" in done.stderr
    assert "stated" in done.stdout and "files@scam-post.net" not in done.stdout
    desk.settle()
    done = desk.run("feed", "--clear", "--own-only", "--out", str(tmp_path / "feed"))
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "feed" / "manifest.json").read_bytes())
    events = [json.loads((tmp_path / "feed" / f"{u}.json").read_bytes()) for u in manifest]
    assert "files@scam-post.net" in json.dumps(events)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "feed").iterdir()}
    assert modes == {0o600}, "clear text is for its owner's eyes"

    key = tmp_path / "set.key"
    key.write_text("0a" * 32)
    key.chmod(0o600)
    options = ["--set-key-file", str(key), "--key-id", "p-1", "--name", "partner"]
    done = desk.run("pss", "--out", str(tmp_path / "set"), *options, "--json")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "set" / "private-search-set.bloom").stat().st_size > 48
    assert "0a0a0a" not in done.stdout
    done = desk.run("forget", "--yes", "--json")
    assert json.loads(done.stdout)["forgotten"] >= 1
