"""Summary: what became of every row of a file.

Rules: every indicator that came out of a file is counted once, as taken, duplicate, refused (for
its content, by rule) or failed (not for its content); of refusals the first line numbers are kept,
never a value. A summary survives in the state file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

FIRST_LINES: Final = 5
NOT_CONTENT: Final = frozenset({"tagging.unavailable", "anchor.reverted"})
"""Rules of refusals that say nothing about the row: it may be taken another time."""


@dataclass(slots=True)
class Refused:
    """Rows refused under one rule."""

    count: int = 0
    first_lines: list[int] = field(default_factory=list)

    def add(self, line: int) -> None:
        """One more, in line order."""
        self.count += 1
        if len(self.first_lines) < FIRST_LINES:
            self.first_lines.append(line)


@dataclass(slots=True)
class FileSummary:
    """Counts of one file."""

    file: str
    mapping: str = ""
    rows: int = 0
    """Source rows read and acknowledged."""
    indicators: int = 0
    """What they gave: taken, duplicates, refused and failed together."""
    taken: int = 0
    duplicates: int = 0
    empty: int = 0
    """Source rows that gave no indicator."""
    refused: dict[str, Refused] = field(default_factory=dict)
    failed: dict[str, Refused] = field(default_factory=dict)
    height: int = 0
    """Highest block that holds a row."""
    finalized: bool = False
    complete: bool = False
    """The whole file was worked."""
    skipped: str = ""
    """Why the file was left out, if it was."""
    problem: str = ""
    """Why it is not complete, if it is not."""
    unused_columns: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def refuse(self, rule: str, line: int) -> None:
        """Count a row that was not taken."""
        group = self.failed if rule in NOT_CONTENT else self.refused
        group.setdefault(rule, Refused()).add(line)
        self.indicators += 1

    @property
    def refused_count(self) -> int:
        """Rows refused for their content."""
        return sum(entry.count for entry in self.refused.values())

    @property
    def failed_count(self) -> int:
        """Rows that were not taken for another reason."""
        return sum(entry.count for entry in self.failed.values())

    @property
    def settled(self) -> bool:
        """Whether every row was taken, known, or refused for its content."""
        return bool(self.skipped) or (self.complete and not self.failed)

    def document(self) -> dict[str, object]:
        """For `--json` and the state file."""
        found: dict[str, object] = msgspec.to_builtins(self)
        found |= {"refused_count": self.refused_count, "failed_count": self.failed_count}
        return found

    @classmethod
    def read(cls, document: Mapping[str, object]) -> FileSummary:
        """Inverse of document(); raises ValueError."""
        try:
            return msgspec.convert(document, type=cls)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error


def totals(summaries: Iterable[FileSummary]) -> dict[str, int]:
    """Counts of all files together."""
    found = {"files": 0, "rows": 0, "indicators": 0, "taken": 0, "duplicates": 0}
    found |= {"empty": 0, "refused": 0, "failed": 0}
    for summary in summaries:
        found["files"] += not summary.skipped
        found["rows"] += summary.rows
        found["indicators"] += summary.indicators
        found["taken"] += summary.taken
        found["duplicates"] += summary.duplicates
        found["empty"] += summary.empty
        found["refused"] += summary.refused_count
        found["failed"] += summary.failed_count
    return found
