"""The alliance changes its validators by vote while it works (4, 5, 7, 6, 4); nothing is lost."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from bulwark.client.verify import verify_record_proof
from node.devnet.ports import free_ports
from tests.process.conftest import MakeAlliance
from tests.process.support import (
    NODE_COMMAND,
    ROOT,
    Alliance,
    Load,
    content,
    until_answered,
    until_shows,
)
from tests.process.test_governance import bulwark

pytestmark = pytest.mark.process

PATIENCE_S = 180.0
"""Most of one step, or of one that stands still, on a machine that others keep busy."""
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
        """The node as a process of ours; the end of its log is shown if the test fails."""
        log = self.home / "out.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*NODE_COMMAND, str(self.home)], cwd=ROOT, stdout=out, stderr=out
            )
            try:
                yield
            except BaseException:
                state = process.poll()
                lines = log.read_text("utf-8", "replace").splitlines()[-20:]
                sys.stdout.write("\n".join([f"{self.name} (exit code {state}):", *lines, ""]))
                raise
            finally:
                process.terminate()
                try:
                    process.wait(PATIENCE_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

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
        return {} if answer.status_code == 503 else content(answer)


def not_enough_connected(answer: httpx.Response) -> bool:
    """The node refused since it misses validators just now, as it does when a link broke."""
    return answer.status_code == 409 and "connected and ready here" in answer.text


class Votes:
    """Proposals that the members carry, each through the API of its own node."""

    def __init__(self, voters: dict[str, httpx.Client]) -> None:
        self.voters = voters
        """Clients with administrators' keys, in the order in which they are asked."""

    def carry(self, action: dict[str, Any]) -> None:
        """Propose and approve by ceil(2/3) of the voters."""
        needed = (2 * len(self.voters) + 2) // 3
        first, *others = list(self.voters)[:needed]
        body = {"action": action, "lifetime_s": 86_400}
        made = self._vote(first, "/v1/governance/proposals", body, f"{first} proposes {action}")
        place = f"/v1/governance/proposals/{made['proposal']['id']}"
        for name in others:
            until_answered(
                lambda name=name: self.voters[name].get(place),
                f"{name} knows {place}",
                PATIENCE_S,
                passing=lambda answer: answer.status_code in (404, 503),
            )
            self._vote(name, f"{place}/approve", {}, f"{name} approves {place}")
        until_shows(
            lambda: content(self.voters[first].get(place)),
            lambda proposal: proposal["state"] == "executed",
            f"{action} is carried out",
            PATIENCE_S,
        )

    def _vote(self, name: str, path: str, body: dict[str, Any], what: str) -> dict[str, Any]:
        """One vote, asked for with one idempotency key until it is executed."""
        headers = {"Idempotency-Key": uuid.uuid4().hex}

        def passing(answer: httpx.Response) -> bool:
            return answer.status_code in (202, 429, 503) or not_enough_connected(answer)

        answer = until_answered(
            lambda: self.voters[name].post(path, params=EXECUTED, json=body, headers=headers),
            what,
            PATIENCE_S,
            wanted=(200, 201),
            passing=passing,
        )
        return dict(answer.json())


def epoch_of(status: dict[str, Any]) -> tuple[int, int] | None:
    """(epoch, validators) of a node that votes."""
    consensus = status.get("consensus")
    return None if not consensus else (consensus["epoch"], 1 + len(consensus["validators"]))


def fetched(status: dict[str, Any]) -> int | None:
    """How far a node that catches up has fetched, in blocks."""
    progress = (status.get("sync") or {}).get("progress")
    return progress["at"] if progress else None


def until_epoch(alliance: Alliance, names: list[str], size: int) -> None:
    """These nodes vote in an epoch of so many validators."""
    for name in names:
        until_shows(
            lambda name=name: (epoch_of(alliance.status(name)), alliance.height(name)),
            lambda now: now[0] is not None and now[0][1] == size,
            f"{name} votes among {size} ((epoch, validators), height)",
            PATIENCE_S,
            moves=lambda now: now[1],
        )


def until_grows(alliance: Alliance, load: Load, name: str) -> None:
    """Reports go on being executed."""
    seen, height = len(load.acknowledged), alliance.height(name)
    until_shows(
        lambda: (len(load.acknowledged), alliance.height(name), load.refused[-3:]),
        lambda now: now[0] > seen + 20 and now[1] > height,
        f"over {seen + 20} reports and block {height} (reports, block, last refusals)",
        PATIENCE_S,
        moves=lambda now: now[:2],
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
            # The dry run says it too: a validator's node has to run before it is needed.
            until_shows(newcomer.status, bool, f"{name} runs", PATIENCE_S)
            votes.carry(newcomer.join_action())
            votes.voters[name] = newcomer.client()
            until_shows(
                newcomer.status,
                lambda status: epoch_of(status) is not None,
                f"{name} votes",
                PATIENCE_S,
                moves=lambda status: (status.get("height"), fetched(status)),
            )
            until_epoch(alliance, old, size)
            until_grows(alliance, load, old[0])
        votes.carry({"kind": "remove_member", "id": "goldfund"})
        del votes.voters["goldfund"]
        until_epoch(alliance, old, 6)
        until_shows(
            newcomers["goldfund"].status,
            lambda status: status.get("role") == "observer",
            "goldfund left",
            PATIENCE_S,
            moves=lambda status: status.get("height"),
        )
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
        missing = list(records)

        def still_missing(name: str = name, missing: list[str] = missing) -> list[str]:
            missing[:] = [one for one in missing if not alliance.has_record(name, one)]
            return missing

        what = f"{name} has all {len(records)} records"
        until_shows(still_missing, lambda missing: not missing, what, PATIENCE_S)
    genesis = (alliance.devnet.home / "genesis.json").read_bytes()
    epochs = set()
    client = alliance.client(alliance.names[-1], "auditor")
    for record_id in (min(records), max(records), list(records)[-1]):
        proof = until_answered(
            lambda record_id=record_id: client.get(f"/v1/records/{record_id}/proof"),
            f"{record_id} is final and proved",
            PATIENCE_S,
            passing=lambda answer: answer.status_code in (409, 503),
        ).json()
        verify_record_proof(json.dumps(proof).encode(), genesis)
        epochs.add(len(proof["proof"]["anchored"]["sealed"]["epochs"]))
    assert max(epochs) >= 6, f"the last record was certified after six changes: {epochs}"
    alliance.stop()
    for name in alliance.names:
        report = alliance.fsck(name)
        assert report.is_clean, report.problems
