from __future__ import annotations

import mmap
import os
import time
from pathlib import Path

from bench.process import (
    Usage,
    bytes_written,
    cpu_seconds,
    folder_bytes,
    own_bytes,
    resident_bytes,
    usage,
)

NO_PID = 2**22 + 1
"""Above the largest process id that Linux gives out."""


def test_own_cpu_time_agrees_with_the_standard_library() -> None:
    total = sum(os.times()[:2])
    assert abs(cpu_seconds(os.getpid()) - total) < 0.5


def test_cpu_time_grows_with_work() -> None:
    before = cpu_seconds(os.getpid())
    end = time.process_time() + 0.1
    while time.process_time() < end:
        sum(range(1_000))
    assert cpu_seconds(os.getpid()) > before


def test_own_memory_is_some_megabytes() -> None:
    assert 1_000_000 < resident_bytes(os.getpid()) < 10**11


def test_own_memory_counts_what_is_allocated_and_no_mapped_file(tmp_path: Path) -> None:
    size = 64 << 20
    before = own_bytes(os.getpid())
    with (tmp_path / "table").open("w+b") as file:
        file.truncate(size)
        with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as mapped:
            assert not any(mapped[place] for place in range(0, size, mmap.PAGESIZE))
            assert own_bytes(os.getpid()) - before < size // 4
    kept = bytearray(b"x") * size
    assert own_bytes(os.getpid()) - before > len(kept) * 3 // 4


def test_an_ended_process_counts_as_nothing(tmp_path: Path) -> None:
    assert usage([NO_PID], [tmp_path / "gone"]) == Usage(0.0, 0, 0)
    assert bytes_written(NO_PID) == resident_bytes(NO_PID) == own_bytes(NO_PID) == 0


def test_files_of_a_folder_are_added_up(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "one").write_bytes(bytes(10))
    (tmp_path / "deep" / "two").write_bytes(bytes(20))
    assert folder_bytes(tmp_path) == 30


def test_usage_is_a_difference() -> None:
    assert Usage(3.0, 30, 300) - Usage(1.0, 10, 100) == Usage(2.0, 20, 200)
