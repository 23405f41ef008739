"""Small file systems for data directories, to be filled and freed; needs root and `mount`.

Rules: each is a tmpfs of bounded size on the node's own data folder; all are unmounted at the end,
those that are busy lazily, so that no run leaves one behind.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

BALLAST: Final = "ballast"
_CHUNK: Final = 64 * 1024


def why_not() -> str:
    """Why there can be no small disks here, empty if there can."""
    if os.geteuid() != 0:
        return "small file systems need root"
    return "" if shutil.which("mount") else "no `mount` command"


class Disks:
    """The small disks of one net."""

    def __init__(self, size_mb: int) -> None:
        self._size_mb = size_mb
        self._mounted: list[Path] = []

    def mount(self, folder: Path) -> None:
        """Put an empty disk on a folder, which is made if need be."""
        folder.mkdir(mode=0o700, exist_ok=True)
        options = f"size={self._size_mb}m,mode=0700"
        command = ["mount", "-t", "tmpfs", "-o", options, "bulwark-net", str(folder)]
        subprocess.run(command, check=True, capture_output=True, timeout=20)
        self._mounted.append(folder)

    def fill(self, folder: Path) -> None:
        """Leave no byte free; the node's own files stay."""
        with (folder / BALLAST).open("ab", buffering=0) as stream:
            size = _CHUNK
            while size:
                try:
                    stream.write(bytes(size))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    size //= 2

    def free(self, folder: Path) -> None:
        """Undo `fill`."""
        (folder / BALLAST).unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount all."""
        for folder in reversed(self._mounted):
            subprocess.run(["umount", "-l", str(folder)], capture_output=True, timeout=20)
        self._mounted.clear()
