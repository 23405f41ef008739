"""Backup, wipe, restore, rejoin: what the manifest promised is back, nobody votes twice, what was
erased since is erased again before the node answers, and a report that is repeated is known.

Run it with `pytest tests/process/test_backup.py -s` to see sizes and times.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from bulwark.ledger.record import Record
from bulwark.ledger.sidecar import Sidecar
from node.storage import schema
from node.storage.seal import unseal
from tests.process.support import ROOT, Alliance, Load, rpc, until

pytestmark = pytest.mark.process
PASSPHRASE = "correct horse battery staple"
KEPT, LATER = "kept@scam-post.net", "later@scam-post.net"
ERASED = "erased@scam-post.net"


def bulwark(*words: str, code: int = 0, passphrase: str = PASSPHRASE) -> str:
    """One command; what it printed."""
    environment = {**os.environ, "BULWARK_BACKUP_PASSPHRASE": passphrase}
    done = subprocess.run(
        [sys.executable, "-m", "node.cli.main", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
    )
    assert done.returncode == code, f"{words}: {done.returncode} {done.stdout} {done.stderr}"
    return done.stdout if code == 0 else done.stderr


@dataclass
class Story:
    """What happened before the tests look."""

    alliance: Alliance
    file: Path
    manifest: dict[str, Any] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    shut: list[int] = field(default_factory=list)
    """Statuses of the API while the node came home."""
    restored_height: int = 0
    since: str = ""

    @property
    def name(self) -> str:
        """The member that lost its disk."""
        return self.alliance.validators[1]

    @property
    def home(self) -> Path:
        """Its home."""
        return self.alliance.node(self.name).home

    def report(self, value: str) -> str:
        """Report a mailbox through that member; the record's id."""
        answer = self.alliance.report(self.name, kind="email", value=value, wait="finalized")
        return str(answer["record_id"])

    def order_erasure(self) -> None:
        """Order the erasure of a record that the backup still has."""
        answer = self.alliance.client(self.name, "reporter").post(
            "/v1/erasures",
            params={"wait": "finalized"},
            json={"records": [self.ids[ERASED]], "ground": "request"},
        )
        assert answer.status_code == 201, answer.text

    def lose_the_disk(self) -> None:
        """Kill the node, delete its home; the operator still has the keystore's passphrase."""
        passphrase = (self.home / "keys" / "passphrase").read_bytes()
        clear = (self.home / "api_keys.clear.json").read_bytes()
        self.alliance.devnet.kill(self.name)
        shutil.rmtree(self.home)
        other = self.alliance.validators[0]
        ask = ("--ask-url", self.alliance.node(other).rest_url, "--ask-key-file")
        keys = str(self.alliance.node(other).home / "api_keys.clear.json")
        dry = bulwark("restore", str(self.file), str(self.home), "--dry-run", "--json", *ask, keys)
        self.told = json.loads(dry)
        assert not self.home.exists()
        began = time.monotonic()
        # Two questions were asked since; without the bound all quota would count as used.
        words = ("restore", str(self.file), str(self.home), "--json", "--asked-since", "20")
        done = json.loads(bulwark(*words))
        sys.stdout.write(
            f"restored {done['entries']} entries in {time.monotonic() - began:.1f} s\n"
        )
        self.restored_height = int(done["height"])
        for name, data in (("keys/passphrase", passphrase), ("api_keys.clear.json", clear)):
            (self.home / name).write_bytes(data)
            (self.home / name).chmod(0o600)

    def come_home(self) -> None:
        """Start it and knock at its door until it opens."""
        began = time.monotonic()
        self.alliance.devnet.start_node(self.name, wait=False)
        url = self.alliance.node(self.name).rest_url
        key = self.alliance.key(self.name, "auditor")

        def knock() -> bool:
            try:
                answer = httpx.get(
                    f"{url}/v1/indicators/{self.ids[ERASED]}",
                    headers={"Authorization": f"Bearer {key}"},
                )
            except httpx.HTTPError:
                return False
            self.shut.append(answer.status_code)
            return answer.status_code != 503

        until(knock, "the door of the restored node opens")
        sys.stdout.write(f"the door opened after {time.monotonic() - began:.1f} s\n")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Backup under load, more reports, an erasure, the disk is lost, restore, start."""
    place = tmp_path_factory.mktemp("backup")
    alliance = Alliance.create(place / "alliance", 4, 0)
    made = Story(alliance, place / "member.backup")
    try:
        alliance.start()
        made.ids = {value: made.report(value) for value in (KEPT, ERASED)}
        with Load(alliance, alliance.validators[:1]):
            began = time.monotonic()
            out = bulwark("backup", "--home", str(made.home), "--out", str(made.file), "--json")
            sys.stdout.write(
                f"backed up in {time.monotonic() - began:.1f} s, {made.file.stat().st_size} B\n"
            )
            made.manifest = json.loads(out)
            made.ids[LATER] = made.report(LATER)
            made.order_erasure()
            made.lose_the_disk()
            made.come_home()
        yield made
    finally:
        alliance.close()


def test_the_backup_of_a_running_node_is_whole_and_says_what_is_in_it(story: Story) -> None:
    assert story.manifest["was_running"]
    assert story.manifest["member"] == story.name
    assert story.file.stat().st_mode & 0o777 == 0o600
    assert "whole" in bulwark("backup", "verify", str(story.file))
    names = {part["name"] for part in story.manifest["parts"]}
    assert {"home/keys/keystore.json", "home/genesis.json", "database/outbox"} <= names
    left = {each["name"] for each in story.manifest["left_out"]}
    assert {"keys/passphrase", "api_keys.clear.json", "keys/shares"} <= left
    assert not names & {f"home/{name}" for name in left}


def test_the_dry_run_told_what_would_be_lost(story: Story) -> None:
    told = "\n".join(each["what"] for each in story.told["findings"])
    assert "blocks since the backup" in told
    assert "own transactions were executed since the backup" in told
    assert "0 own transactions" not in told
    weights = {each["weight"] for each in story.told["findings"]}
    assert {"danger", "lost", "changed", "note"} == weights
    assert story.told["would_be_refused"] is None


def test_the_door_was_shut_until_the_erased_record_was_erased_again(story: Story) -> None:
    assert 503 in story.shut
    view = story.alliance.client(story.name, "auditor").get(
        f"/v1/records/{story.ids[ERASED]}/erasure"
    )
    assert view.status_code == 200
    assert view.json()["erased_here"]
    screened = story.alliance.screen(story.name, kind="email", value=KEPT)
    assert screened["records"], screened


def test_reports_since_the_backup_are_there_and_known_when_they_are_repeated(story: Story) -> None:
    for value in (KEPT, LATER):
        assert story.alliance.has_record(story.name, story.ids[value])
        assert story.report(value) == story.ids[value]


def test_the_access_log_goes_on_behind_what_the_ledger_has(story: Story) -> None:
    client = story.alliance.client(story.name, "auditor")
    checked = client.get("/v1/access-log/check")
    assert checked.status_code == 200, checked.text
    assert checked.json()["gap"] is None, checked.text
    entries = client.get("/v1/access-log").json()["entries"]
    assert any(entry.get("action") == "restore" for entry in entries), entries[-3:]


def test_it_votes_again_once_that_is_safe_and_never_contradicted_itself(story: Story) -> None:
    alliance, name = story.alliance, story.name
    with Load(alliance, [alliance.validators[2]]):
        until(
            lambda: name in alliance.signers(alliance.validators[0], _tip(alliance)),
            f"{name} signs again",
        )
    for node in alliance.validators:
        answer = alliance.client(node, "auditor").get("/v1/evidence").json()
        assert not answer["evidence"], f"evidence at {node}: {answer}"
    height = _tip(alliance)
    alliance.until_final(height)
    hashes = {str(_block(alliance, node, height)["hash"]) for node in alliance.validators}
    assert len(hashes) == 1
    assert _nonce(alliance, name) == _nonce(alliance, alliance.validators[0])


def test_the_disk_is_clean_and_holds_no_salt_of_the_erased_record(story: Story) -> None:
    pid = story.alliance.node(story.name).pid
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    until(lambda: story.alliance.ended(story.name), "the node ends")
    report = story.alliance.fsck(story.name)
    assert report.is_clean, report.problems
    with story.alliance.store(story.name) as store:
        assert store.get(schema.META_RESTORED) is None
        for key, value in store.iterate(schema.SIDECARS):
            for entry in Sidecar.decode(unseal(key, value)).entries:
                if entry.record_id.hex() == story.ids[ERASED]:
                    assert not isinstance(entry, Record)


def test_a_home_that_is_not_empty_another_member_and_a_wrong_passphrase_are_refused(
    story: Story, tmp_path: Path
) -> None:
    file = str(story.file)
    assert "not empty" in bulwark("restore", file, str(story.home), code=1)
    other = str(story.alliance.node(story.alliance.validators[0]).home)
    assert "is of" in bulwark("restore", file, other, "--dry-run", "--force")
    wrong = bulwark("backup", "verify", file, code=1, passphrase="not this one at all")
    assert "does not open" in wrong
    damaged = tmp_path / "damaged.backup"
    data = bytearray(story.file.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    told = bulwark("restore", str(damaged), str(tmp_path / "home"), code=1)
    assert "database/" in told
    assert not (tmp_path / "home" / "data").exists()


def _tip(alliance: Alliance) -> int:
    return min(alliance.height(name, "finalized") for name in alliance.validators[:1])


def _block(alliance: Alliance, name: str, height: int) -> dict[str, Any]:
    found = alliance.block(name, height)
    assert found is not None
    return found


def _nonce(alliance: Alliance, at: str) -> int:
    account = alliance.genesis.members[1].account.hex()
    client = alliance.client(at, "operator")
    return int(rpc(client, "eth_getTransactionCount", f"0x{account}", "latest")["result"], 16)
