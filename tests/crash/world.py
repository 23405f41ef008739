"""A net of four that orders blocks and changes its view once, and its victim's every effect.

`record` plays the history once and hands out a frozen copy of the whole net at every effect of the
victim; `survive` crashes the victim in such a copy, starts it from its disk and goes on.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from bulwark.ledger.votes import VoteKind
from consensus.config import Config
from consensus.effects import Effect, Persist
from tests.crash.disk import DiskFull, LogDisk
from tests.scenarios.checks import Violation
from tests.scenarios.machine import Machine
from tests.scenarios.net import Net

CONFIG = Config(
    rotation=4,
    pipeline=2,
    base_timeout_ms=100,
    max_timeout_ms=800,
    heartbeat_ms=1_000_000,
    request_timeout_ms=400,
    status_interval_ms=120,
    retransmit_after_ms=40,
    peer_down_ms=20,
    sync_patience_ms=300,
    sync_retry_ms=400,
)
LIMIT_MS = 30_000
CHANGE_AT = 17
"""Height 18 is proposed by 0, so that 1 leads the view that follows."""
PATIENCE = 8
"""Blocks within which a restarted node must have voted again."""
FAULTS = ("after", "torn", "full")
"""Killed right after the effect; or, at a Persist: power fails within it; no space for it."""
DOWN_MS = (0, 45, 400)
"""How long it stays down, in turn: shorter than a message, than a timeout, and longer."""


@dataclass(frozen=True)
class Moment:
    """The net at one effect of the victim."""

    number: int
    effect: str
    is_persist: bool
    before: bytes
    """Frozen before the effect if it is a Persist, else empty."""
    after: bytes


class Victim(Machine):
    """Tells the recorder before and after each effect."""

    tap: Callable[[Effect, bool], None] | None = None

    def before(self, effect: Effect) -> bool:
        if self.tap is not None:
            self.tap(effect, False)
        return True

    def after(self, effect: Effect) -> None:
        if self.tap is not None:
            self.tap(effect, True)


def make_net(victim: int) -> Net:
    """Four machines with log disks."""
    net = Net(4, CONFIG)
    for slot, machine in enumerate(net.machines):
        cls = Victim if slot == victim else Machine
        net.machines[slot] = cls(net, slot, slot, machine.keyring, machine.terms, machine.config)
        net.machines[slot].disk = LogDisk()
    net.start()
    return net


class CutOff:
    """One machine hears nobody and is heard by nobody."""

    def __init__(self, slot: int) -> None:
        self.slot = slot

    def __call__(self, a: int, b: int) -> bool:
        return self.slot in (a, b)


def play(net: Net, blocks: int, change_at: int) -> None:
    """One request a block; at one height its proposer is cut off until the others changed view."""
    for number in range(blocks):
        if number == change_at:
            replica = net.machines[0].replica
            proposer = 0 if replica is None else replica.snapshot().proposer
            net.cut = CutOff(proposer)
            net.submit(b"tx %d" % number)
            others = [m for m in net.machines if m.slot != proposer]
            expect(net, lambda m=others: all(b"tx %d" % change_at in o.done for o in m), "view")
            net.cut = None
        net.submit(b"tx %d" % number)
        expect(net, lambda k=number: all(b"tx %d" % k in m.done for m in net.machines), "block")


def expect(net: Net, done: Callable[[], bool], what: str) -> None:
    """Run until `done`; raises Violation if it takes too long."""
    if not net.run(net.now + LIMIT_MS, done):
        heights = [len(m.disk.blocks) for m in net.machines]
        raise Violation(f"liveness: {what} at {heights}")


def record(
    victim: int, blocks: int, change_at: int, wanted: Callable[[int], bool] = lambda k: True
) -> tuple[list[Moment], Net]:
    """Every moment of a history, and the net at its end."""
    net = make_net(victim)
    machine = net.machines[victim]
    moments: list[Moment] = []
    count, before = 0, b""

    def freeze(effect: Effect) -> bytes:
        machine.tap, tap = None, machine.tap  # type: ignore[attr-defined]
        data = pickle.dumps((net, effect), pickle.HIGHEST_PROTOCOL)
        machine.tap = tap  # type: ignore[attr-defined]
        return data

    def tap(effect: Effect, done: bool) -> None:
        nonlocal count, before
        if not done:
            before = b""
            if isinstance(effect, Persist) and wanted(count):
                before = freeze(effect)
            return
        if wanted(count):
            name = type(effect).__name__
            message = getattr(effect, "message", None)
            name += f" {type(message).__name__}" if message is not None else ""
            moments.append(Moment(count, name, bool(before), before, freeze(effect)))
        count += 1

    machine.tap = tap  # type: ignore[attr-defined]
    play(net, blocks, change_at)
    machine.tap = None  # type: ignore[attr-defined]
    return moments, net


def thaw(data: bytes, victim: int) -> tuple[Net, Machine, LogDisk, Effect]:
    """A copy of the net with the victim in the middle of its step, at an effect."""
    net, effect = pickle.loads(data)
    machine: Machine = net.machines[victim]
    disk = machine.disk
    if not isinstance(disk, LogDisk):
        raise TypeError("the victim has no log disk")
    machine.busy = False
    return net, machine, disk, effect


def survive(moment: Moment, victim: int, fault: str, more: int = 1) -> Net:
    """Crash, restart, go on; raises Violation if anything was contradicted, lost or stuck."""
    data = moment.after if fault == "after" else moment.before
    net, machine, disk, effect = thaw(data, victim)
    if fault != "after" and isinstance(effect, Persist):
        disk.full = fault == "full"
        disk.torn_at = moment.number * 7 if fault == "torn" else None
        with suppress(DiskFull):
            disk.write(effect.records)
    machine.stop(f"crashed: {fault} {moment.effect}")
    said, kept = promised_height(net, machine), list(disk.blocks)
    net.run(net.now + DOWN_MS[moment.number % len(DOWN_MS)])
    disk.full = False
    disk.reopen()
    machine.start()
    if len(kept) < said or machine.disk.blocks[: len(kept)] != kept:
        raise Violation(f"durability: promised {said}, {len(kept)} blocks on disk")
    go_on(net, machine, more)
    return net


def promised_height(net: Net, machine: Machine) -> int:
    """The highest block it ever told others to have."""
    heights = [
        key[3]
        for key in net.watch.statements
        if len(key) == 4 and key[0] == machine.index and key[1] is VoteKind.CHECKPOINT
    ]
    return max((h for h in heights if isinstance(h, int)), default=0)


def votes_of(net: Net, machine: Machine) -> int:
    """How many votes it ever sent."""
    return sum(
        len(key) == 4 and key[0] == machine.index and isinstance(key[1], VoteKind)
        for key in net.watch.statements
    )


def go_on(net: Net, machine: Machine, more: int) -> None:
    """Further requests are executed by all, and the victim votes again before long."""
    net.cut = None
    for transaction in sorted({tx for m in net.machines for tx in m.mempool}):
        net.submit(transaction)
    votes = votes_of(net, machine)
    for number in range(more + PATIENCE):
        transaction = b"after %d" % number
        net.submit(transaction)
        expect(net, lambda tx=transaction: all(tx in m.done for m in net.machines), "rejoin")
        if number + 1 >= more and votes_of(net, machine) > votes:
            return
    raise Violation(f"liveness: the victim does not vote at {len(machine.disk.blocks)}")
