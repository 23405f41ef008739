"""An alliance of real processes under test: driving it over REST, loading it, looking at its disks.

Nothing here knows the product's inside besides its store and its devnet; waiting is always a poll
of a condition with a deadline, whose failure says what was seen last.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path
from typing import Any, TypeVar

import httpx

from bulwark.ledger.genesis import Genesis
from node.devnet.devnet import Devnet
from node.devnet.layout import DEVNET_EPOCH_SECONDS, DEVNET_PARAMETERS, DevnetNode
from node.fsck import FsckReport, fsck
from node.storage.level import LevelStore

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
POLL_S = 0.02
PATIENCE_S = 60.0
"""Most that anything here takes on a busy machine; a healthy run needs a fraction."""
NODE_COMMAND = (sys.executable, "-m", "node.cli.main", "node", "run", "--home")
WHY = {"purpose": "fraud_prevention", "lawful_basis": "legitimate_interests"}
LIVE: list[Alliance] = []
"""Alliances whose logs a failing test shows."""


def until(condition: Callable[[], T], what: str, within_s: float = PATIENCE_S) -> T:
    """The first true value of `condition`; fails when the time is over."""
    deadline = time.monotonic() + within_s
    while True:
        seen = condition()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s:.0f} s: {what}; last seen {seen!r}")
        time.sleep(POLL_S)


def until_shows(
    look: Callable[[], T],
    holds: Callable[[T], bool],
    what: str,
    within_s: float = PATIENCE_S,
    *,
    describe: Callable[[T], str] = repr,
    moves: Callable[[T], object] | None = None,
) -> T:
    """What `look` sees once that holds; a failure names what was seen last, true or not.

    With `moves` the time starts again whenever that changes: a slow machine may take long, but not
    stand still. In all it takes ten times as long at most.
    """
    deadline = time.monotonic() + within_s
    last_deadline = deadline + 9 * within_s
    before: object = None
    while True:
        seen = look()
        if holds(seen):
            return seen
        if moves is not None and moves(seen) != before:
            before = moves(seen)
            deadline = min(time.monotonic() + within_s, last_deadline)
        if time.monotonic() > deadline:
            last = describe(seen)[:2000]
            raise AssertionError(f"not within {within_s:.0f} s: {what}; last seen {last}")
        time.sleep(POLL_S)


def until_answered(
    ask: Callable[[], httpx.Response],
    what: str,
    within_s: float = PATIENCE_S,
    *,
    wanted: Container[int] = (200, 201, 202),
    passing: Callable[[httpx.Response], bool] = lambda answer: answer.status_code in (429, 503),
) -> httpx.Response:
    """The first wanted answer; asks again after those that pass and after broken connections.

    503 says that a stage was not reached in the node's 20 s, so a write has to be asked with an
    idempotency key. Any other answer fails at once, and every failure names what was answered.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            answer = ask()
        except httpx.HTTPError as error:
            seen = repr(error)
        else:
            if answer.status_code in wanted:
                return answer
            seen = f"{answer.status_code} {answer.text[:1000]}"
            assert passing(answer), f"{what}: {seen}"
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s:.0f} s: {what}; last answer {seen}")
        time.sleep(POLL_S)


def content(answer: httpx.Response) -> dict[str, Any]:
    """The object of an answer that has to be a success; the failure shows the answer."""
    assert answer.is_success, f"{answer.request.url}: {answer.status_code} {answer.text[:1000]}"
    return dict(answer.json())


