"""The alliance changes its validators by vote while it works (4, 5, 7, 6, 4); nothing is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from bulwark.client.verify import verify_record_proof
from node.devnet.ports import free_ports
from tests.process.conftest import MakeAlliance
from tests.process.support import NODE_COMMAND, ROOT, Alliance, Load, until
from tests.process.test_governance import bulwark

PATIENCE_S = 90.0


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
    """Proposals that the members carry, each on its own node's command line."""

    def __init__(self, homes: dict[str, Path]) -> None:
        self.homes = homes
        """The voters in the order in which they are asked."""
        self.number = 0

    def carry(self, *words: str | Path) -> None:
        """Propose and approve by ceil(2/3) of the voters."""
        self.number += 1
        voters = list(self.homes)[: (2 * len(self.homes) + 2) // 3]
        for voter in voters:
            home = ("--home", self.homes[voter])
            if voter == voters[0]:
                bulwark("governance", "propose", *words, *home)
                continue
            until(lambda home=home: self._state(home) is not None, f"{voter} knows the proposal")
            bulwark("governance", "approve", str(self.number), *home)
        home = ("--home", self.homes[voters[-1]])
        assert self._state(home) == "executed"

    def _state(self, home: tuple[str, Path]) -> str | None:
        words = ("governance", "show", str(self.number), "--json", *home)
        done = subprocess.run(
            [sys.executable, "-m", "node.cli.main", *map(str, words)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return str(json.loads(done.stdout)["state"]) if done.returncode == 0 else None


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
    votes = Votes({name: alliance.node(name).home for name in old})
    ports = {name: alliance.node(name).p2p_port for name in old}
    with ExitStack() as running, Load(alliance, old[:2]) as load:
        newcomers: dict[str, Newcomer] = {}
        for name, size in (("eastbank", 5), ("fastnet", 6), ("goldfund", 7)):
            newcomer = newcomers[name] = Newcomer(alliance, tmp_path, name, ports)
            ports[name] = newcomer.p2p_port
            running.enter_context(newcomer.running())
            votes.carry("add-member", newcomer.request)
            votes.homes[name] = newcomer.home
            until(
                lambda newcomer=newcomer: epoch_of(newcomer.status()) is not None,
                f"{name} votes",
                PATIENCE_S,
            )
            until_epoch(alliance, old, size)
            until_grows(alliance, load, old[0])
        votes.carry("remove-member", "goldfund")
        del votes.homes["goldfund"]
        until_epoch(alliance, old, 6)
        until(lambda: newcomers["goldfund"].status().get("role") == "observer", "it left")
        until_grows(alliance, load, old[0])
        for name, size in (("fastnet", 5), ("eastbank", 4)):
            votes.carry("remove-member", name)
            del votes.homes[name]
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
