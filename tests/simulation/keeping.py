"""A file of outcomes, one JSON line a world, so that a run of hours may be stopped and go on.

A world that the file holds (same seed, n and blocks) is counted and not run again; an incomplete
last line, as a kill leaves it, is run again. Each line names the commit that it ran at.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.simulation.runner import Job, Outcome


class Kept:
    """The outcomes of earlier runs, and the file that takes those of this one."""

    def __init__(self, path: Path, commit: str) -> None:
        self._commit = commit
        self.earlier: dict[Job, Outcome] = {}
        self.commits: set[str] = {commit}
        self._read(path)
        self._file = path.open("a", encoding="utf-8")

    def _read(self, path: Path) -> None:
        if not path.exists():
            return
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        for line in data[:whole].splitlines():
            row = json.loads(line)
            self.commits.add(row["commit"])
            outcome = _outcome(row["outcome"])
            self.earlier[outcome.job] = outcome
        os.truncate(path, whole)

    def add(self, outcome: Outcome) -> None:
        """Write one down; it survives a kill of this process."""
        line = json.dumps({"commit": self._commit, "outcome": asdict(outcome)})
        self._file.write(line + "\n")
        self._file.flush()

    def close(self) -> None:
        """No more outcomes."""
        self._file.close()


def _outcome(row: dict[str, Any]) -> Outcome:
    adversaries = tuple(row.pop("adversaries"))
    return Outcome(**{**row, "job": Job(**row["job"]), "adversaries": adversaries})
