"""The watchdog ends what it watches when the pipe closes, and nothing when it is dismissed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from node.devnet.processes import end, is_ours, spawn, wait_end
from node.devnet.watchdog import Watchdog

SLEEPER = (sys.executable, "-c", "import signal; signal.pause()")


def start(home: Path) -> int:
    home.mkdir()
    return spawn(SLEEPER, home, home / "x.log", dict(os.environ)).pid


def test_a_dismissed_watchdog_ends_nothing(tmp_path: Path) -> None:
    pid = start(tmp_path / "a")
    watchdog = Watchdog()
    watchdog.watch(pid, tmp_path / "a")
    watchdog.dismiss()
    watchdog.dismiss()
    assert is_ours(pid, tmp_path / "a")
    end([(pid, tmp_path / "a")], 10.0)


def test_a_closed_pipe_ends_what_is_watched_and_not_what_was_forgotten(tmp_path: Path) -> None:
    home = tmp_path / "a b"
    watched, forgotten = start(home), start(tmp_path / "c")
    watchdog = Watchdog()
    watchdog.watch(forgotten, tmp_path / "c")
    watchdog.watch(watched, home)
    watchdog.forget(forgotten)
    os.close(watchdog._writer)
    assert wait_end(watched, home, 20.0)
    assert is_ours(forgotten, tmp_path / "c")
    end([(forgotten, tmp_path / "c")], 10.0)
    watchdog._process.wait()


def test_the_owner_goes_on_when_somebody_kills_the_watchdog(tmp_path: Path) -> None:
    pid = start(tmp_path / "a")
    watchdog = Watchdog()
    watchdog._process.send_signal(signal.SIGKILL)
    watchdog._process.wait()
    watchdog.watch(pid, tmp_path / "a")
    watchdog.dismiss()
    end([(pid, tmp_path / "a")], 10.0)
