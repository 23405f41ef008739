"""The machine that a benchmark ran on, so that its numbers can be judged: CPU, disk, versions."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from bench.figures import percentile

PACKAGES: Final = ("py-evm", "plyvel", "uvloop", "uvicorn", "fastapi", "coincurve", "cryptography")
_PROBE_WRITES: Final = 100
_PROBE_BYTES: Final = 4096


def describe(folder: Path, root: Path) -> dict[str, object]:
    """The machine; `folder` is where the nodes' disks are, `root` the repository."""
    return {
        "cpu": _first("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mb": int(_first("/proc/meminfo", "MemTotal").split()[0] or 0) // 1024,
        "load_before": round(os.getloadavg()[0], 2),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "commit": _commit(root),
        "fsync_ms": fsync_ms(folder),
    }


def fsync_ms(folder: Path) -> dict[str, float]:
    """p50 and p99 of appending 4 KiB and fsync, milliseconds."""
    path = folder / "fsync.probe"
    samples = []
    with path.open("wb", buffering=0) as stream:
        for _ in range(_PROBE_WRITES):
            begin = time.perf_counter()
            stream.write(os.urandom(_PROBE_BYTES))
            os.fsync(stream.fileno())
            samples.append((time.perf_counter() - begin) * 1000)
    path.unlink()
    return {
        name: round(percentile(samples, share), 3) for name, share in (("p50", 0.5), ("p99", 0.99))
    }


def _first(path: str, label: str) -> str:
    """Value of the first line `label : value`; `0` when there is none."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return "0"
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == label:
            return value.strip()
    return "0"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _commit(root: Path) -> str:
    """Short commit id, with a plus when files differ from it; `unknown` outside of git."""
    try:
        head = _git(root, "rev-parse", "--short=12", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return head + ("+" if changed else "")


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=root, capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()
