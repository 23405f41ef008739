"""The exit note: what a home says about how its node last ended, for whoever comes to look.

Rules: the note is written when the node starts ("running") and overwritten in place when it ends,
so that the last word also fits on a full disk; a note that says "running" while nobody holds the
home's lock means that the process was killed or the machine stopped. Mode 0600. It decides nothing.
"""

from __future__ import annotations

import json
import os
import time
from enum import StrEnum
from pathlib import Path
from typing import Final

from msgspec import Struct

from node.logs import Log

FILE: Final = "node.exit"
SIZE: Final = 2048
"""Bytes of the file, padded with spaces."""
MAX_REASON_CHARS: Final = 400

log = Log("node")


class Ending(StrEnum):
    """How a node ended."""

    RUNNING = "running"
    """It runs, or was killed."""
    STOPPED = "stopped"
    """It was told to stop."""
    HALTED = "halted"
    """It stopped itself; the reason says why."""
    REFUSED = "refused"
    """It did not start."""


class ExitNote(Struct, frozen=True):
    """One note."""

    ending: Ending
    reason: str
    at_ms: int


def write_note(home: Path, ending: Ending, reason: str = "") -> None:
    """Leave a note; a disk that refuses it is logged, since the node has worse to worry about."""
    document = {
        "ending": str(ending),
        "reason": reason[:MAX_REASON_CHARS],
        "at_ms": time.time_ns() // 1_000_000,
    }
    data = json.dumps(document).encode("ascii").ljust(SIZE)[:SIZE]
    try:
        descriptor = os.open(home / FILE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, data, 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        log.warning("exit note not written", reason=error.strerror)


def read_note(home: Path) -> ExitNote | None:
    """The last note; None where there is none that can be read."""
    try:
        with (home / FILE).open("rb") as stream:
            document = json.loads(stream.read(SIZE))
        return ExitNote(Ending(document["ending"]), str(document["reason"]), int(document["at_ms"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
