"""The lock on a node's home: one process a home (pitfall P14).

It is an flock held for as long as the node runs, so a killed process leaves none behind.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType


class HomeLocked(Exception):
    """Another process runs on this node's home."""

    def __init__(self, path: Path, pid: int | None) -> None:
        self.path = path
        self.pid = pid
        who = "another process" if pid is None else f"process {pid}"
        super().__init__(f"{path} is held by {who}; one home serves one node at a time")


class NodeLock:
    """Keeps a second process from using the same home; a context manager."""

    def __init__(self, home: Path) -> None:
        self.path = home / "node.lock"
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock or raise HomeLocked with the holder's process id. Never waits."""
        if self._descriptor is not None:
            return
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            text = os.pread(descriptor, 20, 0).strip()
            os.close(descriptor)
            raise HomeLocked(self.path, int(text) if text.isdigit() else None) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; the file stays, as removing it would race with the next holder."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> NodeLock:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
