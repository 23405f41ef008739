"""Resources of node processes as the kernel counts them: CPU, memory, bytes written, disk.

Linux only, read from /proc; a process that has ended counts as nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_UTIME, _STIME = 11, 12
"""Places in /proc/PID/stat behind the command name (proc(5) fields 14 and 15)."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What some processes used so far."""

    cpu_s: float
    written: int
    """Bytes sent to the storage layer."""
    disk: int
    """Bytes of the files in their data folders."""

    def __sub__(self, before: Usage) -> Usage:
        return Usage(
            self.cpu_s - before.cpu_s, self.written - before.written, self.disk - before.disk
        )


def usage(pids: Iterable[int], folders: Iterable[Path]) -> Usage:
    """Of these processes and folders together."""
    known = list(pids)
    return Usage(
        sum(map(cpu_seconds, known)),
        sum(map(bytes_written, known)),
        sum(map(folder_bytes, folders)),
    )


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads."""
    text = _read(pid, "stat")
    if not text:
        return 0.0
    fields = text.rpartition(")")[2].split()
    return (int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS


def bytes_written(pid: int) -> int:
    """Bytes that the process caused to be sent to storage (not those only written to a socket)."""
    return _field(_read(pid, "io"), "write_bytes")


def resident_bytes(pid: int) -> int:
    """Memory in use now."""
    return _field(_read(pid, "status"), "VmRSS") * 1024


def own_bytes(pid: int) -> int:
    """Memory in use now that only the process can give back: without pages of mapped files."""
    status = _read(pid, "status")
    return (_field(status, "RssAnon") + _field(status, "RssShmem")) * 1024


def folder_bytes(folder: Path) -> int:
    """Sizes of all files below; files that go away meanwhile count as nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                total += path.stat().st_size
        except OSError:
            continue
    return total


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except OSError:
        return ""


def _field(text: str, name: str) -> int:
    for line in text.splitlines():
        label, _, rest = line.partition(":")
        if label == name:
            return int(rest.split()[0])
    return 0
