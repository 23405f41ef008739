"""A wiped validator and a new member reach the tip of a long ledger under load, past a liar.

Rules: four validators, all real processes; the first is the liar (`tests.nets.liar`), which votes
honestly and lies to who syncs; the last loses its database, then a fifth member joins by vote. What
is checked is seen from outside: REST, metrics, `bulwark fsck`, proofs against genesis.json alone.
Consensus parameters are the product's defaults; the product paces proposals itself.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from bulwark.client.verify import verify_record_proof
from bulwark.ledger.genesis import ConsensusParameters
from tests.nets import checks, liar
from tests.nets.access import Access, Unreachable
from tests.nets.filling import Filled, fill
from tests.nets.liar import Lie
from tests.nets.load import Load
from tests.nets.manifest import LoadProfile, Manifest
from tests.nets.net import Net
from tests.nets.newcomer import Newcomer, carry

LIAR, WIPED, NEW = "bank-a", "telco-d", "eastbank"
REPORTING = ("telco-b", "bank-c")
PAUSE_MS = 60
"""Of each client of the running load."""
SYNC_S = 120.0
VOTES_S = 90.0
FSCK_S = 300.0
BAN_S = 45.0
"""A liar is refused for 30 s, then dials again after a pause."""
_POLL_S = 0.1
Tell = Callable[[str], None]


@dataclass(slots=True)
class Synced:
    """How one node came to the tip."""

    name: str
    how: str
    lie: Lie
    began: float = 0.0
    seconds: float = 0.0
    """From the start of the process, or the vote, to the tip."""
    sync_s: float = 0.0
    """Of it from the first question to the last block, as the log has it."""
    height: int = 0
    votes_after_s: float = 0.0
    cpu_s: float = 0.0
    fetched_mb: float = 0.0
    headers: int = 0
    state_values: int = 0
    executed: int = 0
    shown: list[str] = field(default_factory=list)
    """Progress as diagnosis told it, phase by phase."""
    verdict: str = ""
    """What diagnosis says of the liar."""
    dropped: bool = False
    pace: tuple[float, float] = (0.0, 0.0)
    """Reports a second through the others meanwhile, and the longest gap."""


@dataclass(slots=True)
class Result:
    """What a run showed."""

    filled: Filled
    synced: list[Synced]
    seconds: float = 0.0
    common: str = ""
    records: int = 0
    acknowledged: int = 0
    proofs: int = 0

    def lines(self) -> Iterator[str]:
        """A table for people."""
        yield self.filled.line()
        yield (
            "node                      tip s   sync s  votes s  CPU s  fetched MB  headers"
            "  state values  executed  load/s  gap s"
        )
        for one in self.synced:
            yield (
                f"{one.name + ', ' + one.how:<25}{one.seconds:6.1f}{one.sync_s:9.1f}"
                f"{one.votes_after_s:9.1f}{one.cpu_s:7.1f}{one.fetched_mb:12.1f}{one.headers:9}{one.state_values:14}"
                f"{one.executed:10}{one.pace[0]:8.1f}{one.pace[1]:7.2f}"
            )
        for one in self.synced:
            drop = "dropped" if one.dropped else "NOT DROPPED"
            yield f"liar ({one.lie}) as {one.name} names it: {one.verdict} [{drop}]"
            for shown in one.shown:
                yield f"  progress: {shown}"
        yield self.common
        yield (
            f"{self.records} records on every disk, {self.acknowledged} acknowledged under load "
            f"at every node, {self.proofs} proofs hold from genesis.json alone, fsck clean"
        )
        load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
        yield f"whole run {self.seconds:.0f} s; load average {load} on {os.cpu_count()} processors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How large, and which lies."""

    blocks: int = 5_000
    records: int = 100_000
    lie_to_wiped: Lie = Lie.STATE
    lie_to_new: Lie = Lie.ANY
    within_s: float = 900.0


def manifest() -> Manifest:
    """Four validators with the product's own consensus parameters."""
    given = ConsensusParameters()
    return Manifest(
        name="state sync",
        consensus={name: getattr(given, name) for name in given.__struct_fields__},
        load=LoadProfile(members=REPORTING, pause_ms=PAUSE_MS),
    )


