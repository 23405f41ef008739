"""A member that genesis.json does not list: its home, and the vote that lets it in.

Rules: everything as operators do it: `bulwark member new`, `bulwark member join-request`, a
proposal and approvals with the administrators' keys of the members' own nodes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from genesis.home import NODE_FILE
from node.devnet.layout import HOST
from node.devnet.ports import free_ports
from tests.nets.access import Access, Unreachable
from tests.nets.checks import CheckFailed, until
from tests.nets.rules import ROOT

COMMAND_S = 120.0
VOTE_S = 40.0
_PROPOSALS = "/v1/governance/proposals"


class Newcomer:
    """A new member's home, made beside those of an alliance that does not run yet."""

    def __init__(self, name: str, folder: Path, homes: Mapping[str, Path]) -> None:
        self.name = name
        self.home = folder / name
        self._p2p_port, http_port = _unused(homes)
        self.url = f"http://{HOST}:{http_port}"
        peers = folder / f"peers-{name}.toml"
        peers.write_text("\n".join(map(_peer, homes, homes.values())), "utf-8")
        _bulwark(
            *("member", "new", "--id", name, "--host", HOST, "--unattended"),
            *("--p2p-port", str(self._p2p_port), "--http-port", str(http_port)),
            *("--genesis", str(folder / "genesis.json"), "--peers", str(peers)),
            *("--authority", str(folder / "authority"), "--home", str(self.home)),
        )

    def known_to(self, home: Path) -> None:
        """The node of this home, which does not run, dials the newcomer once it is a member."""
        entry = f'\n[[network.peers]]\nmember = "{self.name}"\nhost = "{HOST}"\n'
        with (home / NODE_FILE).open("a", encoding="utf-8") as file:
            file.write(f"{entry}port = {self._p2p_port}\n")

    def join_action(self) -> dict[str, Any]:
        """What the members vote on."""
        words = ("member", "join-request", "--home", str(self.home), "--host", HOST)
        request = json.loads(_bulwark(*words))
        return {
            "kind": "add_member",
            **{name: value for name, value in request.items() if name not in ("host", "port")},
        }


def _config(home: Path) -> dict[str, Any]:
    return tomllib.loads((home / NODE_FILE).read_text("utf-8"))


def _unused(homes: Mapping[str, Path]) -> tuple[int, int]:
    """Two free ports that none of these nodes, which may not run yet, was given."""
    found = [_config(home) for home in homes.values()]
    taken = {port for c in found for port in (c["network"]["listen_port"], c["http"]["port"])}
    first, second, *_ = (port for port in free_ports(2 + len(taken)) if port not in taken)
    return first, second


def _peer(name: str, home: Path) -> str:
    port = _config(home)["network"]["listen_port"]
    return f'[[peers]]\nmember = "{name}"\nhost = "{HOST}"\nport = {port}'


def _bulwark(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "node.cli.main", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
    )
    if done.returncode:
        raise CheckFailed(f"bulwark {' '.join(words[:2])}: {done.stdout}{done.stderr}")
    return done.stdout


def carry(voters: Sequence[Access], action: Mapping[str, Any], of: int | None = None) -> float:
    """Propose through the first, approve through others: two thirds of `of` votes, rounded up;
    None = there are no voters but these.

    Returns the monotonic moment of the last approval, which carries it out.
    """
    needed = (2 * (len(voters) if of is None else of) + 2) // 3
    first, *others = voters[:needed]
    made = _post(first, _PROPOSALS, {"action": dict(action), "lifetime_s": 86_400})
    number = int(made["proposal"]["id"])
    place = f"{_PROPOSALS}/{number}"
    moment = time.monotonic()
    for voter in others:
        until(partial(_known, voter, place), f"{voter.name} knows proposal {number}", VOTE_S)
        moment = time.monotonic()
        _post(voter, f"{place}/approve", {})
    until(
        lambda: first.get(place, "auditor").json()["state"] == "executed",
        f"proposal {number} is carried out",
        VOTE_S,
    )
    return moment


def _known(voter: Access, place: str) -> bool:
    try:
        return voter.get(place, "auditor").status_code == 200
    except Unreachable:
        return False


def _post(voter: Access, place: str, body: Mapping[str, object]) -> dict[str, Any]:
    answer = voter.post(f"{place}?wait=executed", "admin", body, VOTE_S)
    if answer.status_code not in (200, 201, 202):
        raise CheckFailed(f"{voter.name} {place}: {answer.status_code} {answer.text[:300]}")
    return dict(answer.json())
