"""The rejoin matrix: how many nodes x what befell them x load, cell after cell on one net.

Rules: a cell disturbs some validators, looks at what the others do meanwhile, undoes it, and wants
the next block at all nodes in time without any further help; what clients were promised is there
afterwards. Who is hit moves on from cell to cell.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bulwark.ledger.validators import max_faulty, quorum_size
from tests.nets import checks, disks
from tests.nets.load import Load
from tests.nets.manifest import Expect, LoadProfile, Manifest
from tests.nets.net import Net

NEXT_BLOCK_S: Final = 5.0
"""Most from the last node's answering to a new block that all nodes have executed and finalized."""
MEANWHILE_S: Final = 5.0
"""Most until nodes that are a quorum order their next block while the others are away."""
FREEZE_S: Final = 2.5
HALF_HOUR_S: Final = 1_800.0
HOUR_S: Final = 3_600.0
WATCH_S: Final = 2.0
"""For how long a net that can not order anything is watched."""
REVOTE_S: Final = 20.0
"""Most until a wiped node's vote counts again: its silence ends at a later checkpoint."""
FAULTS: Final = ("wiped", "killed", "stopped", "frozen", "disk full", "clock")
DISK_MB: Final = 96


def rejoin_manifest() -> Manifest:
    """Four validators with timers short enough that a cell takes seconds."""
    return Manifest(
        name="rejoin",
        disk_mb=0 if disks.why_not() else DISK_MB,
        consensus={
            "base_timeout_ms": 600,
            "max_timeout_ms": 1_500,
            "heartbeat_ms": 200,
        },
        expect=Expect(recover_s=NEXT_BLOCK_S),
    )


@dataclass(frozen=True, slots=True)
class Cell:
    """One place of the matrix."""

    count: int
    fault: str
    loaded: bool


@dataclass(slots=True)
class Result:
    """What a cell showed."""

    next_block_s: float = 0.0
    acknowledged: int = 0
    revote_s: float = 0.0


