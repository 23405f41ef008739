"""Members vote on a running alliance with the command line: 3 of 4 approvals change the ledger."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.process.conftest import MakeAlliance
from tests.process.support import ROOT, Alliance, until, until_shows

pytestmark = pytest.mark.process

TIMEOUT_S = 120


def bulwark(*words: str | Path, fails: int = 0) -> str:
    """One command as an operator types it; its output."""
    done = subprocess.run(
        [sys.executable, "-m", "node.cli.main", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == fails, f"{words}: {done.returncode} {done.stdout} {done.stderr}"
    return done.stdout if fails == 0 else done.stdout + done.stderr


def govern(alliance: Alliance, name: str, *words: str | Path, fails: int = 0) -> str:
    """A governance command at one member's node."""
    return bulwark("governance", *words, "--home", alliance.node(name).home, fails=fails)


def governed(alliance: Alliance, name: str, what: str) -> dict[str, Any]:
    """GET /v1/governance/... at a node."""
    answer = alliance.client(name, "auditor").get(f"/v1/governance/{what}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def value(alliance: Alliance, name: str, parameter: str) -> int:
    found = governed(alliance, name, "parameters")["parameters"]
    return next(int(p["value"]) for p in found if p["name"] == parameter)


def until_known(alliance: Alliance, name: str, number: int) -> None:
    """A vote is asked for once this node has executed the proposal."""
    until_approvals(alliance, name, number, 0)


def until_approvals(alliance: Alliance, name: str, number: int, count: int) -> None:
    """This node has executed the proposal and so many approvals of it."""
    client = alliance.client(name, "auditor")

    def has_them(answer: httpx.Response) -> bool:
        return answer.status_code == 200 and len(answer.json()["approvals"]) >= count

    until_shows(
        lambda: client.get(f"/v1/governance/proposals/{number}"),
        has_them,
        f"{name} has {count} approvals of {number}",
        describe=lambda answer: answer.text,
    )


def test_three_of_four_change_a_parameter_and_add_a_member(make_alliance: MakeAlliance) -> None:
    alliance = make_alliance(4, 1)
    alliance.start()
    a, b, c, d = alliance.validators
    observer = next(name for name in alliance.names if name not in alliance.validators)

    before = {name: value(alliance, name, "heartbeat_ms") for name in alliance.names}
    assert set(before.values()) == {30_000}
    dry = json.loads(
        govern(
            alliance, a, "propose", "set-parameter", "heartbeat_ms", "20000", "--dry-run", "--json"
        )
    )
    assert dry["allowed"]
    assert (dry["before"], dry["after"]["quorum"]) == (dry["after"], 3)
    assert not governed(alliance, a, "proposals")["proposals"]

    made = json.loads(
        govern(alliance, a, "propose", "set-parameter", "heartbeat_ms", "20000", "--json")
    )
    assert (made["stage"], made["proposal"]["id"]) in {("executed", 1), ("finalized", 1)}
    assert "already approved" in govern(alliance, a, "approve", "1", fails=1)
    until_known(alliance, b, 1)
    govern(alliance, b, "approve", "1")
    until_approvals(alliance, a, 1, 2)
    assert "1 of 3" in govern(alliance, a, "withdraw", "1")
    govern(alliance, a, "approve", "1")
    until_approvals(alliance, c, 1, 2)
    assert value(alliance, c, "heartbeat_ms") == 30_000
    carried = json.loads(govern(alliance, c, "approve", "1", "--json"))
    assert carried["proposal"]["state"] == "executed"
    for name in alliance.names:
        until(lambda name=name: value(alliance, name, "heartbeat_ms") == 20_000, f"{name} changed")
    assert "closed" in govern(alliance, d, "approve", "1", fails=1)
    assert "validator" in govern(
        alliance, observer, "propose", "set-parameter", "heartbeat_ms", "10000", fails=1
    )


def test_a_new_members_join_request_is_voted_in(
    make_alliance: MakeAlliance, tmp_path: Path
) -> None:
    alliance = make_alliance(4, 0)
    alliance.start()
    a, b, c, _ = alliance.validators
    home = alliance.devnet.home
    peers = "\n".join(
        f'[[peers]]\nmember = "{n}"\nhost = "127.0.0.1"\nport = {alliance.node(n).p2p_port}'
        for n in alliance.validators
    )
    (tmp_path / "peers.toml").write_text(peers)
    new = tmp_path / "newcomer"
    bulwark(
        *("member", "new", "--id", "newcomer", "--host", "127.0.0.1", "--p2p-port", "19999"),
        *("--genesis", home / "genesis.json", "--peers", tmp_path / "peers.toml"),
        *("--authority", home / "authority", "--home", new, "--unattended"),
    )
    request = tmp_path / "join.json"
    request.write_text(bulwark("member", "join-request", "--home", new, "--host", "127.0.0.1"))

    dry = json.loads(govern(alliance, a, "propose", "add-member", request, "--dry-run", "--json"))
    assert (dry["before"]["quorum"], dry["after"]["quorum"]) == (3, 4)
    assert dry["missing"] == ["newcomer"]
    assert dry["allowed"], dry
    govern(alliance, a, "propose", "add-member", request)
    until_known(alliance, b, 1)
    govern(alliance, b, "approve", "1")
    until_approvals(alliance, c, 1, 2)
    govern(alliance, c, "approve", "1")
    wanted = json.loads(request.read_text())
    for name in alliance.validators:
        until(
            lambda name=name: (
                [
                    m["node"]
                    for m in governed(alliance, name, "members")["members"]
                    if m["id"] == "newcomer" and m["votes"]
                ]
                == [wanted["node"]]
            ),
            f"{name} has the newcomer",
        )
    again = govern(alliance, a, "propose", "add-member", request, fails=1)
    assert "id taken" in again
