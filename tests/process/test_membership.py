"""The alliance changes its validators by vote while it works (4, 5, 7, 6, 4); nothing is lost."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from bulwark.client.verify import verify_record_proof
from node.devnet.ports import free_ports
from tests.process.conftest import MakeAlliance
from tests.process.support import NODE_COMMAND, ROOT, Alliance, Load, until
from tests.process.test_governance import bulwark

pytestmark = pytest.mark.process

PATIENCE_S = 90.0
EXECUTED = {"wait": "executed"}


class Newcomer:
    """A member that genesis.json does not list: its home, its process, its API."""

    def __init__(self, alliance: Alliance, folder: Path, name: str, peers: dict[str, int]) -> None:
        self.name = name
        self.home = folder / name
        self.p2p_port, self.http_port = free_ports(2)
        lines = [
            f'[[peers]]\nmember = "{peer}"\nhost = "127.0.0.1"\nport = {port}'
            for peer, port in peers.items()
        ]
        peer_file = folder / f"peers-{name}.toml"
        peer_file.write_text("\n".join(lines))
        self.request = folder / f"join-{name}.json"
        root = alliance.devnet.home
        bulwark(
            *("member", "new", "--id", name, "--host", "127.0.0.1", "--unattended"),
            *("--p2p-port", str(self.p2p_port), "--http-port", str(self.http_port)),
            *("--genesis", root / "genesis.json", "--peers", peer_file),
            *("--authority", root / "authority", "--home", self.home),
        )
        self.request.write_text(
            bulwark("member", "join-request", "--home", self.home, "--host", "127.0.0.1")
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """The node as a process of ours."""
        with (self.home / "out.log").open("wb") as log:
            process = subprocess.Popen(
                [*NODE_COMMAND, str(self.home)], cwd=ROOT, stdout=log, stderr=log
            )
            try:
                yield
            finally:
                process.terminate()
                process.wait(20)

    def client(self) -> httpx.Client:
        """A client with the administrator's key."""
        keys = json.loads((self.home / "api_keys.clear.json").read_bytes())
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.http_port}",
            headers={"Authorization": f"Bearer {keys['admin']}"},
            timeout=40.0,
        )

    def join_action(self) -> dict[str, Any]:
        """The vote that lets it in."""
        request = json.loads(self.request.read_bytes())
        place = {"host", "port"}
        return {"kind": "add_member", **{n: v for n, v in request.items() if n not in place}}

    def status(self) -> dict[str, Any]:
        """GET /v1/node; empty while it does not answer."""
        keys = json.loads((self.home / "api_keys.clear.json").read_bytes())
        try:
            answer = httpx.get(
                f"http://127.0.0.1:{self.http_port}/v1/node",
                headers={"Authorization": f"Bearer {keys['operator']}"},
                timeout=10.0,
            )
        except httpx.HTTPError:
            return {}
        return dict(answer.raise_for_status().json())


class Votes:
    """Proposals that the members carry, each through the API of its own node."""

    def __init__(self, voters: dict[str, httpx.Client]) -> None:
        self.voters = voters
        """Clients with administrators' keys, in the order in which they are asked."""
        self.number = 0

    def carry(self, action: dict[str, Any]) -> None:
        """Propose and approve by ceil(2/3) of the voters."""
        self.number += 1
        needed = (2 * len(self.voters) + 2) // 3
        first, *others = list(self.voters.values())[:needed]
        body = {"action": action, "lifetime_s": 86_400}
        made = first.post("/v1/governance/proposals", params=EXECUTED, json=body)
        assert made.status_code in (200, 201, 202), made.text
        place = f"/v1/governance/proposals/{self.number}"
        for voter in others:
            until(lambda v=voter: v.get(place).status_code == 200, "the proposal is known")
            answer = voter.post(f"{place}/approve", params=EXECUTED, json={})
            assert answer.status_code in (200, 201, 202), answer.text
        until(lambda: first.get(place).json()["state"] == "executed", f"{action} is carried out")


def epoch_of(status: dict[str, Any]) -> tuple[int, int] | None:
    """(epoch, validators) of a node that votes."""
    consensus = status.get("consensus")
    return None if not consensus else (consensus["epoch"], 1 + len(consensus["validators"]))


def until_epoch(alliance: Alliance, names: list[str], size: int) -> None:
    """These nodes vote in an epoch of so many validators and hear all the others."""
    for name in names:
        until(
            lambda name=name: (epoch_of(alliance.status(name)) or (0, 0))[1] == size,
            f"{name} votes among {size}; {epoch_of(alliance.status(name))}",
            PATIENCE_S,
        )


def until_grows(alliance: Alliance, load: Load, name: str) -> None:
    """Reports go on being executed."""
    seen, height = len(load.acknowledged), alliance.height(name)
    until(
        lambda: len(load.acknowledged) > seen + 20 and alliance.height(name) > height,
        "reports are executed in the new epoch",
        PATIENCE_S,
    )


def test_validators_go_from_four_to_five_to_seven_to_six_to_four_under_load(
    make_alliance: MakeAlliance, tmp_path: Path
) -> None:
    alliance = make_alliance(4, 0)
    alliance.start()
    old = alliance.validators
    votes = Votes({name: alliance.client(name, "admin") for name in old})
    ports = {name: alliance.node(name).p2p_port for name in old}
    with ExitStack() as running, Load(alliance, old[:2]) as load:
        newcomers: dict[str, Newcomer] = {}
        for name, size in (("eastbank", 5), ("fastnet", 6), ("goldfund", 7)):
            newcomer = newcomers[name] = Newcomer(alliance, tmp_path, name, ports)
            ports[name] = newcomer.p2p_port
            running.enter_context(newcomer.running())
            votes.carry(newcomer.join_action())
            votes.voters[name] = newcomer.client()
            until(
                lambda newcomer=newcomer: epoch_of(newcomer.status()) is not None,
                f"{name} votes",
                PATIENCE_S,
            )
            until_epoch(alliance, old, size)
            until_grows(alliance, load, old[0])
        votes.carry({"kind": "remove_member", "id": "goldfund"})
        del votes.voters["goldfund"]
        until_epoch(alliance, old, 6)
        until(lambda: newcomers["goldfund"].status().get("role") == "observer", "it left")
        until_grows(alliance, load, old[0])
        for name, size in (("fastnet", 5), ("eastbank", 4)):
            votes.carry({"kind": "remove_member", "id": name})
            del votes.voters[name]
            until_epoch(alliance, old, size)
        until_grows(alliance, load, old[0])
        records = dict(load.acknowledged)
    nothing_was_lost(alliance, records)


def nothing_was_lost(alliance: Alliance, records: dict[str, str]) -> None:
    """Every acknowledged record is at every node, and proven from the genesis document alone."""
    for name in alliance.names:
        for record_id in records:
            until(lambda n=name, r=record_id: alliance.has_record(n, r), f"{record_id} at {name}")
    genesis = (alliance.devnet.home / "genesis.json").read_bytes()
    epochs = set()
    for record_id in (min(records), max(records), list(records)[-1]):
        client = alliance.client(alliance.names[-1], "auditor")
        proof = client.get(f"/v1/records/{record_id}/proof").raise_for_status().json()
        verify_record_proof(json.dumps(proof).encode(), genesis)
        epochs.add(len(proof["proof"]["anchored"]["sealed"]["epochs"]))
    assert max(epochs) >= 6, "the last record was certified after six changes"
    alliance.stop()
    for name in alliance.names:
        report = alliance.fsck(name)
        assert report.is_clean, report.problems
