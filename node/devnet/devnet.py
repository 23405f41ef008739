"""A devnet: makes an alliance in a folder, runs its nodes, kills and restarts single ones.

Rules: nothing starts while a port of it is taken; `devnet.json` is current before anybody waits for
a node; a start that fails ends what it started; nodes end with their owner unless they were
detached. It needs Linux. Not for use from two threads at once.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

from api.auth import generate_api_keys
from bulwark.ledger.validators import quorum_size
from genesis.errors import GenerationError
from genesis.generator import generate
from node.devnet.errors import DevnetError, DevnetInvalid, NodeDied, NotReady
from node.devnet.health import Health, ask
from node.devnet.layout import (
    DEVNET_EPOCH_SECONDS,
    DEVNET_PARAMETERS,
    MAX_OBSERVERS,
    MAX_VALIDATORS,
    DevnetNode,
    devnet_alliance,
    read_nodes,
    write_nodes,
)
from node.devnet.ports import check_free, contiguous, free_ports
from node.devnet.processes import end, ending, is_ours, spawn, tail
from node.devnet.watchdog import Watchdog
from node.keys import ENVIRONMENT_NAME

NODE_COMMAND: Final = (sys.executable, "-m", "node.cli.main", "node", "run", "--home")
START_TIMEOUT_S: Final = 60.0
GRACE_S: Final = 10.0
_POLL_S: Final = 0.15
_PASSPHRASE_BYTES: Final = 24
Progress = Callable[[int, int, int, float], None]
"""Told (healthy, ready, all nodes waited for, seconds so far)."""


class Devnet:
    """The nodes of one folder; as a context manager it stops them at the end."""

    def __init__(
        self,
        home: Path,
        nodes: Sequence[DevnetNode],
        *,
        command: Sequence[str] | None = None,
        detached: bool = False,
    ) -> None:
        """`command` gets a node's home as its last argument and is `bulwark node run` if None;
        `detached` nodes outlive us.
        """
        self.home = home
        self._command = tuple(NODE_COMMAND if command is None else command)
        self._detached = detached
        self._nodes = {node.name: node for node in nodes}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._watchdog: Watchdog | None = None

    @classmethod
    def create(
        cls,
        home: Path,
        members: int = 4,
        observers: int = 1,
        base_port: int | None = None,
        *,
        command: Sequence[str] | None = None,
        detached: bool = False,
        parameters: Mapping[str, int] = DEVNET_PARAMETERS,
        epoch_seconds: int = DEVNET_EPOCH_SECONDS,
    ) -> Devnet:
        """Make a new alliance in a new or empty folder; without `base_port` on free ports.

        `parameters`: initial privacy parameters of the ledger; `epoch_seconds`: length of a quota
        epoch. Raises DevnetError.
        """
        if not 1 <= members <= MAX_VALIDATORS or not 0 <= observers <= MAX_OBSERVERS:
            raise DevnetError(
                f"{members} members and {observers} observers given; "
                f"1..{MAX_VALIDATORS} and 0..{MAX_OBSERVERS} allowed"
            )
        count = 2 * (members + observers)
        ports = free_ports(count) if base_port is None else contiguous(base_port, count)
        alliance = devnet_alliance(members, observers, ports, parameters, epoch_seconds)
        # Before the folder is made, as its ports are then settled.
        check_free((plan.id, plan.p2p_port, plan.http_port) for plan in alliance.members)
        passphrases: dict[str, bytes] = {}

        def passphrase_of(name: str) -> bytes:
            fresh = base64.urlsafe_b64encode(os.urandom(_PASSPHRASE_BYTES))
            return passphrases.setdefault(name, fresh)

        home = home.resolve()
        try:
            generate(
                alliance,
                home,
                random_bytes=os.urandom,
                now_ms=time.time_ns() // 1_000_000,
                passphrase_of=passphrase_of,
                new_api_keys=generate_api_keys,
                unattended=True,
            )
        except GenerationError as error:
            raise DevnetError(str(error)) from error
        devnet = cls.open(home, command=command, detached=detached)
        write_nodes(home, devnet.nodes)
        return devnet

    @classmethod
    def open(
        cls, home: Path, *, command: Sequence[str] | None = None, detached: bool = False
    ) -> Devnet:
        """The devnet that a folder holds, its nodes running or not; raises DevnetInvalid."""
        home = home.resolve()
        return cls(home, read_nodes(home), command=command, detached=detached)

    @property
    def nodes(self) -> tuple[DevnetNode, ...]:
        """All nodes in ledger order; the pid is None when a node does not run."""
        return tuple(self._current(node) for node in self._nodes.values())

    def node(self, name: str) -> DevnetNode:
        """The node of this member; raises DevnetInvalid."""
        found = self._nodes.get(name)
        if found is None:
            raise DevnetInvalid(self.home, f"has no node {name!r}; nodes: {', '.join(self._nodes)}")
        return self._current(found)

    def start(self, timeout_s: float = START_TIMEOUT_S, progress: Progress | None = None) -> None:
        """Start the nodes that do not run and wait until all serve; raises DevnetError.

        When the time is up, a quorum of ready validators is enough if all nodes answer.
        """
        idle = [node for node in self.nodes if node.pid is None]
        check_free((node.name, node.p2p_port, node.http_port) for node in idle)
        try:
            for node in idle:
                self._spawn(node)
            self._save()
            self._wait(self.nodes, timeout_s, progress)
        except BaseException:
            self._end(idle, GRACE_S)
            self._dismiss_watchdog()
            raise

    def start_node(
        self, name: str, *, wait: bool = True, timeout_s: float = START_TIMEOUT_S
    ) -> None:
        """Start one node, and wait until it serves; nothing when it runs. Raises DevnetError."""
        node = self.node(name)
        if node.pid is None:
            check_free([(node.name, node.p2p_port, node.http_port)])
            self._spawn(node)
            self._save()
        if wait:
            self._wait([node], timeout_s, None)

    def kill(self, name: str) -> None:
        """End one node with SIGKILL, as a power cut would; nothing when it does not run."""
        self._end([self.node(name)], 0.0)

    def stop(self, grace_s: float = GRACE_S) -> list[str]:
        """End all nodes: SIGTERM, after the grace SIGKILL. Names of those that needed it."""
        stubborn = self._end(self.nodes, grace_s)
        self._dismiss_watchdog()
        return stubborn

    def health(self) -> list[tuple[DevnetNode, Health]]:
        """Every node with what it answers now."""
        return [(node, ask(node)) for node in self.nodes]

    def ended(self) -> list[tuple[DevnetNode, str]]:
        """Nodes of ours that ended by themselves since the last call, and how."""
        found = []
        for name, process in list(self._processes.items()):
            code = process.poll()
            if code is not None:
                found.append((self._nodes[name], ending(code)))
                self._forget(name)
        if found:
            self._save()
        return found

    def __enter__(self) -> Devnet:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _current(self, node: DevnetNode) -> DevnetNode:
        process = self._processes.get(node.name)
        if process is not None:
            alive = process.poll() is None
        else:
            alive = node.pid is not None and is_ours(node.pid, node.home)
        return node if alive else node.with_pid(None)

    def _save(self) -> None:
        write_nodes(self.home, self.nodes)

    def _spawn(self, node: DevnetNode) -> None:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        # It would go before the passphrase file of each node, and no two nodes share one.
        environment.pop(ENVIRONMENT_NAME, None)
        if not self._detached and self._watchdog is None:
            self._watchdog = Watchdog()
        process = spawn(self._command, node.home, node.log, environment)
        if self._watchdog is not None:
            self._watchdog.watch(process.pid, node.home)
        self._processes[node.name] = process
        self._nodes[node.name] = node.with_pid(process.pid)

    def _end(self, nodes: Iterable[DevnetNode], grace_s: float) -> list[str]:
        current = [self.node(node.name) for node in nodes]
        running = {n.pid: n for n in current if n.pid is not None}
        forced = end([(pid, node.home) for pid, node in running.items()], grace_s)
        for node in current:
            process = self._processes.get(node.name)
            if process is not None:
                process.wait()
            self._forget(node.name)
        self._save()
        return [running[pid].name for pid in forced]

    def _forget(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is not None and self._watchdog is not None:
            self._watchdog.forget(process.pid)
        self._nodes[name] = self._nodes[name].with_pid(None)

    def _dismiss_watchdog(self) -> None:
        """Let it go once no process of ours is left; keep it while it has work."""
        if self._watchdog is not None and not self._processes:
            self._watchdog.dismiss()
            self._watchdog = None

    def _wait(
        self, nodes: Sequence[DevnetNode], timeout_s: float, progress: Progress | None
    ) -> None:
        begin = time.monotonic()
        found = {node.name: (node, Health(False, False)) for node in nodes}
        while True:
            self._check_alive(nodes)
            # A node that serves is not asked again: each question is a line in its log.
            waiting = [node for node, health in found.values() if not health.ready]
            found.update({node.name: (node, ask(node)) for node in waiting})
            spent = time.monotonic() - begin
            healthy = sum(health.healthy for _, health in found.values())
            ready = sum(health.ready for _, health in found.values())
            if progress is not None:
                progress(healthy, ready, len(nodes), spent)
            if ready == len(nodes):
                return
            if spent >= timeout_s:
                if healthy == len(nodes) and self._quorum_ready(list(found.values())):
                    return
                missing = [_missing(n, h) for n, h in found.values() if not h.ready]
                raise NotReady(spent, missing)
            time.sleep(_POLL_S)

    def _check_alive(self, nodes: Sequence[DevnetNode]) -> None:
        for node in nodes:
            if self.node(node.name).pid is None:
                process = self._processes.get(node.name)
                code = None if process is None else process.wait()
                how = "it was not started here" if code is None else ending(code)
                raise NodeDied(node.name, how, node.log, tail(node.log))

    def _quorum_ready(self, found: Sequence[tuple[DevnetNode, Health]]) -> bool:
        validators = sum(node.role == "validator" for node in self._nodes.values())
        ready = sum(h.ready for node, h in found if node.role == "validator")
        return ready >= quorum_size(validators)


def _missing(node: DevnetNode, health: Health) -> str:
    if not health.healthy:
        return f"{node.name} does not answer (log {node.log})"
    return f"{node.name} waits for {', '.join(health.missing) or 'something it does not name'}"
