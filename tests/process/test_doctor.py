"""bulwark doctor over real processes: who is missing, which sum, which height, and why it ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from tests.process.conftest import MakeAlliance
from tests.process.support import ROOT, Alliance, until, until_shows

pytestmark = pytest.mark.process

PATIENCE_S = 90.0


def doctor(*options: str) -> tuple[int, str, str]:
    """(exit code, output, errors) of `bulwark doctor`."""
    words = (sys.executable, "-m", "node.cli.main", "doctor", *options)
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def diagnosis(alliance: Alliance, name: str) -> dict[str, Any]:
    """GET /v1/node/diagnosis."""
    answer = alliance.client(name, "operator").get("/v1/node/diagnosis")
    return dict(answer.raise_for_status().json())


def found(document: dict[str, Any], code: str) -> list[dict[str, Any]]:
    """Findings of a code."""
    return [finding for finding in document["findings"] if finding["code"] == code]


def kill(alliance: Alliance, name: str) -> None:
    """kill -9, and wait until the process is gone."""
    pid = alliance.node(name).pid
    assert pid is not None
    alliance.devnet.kill(name)
    until(lambda: alliance.ended(name), f"{name} is gone", PATIENCE_S)


@pytest.fixture
def running(make_alliance: MakeAlliance) -> Alliance:
    alliance = make_alliance(4, 1)
    alliance.start()
    alliance.report("bank-a", kind="email", value="first@scam-post.net")
    return alliance


def test_all_well_is_one_line_and_exit_code_0(running: Alliance) -> None:
    for name in running.names:
        until(lambda name=name: diagnosis(running, name)["well"], f"{name} is well", PATIENCE_S)
        code, out, _ = doctor("--home", str(running.node(name).home))
        assert (code, len(out.splitlines())) == (0, 1), out
        assert out.startswith(("healthy", "idle")) and "4 of 4 validators" in out
    sample = diagnosis(running, "bank-a")
    assert sample["epoch"] == 0 and sample["view"] is not None
    status = running.status("bank-a")["consensus"]
    assert {peer["member"] for peer in status["validators"]} == {"telco-b", "bank-c", "telco-d"}
    assert status["silent_until"] is None and status["epoch"] == 0
    ready = running.client("bank-a", "auditor").get("/readyz").json()
    assert ready["voting"] == {
        "epoch": 0,
        "silent_until": None,
        "validators": 4,
        "heard": 4,
        "needed": 3,
    }


def test_two_killed_validators_are_named_with_the_sum_and_the_height(running: Alliance) -> None:
    height = running.height("bank-a")
    for name in ("bank-c", "telco-d"):
        kill(running, name)
    # The value whose tag is known: two evaluators of three are not enough for a new one.
    fresh = {"kind": "email", "value": "first@scam-post.net", "fraud_type": "phishing"}
    running.report("bank-a", wait="accepted", **fresh)

    def stuck() -> dict[str, Any] | None:
        seen = diagnosis(running, "bank-a")
        phases = [f for f in seen["findings"] if f["code"].startswith(("height.", "view."))]
        ready = seen["verdict"] == "stuck" and len(found(seen, "peer.not-connected")) == 2
        return seen if ready and phases else None

    seen = until(stuck, "the doctor sees it", PATIENCE_S)
    assert {f["subject"] for f in found(seen, "peer.not-connected")} == {"bank-c", "telco-d"}
    (lost,) = found(seen, "quorum.lost")
    assert (lost["values"]["voting"], lost["values"]["needed"]) == (2, 3)
    assert lost["values"]["missing"] == "bank-c telco-d"
    assert lost["severity"] == "critical" and "2 of 4 validators vote" in lost["seen"]
    assert seen["height"] >= height
    code, out, _ = doctor("--devnet", str(running.devnet.home), "--node", "bank-a")
    assert code == 1 and out.startswith(f"stuck: no block after {seen['height']}")
    assert "bank-c" in out and "telco-d" in out and "3 are needed" in out
    running.start()
    until(lambda: diagnosis(running, "bank-a")["well"], "it heals by itself", PATIENCE_S)


def test_a_stopped_proposer_is_named(running: Alliance) -> None:
    view = running.status("bank-a")["consensus"]["view"]
    proposer = running.validators[view % 4]
    asked = next(name for name in running.validators if name != proposer)
    pid = running.node(proposer).pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:

        def named() -> bool:
            codes = ("peer.no-status", "peer.not-connected")
            seen = diagnosis(running, asked)
            return any(f["subject"] == proposer for code in codes for f in found(seen, code))

        until(named, f"{proposer} is named", PATIENCE_S)
        # Within 15 s of the node's start a missing voter is no alarm yet, and named all the same.
        code, out, errors = until_shows(
            lambda: doctor("--json", "--home", str(running.node(asked).home)),
            lambda said: bool(said[1]) and bool(found(json.loads(said[1]), "quorum.thin")),
            "the quorum is thin",
            PATIENCE_S,
        )
        assert (code, errors) == (1, "")
        assert proposer in [f["subject"] for f in json.loads(out)["findings"]]
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: diagnosis(running, asked)["well"], "it heals by itself", PATIENCE_S)


def test_a_node_that_is_gone_is_examined_from_its_home(running: Alliance) -> None:
    home = running.node("telco-d").home
    kill(running, "telco-d")
    code, out, _ = doctor("--home", str(home))
    assert code == 1 and out.startswith("halted at block") and "killed" in out
    assert (home / "node.exit").stat().st_mode & 0o777 == 0o600
    running.stop()
    code, out, _ = doctor("--home", str(home.parent / "bank-a"))
    assert code == 1 and "stopped by its operator" in out
    key = home / "api_keys.clear.json"
    code, out, error = doctor("--url", "http://127.0.0.1:9", "--key-file", str(key))
    assert (code, out) == (2, "") and "bulwark: " in error
