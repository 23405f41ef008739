"""One process a home, and a dead one does not count."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from node.lock import HomeLocked, NodeLock


def test_home_serves_one_holder_and_names_its_process(tmp_path: Path) -> None:
    with NodeLock(tmp_path):
        with pytest.raises(HomeLocked, match=f"process {os.getpid()}") as caught:
            NodeLock(tmp_path).acquire()
        assert caught.value.pid == os.getpid()
    with NodeLock(tmp_path):
        pass


def test_lock_of_a_dead_process_does_not_hold(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from node.lock import NodeLock\n"
        "NodeLock(Path(sys.argv[1])).acquire(); os._exit(9)"
    )
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=root, check=False)
    assert done.returncode == 9
    with NodeLock(tmp_path):
        assert (tmp_path / "node.lock").read_text() == f"{os.getpid()}\n"
