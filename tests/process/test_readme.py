"""Every command of the README runs, as it stands there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```\n(.*?)^```", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.process


def blocks() -> list[list[str]]:
    """The README's code blocks as commands, comments cut off."""
    found = FENCE.findall((ROOT / "README.md").read_text())
    return [
        [line.partition("#")[0].strip() for line in block.splitlines() if line.strip()]
        for block in found
    ]


def run(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    bin_folder = str(Path(sys.executable).parent)
    path = f"{bin_folder}:{os.environ['PATH']}"
    return subprocess.run(
        shlex.split(command),
        cwd=ROOT,
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_the_two_commands_are_the_ones_that_set_everything_up() -> None:
    assert blocks()[0] == ["make demo", "make test"]
    for command in blocks()[0]:
        # -n: what they would run. `make demo` runs in its own test below, `make test` runs this.
        planned = run(f"{command} -n")
        assert planned.returncode == 0, planned.stderr
    assert "bulwark demo" in run("make demo -n").stdout
    assert "-m pytest" in run("make test -n").stdout
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_the_demo_walks_from_nothing_to_a_verified_proof() -> None:
    done = run("bulwark demo --exit")
    assert done.returncode == 0, done.stdout + done.stderr
    for sign in ("HIT", "valid", "withdrawn in block", "all agree on block"):
        assert sign in done.stdout, done.stdout


def test_the_walk_by_hand_gives_a_hit_at_another_member(tmp_path: Path) -> None:
    by_hand = next(block for block in blocks() if "devnet up" in block[0])
    answers: dict[str, str] = {}
    try:
        for command in by_hand:
            done = run(command.replace("/tmp/alliance", str(tmp_path / "alliance")))
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
            answers[command.split()[1]] = done.stdout
    finally:
        run(f"bulwark devnet down --home {tmp_path / 'alliance'}")
    assert "hit" in answers["screen"].lower(), answers["screen"]
    assert "vishing" in answers["screen"], answers["screen"]
