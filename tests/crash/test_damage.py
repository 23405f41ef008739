"""Torn, truncated and flipped records: the start refuses, and a refused disk counts as wiped."""

from __future__ import annotations

from functools import lru_cache

import pytest

from bulwark.ledger.ids import Height
from consensus.errors import RecordsDamaged
from consensus.recovery import Recovery
from tests.crash.disk import HEADER_BYTES, LogDisk
from tests.crash.world import Moment, go_on, record, thaw

VICTIM = 1
WIPE_BLOCKS = 36
"""4L = 32 heights of silence (P6), and some to vote in."""


@lru_cache
def moments() -> tuple[Moment, ...]:
    """A short history with a view change."""
    found, _ = record(VICTIM, 5, 2, lambda k: k % 5 == 0)
    return tuple(found)


def fullest() -> LogDisk:
    """The disk with most kinds of records: in the middle of the view change."""
    disks = [thaw(moment.after, VICTIM)[2] for moment in moments()]
    return max(disks, key=lambda d: len({key.split(b"/")[0] for key in d.records}))


def read(records: dict[bytes, bytes]) -> Recovery:
    """What a start reads."""
    return Recovery.from_records(
        records.items(),
        applied_height=Height(9),
        applied_hash=bytes(32),  # type: ignore[arg-type]
    )


def test_every_truncated_record_stops_the_start() -> None:
    records = fullest().records
    kinds = {key.split(b"/")[0] for key in records}
    assert {b"view", b"vote", b"prepared", b"body"} <= kinds
    for key, value in records.items():
        for length in range(0, len(value), 7):
            with pytest.raises(RecordsDamaged):
                read({**records, key: value[:length]})


def test_every_record_under_a_wrong_key_stops_the_start() -> None:
    records = fullest().records
    for key, value in records.items():
        if b"/" not in key:
            continue
        with pytest.raises(RecordsDamaged):
            read({key[:-1] + bytes([key[-1] ^ 1]): value})
    with pytest.raises(RecordsDamaged):
        read({b"unknown": b""})


def test_a_bit_flipped_anywhere_in_the_log_stops_the_start() -> None:
    for moment in moments()[::4]:
        _, _, disk, _ = thaw(moment.after, VICTIM)
        log = bytes(disk.log)
        for at in range(0, len(log), 31):
            disk.log = bytearray(log)
            disk.log[at] ^= 1 << (at % 8)
            with pytest.raises(RecordsDamaged):
                disk.reopen()


def test_a_torn_last_frame_is_dropped_at_every_length() -> None:
    disk = fullest()
    log, before = bytes(disk.log), dict(disk.records)
    disk.write(((b"view", bytes(9)),))
    torn = bytes(disk.log)[len(log) :]
    assert len(torn) > HEADER_BYTES
    for length in range(len(torn)):
        disk.log = bytearray(log + torn[:length])
        assert disk.reopen() == length
        assert disk.records == before


@pytest.mark.parametrize("part", [0, 1, 2, 3])
def test_a_damaged_disk_counts_as_wiped_and_the_node_votes_again_later(part: int) -> None:
    written = [m for m in moments() if thaw(m.after, VICTIM)[2].log]
    chosen = written[part * len(written) // 4]
    net, machine, disk, _ = thaw(chosen.after, VICTIM)
    machine.stop("power")
    disk.log[len(disk.log) // 2] ^= 4
    with pytest.raises(RecordsDamaged):
        disk.reopen()
    machine.wipe()
    machine.disk = LogDisk()
    machine.start()
    go_on(net, machine, WIPE_BLOCKS + 6)
    assert machine.replica is not None
    assert machine.replica.snapshot().silent_until is None
