"""What can keep a list from being imported; the rows themselves are counted, not raised."""

from __future__ import annotations

from pathlib import Path


class ImportingError(Exception):
    """An import can not start or can not go on."""


class MappingInvalid(ImportingError):
    """A mapping, or an option that changes one, breaks a rule."""

    def __init__(self, source: str, field: str, detail: str) -> None:
        self.source = source
        self.field = field
        self.detail = detail
        super().__init__(f"{source}, {field}: {detail}" if field else f"{source}: {detail}")


class MappingMissing(ImportingError):
    """Nothing says which columns of a file hold the indicator."""

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self.path = path
        self.columns = columns
        listed = ", ".join(columns[:12]) or "none"
        super().__init__(
            f"{path.name}: no saved mapping fits and no column is named value (columns: {listed}); "
            f"say --map value=COLUMN --set kind=KIND, or give --mapping FILE"
        )


class SourceInvalid(ImportingError):
    """A file can not be read as a list."""

    def __init__(self, path: Path, detail: str) -> None:
        self.path = path
        self.detail = detail
        super().__init__(f"{path}: {detail}")


class JournalInvalid(ImportingError):
    """The state file of an earlier import can not be used for this one."""

    def __init__(self, path: Path, detail: str) -> None:
        self.path = path
        self.detail = detail
        super().__init__(f"{path}: {detail}")


class ImportStopped(ImportingError):
    """The node could not be asked any further; what was acknowledged is in the state file."""

    def __init__(self, name: str, row: int, reason: str) -> None:
        self.name = name
        self.row = row
        """Source rows that were acknowledged."""
        self.reason = reason
        super().__init__(f"{name}: stopped after row {row}: {reason}")