def run(folder: Path, plan: Plan, tell: Tell) -> Result:
    """Fill, wipe, join, verify; raises CheckFailed, NetFailed."""
    began = time.monotonic()
    with Net(manifest(), folder) as net:
        newcomer = Newcomer(NEW, folder, dict(net.homes))
        newcomer.known_to(net.homes[LIAR])
        liar.tell(net.homes[LIAR], Lie.NONE)
        net.runs_as(LIAR, "tests.nets.liar")
        net.start(net.names)
        net.until_ready(net.names)
        filled = fill(net.access, REPORTING, plan.blocks, plan.records, tell, plan.within_s)
        tell(filled.line())
        with Load(net.access, net.manifest.load) as load:
            checks.until(lambda: len(load.acknowledged) > 10, "load runs", 20.0)
            wiped = _wiped(net, plan, tell)
            # A node that nobody knows yet waits at the door while the liar's drop lasts.
            net.admit(NEW, newcomer.home, newcomer.url)
            net.start([NEW], wait=False)
            _until_votes(net, wiped, 4, load, tell)
            new = _new(net, plan, newcomer, tell)
            _until_votes(net, new, 5, load, tell)
            synced = [wiped, new]
        result = Result(filled, synced, acknowledged=len(load.acknowledged))
        _verify(net, load, result, tell)
    result.seconds = time.monotonic() - began
    return result


def _wiped(net: Net, plan: Plan, tell: Tell) -> Synced:
    found = Synced(WIPED, "wiped validator", plan.lie_to_wiped)
    stubborn = net.terminate([WIPED])
    if stubborn:
        raise checks.CheckFailed(f"{WIPED} did not end after SIGTERM")
    net.wipe(WIPED)
    tell(f"{WIPED} lost its database; {LIAR} lies about {plan.lie_to_wiped}")
    with _lying(net, plan.lie_to_wiped):
        found.began = time.monotonic()
        net.start([WIPED], wait=False)
        _follow(net, found)
    return found


def _new(net: Net, plan: Plan, newcomer: Newcomer, tell: Tell) -> Synced:
    found = Synced(NEW, "new validator", plan.lie_to_new)
    net.until_ready([NEW], healthy_only=True)
    # A node refuses a vote while it does not reach the quorum that there will be.
    checks.until(lambda: LIAR in _peers(net.access[WIPED]), f"{LIAR} is let in again", BAN_S)
    tell(f"{LIAR} is let in again by {WIPED}")
    voters = [net.access[name] for name in (*REPORTING, LIAR, WIPED)]
    with _lying(net, plan.lie_to_new):
        found.began = carry(voters, newcomer.join_action())
        tell(f"{NEW} is voted in; {LIAR} lies about {plan.lie_to_new}")
        _follow(net, found)
    return found


@contextmanager
def _lying(net: Net, lie: Lie) -> Iterator[None]:
    liar.tell(net.homes[LIAR], lie)
    try:
        yield
    finally:
        liar.tell(net.homes[LIAR], Lie.NONE)


def _follow(net: Net, found: Synced) -> None:
    """Until the node has the tip that another one had a moment before; what it showed meanwhile."""
    access, witness = net.access[found.name], net.access[REPORTING[0]]
    deadline = found.began + checks.stretched(SYNC_S)
    while True:
        if not net.runs(found.name):
            raise checks.CheckFailed(f"{found.name}: {net.ended_by_itself.get(found.name)}")
        tip = witness.seen().executed
        try:
            _look(access, found)
            status = access.status()
        except Unreachable:
            status = {}
        if status and status["sync"]["progress"] is None and status["height"]["executed"] >= tip:
            break
        if time.monotonic() > deadline:
            raise checks.CheckFailed(f"{found.name} is not at {tip}: {found.shown} {status}")
        time.sleep(_POLL_S)
    found.seconds, found.height = time.monotonic() - found.began, status["height"]["executed"]
    _look(access, found)
    found.sync_s = _sync_seconds(net.said(found.name))
    samples = access.metrics()
    found.cpu_s = samples["process_cpu_seconds_total"]
    received = "bulwark_sync_received_bytes_total"
    found.fetched_mb = sum(v for name, v in samples.items() if name.startswith(received)) / 1e6
    found.headers = int(samples['bulwark_sync_verified_total{what="blocks"}'])
    found.state_values = int(samples['bulwark_sync_verified_total{what="state"}'])
    found.executed = int(samples["bulwark_blocks_total"])
    _convict(net, found, access.status(), samples)


def _sync_seconds(log: str) -> float:
    """From the first line about a sync to the first that says it is over."""
    marks = ('"event": "syncing"', '"event": "in step"')
    moments = [
        next((json.loads(line)["at"] for line in log.splitlines() if mark in line), None)
        for mark in marks
    ]
    if None in moments:
        return 0.0
    start, end = (datetime.fromisoformat(str(moment)) for moment in moments)
    return (end - start).total_seconds()


def _look(access: Access, found: Synced) -> None:
    """Note what diagnosis says of the sync and of the liar."""
    for finding in access.diagnosis():
        values = finding["values"]
        if finding["code"] in ("sync.running", "sync.stalled"):
            text = str(finding["seen"])
            phases = [shown.split("(")[1].split(")")[0] for shown in found.shown]
            if values["phase"] in phases:
                found.shown[phases.index(values["phase"])] = text
            else:
                found.shown.append(text)
        if finding["code"] == "sync.liar" and finding["subject"] == LIAR and not found.verdict:
            found.verdict = str(finding["seen"])
            found.dropped = LIAR not in _peers(access)


