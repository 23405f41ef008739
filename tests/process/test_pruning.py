"""Pruning of real nodes: online under load, offline, killed in the middle; bytes told and given.

Run it with `pytest tests/process/test_pruning.py -s` to see the bytes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bulwark.client.verify import verify_record_proof
from node.storage import blocks, schema
from tests.process.support import ROOT, Alliance, Load, rpc, until

pytestmark = pytest.mark.process
LEAST = 256
HEIGHT = 480
EARLY = "early@scam-post.net"
SETTINGS = f"""
[pruning]
keep_blocks = {LEAST}
keep_states = {LEAST}
keep_days = 0
every_seconds = 1
"""


def prune(home: Path, *words: str) -> dict[str, Any]:
    """`bulwark prune --json` on a home."""
    keep = ("--keep-blocks", str(LEAST), "--keep-states", str(LEAST), "--keep-days", "0")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "node.cli.main", "prune", "--home", str(home), "--json"),
            *keep,
            *words,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout))


def end(alliance: Alliance, name: str, number: int = signal.SIGTERM) -> None:
    """Stop one node."""
    pid = alliance.node(name).pid
    assert pid is not None
    os.kill(pid, number)
    until(lambda: alliance.ended(name), f"{name} ends")


@pytest.fixture(scope="module")
def alliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alliance]:
    """Four nodes with some hundred blocks; the second and the third prune while they run."""
    made = Alliance.create(tmp_path_factory.mktemp("pruning") / "alliance", 4, 0)
    try:
        for name in made.validators[1:3]:
            path = made.node(name).home / "node.toml"
            path.write_text(path.read_text() + SETTINGS)
        made.start()
        made.report(made.validators[0], kind="email", value=EARLY, wait="finalized")
        with Load(made, made.validators[:1], clients=3):
            until(lambda: made.height(made.validators[0]) >= HEIGHT, "enough blocks", 400)
            yield made
    finally:
        made.close()


def test_a_running_node_prunes_under_load_and_holds_up_no_vote(alliance: Alliance) -> None:
    archive, pruner = alliance.validators[0], alliance.validators[1]
    until(lambda: '"event": "pruned"' in alliance.log(pruner), "the node pruned", 120)
    line = next(row for row in alliance.log(pruner).splitlines() if '"event": "pruned"' in row)
    told = json.loads(line)
    sys.stdout.write(f"online: {json.dumps(told)}\n")
    assert told["blocks"] + told["nodes"] > 0
    before = alliance.height(archive)
    until(lambda: alliance.height(archive) > before + 20, "blocks go on")
    until(
        lambda: pruner in alliance.signers(archive, alliance.height(archive, "finalized")),
        "the vote of the node that prunes is in time for a certificate",
    )


def test_what_is_pruned_is_answered_with_the_lowest_block_and_proofs_still_hold(
    alliance: Alliance,
) -> None:
    archive, pruner = alliance.validators[0], alliance.validators[1]
    # Blocks whose events are kept stay whole: look for one that is gone.
    client = alliance.client(pruner, "auditor")
    gone = next(h for h in range(20, 200) if client.get(f"/v1/blocks/{h}").status_code == 410)
    problem = client.get(f"/v1/blocks/{gone}").json()
    assert problem["type"].endswith(":pruned")
    assert "whole from block" in problem["detail"]
    operator = alliance.client(pruner, "operator")
    error = rpc(operator, "eth_getBlockByNumber", hex(gone), True)["error"]
    assert error["code"] == 4444
    lowest = int(error["data"], 16)
    assert lowest > gone
    whole = rpc(operator, "eth_getBlockByNumber", hex(lowest), True)["result"]
    assert int(whole["number"], 16) == lowest
    old = rpc(operator, "eth_getBalance", "0x" + "11" * 20, hex(gone))["error"]
    assert old["code"] == 4444
    seen = alliance.block(archive, gone)
    assert seen is not None, "the archive has it"
    report = alliance.report(archive, kind="email", value=EARLY)  # the one of the first blocks
    place = alliance.client(pruner, "auditor").get(f"/v1/indicators/{report['record_id']}").json()
    assert place["height"] < lowest, place
    proof = alliance.client(pruner, "auditor").get(f"/v1/records/{report['record_id']}/proof")
    assert proof.status_code == 200, proof.text
    verify_record_proof(proof.content, alliance.genesis.to_json())
    assert alliance.screen(pruner, kind="email", value=EARLY)["records"]


def test_a_node_killed_while_it_prunes_comes_back_and_its_disk_is_clean(
    alliance: Alliance,
) -> None:
    name = alliance.validators[2]
    until(lambda: '"event": "pruned"' in alliance.log(name), "the node pruned", 120)
    runs = alliance.log(name).count('"event": "pruned"')
    height = alliance.height(name)
    until(lambda: alliance.height(name) > height + 80, "more to prune")
    until(lambda: alliance.log(name).count('"event": "pruned"') > runs, "it prunes again")
    end(alliance, name, signal.SIGKILL)
    report = alliance.fsck(name, full=False)
    assert report.is_clean, report.problems[:5]
    alliance.devnet.start_node(name)
    tip = alliance.height(alliance.validators[0], "finalized")
    alliance.until_final(tip, [name])


def test_a_wiped_member_finds_an_archive_among_nodes_that_pruned(alliance: Alliance) -> None:
    name = alliance.validators[3]
    end(alliance, name, signal.SIGKILL)
    data = alliance.node(name).home / "data"
    for path in data.iterdir():
        path.unlink()
    data.rmdir()
    alliance.devnet.start_node(name)
    tip = alliance.height(alliance.validators[0], "finalized")
    alliance.until_final(tip, [name])
    assert alliance.block(name, 50) is not None


def test_a_stopped_node_gives_back_what_the_dry_run_promised(alliance: Alliance) -> None:
    name, other = alliance.validators[:2]  # the one that was an archive so far
    end(alliance, name)
    home = alliance.node(name).home
    prune_once = prune(home, "--dry-run")
    began = time.monotonic()
    done = prune(home)
    sys.stdout.write(
        f"promised {prune_once['promised_bytes']} of {prune_once['disk_before']} bytes, given "
        f"back {done['given_back']}: {done['disk_before']} -> {done['disk_after']} "
        f"in {time.monotonic() - began:.1f} s\n"
    )
    sys.stdout.write(f"dry run: {json.dumps(prune_once)}\n")
    promised, given = int(prune_once["promised_bytes"]), int(done["given_back"])
    assert promised > 100_000
    assert 0.7 * promised < given < 1.3 * promised
    assert done["blocks"] == prune_once["blocks"] > 100
    again = prune(home, "--dry-run")
    assert again["promised_bytes"] == 0
    report = alliance.fsck(name)
    assert report.is_clean, report.problems[:5]
    with alliance.store(name) as store:
        assert blocks.read_pruned_from(store) == done["bodies_below"]
        assert store.get(schema.META_STATE_SWEEP) is None
    alliance.devnet.start_node(name)
    alliance.until_final(alliance.height(other, "finalized"), [name])
