"""The folder of jobs' files: names, room, and taking away.

Rules: the folder is its owner's alone; a job's files are named by its random id and encrypted under
its own key; what no job owns is taken away at the start of the node.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Collection
from pathlib import Path

from node.jobs.book import JobRecord
from node.jobs.sealedfile import Cipher


class Shelf:
    """Files of all jobs."""

    def __init__(self, folder: Path) -> None:
        """Makes the folder; raises OSError."""
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)

    def input(self, job: JobRecord) -> Path:
        """The input file of a job."""
        return self._folder / f"{job.id}.input"

    def result(self, job: JobRecord) -> Path:
        """The result file of a job."""
        return self._folder / f"{job.id}.result"

    @staticmethod
    def cipher(job: JobRecord) -> Cipher:
        """What opens a job's files."""
        return Cipher(job.key, job.raw_id)

    def used(self) -> int:
        """Bytes of all files."""
        with os.scandir(self._folder) as entries:
            return sum(entry.stat().st_size for entry in entries if entry.is_file())

    def free(self) -> int:
        """Bytes that the disk has left."""
        return shutil.disk_usage(self._folder).free

    def settle(self) -> None:
        """Put the names of new files on disk."""
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def drop_input(self, job: JobRecord) -> None:
        """Take an input away."""
        with contextlib.suppress(OSError):
            self.input(job).unlink(missing_ok=True)

    def drop(self, job: JobRecord) -> None:
        """Take all files of a job away."""
        self.drop_input(job)
        with contextlib.suppress(OSError):
            self.result(job).unlink(missing_ok=True)

    def sweep(self, known: Collection[str]) -> int:
        """Take away files of no known job; how many."""
        gone = 0
        for path in self._folder.iterdir():
            if path.suffix in (".input", ".result") and path.stem not in known:
                path.unlink(missing_ok=True)
                gone += 1
        return gone