def _peers(access: Access) -> set[str]:
    """Whom a node is connected with."""
    return {str(peer["member"]) for peer in access.status()["peers"]}


def _convict(
    net: Net, found: Synced, status: Mapping[str, Any], samples: Mapping[str, float]
) -> None:
    """The liar did lie, and is named with the reason; a liar that only stalls is called silent."""
    told = [line for line in net.said(LIAR).splitlines() if '"lie told"' in line]
    if not any(f'"to": "{found.name}"' in line for line in told):
        raise checks.CheckFailed(f"{LIAR} was never asked by {found.name}")
    if found.lie is Lie.STALL:
        blamed = status["sync"]["blamed"].get(LIAR, {})
        found.verdict = f"{LIAR}: {blamed}"
        if blamed.get("fault") != "silent":
            raise checks.CheckFailed(f"{found.name} does not call {LIAR} silent: {blamed}")
        return
    if not found.verdict or not found.dropped:
        raise checks.CheckFailed(f"{LIAR} is not named and dropped by {found.name}: {found}")
    if not samples.get(f'bulwark_sync_liar{{member="{LIAR}"}}'):
        raise checks.CheckFailed(f"the metrics of {found.name} do not name {LIAR}")


def _until_votes(net: Net, found: Synced, size: int, load: Load, tell: Tell) -> None:
    """Until the node votes among so many validators."""
    access = net.access[found.name]

    def votes() -> bool:
        try:
            voting = access.get("/readyz").json()["voting"]
            own = access.status()["consensus"]
        except Unreachable:
            return False
        return own is not None and own["silent_until"] is None and voting["validators"] == size

    checks.until(votes, f"{found.name} votes among {size}", VOTES_S)
    now = time.monotonic()
    found.votes_after_s = now - found.began
    found.pace = load.pace(found.began, now)
    tell(
        f"{found.name} at the tip after {found.seconds:.1f} s, "
        f"votes after {found.votes_after_s:.1f} s"
    )


def _verify(net: Net, load: Load, result: Result, tell: Tell) -> None:
    names = net.names
    checks.until_above(net.access, names, checks.tip(net.access, names) - 1, 30.0)
    tip = min(s.executed for s in checks.look(net.access, names).values() if s is not None)
    checks.agree(net.access, names, every=max(1, tip // 50))
    result.common = f"equal at every node at block {tip}: {_equal_at(net, names, tip)}"
    tell(result.common)
    records = [*load.acknowledged, *result.filled.samples]
    with ThreadPoolExecutor(len(names)) as pool:
        for looked in [pool.submit(checks.all_records, net.access, [n], records) for n in names]:
            looked.result()
    tell(f"{len(records)} records looked up at each of {len(names)} nodes")
    genesis = (net.homes[WIPED] / "genesis.json").read_bytes()
    chosen = [
        *result.filled.samples,
        *list(load.acknowledged)[:: max(1, len(load.acknowledged) - 1)],
    ]
    for one in result.synced:
        for record in chosen:
            place = f"/v1/records/{record}/proof"
            proof = net.access[one.name].get(place, "auditor", 10.0)
            verify_record_proof(proof.raise_for_status().content, genesis)
            result.proofs += 1
    stubborn = net.terminate(net.running)
    if stubborn or net.ended_by_itself:
        raise checks.CheckFailed(f"did not end well: {stubborn} {net.ended_by_itself}")
    result.records = _disks(net, names, tell)


def _equal_at(net: Net, names: Sequence[str], height: int) -> str:
    """The roots of one block, the same at all nodes; raises CheckFailed."""
    parts = ("hash", "state_root", "record_log_root", "record_log_size")
    seen: dict[str, tuple[str, ...]] = {}
    for name in names:
        block = net.access[name].block(height)
        if block is None:
            raise checks.CheckFailed(f"{name} has no block {height}")
        seen[name] = tuple(str(block[part]) for part in parts)
    if len(set(seen.values())) != 1:
        raise checks.CheckFailed(f"block {height} differs: {seen}")
    return ", ".join(
        f"{part} {value[:18]}" for part, value in zip(parts, seen[names[0]], strict=True)
    )


def _disks(net: Net, names: Sequence[str], tell: Tell) -> int:
    """fsck of every disk; records on each, the same everywhere."""
    began = time.monotonic()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        under_way = {
            name: pool.submit(checks.fsck, net.homes[name], timeout_s=FSCK_S) for name in names
        }
        counts = {name: int(report.result()["records"]) for name, report in under_way.items()}
    tell(f"fsck: every disk is clean, {counts}, {time.monotonic() - began:.1f} s")
    if len(set(counts.values())) != 1:
        raise checks.CheckFailed(f"records differ: {counts}")
    return counts[names[0]]
