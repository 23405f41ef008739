"""What can be wrong with an alliance's description or the folder it is generated into."""

from __future__ import annotations

from pathlib import Path


class GenerationError(Exception):
    """An alliance can not be made from what was given."""


class AllianceInvalid(GenerationError):
    """The description of an alliance breaks a rule."""

    def __init__(self, source: str, field: str, detail: str) -> None:
        self.source = source
        self.field = field
        self.detail = detail
        where = f"{source}: {field}" if field else source
        super().__init__(f"{where}: {detail}")


class FolderInUse(GenerationError):
    """The target folder holds something already; keys are never mixed with other files."""

    def __init__(self, path: Path, detail: str) -> None:
        self.path = path
        super().__init__(f"{path}: {detail}; an alliance is generated into a new or empty folder")


class FolderUnusable(GenerationError):
    """The file system refuses to hold the alliance."""

    def __init__(self, path: Path, detail: str) -> None:
        self.path = path
        super().__init__(f"{path}: {detail}")
