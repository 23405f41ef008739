"""Runs a manifest: starts the net, carries out its steps in time, then checks it from outside.

Rules: a step that can not be done fails the run; a node that was not expected to end fails it, too;
what is promised by clients during the whole run is checked at the end at every node.
"""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.nets import checks, clocks, disks
from tests.nets.fabric import why_no_namespaces
from tests.nets.load import Load
from tests.nets.manifest import Manifest, Step
from tests.nets.net import Net, NetFailed

PROGRESS_S = 0.5
STUCK_S = 4.0
"""For how long a net that has to stand still is watched."""
Tell = Callable[[str], None]


@dataclass(slots=True)
class Outcome:
    """What a run showed."""

    height: int = 0
    recovered_s: float = 0.0
    """From the last step to a new block that all running nodes have."""
    acknowledged: int = 0
    memory_mb: float = 0.0
    ended: dict[str, str] = field(default_factory=dict)


def why_not(manifest: Manifest, backend: str) -> str:
    """Why this manifest can not run here, empty if it can."""
    reasons = [
        why_no_namespaces() if backend == "netns" else "",
        clocks.why_not() if manifest.needs_clocks else "",
        disks.why_not() if manifest.disk_mb else "",
    ]
    return "; ".join(reason for reason in reasons if reason)


def run(
    manifest: Manifest,
    *,
    backend: str = "loopback",
    folder: Path | None = None,
    tell: Tell = lambda line: None,
) -> Outcome:
    """Run and check; raises CheckFailed, NetFailed. `folder` is kept, else all is removed."""
    if folder is not None:
        return _run(manifest, backend, folder, tell)
    with tempfile.TemporaryDirectory(prefix="bulwark-net-") as place:
        return _run(manifest, backend, Path(place) / "net", tell)


def _run(manifest: Manifest, backend: str, folder: Path, tell: Tell) -> Outcome:
    outcome = Outcome()
    tell(f"{manifest.name}: {len(manifest.names)} nodes start, {backend}")
    with Net(manifest, folder, backend=backend) as net:
        net.start(net.names)
        net.until_ready(net.names)
        with Load(net.access, manifest.load) as load:
            began = time.monotonic()
            for step in manifest.steps:
                _wait_until(net, began + step.at_s, began, tell)
                tell(f"{step.at_s:6.1f} s  {step.do} {' '.join(step.nodes)}{step.groups or ''}")
                perform(net, step)
            outcome.recovered_s = _after(net, tell)
        outcome.acknowledged = len(load.acknowledged)
        _check(net, load, outcome, tell)
        _check_disks(net, tell)
        outcome.ended = dict(net.ended_by_itself)
    return outcome


def perform(net: Net, step: Step) -> None:
    """Carry out one step."""
    match step.do:
        case "kill":
            net.kill(step.nodes)
        case "terminate":
            stubborn = net.terminate(step.nodes)
            if stubborn:
                raise NetFailed(f"{', '.join(stubborn)} did not end after SIGTERM")
        case "start":
            net.start(step.nodes)
        case "restart":
            net.kill(step.nodes)
            net.start(step.nodes)
        case "partition":
            net.partition(step.groups)
        case "heal":
            net.heal()
        case _:
            for name in step.nodes:
                _perform_on(net, step, name)


def _perform_on(net: Net, step: Step, name: str) -> None:
    match step.do:
        case "stop":
            net.signal(name, signal.SIGSTOP)
        case "cont":
            net.signal(name, signal.SIGCONT)
        case "wipe":
            net.wipe(name)
        case "tear":
            net.tear(name, step.bytes)
        case "disconnect":
            net.disconnect(name)
        case "reconnect":
            net.reconnect(name)
        case "link":
            net.set_link(name, step.to, step.latency_ms, step.loss_percent)
        case "clock":
            net.clocks.set(name, step.offset_s, step.drift_ppm)
        case "fill_disk":
            net.disks.fill(net.data(name))
        case "free_disk":
            net.disks.free(net.data(name))
        case unknown:
            raise NetFailed(f"no step {unknown!r}")


def _wait_until(net: Net, moment: float, began: float, tell: Tell) -> None:
    while (left := moment - time.monotonic()) > 0:
        time.sleep(min(left, PROGRESS_S))
        if left > PROGRESS_S:
            seen = checks.look(net.access, net.running)
            tell(f"{time.monotonic() - began:6.1f} s  {checks.describe(seen)}")


def _after(net: Net, tell: Tell) -> float:
    """Wait for what has to come after the last step; seconds it took."""
    expect = net.manifest.expect
    names = [name for name in net.running if name not in expect.halted]
    before = checks.tip(net.access, names)
    if expect.stuck:
        time.sleep(STUCK_S)
        after = checks.tip(net.access, names)
        if after > before:
            raise checks.CheckFailed(f"a block {after} came where none may come")
        return 0.0
    spent = checks.until_above(net.access, names, before, expect.recover_s)
    tell(f"        recovered in {spent:.2f} s")
    return spent


def _check(net: Net, load: Load, outcome: Outcome, tell: Tell) -> None:
    expect = net.manifest.expect
    running = [name for name in net.running if name not in expect.halted]
    surprising = {n: how for n, how in net.ended_by_itself.items() if n not in expect.halted}
    if surprising:
        raise checks.CheckFailed(f"nodes ended by themselves: {surprising}")
    alive = [name for name in expect.halted if name in net.running]
    if alive:
        raise checks.CheckFailed(f"{', '.join(alive)} should have halted")
    outcome.memory_mb = checks.memory_bounded(net.access, running, expect.memory_mb)
    if expect.stuck:
        checks.no_fork(net.access, running)
        outcome.height = checks.tip(net.access, running)
        return
    checks.all_records(net.access, running, load.acknowledged)
    voters = [name for name in running if name in net.manifest.voters]
    checks.views_settle(net.access, voters, expect.recover_s)
    outcome.height = checks.agree(net.access, running)
    tell(f"        identical up to {outcome.height}, {outcome.acknowledged} records everywhere")


def _check_disks(net: Net, tell: Tell) -> None:
    """Stop all in good order and look at every disk; a halted node's disk is whole, too."""
    stubborn = net.terminate(net.running)
    if stubborn:
        raise checks.CheckFailed(f"{', '.join(stubborn)} did not end after SIGTERM")
    for name in net.names:
        if (net.data(name) / "CURRENT").exists():
            net.disks.free(net.data(name))
            checks.fsck(net.homes[name])
    tell("        every disk is clean")