class Rejoin:
    """The long-lived net and its cells."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self._turn = 0
        self._checked = 0

    @property
    def names(self) -> tuple[str, ...]:
        """All validators."""
        return self.net.manifest.voters

    def victims(self, count: int) -> list[str]:
        """Who is hit now; the next call begins one further."""
        chosen = [self.names[(self._turn + i) % len(self.names)] for i in range(count)]
        self._turn += 1
        return chosen

    def run(self, cell: Cell) -> Result:
        """One cell; raises CheckFailed, NetFailed and then leaves a net that was started anew."""
        try:
            return self._run(cell)
        except Exception:
            self._start_anew()
            raise

    def _start_anew(self) -> None:
        for name in self.names:
            self.net.signal(name, signal.SIGCONT)
        self.net.kill(self.names)
        for name in self.names:
            self.net.disks.free(self.net.data(name))
            if self._kept(name).exists() and any(self._kept(name).iterdir()):
                self.net.put_back(name, self._kept(name))
        self.net.start(self.names)
        self._whole()

    def _run(self, cell: Cell) -> Result:
        hit = self.victims(cell.count)
        others = [name for name in self.names if name not in hit]
        result = Result()
        with self._load(cell, hit, others) as load:
            befall = self._faults()[cell.fault]
            befall(hit, others)
            result.next_block_s = self._whole()
            if cell.fault == "wiped" and cell.count <= max_faulty(len(self.names)):
                result.revote_s = self._votes_again(hit[0])
            if cell.count == 1:
                self._is_needed(others)
            load.ask_to_stop()
        result.acknowledged = len(load.acknowledged)
        if cell.loaded and not load.acknowledged:
            raise checks.CheckFailed(f"no report was taken in the whole cell: {load.refused}")
        checks.all_records(self.net.access, self.names, load.acknowledged)
        self._identical()
        return result

    def _faults(self) -> dict[str, Callable[[list[str], list[str]], None]]:
        return {
            "killed": self._killed,
            "stopped": self._stopped,
            "frozen": self._frozen,
            "disk full": self._disk_full,
            "clock": self._clock,
            "wiped": self._wiped,
        }

    @contextmanager
    def _load(self, cell: Cell, hit: list[str], others: list[str]) -> Iterator[Load]:
        """Clients at one node that is hit and one that is not.

        What a node only accepted is nowhere else, so nobody promises it to survive a wiped disk.
        """
        members = (hit[0], (others or hit)[-1]) if cell.loaded else ()
        wait = "executed" if cell.fault == "wiped" else "accepted"
        profile = LoadProfile(members=members, wait=wait, pause_ms=80)
        with Load(self.net.access, profile) as load:
            if cell.loaded:
                checks.until(lambda: len(load.acknowledged) > 4, "load runs", NEXT_BLOCK_S)
            yield load

    def _whole(self) -> float:
        """All nodes run, and have a block above all that was there; seconds it took."""
        gone = {n: self.net.ended_by_itself.get(n) for n in self.names if not self.net.runs(n)}
        if gone:
            raise checks.CheckFailed(f"nodes are gone: {gone}")
        height = checks.tip(self.net.access, self.names)
        return checks.until_above(self.net.access, self.names, height, NEXT_BLOCK_S)

    def _is_needed(self, others: list[str]) -> None:
        """With one of the others frozen nothing is ordered without who was hit: it must vote."""
        absent, *present = others
        self.net.signal(absent, signal.SIGSTOP)
        try:
            before = checks.tip(self.net.access, present)
            checks.first_above(self.net.access, present, before + 1, NEXT_BLOCK_S)
        finally:
            self.net.signal(absent, signal.SIGCONT)
        self._whole()

    def _identical(self) -> None:
        upto = checks.agree(self.net.access, self.names, self._checked, every=8)
        self._checked = upto

    def _meanwhile(self, others: list[str]) -> None:
        """A quorum orders on without the rest; fewer must not."""
        before = checks.tip(self.net.access, others) if others else 0
        if len(others) >= quorum_size(len(self.names)):
            checks.first_above(self.net.access, others, before, MEANWHILE_S)

    # What befalls nodes

    def _killed(self, hit: list[str], others: list[str]) -> None:
        self.net.kill(hit)
        self._meanwhile(others)
        self.net.start(hit)

    def _stopped(self, hit: list[str], others: list[str]) -> None:
        stubborn = self.net.terminate(hit)
        if stubborn:
            raise checks.CheckFailed(f"{stubborn} did not end after SIGTERM")
        self._meanwhile(others)
        self.net.start(hit)

    def _frozen(self, hit: list[str], others: list[str]) -> None:
        for name in hit:
            self.net.signal(name, signal.SIGSTOP)
        frozen_at = time.monotonic()
        self._meanwhile(others)
        time.sleep(max(0.0, FREEZE_S - (time.monotonic() - frozen_at)))
        for name in self.names:
            self.net.clocks.shift(name, HALF_HOUR_S)
        for name in hit:
            self.net.signal(name, signal.SIGCONT)

    def _disk_full(self, hit: list[str], others: list[str]) -> None:
        for name in hit:
            self.net.disks.fill(self.net.data(name))
        self._meanwhile(others)
        deadline = time.monotonic() + checks.stretched(MEANWHILE_S)
        while any(self.net.runs(name) for name in hit) and time.monotonic() < deadline:
            time.sleep(0.05)
        halted = [name for name in hit if not self.net.runs(name)]
        if not halted:
            raise checks.CheckFailed(f"no node of {hit} noticed its full disk")
        for name in halted:
            why = self.net.ended_by_itself[name]
            if "exit code 1" not in why or "No space left" not in self.net.said(name):
                raise checks.CheckFailed(f"{name} does not say that its disk is full: {why}")
        for name in hit:
            self.net.disks.free(self.net.data(name))
        self.net.start(halted)

    def _clock(self, hit: list[str], others: list[str]) -> None:
        for name in hit:
            self.net.clocks.shift(name, HOUR_S)
        self._meanwhile(others)
        time.sleep(WATCH_S)
        for name in hit:
            self.net.clocks.shift(name, -HOUR_S)

    def _wiped(self, hit: list[str], others: list[str]) -> None:
        self.net.kill(hit)
        few = len(hit) <= max_faulty(len(self.names))
        kept = {name: self._kept(name) for name in hit}
        for name in hit:
            self.net.wipe(name, keep=None if few else kept[name])
        if few:
            self._meanwhile(others)
        self.net.start(hit)
        if not few:
            self._stand_still(hit)
            # Nothing was voted since the kill, so these are not old disks but the same ones.
            self.net.kill(hit)
            for name in hit:
                self.net.put_back(name, kept[name])
            self.net.start(hit)

    def _kept(self, name: str) -> Path:
        return self.net.homes[name] / "kept"

    def _stand_still(self, wiped: list[str]) -> None:
        """Too few remember their votes: nobody orders, nobody forks, and the wiped say why."""
        before = checks.tip(self.net.access, self.names)
        time.sleep(WATCH_S)
        after = checks.tip(self.net.access, self.names)
        if after > before:
            raise checks.CheckFailed(f"block {after} came from nodes that forgot their votes")
        checks.no_fork(self.net.access, self.names, max(0, before - 3))
        for name in wiped:
            found = self.net.access[name].findings()
            if "wipe.silent" not in found:
                raise checks.CheckFailed(f"{name} does not say that it was wiped: {found}")

    def _votes_again(self, name: str) -> float:
        """Until a finality certificate holds this node's vote; seconds it took."""
        index = self.names.index(name)
        witness = self.net.access[self.names[index - 1]]
        began = time.monotonic()

        def signed() -> bool:
            block = witness.block(witness.seen().finalized)
            certificate = None if block is None else block["certificate"]
            return certificate is not None and index in certificate["signers"]

        checks.until(signed, f"{name} votes again", REVOTE_S)
        return time.monotonic() - began
