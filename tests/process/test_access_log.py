"""Who asked what and why, in a real alliance: written first, anchored, and checked elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from bulwark.ledger.accesslog import AccessEntry
from node.assembly import open_home
from node.guarded.accesslog import ENTRIES
from node.guarded.atrest import AtRest
from node.storage.level import LevelStore
from node.storage.schema import number8
from tests.process.conftest import MakeAlliance
from tests.process.support import ROOT, WHY, Alliance, until

pytestmark = pytest.mark.process

VALUE = "zebulon.quokka@scam-post.net"
ROWS = (
    "kind,value,purpose,lawful_basis,case_ref\n"
    "domain,one.example,fraud_prevention,legitimate_interests,BATCH-1\n"
    "domain,two.example,fraud_prevention,legitimate_interests,BATCH-1\n"
    "domain,three.example,fraud_investigation,legal_obligation,BATCH-2\n"
)


def second_key(alliance: Alliance, name: str, key_id: str, role: str) -> str:
    """Add a key of a role to a node that does not run; the clear key."""
    clear = base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode("ascii")
    path = alliance.node(name).home / "api_keys.json"
    document = json.loads(path.read_bytes())
    digest = hashlib.sha256(clear.encode()).hexdigest()
    document["keys"].append({"id": key_id, "role": role, "sha256": digest})
    path.write_text(json.dumps(document), "utf-8")
    return clear


def often_anchored(alliance: Alliance, name: str) -> None:
    """Make a node anchor its access log every second of block time."""
    path = alliance.node(name).home / "node.toml"
    path.write_text(path.read_text("utf-8") + "\n[privacy]\naccess_anchor_seconds = 1\n", "utf-8")


def log_of(alliance: Alliance, name: str) -> dict[str, Any]:
    return dict(alliance.client(name, "auditor").get("/v1/access-log").raise_for_status().json())


def check_of(alliance: Alliance, name: str) -> dict[str, Any]:
    answer = alliance.client(name, "auditor").get("/v1/access-log/check")
    return dict(answer.raise_for_status().json())


def anchors_of(alliance: Alliance, at: str, member: str) -> list[dict[str, Any]]:
    answer = alliance.client(at, "auditor").get(f"/v1/access-anchors/{member}")
    return list(answer.raise_for_status().json()["anchors"])


def bulwark(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "node.cli.main", *words],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def seen(entry: dict[str, Any]) -> tuple[object, ...]:
    names = ("who", "role", "kind", "count", "purpose", "lawful_basis", "case_ref")
    return tuple(entry[name] for name in names)


def audited(alliance: Alliance, name: str, at: str, folder: Path) -> tuple[int, str]:
    """Export a member's log at its node and verify it against another node's ledger."""
    file = folder / f"log-{len(list(folder.iterdir()))}"
    home = str(alliance.node(name).home)
    made = bulwark("access-log", "export", "--out", str(file), "--home", home)
    assert made.returncode == 0, made.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    genesis = str(alliance.devnet.home / "genesis.json")
    found = bulwark(
        "access-log", "verify", str(file), "--member", name, "--genesis", genesis,
        "--home", str(alliance.node(at).home),
    )  # fmt: skip
    return found.returncode, found.stdout + found.stderr


def covered(alliance: Alliance, at: str, member: str, count: int) -> None:
    """Wait until another node's ledger anchors so many entries of a member."""

    def newest() -> int:
        alliance.report(at, kind="domain", value=f"tick-{os.urandom(4).hex()}.example")
        return max([0, *(anchor["count"] for anchor in anchors_of(alliance, at, member))])

    until(lambda: newest() >= count, f"{count} entries of {member} anchored at {at}")


