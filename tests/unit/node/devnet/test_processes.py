"""Processes are recognised by their home, and only those are signalled."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from node.devnet.errors import DevnetInvalid
from node.devnet.processes import end, ending, is_ours, send, spawn, tail, wait_end

READER = (sys.executable, "-c", "import signal; signal.pause()")


def test_a_process_is_ours_only_for_its_home(tmp_path: Path) -> None:
    process = spawn(READER, tmp_path, tmp_path / "logs/x.log", dict(os.environ))
    other = tmp_path / "other"
    assert is_ours(process.pid, tmp_path)
    assert not is_ours(process.pid, other)
    send(process.pid, other, signal.SIGKILL)
    assert end([(process.pid, other)], 0.0) == []
    assert process.poll() is None
    assert end([(process.pid, tmp_path)], 10.0) == []
    assert process.wait() == -signal.SIGTERM


def test_a_pid_that_is_gone_has_ended(tmp_path: Path) -> None:
    process = spawn(READER, tmp_path, tmp_path / "x.log", dict(os.environ))
    process.kill()
    process.wait()
    assert not is_ours(process.pid, tmp_path)
    assert wait_end(process.pid, tmp_path, 0.0)
    assert end([(process.pid, tmp_path)], 0.0) == []


def test_a_program_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DevnetInvalid, match="no-such-program does not start"):
        spawn(("/no-such-program",), tmp_path, tmp_path / "x.log", {})


def test_a_log_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file")
    with pytest.raises(DevnetInvalid, match=r"x\.log: can not be written"):
        spawn(READER, tmp_path, tmp_path / "logs/x.log", {})


def test_the_tail_is_bounded_in_lines_and_width(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    assert tail(log) == []
    log.write_bytes(b"\xff" * 5_000 + b"\n" + b"line\n" * 100)
    assert tail(log) == ["line"] * 20
    log.write_text("y" * 5_000)
    assert tail(log) == ["y" * 400]


@pytest.mark.parametrize(
    ("code", "words"), [(0, "exit code 0"), (3, "exit code 3"), (-9, "signal SIGKILL")]
)
def test_endings_have_words(code: int, words: str) -> None:
    assert ending(code) == words
