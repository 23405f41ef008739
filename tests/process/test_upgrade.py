"""Upgrade: homes that the last release made and filled are opened by today's code, node by node.

The release is a commit of this repository, checked out beside it and run with its own code in the
same environment; the alliance orders blocks under load all the time, first of old nodes, then of
both kinds, then of new ones. Run it with `pytest tests/process/test_upgrade.py -s`.
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
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bulwark.client.verify import verify_record_proof
from node.devnet.devnet import Devnet
from node.storage import schema
from node.storage.level import LevelStore
from tests.process.support import ROOT, Alliance, Load, until
from tests.process.test_governance import bulwark, govern

pytestmark = pytest.mark.process
RELEASE = "c3f0dea8de5b1e0f9e01c3aa5b3ee71c19c24e97"
"""The last commit before this release's work.

Its databases have layout 2, its keystores version 2, and its genesis a governance contract that
knows no protocol level.
"""
OLD_MARK = "runs-the-release"
LAUNCHER = """
import os, sys
home, code = sys.argv[-1], {code!r}
if os.path.exists(os.path.join(home, {mark!r})):
    os.environ["PYTHONPATH"] = code
else:
    os.environ["PYTHONPATH"] = {root!r}
words = [sys.executable, "-P", "-m", "node.cli.main", "node", "run", "--home", home]
os.execv(sys.executable, words)
"""
CREATE = """
import sys
from pathlib import Path
import node
assert str(Path(node.__file__).parents[1]) == sys.argv[1], node.__file__
from node.devnet.devnet import Devnet
Devnet.create(Path(sys.argv[2]), 4, 0)
"""


def git(*words: str) -> subprocess.CompletedProcess[str]:
    """One git command in this repository."""
    return subprocess.run(
        ["git", "-C", str(ROOT), *words], capture_output=True, text=True, timeout=60, check=False
    )


def old_python(code: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Python with the release's code."""
    return subprocess.run(
        [sys.executable, "-P", *words],
        env={**os.environ, "PYTHONPATH": str(code)},
        cwd=code,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The release's code."""
    if shutil.which("git") is None or git("cat-file", "-e", f"{RELEASE}^{{commit}}").returncode:
        pytest.skip(f"the history of this repository with commit {RELEASE} is not here")
    place = tmp_path_factory.mktemp("release") / "code"
    made = git("worktree", "add", "--detach", str(place), RELEASE)
    assert made.returncode == 0, made.stderr
    try:
        yield place
    finally:
        git("worktree", "remove", "--force", str(place))


@dataclass
class Upgrade:
    """What happened, for the tests to look at."""

    alliance: Alliance
    code: Path
    layouts: dict[str, bytes] = field(default_factory=dict)
    """Layout of each database before its node was upgraded."""
    keystores: dict[str, int] = field(default_factory=dict)
    """Version of each keystore, the same."""
    acknowledged: dict[str, str] = field(default_factory=dict)
    """Records that were taken all the time, as `Load` has them."""
    old_height: int = 0
    record_id: str = ""
    heights: list[int] = field(default_factory=list)
    """Finalized height after each upgrade."""

    def one(self, name: str) -> None:
        """Stop a node of the release and start it with today's code."""
        alliance, home = self.alliance, self.alliance.node(name).home
        pid = alliance.node(name).pid
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        until(lambda: alliance.ended(name), f"{name} ends")
        with closing(LevelStore(home / "data")) as store:
            self.layouts[name] = store.get(schema.META_FORMAT) or b""
        self.keystores[name] = json.loads((home / "keys" / "keystore.json").read_bytes())["version"]
        (home / OLD_MARK).unlink()
        began = time.monotonic()
        alliance.devnet.start_node(name)
        tip = max(alliance.height(each, "finalized") for each in alliance.validators)
        alliance.until_final(tip + 3)
        self.heights.append(tip + 3)
        sys.stdout.write(f"{name} upgraded and in step {time.monotonic() - began:.1f} s later\n")


@pytest.fixture(scope="module")
def upgrade(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgrade]:
    """Four nodes of the release under load, upgraded one after another."""
    place = tmp_path_factory.mktemp("upgrade")
    home, launcher = place / "alliance", place / "launcher.py"
    made = old_python(release, "-c", CREATE, str(release), str(home))
    assert made.returncode == 0, made.stderr
    text = LAUNCHER.format(code=str(release), mark=OLD_MARK, root=str(ROOT))
    launcher.write_text(text)
    alliance = Alliance(Devnet.open(home, command=(sys.executable, str(launcher))))
    for node in alliance.devnet.nodes:
        (node.home / OLD_MARK).touch()
    story = Upgrade(alliance, release)
    try:
        alliance.start()
        first = alliance.validators[0]
        report = alliance.report(first, kind="email", value="old@scam-post.net", wait="finalized")
        story.record_id = str(report["record_id"])
        with Load(alliance, alliance.validators[:2], clients=1) as load:
            until(lambda: alliance.height(first) >= 30, "blocks of the release", 120)
            story.old_height = alliance.height(first)
            for name in reversed(alliance.validators):
                story.one(name)
        story.acknowledged = dict(load.acknowledged)
        yield story
    finally:
        alliance.close()


def test_databases_of_the_release_are_migrated_and_the_chain_goes_on(upgrade: Upgrade) -> None:
    assert set(upgrade.layouts.values()) == {b"bulwark-store/2"}
    assert upgrade.heights == sorted(upgrade.heights)
    assert upgrade.heights[0] > upgrade.old_height
    alliance = upgrade.alliance
    height = upgrade.heights[-1]
    blocks = [alliance.block(name, height) for name in alliance.validators]
    assert len({block["hash"] for block in blocks if block}) == 1
    for name in alliance.validators:
        assert "migration done" in alliance.log(name)


def test_no_report_that_was_taken_during_the_upgrade_is_lost(upgrade: Upgrade) -> None:
    assert len(upgrade.acknowledged) > 10
    for name in upgrade.alliance.validators:
        missing = [e for e in upgrade.acknowledged if not upgrade.alliance.has_record(name, e)]
        assert not missing, f"{name} lacks {len(missing)} of {len(upgrade.acknowledged)}: {missing}"


def test_keystores_of_the_release_are_read_and_their_keys_can_be_rotated(upgrade: Upgrade) -> None:
    assert set(upgrade.keystores.values()) == {2}
    home = upgrade.alliance.node(upgrade.alliance.validators[0]).home
    shown = bulwark("key", "status", "--home", home)
    assert all(kind in shown for kind in ("vote", "account", "tls", "ring", "sealing")), shown
    bulwark("key", "rotate", "ring", "--home", home)
    assert json.loads((home / "keys" / "keystore.json").read_bytes())["version"] == 3
    bulwark("node", "reload", "--home", home)
    upgrade.alliance.report(upgrade.alliance.validators[0], kind="email", value="3@scam-post.net")


def test_an_alliance_whose_genesis_knows_no_level_goes_on_without_and_refuses_the_vote(
    upgrade: Upgrade,
) -> None:
    first = upgrade.alliance.validators[0]
    wish = ("propose", "set-parameter", "protocol_level", "1")
    assert "unknown parameter" in govern(upgrade.alliance, first, *wish, fails=1)
    assert upgrade.alliance.status(first)["protocol"]["level"] == 0


def test_what_was_reported_to_the_release_is_proved_and_screened_by_today(upgrade: Upgrade) -> None:
    alliance = upgrade.alliance
    for name in alliance.validators:
        client = alliance.client(name, "auditor")
        proof = client.get(f"/v1/records/{upgrade.record_id}/proof")
        assert proof.status_code == 200, proof.text
        verify_record_proof(proof.content, alliance.genesis.to_json())
    first = alliance.validators[0]
    assert alliance.screen(first, kind="email", value="old@scam-post.net")["records"]
    again = alliance.report(first, kind="email", value="old@scam-post.net")
    assert again["record_id"] == upgrade.record_id


def test_the_release_refuses_a_migrated_database_and_the_disk_is_clean(upgrade: Upgrade) -> None:
    alliance = upgrade.alliance
    name = alliance.validators[-1]
    pid = alliance.node(name).pid
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    until(lambda: alliance.ended(name), f"{name} ends")
    home = alliance.node(name).home
    words = ("-m", "node.cli.main", "node", "run", "--home", str(home))
    refused = old_python(upgrade.code, *words)
    assert refused.returncode == 1
    assert "layout" in refused.stderr
    report = alliance.fsck(name)
    assert report.is_clean, report.problems[:5]
