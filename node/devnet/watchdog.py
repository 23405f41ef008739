"""A process that ends a devnet's nodes when their owner is gone, however it went.

Rules: the owner holds the other end of a pipe, which the kernel closes with the owner; a pid counts
only while it serves the home that came with it. Told by lines `+pid home` and `-pid`; `.` dismisses
it. Unlike PR_SET_PDEATHSIG it does not depend on which thread started the nodes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from node.devnet.processes import end

GRACE_S: Final = 10.0


class Watchdog:
    """The owner's side."""

    def __init__(self) -> None:
        reader, self._writer = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "node.devnet.watchdog", str(reader)],
                stdin=subprocess.DEVNULL,
                pass_fds=(reader,),
                start_new_session=True,
            )
        finally:
            os.close(reader)

    def watch(self, pid: int, home: Path) -> None:
        """From now on end this process with the owner."""
        self._tell(b"+%d %b\n" % (pid, os.fsencode(home)))

    def forget(self, pid: int) -> None:
        """The process has ended."""
        self._tell(b"-%d\n" % pid)

    def dismiss(self) -> None:
        """Let the watchdog go without ending anything."""
        if self._writer < 0:
            return
        self._tell(b".\n")
        os.close(self._writer)
        self._writer = -1
        self._process.wait()

    def _tell(self, line: bytes) -> None:
        try:
            os.write(self._writer, line)
        except BrokenPipeError:
            # Somebody ended the watchdog; the owner still ends its nodes itself.
            return


def run(descriptor: int) -> None:
    """Read the owner's lines until the pipe closes, then end what is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watched: dict[int, Path] = {}
    with os.fdopen(descriptor, "rb") as lines:
        for line in lines:
            word = line.rstrip(b"\n")
            if word == b".":
                return
            if word.startswith(b"+"):
                pid, _, home = word[1:].partition(b" ")
                watched[int(pid)] = Path(os.fsdecode(home))
            else:
                watched.pop(int(word[1:]), None)
    end(list(watched.items()), GRACE_S)


if __name__ == "__main__":
    run(int(sys.argv[1]))
