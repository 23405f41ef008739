"""Wall clocks of nodes that a test sets while they run: a small library is preloaded into each.

Rules: only the wall clock of the child changes (`time.time()`, OpenSSL's and everything else's that
asks the C library); waits and the monotonic clock stay real. It needs a C compiler (`cc`), no root
and no package; Debian's libfaketime does the same at a start but can not be steered as cheaply.
"""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
import time
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_name("clock.c")
_LAYOUT: Final = struct.Struct("=qqq")


def why_not() -> str:
    """Why clocks can not be set here, empty if they can."""
    return "" if shutil.which("cc") else "no C compiler (cc) for the preloaded clock"


class Clocks:
    """One clock a node, all right at first."""

    def __init__(self, folder: Path) -> None:
        """`folder` gets the library and one small file a node."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._library = folder / "clock.so"
        command = ["cc", "-O2", "-shared", "-fPIC", "-o", str(self._library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        self._maps: dict[str, mmap.mmap] = {}
        self._offsets: dict[str, float] = {}

    def environment(self, name: str) -> dict[str, str]:
        """What a node's process has to be started with."""
        self._map(name)
        return {"LD_PRELOAD": str(self._library), "BULWARK_TEST_CLOCK": str(self._path(name))}

    def set(self, name: str, offset_s: float, drift_ppm: int = 0) -> None:
        """From now on the node's clock is wrong by this, and drifts."""
        values = (int(offset_s * 1e9), drift_ppm, time.time_ns() if drift_ppm else 0)
        _LAYOUT.pack_into(self._map(name), 0, *values)
        self._offsets[name] = offset_s

    def shift(self, name: str, seconds: float) -> None:
        """Move the node's clock by this from where it was set."""
        self.set(name, self._offsets.get(name, 0.0) + seconds)

    def close(self) -> None:
        """Let go of the files."""
        for page in self._maps.values():
            page.close()

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.clock"

    def _map(self, name: str) -> mmap.mmap:
        page = self._maps.get(name)
        if page is None:
            self._path(name).write_bytes(bytes(_LAYOUT.size))
            with self._path(name).open("r+b") as stream:
                page = self._maps[name] = mmap.mmap(stream.fileno(), _LAYOUT.size)
        return page
