"""Two processes with one key: the second is told by the others and ends; the first goes on."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from node.devnet.ports import free_ports
from tests.process.conftest import MakeAlliance
from tests.process.support import NODE_COMMAND, ROOT

pytestmark = pytest.mark.process


def test_a_copy_of_a_validators_home_ends_by_itself_and_says_why(
    make_alliance: MakeAlliance, tmp_path: Path
) -> None:
    alliance = make_alliance(4, 0)
    alliance.start()
    name, *others = alliance.validators
    node = alliance.node(name)
    twin = tmp_path / "twin"
    shutil.copytree(node.home, twin, ignore=shutil.ignore_patterns("data", "*.lock", "*.log"))
    p2p, http = free_ports(2)
    text = (twin / "node.toml").read_text()
    text = text.replace(f"listen_port = {node.p2p_port}", f"listen_port = {p2p}", 1)
    (twin / "node.toml").write_text(text.replace(f"port = {node.http_port}", f"port = {http}", 1))
    done = subprocess.run(
        [*NODE_COMMAND, str(twin)], cwd=ROOT, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 1, done.stderr
    assert f"another node with the identity {name} is running" in done.stderr + done.stdout
    assert not alliance.ended(name)
    for member in (name, others[0]):
        alliance.report(member, kind="email", value=f"after-twin-{member}@scam-post.net")
    assert "evidence of misbehaviour" not in "".join(alliance.log(n) for n in alliance.names)