def test_every_question_is_in_the_log_before_it_is_asked_and_gaps_show_at_other_nodes(
    make_alliance: MakeAlliance, tmp_path: Path
) -> None:
    alliance = make_alliance(4, 1)
    member, other = alliance.validators[:2]
    observer = alliance.names[-1]
    desk = second_key(alliance, member, "desk-7", "analyst")
    often_anchored(alliance, member)
    alliance.start()
    url = alliance.node(member).rest_url
    headers = {"Authorization": f"Bearer {desk}"}
    with httpx.Client(base_url=url, headers=headers, timeout=40.0) as client:
        body = {**WHY, "kind": "email", "value": VALUE, "case_ref": "CASE-7"}
        assert client.post("/v1/screenings", json=body).status_code == 200
        answer = client.post(
            "/v1/screenings/batches", content=ROWS, headers={"content-type": "text/csv"}
        )
        assert answer.status_code == 200, answer.text
        assert client.get("/v1/access-log").status_code == 403
    alliance.screen(member, kind="domain", value="four.example")
    alliance.report(member, kind="email", value=VALUE, case_ref="CASE-8")
    basis, purpose = "legitimate_interests", "fraud_prevention"
    expected = [
        ("desk-7", "analyst", "screening", 1, purpose, basis, "CASE-7"),
        ("desk-7", "analyst", "screening-batch", 2, purpose, basis, "BATCH-1"),
        ("desk-7", "analyst", "screening-batch", 1, "fraud_investigation", "legal_obligation",
         "BATCH-2"),
        ("analyst", "analyst", "screening", 1, purpose, basis, ""),
        ("reporter", "reporter", "report", 1, purpose, basis, "CASE-8"),
    ]  # fmt: skip
    log = log_of(alliance, member)
    assert [seen(entry) for entry in log["entries"]] == expected

    alliance.devnet.kill(member)
    alliance.devnet.start_node(member)
    assert log_of(alliance, member) == log
    alliance.screen(member, kind="domain", value="five.example")
    covered(alliance, other, member, 6)
    alliance.until_final(alliance.height(other))
    for at in (member, observer):
        assert anchors_of(alliance, at, member) == anchors_of(alliance, other, member)
    assert check_of(alliance, member)["complete"]
    code, text = audited(alliance, member, observer, tmp_path)
    assert (code, text.split()[0]) == (0, "COMPLETE"), text

    _bend(alliance, member, 3)
    found = check_of(alliance, member)
    assert not found["complete"] and found["gap"]["number"] == 4
    code, text = audited(alliance, member, observer, tmp_path)
    assert code == 1 and "entry 4: it does not follow" in text, text

    _cut(alliance, member, 2)
    code, text = audited(alliance, member, observer, tmp_path)
    assert code == 1 and "INCOMPLETE" in text, text


def _disk(alliance: Alliance, name: str) -> tuple[LevelStore, AtRest]:
    home = open_home(alliance.node(name).home)
    return LevelStore(home.path / "data"), AtRest(home.secrets.vault_key, b"access-log", os.urandom)


def _bend(alliance: Alliance, name: str, number: int) -> None:
    """Change an entry as somebody with the member's own key would."""
    alliance.devnet.kill(name)
    store, at_rest = _disk(alliance, name)
    key = ENTRIES + number8(number)
    for file in (alliance.node(name).home / "data").iterdir():
        for text in (VALUE.encode(), b"desk-7", b"CASE-7", b"BATCH-2"):
            assert text not in file.read_bytes(), f"{file.name} shows {text!r}"
    entry = AccessEntry.decode(at_rest.decrypt(key, store.get(key) or b""))
    bent = AccessEntry.decode(entry.encode().replace(b"BATCH-2", b"BATCH-9"))
    assert bent != entry
    store.write({key: at_rest.encrypt(key, bent.encode())}, sync=True)
    store.close()
    alliance.devnet.start_node(name)


def _cut(alliance: Alliance, name: str, number: int) -> None:
    """Take away all entries behind a number."""
    alliance.devnet.kill(name)
    store, _ = _disk(alliance, name)
    gone: dict[bytes, bytes | None] = {
        key: None for key, _ in store.iterate(ENTRIES, start=ENTRIES + number8(number + 1))
    }
    store.write(gone, sync=True)
    store.close()
    alliance.devnet.start_node(name)
