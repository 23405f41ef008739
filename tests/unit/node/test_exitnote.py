"""The exit note, and what a home tells about a node that does not answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.config import NodeConfig
from node.diagnosis.finding import Verdict
from node.exitnote import FILE, SIZE, Ending, read_note, write_note
from node.lock import NodeLock
from node.postmortem import examine_home
from node.storage.level import LevelStore

NOW_MS = 1_700_000_000_000


def config(**change: object) -> NodeConfig:
    return NodeConfig(member="bank-a", **change)


def reason(home: Path, **change: object) -> str:
    found = examine_home(home, config(**change), NOW_MS)
    assert found.verdict is Verdict.HALTED and not found.well
    return found.headline


def test_a_note_is_overwritten_in_place_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    write_note(tmp_path, Ending.RUNNING)
    inode = (tmp_path / FILE).stat().st_ino
    write_note(tmp_path, Ending.HALTED, "storage: \u20ac " + "x" * 5_000)
    seen = (tmp_path / FILE).stat()
    assert (seen.st_ino, seen.st_size, seen.st_mode & 0o777) == (inode, SIZE, 0o600)
    note = read_note(tmp_path)
    assert note is not None and note.ending is Ending.HALTED
    assert note.reason.startswith("storage: \u20ac xxx") and note.at_ms > NOW_MS


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"ending": "gone"}', b"\xff" * 9_000])
def test_a_damaged_note_is_no_note(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert read_note(tmp_path) is None


def test_a_home_that_takes_no_note_does_not_stop_the_node(tmp_path: Path) -> None:
    write_note(tmp_path / "missing", Ending.STOPPED)
    assert read_note(tmp_path / "missing") is None


@pytest.mark.parametrize(
    ("ending", "given", "shown"),
    [
        (Ending.HALTED, "storage: No space left on device", "No space left on device"),
        (Ending.REFUSED, "can not start: keystore", "can not start: keystore"),
        (Ending.STOPPED, "", "stopped by its operator"),
        (Ending.RUNNING, "", "it was killed or its machine stopped"),
    ],
)
def test_the_home_of_a_node_that_ended_says_how(
    tmp_path: Path, ending: Ending, given: str, shown: str
) -> None:
    write_note(tmp_path, ending, given)
    assert shown in reason(tmp_path)


def test_a_home_without_a_note_says_so(tmp_path: Path) -> None:
    assert "left no note" in reason(tmp_path)


def test_a_killed_node_shows_the_end_of_its_log(tmp_path: Path) -> None:
    write_note(tmp_path, Ending.RUNNING)
    (tmp_path / "node.log").write_bytes(b"first\nlast \x07 words\n\n")
    assert "log: last ? words" in reason(tmp_path, log={"file": "node.log"})
    assert "log:" not in reason(tmp_path, log={"file": "none.log"})


def test_a_held_home_means_that_the_process_is_there(tmp_path: Path) -> None:
    with NodeLock(tmp_path):
        assert "holds the home and does not answer" in reason(tmp_path)


def test_a_database_that_can_not_be_read_is_the_reason(tmp_path: Path) -> None:
    write_note(tmp_path, Ending.STOPPED)
    LevelStore(tmp_path / "data").close()
    assert "storage: " in reason(tmp_path)


def test_a_home_that_is_not_there_is_said(tmp_path: Path) -> None:
    assert "can not be read" in reason(tmp_path / "missing")
