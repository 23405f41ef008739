"""A node's consensus is written down while it works, and repeated offline without its keys."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.conftest import MakeAlliance
from tests.process.support import ROOT

pytestmark = pytest.mark.process


def replayed(trace: Path, genesis: Path) -> subprocess.CompletedProcess[str]:
    words = ("-m", "node.cli.main", "replay-trace", str(trace), "--genesis", str(genesis), "--json")
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def test_a_recorded_node_is_repeated_step_by_step_and_a_bent_trace_is_noticed(
    make_alliance: MakeAlliance, tmp_path: Path
) -> None:
    alliance = make_alliance(4, 0)
    name = alliance.validators[1]
    home = alliance.node(name).home
    with (home / "node.toml").open("a") as file:
        file.write('\n[consensus]\ntrace_file = "consensus.trace"\n')
    alliance.start()
    for number in range(3):
        alliance.report(name, kind="email", value=f"traced{number}@scam-post.net")
    alliance.stop()
    trace, genesis = home / "consensus.trace", alliance.devnet.home / "genesis.json"
    assert stat.S_IMODE(trace.stat().st_mode) == 0o600
    done = replayed(trace, genesis)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["steps"] > 50
    data = bytearray(trace.read_bytes())
    data[len(data) * 2 // 3] ^= 1
    (tmp_path / "bent").write_bytes(data)
    assert replayed(tmp_path / "bent", genesis).returncode in (1, 2)
