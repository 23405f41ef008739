"""Files of jobs are no part of a backup: they end with their jobs."""

from __future__ import annotations

from pathlib import Path

from node.backup.homefiles import gather
from node.config import NodeConfig


def test_a_backup_takes_no_file_of_a_job_however_large(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    with (tmp_path / "jobs" / "a.result").open("wb") as file:
        file.truncate(65 << 20)
    (tmp_path / "node.toml").write_text("member = 'm'\n")
    (tmp_path / "node.toml").chmod(0o644)
    taken, left = gather(tmp_path, NodeConfig(member="m"), with_keys=True, with_shares=False)
    assert [file.name for file in taken] == ["node.toml"] and left == []
