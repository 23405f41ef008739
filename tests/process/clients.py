"""Ethereum clients from npm, installed once into a cache and run as their users run them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.process.support import ROOT

SOURCES = ROOT / "tests" / "clients"
CACHE = ROOT / "var" / "clients"
INSTALL_S = 300
RUN_S = 90


def missing() -> str | None:
    """Why the clients can not run here, None where they can."""
    gone = [name for name in ("node", "npm") if shutil.which(name) is None]
    return f"{' and '.join(gone)} not installed (Debian: apt install nodejs npm)" if gone else None


def installed() -> Path:
    """The folder with the clients' modules and the scripts of this tree beside them."""
    lock = hashlib.sha256((SOURCES / "package-lock.json").read_bytes()).hexdigest()[:16]
    place = CACHE / lock
    if not (place / "node_modules").is_dir():
        making = CACHE / f"{lock}.{os.getpid()}"
        making.mkdir(parents=True)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(SOURCES / name, making / name)
        done = subprocess.run(
            ["npm", "ci", "--no-progress"],
            cwd=making,
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
    for script in (*SOURCES.glob("*.mjs"), *SOURCES.glob("*.cjs")):
        shutil.copy(script, place / script.name)
    return place


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
