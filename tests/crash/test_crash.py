"""Killed at every effect, within every write, and without space: it comes back and lies never."""

from __future__ import annotations

import pytest

from consensus.effects import Broadcast, Persist
from tests.crash.disk import LogDisk
from tests.crash.world import CHANGE_AT, FAULTS, record, survive, thaw
from tests.scenarios.checks import Violation
from tests.scenarios.machine import Disk

BLOCKS = 50
SHARES = 4
VICTIM = 1
"""Leads the view that follows the one view change, and proposes every fourth slot of heights."""


@pytest.mark.search
@pytest.mark.parametrize("share", range(SHARES))
def test_a_node_killed_at_any_effect_comes_back_and_contradicts_nothing(share: int) -> None:
    moments, net = record(VICTIM, BLOCKS, CHANGE_AT, lambda k: k % SHARES == share)
    replica = net.machines[VICTIM].replica
    assert replica is not None
    assert replica.snapshot().view == 1
    assert len(net.machines[VICTIM].disk.blocks) == BLOCKS
    assert len(moments) > 3 * BLOCKS
    for moment in moments:
        for fault in FAULTS if moment.is_persist else FAULTS[:1]:
            survive(moment, VICTIM, fault)


@pytest.mark.parametrize("victim", [0, 2])
def test_others_are_killed_at_any_effect_around_the_view_change(victim: int) -> None:
    moments, _ = record(victim, 5, 2)
    for moment in moments:
        for fault in FAULTS if moment.is_persist else FAULTS[:1]:
            survive(moment, victim, fault)


def test_nothing_is_sent_after_a_write_that_failed() -> None:
    moments, _ = record(VICTIM, 3, 1)
    for moment in (m for m in moments if m.is_persist):
        net, machine, disk, effect = thaw(moment.before, VICTIM)
        assert isinstance(effect, Persist)
        disk.full = True
        flying = len(net.flying)
        with pytest.raises(OSError, match="no space"):
            machine.carry_out(effect)
        machine.stop("no space")
        assert len(net.flying) == flying
        assert not machine.queue
        assert not machine.timers


def test_a_driver_that_sends_before_it_writes_is_seen() -> None:
    """The planted bug S6: what stands behind a Persist is sent although the write is lost."""
    moments, _ = record(VICTIM, 8, 3)
    seen = 0
    for moment in (m for m in moments if m.is_persist):
        net, machine, disk, _ = thaw(moment.before, VICTIM)
        while machine.queue and isinstance(machine.queue[0], Broadcast):
            machine.carry_out(machine.queue.popleft())
        machine.stop("power")
        machine.early_ms = 1
        disk.reopen()
        try:
            machine.start()
            net.machines[VICTIM].mempool = {b"tx other": net.now}
            machine.pending()
            net.run(net.now + 1_000)
        except Violation:
            seen += 1
    assert seen > 0


def test_the_log_disk_reads_back_what_was_written() -> None:
    moments, _ = record(VICTIM, 4, 2)
    for moment in moments:
        _, _, disk, _ = thaw(moment.after, VICTIM)
        known, plain = dict(disk.records), Disk()
        assert disk.reopen() == 0
        assert disk.records == known
        assert isinstance(disk, LogDisk)
        assert plain.records != known or not known
