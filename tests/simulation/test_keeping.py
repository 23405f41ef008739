"""A run of many worlds that was killed goes on where it stopped."""

from __future__ import annotations

from pathlib import Path

from tests.simulation import runner
from tests.simulation.keeping import Kept
from tests.simulation.runner import Job

JOBS = [Job(seed, 4, 3) for seed in range(4)]


def test_worlds_that_a_file_holds_are_counted_and_not_run_again(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    first = Kept(path, "one")
    runner.run(JOBS[:2], 0, 1, first)
    first.close()
    second = Kept(path, "two")
    summary = runner.run(JOBS, 0, 1, second)
    second.close()
    assert summary.total("seeds") == len(JOBS)
    assert second.commits == {"one", "two"}
    assert len(path.read_bytes().splitlines()) == len(JOBS)


def test_a_line_cut_off_by_a_kill_is_run_again(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    kept = Kept(path, "one")
    runner.run(JOBS[:2], 0, 1, kept)
    kept.close()
    path.write_bytes(path.read_bytes()[:-20])
    again = Kept(path, "one")
    assert list(again.earlier) == JOBS[:1]
    summary = runner.run(JOBS[:2], 0, 1, again)
    again.close()
    assert summary.total("seeds") == 2
    assert [job.seed for job in Kept(path, "one").earlier] == [0, 1]
