"""One event is one line, whatever its fields hold."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.logs import Log, configure_logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(path: Path, *, as_json: bool) -> list[str]:
    configure_logs("bank", level="info", as_json=as_json, file=path)
    log = Log("part")
    log.info("event", reason="one\nlevel=fake", count=3)
    log.warning("careful")
    try:
        raise ValueError("inside")
    except ValueError:
        log.error("failed", trace=True)
    logging.getLogger().debug("too low")
    return path.read_text().splitlines()


def test_json_lines_have_fixed_columns_and_the_fields(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in lines(tmp_path / "logs" / "a", as_json=True)]
    assert [row["event"] for row in rows] == ["event", "careful", "failed"]
    assert rows[0]["reason"] == "one\nlevel=fake"
    assert "ValueError: inside" in rows[2]["trace"]


def test_a_field_can_not_begin_a_line_of_a_text_log(tmp_path: Path) -> None:
    text = lines(tmp_path / "a", as_json=False)
    assert text[0].endswith("event reason='one\\nlevel=fake' count=3")
    assert not any(line.startswith("level=fake") for line in text)


@pytest.mark.parametrize("keep", [0, 2])
def test_a_log_file_is_begun_anew_by_size_and_no_more_are_kept_than_wanted(
    tmp_path: Path, keep: int
) -> None:
    path = tmp_path / "node.log"
    configure_logs("bank", level="info", as_json=True, file=path, max_bytes=2_000, keep_files=keep)
    log = Log("part")
    for number in range(100):
        log.info("event", number=number)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["node.log", "node.log.1", "node.log.2"][: keep + 1]
    assert all(file.stat().st_size <= 2_000 for file in files)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert rows[-1]["number"] == 99
