"""Nets from manifests: partitions, distance, loss and one-way lines between network namespaces.

Each manifest under tests/nets/manifests is one net; those under regressions are defects that were
found with nets, and stay. Where namespaces can not be had the test says why and is left out.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.nets import manifest as manifests
from tests.nets import runner
from tests.nets.fabric import namespaces, why_no_namespaces
from tests.nets.manifest import Manifest, ManifestInvalid
from tests.nets.randomly import random_manifest
from tests.nets.rules import ROOT

FOLDER = Path(manifests.__file__).with_name("manifests")
OVER_LINKS = ("two_against_two", "three_against_one", "far_apart", "one_way")
REGRESSIONS = sorted(path.stem for path in (FOLDER / "regressions").glob("*.toml"))


def load(name: str) -> Manifest:
    return manifests.load(FOLDER / f"{name}.toml")


def run(name: str, backend: str) -> None:
    chosen = load(name)
    reason = runner.why_not(chosen, backend)
    if reason:
        pytest.skip(reason)
    runner.run(chosen, backend=backend)


@pytest.mark.process
@pytest.mark.parametrize("name", OVER_LINKS)
def test_an_alliance_in_namespaces_recovers_from(name: str) -> None:
    run(name, "netns")


@pytest.mark.process
def test_all_nodes_killed_and_one_log_torn_lose_nothing() -> None:
    run("all_killed_torn", "loopback")


@pytest.mark.process
@pytest.mark.parametrize("name", REGRESSIONS)
def test_a_net_that_once_failed_holds(name: str) -> None:
    run(f"regressions/{name}", "loopback")


@pytest.mark.process
def test_an_interrupted_run_leaves_no_process_and_no_namespace(tmp_path: Path) -> None:
    if why_no_namespaces():
        pytest.skip(why_no_namespaces())
    words = [sys.executable, "-m", "tests.nets", "run", str(FOLDER / "two_against_two.toml")]
    options = ["--backend", "netns", "--keep", str(tmp_path / "net")]
    process = subprocess.Popen(
        [*words, *options],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background ignores the signal, and its children would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "partition" in line:
            break
    ours = {name for name in namespaces() if str(process.pid) in name}
    assert len(ours) == 4
    process.send_signal(signal.SIGINT)
    process.stderr.read()
    assert process.wait(60) != 0
    assert not ours & namespaces()
    assert not [p for p in Path("/proc").iterdir() if str(tmp_path) in words_of(p)]


def words_of(process: Path) -> str:
    """Command line of a folder of /proc, empty for what is no process or is gone."""
    try:
        return (process / "cmdline").read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.toml")), ids=lambda path: path.stem)
def test_a_manifest_that_is_read_and_written_is_the_same(path: Path) -> None:
    first = manifests.load(path)
    assert manifests.parse(tomllib.loads(manifests.dump(first)), "again") == first


def test_a_seed_is_one_manifest_and_every_one_can_be_kept() -> None:
    for seed in range(200):
        chosen = random_manifest(seed)
        assert chosen == random_manifest(seed)
        assert manifests.parse(tomllib.loads(manifests.dump(chosen)), "again") == chosen
        assert sum(step.do in ("wipe", "tear") for step in chosen.steps) <= 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"steps": [{"at_s": 1.0, "do": "melt", "nodes": ["bank-a"]}]}, "melt"),
        ({"steps": [{"at_s": 1.0, "do": "kill", "nodes": ["bank-z"]}]}, "bank-z"),
        ({"steps": [{"at_s": 1.0, "do": "kill"}]}, "names no nodes"),
        ({"steps": [{"do": "kill", "nodes": ["bank-a"]}]}, "at_s missing"),
        ({"sleps": []}, "sleps"),
        ({"validators": 11}, "1..10"),
        ({"steps": [{"at_s": 1.0, "do": "fill_disk", "nodes": ["bank-a"]}]}, "disk_mb"),
        (
            {
                "steps": [
                    {"at_s": 2.0, "do": "kill", "nodes": ["bank-a"]},
                    {"at_s": 1.0, "do": "start", "nodes": ["bank-a"]},
                ]
            },
            "order of time",
        ),
    ],
)
def test_a_manifest_with_a_mistake_is_refused_by_name(change: dict[str, object], said: str) -> None:
    with pytest.raises(ManifestInvalid, match=said):
        manifests.parse({"name": "wrong", **change}, "test")
