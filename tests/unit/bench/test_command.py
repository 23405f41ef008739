from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from bench.command import ROOT, main
from bench.suite import NAMES
from tests.unit.bench.test_report import SCHEMA


def test_help_has_an_example_and_every_measurement() -> None:
    text = CliRunner().invoke(main, ["--help"], terminal_width=200).output
    assert "python -m bench --quick" in text
    assert all(name in text for name in NAMES)


def test_an_unknown_measurement_is_refused_before_anything_starts() -> None:
    result = CliRunner().invoke(main, ["--only", "speed"])
    assert result.exit_code == 2
    assert "'speed' is not one of" in result.output


@pytest.mark.process
def test_smoke_run_measures_reads_and_writes_of_a_real_alliance(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    wanted = ("start", "idle", "fresh", "single", "bulk", "hit-200", "memory")
    words = [word for name in wanted for word in ("--only", name)]
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--smoke", *words, "--json", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(path.read_text())
    jsonschema.validate(found, SCHEMA)
    values = {row["key"]: row["value"] for row in found["figures"]}
    assert None not in values.values(), found["figures"]
    assert values["single.executed.rate"] > 0
    assert values["hit.200.p50"] > 0
