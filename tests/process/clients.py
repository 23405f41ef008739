"""Ethereum clients from npm, installed once into a cache and run as their users run them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.process.support import ROOT

SOURCES = ROOT / "tests" / "clients"
HARDHAT_3 = SOURCES / "hardhat3"
NODE_22 = SOURCES / "node22"
BOTH_HARDHATS = [SOURCES / "hardhat-steps.mjs", SOURCES / "telling.mjs"]
CACHE = ROOT / "var" / "clients"
INSTALL_S = 300
RUN_S = 90


def missing() -> str | None:
    """Why the clients can not run here, None where they can."""
    gone = [name for name in ("node", "npm") if shutil.which(name) is None]
    return f"{' and '.join(gone)} not installed (Debian: apt install nodejs npm)" if gone else None


def installed(folder: Path = SOURCES, more: Sequence[Path] = (), node: Path | None = None) -> Path:
    """A place with the modules that `folder` names, its scripts and `more` beside them.

    With `node` npm runs on that Node.js: modules that a machine's own is too old for are left out.
    """
    lock = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()[:16]
    place = CACHE / lock
    if not (place / "node_modules").is_dir():
        making = CACHE / f"{lock}.{os.getpid()}"
        making.mkdir(parents=True)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(folder / name, making / name)
        done = subprocess.run(
            ["npm", "ci", "--no-progress"],
            cwd=making,
            env={**os.environ, "PATH": search_path(node)},
            capture_output=True,
            text=True,
            timeout=INSTALL_S,
        )
        if done.returncode:
            shutil.rmtree(making)
            raise AssertionError(f"npm ci: {done.stderr[:2000]}")
        try:
            making.rename(place)
        except OSError:  # another run was first
            shutil.rmtree(making)
    for script in (*folder.glob("*.[cm]js"), *folder.glob("*.js"), *more):
        shutil.copy(script, place / script.name)
    return place


def search_path(node: Path | None) -> str:
    """Where programs are found, this Node.js first."""
    own = os.environ["PATH"]
    return own if node is None else f"{node.parent}{os.pathsep}{own}"


def newer_node() -> Path | None:
    """Node.js 22, None where npm has it for another machine only: Debian's is too old."""
    found = sorted(installed(NODE_22).glob("node_modules/node-linux-*/bin/node"))
    return found[0] if found else None


def run(words: list[str], place: Path, told: dict[str, str]) -> dict[str, Any]:
    """Run a client; what it printed last, as JSON."""
    return dict(json.loads(say(words, place, told).strip().splitlines()[-1]))


def say(words: list[str], place: Path, told: dict[str, str]) -> str:
    """Run a client; what it printed."""
    quiet = {"HARDHAT_DISABLE_TELEMETRY_PROMPT": "true", "HOME": str(place), "CI": "1"}
    done = subprocess.run(
        words,
        cwd=place,
        env={"PATH": os.environ["PATH"], **quiet, **told},
        capture_output=True,
        text=True,
        timeout=RUN_S,
    )
    assert done.returncode == 0, f"{words}: {done.stdout[-2000:]} {done.stderr[-4000:]}"
    return done.stdout
