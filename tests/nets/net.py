"""A net at work: its processes, disks, clocks and links, and the way to each node's REST.

Rules: only processes started here are signalled, by pid and home; they end with the owner however
it goes (watchdog), and everything made goes with `close`, also after a failed build. A node that
ended by itself is noted with its code and last lines until somebody takes the note.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from node.devnet.processes import end, ending, send, spawn, tail, wait_end
from node.devnet.watchdog import Watchdog
from node.keys import ENVIRONMENT_NAME
from tests.nets.access import Access, Unreachable
from tests.nets.clocks import Clocks
from tests.nets.disks import Disks
from tests.nets.fabric import Fabric, Loopback, Namespaces
from tests.nets.homes import make_homes
from tests.nets.manifest import Manifest
from tests.nets.rules import ROOT, Rule

NODE_COMMAND = (sys.executable, "-m", "node.cli.main", "node", "run", "--home")
READY_S = 60.0
GRACE_S = 15.0
_POLL_S = 0.02


class NetFailed(Exception):
    """The net did not do what every net has to do."""


class Net:
    """All nodes of one manifest; a context manager."""

    def __init__(
        self,
        manifest: Manifest,
        folder: Path,
        *,
        backend: str = "loopback",
        clocks: bool | None = None,
    ) -> None:
        """`clocks`: whether they can be set; None = if the manifest has such a step."""
        self.manifest = manifest
        self.names = manifest.names
        self._folder = folder.resolve()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.ended_by_itself: dict[str, str] = {}
        self._log_from: dict[str, int] = {}
        self._commands: dict[str, tuple[str, ...]] = {}
        self._watchdog = Watchdog()
        self.disks = Disks(manifest.disk_mb)
        self._clocks: Clocks | None = None
        self.access: dict[str, Access] = {}
        self._cut: set[frozenset[str]] = set()
        self._links = {
            (a, b): manifest.link(a, b) for a in self.names for b in self.names if a != b
        }
        self._fabric: Fabric | None = None
        try:
            self._fabric = self._make_fabric(backend)
            self.homes = make_homes(manifest, self._fabric, self._folder)
            self._equip(manifest.needs_clocks if clocks is None else clocks)
        except BaseException:
            self.close()
            raise

    def _make_fabric(self, backend: str) -> Fabric:
        if backend == "netns":
            return Namespaces(len(self.names))
        return Loopback(len(self.names), wire=self.manifest.needs_wire)

    def _equip(self, clocks: bool) -> None:
        for at, name in enumerate(self.names):
            host, port = self._at_fabric.http(at)
            self.access[name] = Access(name, self.homes[name], f"http://{host}:{port}")
            if self.manifest.disk_mb:
                self.disks.mount(self.data(name))
        if clocks:
            self._clocks = Clocks(self._folder / "clocks")
        if self.manifest.links:
            self._apply_links()

    @property
    def _at_fabric(self) -> Fabric:
        if self._fabric is None:
            raise NetFailed("the net is closed")
        return self._fabric

    @property
    def clocks(self) -> Clocks:
        """Clocks of the nodes; raises NetFailed if they are the machine's."""
        if self._clocks is None:
            raise NetFailed("this net was made without settable clocks")
        return self._clocks

    # Who takes part

    def runs_as(self, name: str, module: str) -> None:
        """Start this node as `python -m module --home HOME` from its next start on."""
        self._commands[name] = (sys.executable, "-m", module, "--home")

    def admit(self, name: str, home: Path, url: str) -> None:
        """Take in a node that the manifest does not know; on loopback only."""
        self.names = (*self.names, name)
        self.homes[name] = home
        self.access[name] = Access(name, home, url)

    # Processes

    def data(self, name: str) -> Path:
        """A node's database folder."""
        return self.homes[name] / "data"

    def log(self, name: str) -> Path:
        """Where a node's standard output and error go."""
        return self.homes[name] / "logs" / "node.log"

    def said(self, name: str) -> str:
        """What a node wrote to its log since its last start."""
        path = self.log(name)
        data = path.read_bytes() if path.exists() else b""
        return data[self._log_from.get(name, 0) :].decode("utf-8", "replace")

    def runs(self, name: str) -> bool:
        """Whether the process is there, stopped or not; notes one that ended by itself."""
        process = self._processes.get(name)
        if process is None:
            return False
        code = process.poll()
        if code is None:
            return True
        lines = [line for line in tail(self.log(name)) if "access" not in line][-3:]
        self.ended_by_itself[name] = f"{ending(code)}: {' | '.join(lines)}"
        self._forget(name)
        return False

    @property
    def running(self) -> tuple[str, ...]:
        """Nodes whose processes are there."""
        return tuple(name for name in self.names if self.runs(name))

    def start(self, names: Iterable[str], *, wait: bool = True) -> None:
        """Start nodes that do not run; with `wait` until they answer HTTP."""
        chosen = [name for name in names if not self.runs(name)]
        for name in chosen:
            environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}
            environment.pop(ENVIRONMENT_NAME, None)
            if self._clocks is not None:
                environment.update(self._clocks.environment(name))
            words = self._commands.get(name, NODE_COMMAND)
            command = self._at_fabric.wrap(self.names.index(name), words)
            path = self.log(name)
            self._log_from[name] = path.stat().st_size if path.exists() else 0
            process = spawn(command, self.homes[name], self.log(name), environment)
            self._watchdog.watch(process.pid, self.homes[name])
            self._processes[name] = process
            self.ended_by_itself.pop(name, None)
        if wait:
            self.until_ready(chosen, healthy_only=True)

    def until_ready(self, names: Iterable[str], *, healthy_only: bool = False) -> None:
        """Until the nodes serve (or only answer); raises NetFailed when one ended or none came."""
        waiting = list(names)
        deadline = time.monotonic() + READY_S
        while waiting:
            name = waiting[0]
            if not self.runs(name):
                raise NetFailed(f"{name} ended: {self.ended_by_itself.get(name, 'not started')}")
            if self._answers(name) if healthy_only else self.access[name].is_ready():
                waiting.pop(0)
            elif time.monotonic() > deadline:
                raise NetFailed(f"{name} is not ready after {READY_S:.0f} s")
            else:
                time.sleep(_POLL_S)

    def _answers(self, name: str) -> bool:
        try:
            return self.access[name].get("/healthz", timeout_s=1.0).status_code == 200
        except Unreachable:
            return False

    def signal(self, name: str, number: signal.Signals) -> None:
        """SIGSTOP or SIGCONT to a node."""
        process = self._processes.get(name)
        if process is not None:
            send(process.pid, self.homes[name], number)

    def kill(self, names: Iterable[str]) -> None:
        """SIGKILL, all before any is waited for."""
        self._end(names, 0.0)

    def terminate(self, names: Iterable[str]) -> list[str]:
        """SIGTERM and wait; names of those that had to be killed after the grace."""
        return self._end(names, GRACE_S)

    def _end(self, names: Iterable[str], grace_s: float) -> list[str]:
        chosen = {name: self._processes[name] for name in names if self.runs(name)}
        if grace_s == 0.0:
            for name, process in chosen.items():
                send(process.pid, self.homes[name], signal.SIGKILL)
        pids = {process.pid: name for name, process in chosen.items()}
        forced = end([(pid, self.homes[name]) for pid, name in pids.items()], grace_s)
        for name, process in chosen.items():
            process.wait()
            self._forget(name)
        return [pids[pid] for pid in forced if grace_s]

    def until_ended(self, name: str, within_s: float) -> bool:
        """Whether a node's process ends by itself in time."""
        process = self._processes.get(name)
        if process is None:
            return True
        wait_end(process.pid, self.homes[name], within_s)
        deadline = time.monotonic() + 1.0
        while self.runs(name) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return not self.runs(name)

    def _forget(self, name: str) -> None:
        process = self._processes.pop(name)
        self._watchdog.forget(process.pid)

    # Disks

    def wipe(self, name: str, *, keep: Path | None = None) -> None:
        """Take away the database of a node that does not run; with `keep` move it there."""
        self._down(name)
        for entry in list(self.data(name).iterdir()) if self.data(name).exists() else ():
            if keep is not None:
                keep.mkdir(exist_ok=True)
                shutil.move(entry, keep / entry.name)
            elif entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def put_back(self, name: str, kept: Path) -> None:
        """Undo `wipe(keep=kept)`."""
        self.wipe(name)
        for entry in list(kept.iterdir()):
            shutil.move(entry, self.data(name) / entry.name)

    def tear(self, name: str, count: int) -> None:
        """Cut the end off the newest database log of a node that does not run."""
        self._down(name)
        logs = sorted(self.data(name).glob("*.log"))
        if logs:
            os.truncate(logs[-1], max(0, logs[-1].stat().st_size - count))

    def _down(self, name: str) -> None:
        if self.runs(name):
            raise NetFailed(f"{name} runs; its disk is its own")

    # Links

    def partition(self, groups: Iterable[Iterable[str]]) -> None:
        """Only nodes of one group reach each other; a node in no group is alone."""
        group_of = {name: i for i, group in enumerate(groups) for name in group}
        for a in self.names:
            for b in self.names:
                if a != b and (group_of.get(a, a) != group_of.get(b, b)):
                    self._cut.add(frozenset((a, b)))
        self._apply_links()

    def disconnect(self, name: str) -> None:
        """Cut a node off from all others."""
        self._cut |= {frozenset((name, other)) for other in self.names if other != name}
        self._apply_links()

    def reconnect(self, name: str) -> None:
        """Undo `disconnect`."""
        self._cut = {pair for pair in self._cut if name not in pair}
        self._apply_links()

    def heal(self) -> None:
        """Undo all cuts."""
        self._cut.clear()
        self._apply_links()

    def set_link(
        self, name: str, to: Iterable[str], latency_ms: float, loss_percent: float
    ) -> None:
        """Change how a node's packets travel to some others, or to all if none are given."""
        for other in tuple(to) or self.names:
            if other != name:
                self._links[name, other] = replace(
                    self._links[name, other], latency_ms=latency_ms, loss_percent=loss_percent
                )
        self._apply_links()

    def _apply_links(self) -> None:
        place = {name: at for at, name in enumerate(self.names)}
        rules = {}
        for (a, b), link in self._links.items():
            cut = frozenset((a, b)) in self._cut
            rule = Rule(link.latency_ms / 1000, link.loss_percent / 100, cut)
            rules[place[a], place[b]] = rule
        self._at_fabric.apply(rules)

    # End

    def close(self) -> None:
        """End and remove everything but the folder."""
        for name in self.names:
            self.signal(name, signal.SIGCONT)
        self._end(self.names, 5.0)
        self._watchdog.dismiss()
        for access in self.access.values():
            access.close()
        if self._clocks is not None:
            self._clocks.close()
        self.disks.close()
        if self._fabric is not None:
            self._fabric.close()
            self._fabric = None

    def __enter__(self) -> Net:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
