"""Starting, recognising and ending node processes.

Rules: a process counts as ours only when the last word of its command line is the node's home, so a
pid that the system has given to another program is never signalled; a node has its own session, no
standard input, and a log of mode 0600; SIGTERM comes first, SIGKILL after the grace. Linux only: it
reads /proc.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from node.devnet.errors import DevnetInvalid

TAIL_LINES: Final = 20
_TAIL_BYTES: Final = 16 * 1024
_LINE_CHARS: Final = 400
_EXEC_S: Final = 5.0
_EXEC_POLL_S: Final = 0.001


def spawn(
    command: Sequence[str], home: Path, log: Path, environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    """Start `command` with `home` as its last argument; raises DevnetInvalid."""
    try:
        log.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DevnetInvalid(log, f"can not be written ({error.strerror})") from error
    try:
        process = subprocess.Popen(
            [*command, str(home)],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            env=environment,
        )
    except OSError as error:
        raise DevnetInvalid(home, f"{command[0]} does not start ({error.strerror})") from error
    finally:
        os.close(descriptor)
    # The kernel reports a successful exec a moment before /proc shows the new command line.
    deadline = time.monotonic() + _EXEC_S
    while process.poll() is None and not is_ours(process.pid, home):
        if time.monotonic() > deadline:
            process.kill()
            raise DevnetInvalid(home, f"{command[0]} hides its command line, so it can not be run")
        time.sleep(_EXEC_POLL_S)
    return process


def is_ours(pid: int, home: Path) -> bool:
    """Whether `pid` is a live process that serves this home; false for a zombie."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:
        return False
    return words[-1] == os.fsencode(home)


def send(pid: int, home: Path, number: signal.Signals) -> None:
    """Signal the process if it is ours."""
    try:
        # The descriptor keeps the pid from being given to another program in between.
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if is_ours(pid, home):
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)


def end(running: Sequence[tuple[int, Path]], grace_s: float) -> list[int]:
    """End processes of these homes: SIGTERM, then SIGKILL after the grace; pids that needed it."""
    alive = [(pid, home) for pid, home in running if is_ours(pid, home)]
    for pid, home in alive:
        send(pid, home, signal.SIGTERM)
    left = _wait(alive, grace_s)
    for pid, home in left:
        send(pid, home, signal.SIGKILL)
    _wait(left, grace_s)
    return [pid for pid, _ in left]


def _wait(running: Sequence[tuple[int, Path]], seconds: float) -> list[tuple[int, Path]]:
    """Wait until all have ended, at most so long; those that have not."""
    deadline = time.monotonic() + seconds
    left = []
    for pid, home in running:
        if not wait_end(pid, home, deadline - time.monotonic()):
            left.append((pid, home))
    return left


def wait_end(pid: int, home: Path, seconds: float) -> bool:
    """Whether the process ended within `seconds`."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        if not is_ours(pid, home):
            return True
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        return bool(poller.poll(max(0.0, seconds) * 1_000))
    finally:
        os.close(descriptor)


def tail(log: Path) -> list[str]:
    """The last lines of a log, each of bounded length."""
    try:
        with log.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - _TAIL_BYTES))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return []
    lines = deque(text.splitlines(), TAIL_LINES)
    return [line[:_LINE_CHARS] for line in lines]


def ending(code: int) -> str:
    """A process's return code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
