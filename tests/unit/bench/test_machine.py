from __future__ import annotations

import json
from pathlib import Path

from bench.machine import describe, fsync_ms


def test_machine_is_described_as_json(tmp_path: Path) -> None:
    machine = json.loads(json.dumps(describe(tmp_path, tmp_path)))
    assert machine["cores"] >= 1
    assert machine["memory_mb"] > 100
    assert machine["python"].startswith("3.")
    assert machine["packages"]["py-evm"] == "0.12.1b1"


def test_a_folder_outside_of_git_has_no_commit(tmp_path: Path) -> None:
    assert describe(tmp_path, tmp_path)["commit"] == "unknown"


def test_fsync_probe_leaves_nothing_behind(tmp_path: Path) -> None:
    found = fsync_ms(tmp_path)
    assert 0 < found["p50"] <= found["p99"]
    assert list(tmp_path.iterdir()) == []