class Alliance:
    """A devnet with its API keys."""

    def __init__(self, devnet: Devnet) -> None:
        self.devnet = devnet
        self._clients: dict[tuple[str, str], httpx.Client] = {}
        LIVE.append(self)

    @classmethod
    def create(
        cls,
        home: Path,
        members: int = 4,
        observers: int = 1,
        *,
        epoch_seconds: int = DEVNET_EPOCH_SECONDS,
        **parameters: int,
    ) -> Alliance:
        """A new alliance, not started; some privacy parameters may be others than a devnet's."""
        made = Devnet.create(
            home,
            members,
            observers,
            command=NODE_COMMAND,
            parameters={**DEVNET_PARAMETERS, **parameters},
            epoch_seconds=epoch_seconds,
        )
        return cls(made)

    # Processes

    @property
    def names(self) -> list[str]:
        """All nodes, validators first."""
        return [node.name for node in self.devnet.nodes]

    @property
    def validators(self) -> list[str]:
        """Voting nodes in ledger order, so that positions are those of certificates."""
        return [node.name for node in self.devnet.nodes if node.role == "validator"]

    def node(self, name: str) -> DevnetNode:
        """One node."""
        return self.devnet.node(name)

    @property
    def genesis(self) -> Genesis:
        """The document that all nodes share."""
        return Genesis.from_json((self.devnet.home / "genesis.json").read_bytes())

    def start(self) -> None:
        """All nodes that do not run."""
        self.devnet.start()

    def stop(self) -> list[str]:
        """All nodes in good order; names of those that had to be killed."""
        return self.devnet.stop()

    def close(self) -> None:
        """End everything, for finalizers."""
        self.devnet.stop(grace_s=5.0)
        for client in self._clients.values():
            client.close()
        LIVE.remove(self)

    def log(self, name: str) -> str:
        """What the node wrote to standard output and error so far."""
        path = self.node(name).log
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def tail(self, name: str, lines: int = 15) -> str:
        """The end of a node's log without its access lines."""
        own = [line for line in self.log(name).splitlines() if '"bulwark.api.access"' not in line]
        return "\n".join(line[:400] for line in own[-lines:])

    def ended(self, name: str) -> bool:
        """Whether the process is gone."""
        return self.node(name).pid is None

    # REST

    def key(self, name: str, role: str) -> str:
        """The API key of a role at a node."""
        keys = json.loads((self.node(name).home / "api_keys.clear.json").read_bytes())
        return str(keys[role])

    def client(self, name: str, role: str) -> httpx.Client:
        """A keep-alive client with the key of a role."""
        known = self._clients.get((name, role))
        if known is None:
            headers = {"Authorization": f"Bearer {self.key(name, role)}"}
            # A node closes what is idle for 5 s, and so does httpx: who asks at that moment loses.
            limits = httpx.Limits(max_keepalive_connections=8, keepalive_expiry=1.0)
            known = httpx.Client(
                base_url=self.node(name).rest_url, headers=headers, timeout=40.0, limits=limits
            )
            self._clients[name, role] = known
        return known

    def report(self, name: str, *, wait: str = "executed", **fields: Any) -> dict[str, Any]:
        """Report one indicator through a member; it has to be taken."""
        body = {"fraud_type": "vishing", **fields}
        answer = self.client(name, "reporter").post(
            "/v1/indicators", params={"wait": wait}, json=body
        )
        assert answer.status_code in (200, 201, 202), f"{name}: {answer.status_code} {answer.text}"
        return dict(answer.json())

    def screen(self, name: str, **fields: Any) -> dict[str, Any]:
        """Ask one question at a member."""
        answer = self.client(name, "analyst").post("/v1/screenings", json={**WHY, **fields})
        assert answer.status_code == 200, f"{name}: {answer.status_code} {answer.text}"
        return dict(answer.json())

    def status(self, name: str) -> dict[str, Any]:
        """GET /v1/node."""
        return content(self.client(name, "operator").get("/v1/node"))

    def height(self, name: str, kind: str = "executed") -> int:
        """Executed or finalized height of a node."""
        return int(self.status(name)["height"][kind])

    def block(self, name: str, at: int | str) -> dict[str, Any] | None:
        """GET /v1/blocks/{at}; None for 404."""
        answer = self.client(name, "auditor").get(f"/v1/blocks/{at}")
        return None if answer.status_code == 404 else content(answer)

    def signers(self, name: str, height: int) -> list[str]:
        """Whose votes the finality certificate of a block holds at a node."""
        block = self.block(name, height)
        assert block is not None and block["certificate"] is not None, f"{height} at {name}"
        return [self.validators[index] for index in block["certificate"]["signers"]]

    def has_record(self, name: str, record_id: str) -> bool:
        """Whether a node shows this record."""
        answer = self.client(name, "auditor").get(f"/v1/indicators/{record_id}")
        assert answer.status_code in (200, 404), f"{name}: {answer.status_code} {answer.text}"
        return answer.status_code == 200

    def until_final(self, height: int, names: Iterable[str] | None = None) -> None:
        """Wait until these nodes (all) have a finality certificate of a height."""
        for name in self.names if names is None else names:
            until(
                lambda name=name: self.height(name, "finalized") >= height,
                f"{name} final at {height}",
            )

    def headers(self, name: str, upto: int) -> list[str]:
        """Encoded headers 0..upto of a running node, hex."""
        found = []
        for height in range(upto + 1):
            block = self.block(name, height)
            assert block is not None, f"{name} has no block {height}"
            found.append(block["header"])
        return found

    # Disks

    @contextmanager
    def store(self, name: str) -> Iterator[LevelStore]:
        """The database of a node that does not run."""
        assert self.ended(name), f"{name} runs"
        store = LevelStore(self.node(name).home / "data")
        try:
            yield store
        finally:
            store.close()

    def fsck_command(self, name: str) -> subprocess.CompletedProcess[str]:
        """`bulwark fsck --json` on the home of a node that does not run."""
        words = ("-m", "node.cli.main", "fsck", "--json", "--home", str(self.node(name).home))
        return subprocess.run(
            [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, timeout=120
        )

    def fsck(self, name: str, *, full: bool = True) -> FsckReport:
        """Check the disk of a node that does not run."""
        with self.store(name) as store:
            return fsck(store, self.genesis, full=full)


def addresses(prefix: str) -> Iterator[str]:
    """E-mail addresses that nobody else in the run uses."""
    return (f"{prefix}{number}@scam-post.net" for number in count())


@dataclass
class Load:
    """Clients that report through some members, one after another each, until told to stop."""

    alliance: Alliance
    members: Sequence[str]
    wait: str = "executed"
    clients: int = 2
    """A member."""
    acknowledged: dict[str, str] = field(default_factory=dict)
    """Record id -> the value that was reported, for every answer `accepted` or better."""
    times: deque[float] = field(default_factory=deque)
    """Monotonic moments of the answers."""
    refused: list[str] = field(default_factory=list)
    """Answers with another status and broken connections, in words."""

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Load:
        for member in self.members:
            for number in range(self.clients):
                prefix = f"{member}.{number}.{time.time_ns()}."
                thread = threading.Thread(target=self._run, args=(member, prefix), daemon=True)
                self._threads.append(thread)
                thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def _run(self, member: str, prefix: str) -> None:
        headers = {"Authorization": f"Bearer {self.alliance.key(member, 'reporter')}"}
        url = self.alliance.node(member).rest_url
        with httpx.Client(base_url=url, headers=headers, timeout=40.0) as client:
            for value in addresses(prefix):
                if self._stop.is_set():
                    return
                self._one(client, member, value)

    def _one(self, client: httpx.Client, member: str, value: str) -> None:
        body = {"kind": "email", "value": value, "fraud_type": "phishing"}
        try:
            answer = client.post("/v1/indicators", params={"wait": self.wait}, json=body)
        except httpx.HTTPError as error:
            self.refused.append(f"{member}: {type(error).__name__}")
            self._stop.wait(0.1)
            return
        if answer.status_code in (200, 201, 202):
            self.acknowledged[answer.json()["record_id"]] = value
            if self.wait == "accepted" or answer.status_code == 201:
                self.times.append(time.monotonic())
        else:
            self.refused.append(f"{member}: {answer.status_code} {answer.text[:200]}")
            self._stop.wait(0.1)

    def answers_since(self, moment: float) -> int:
        """Answers after a monotonic moment."""
        return sum(at > moment for at in list(self.times))

    def longest_gap_after(self, moment: float) -> float:
        """Seconds of the longest silence from a moment on, up to the last answer."""
        moments = [moment, *sorted(at for at in self.times if at > moment)]
        return max((b - a for a, b in pairwise(moments)), default=0.0)


def rpc(
    client: httpx.Client, method: str, *params: object, request_id: object = 1
) -> Mapping[str, Any]:
    """One JSON-RPC call; the whole answer object."""
    body = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": list(params)}
    answer = client.post("/rpc", json=body)
    assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
    return dict(answer.json())
