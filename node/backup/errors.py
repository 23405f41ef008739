"""What can be wrong with a backup or with the home that it is to be restored to."""

from __future__ import annotations

from collections.abc import Sequence


class BackupError(Exception):
    """A backup can not be made, read or restored; the message is for the operator."""


class NotABackup(BackupError):
    """The file is no backup, or of a version that this program does not read."""

    def __init__(self, where: str, detail: str) -> None:
        self.where = where
        super().__init__(f"{where}: {detail}")


class WrongPassphrase(BackupError):
    """The passphrase does not open the file, or its first bytes were changed."""

    def __init__(self, where: str) -> None:
        self.where = where
        super().__init__(f"{where}: the passphrase does not open it")


class BackupDamaged(BackupError):
    """Parts of the file are not what was written."""

    def __init__(self, where: str, parts: Sequence[str], detail: str) -> None:
        self.where = where
        self.parts = tuple(parts)
        super().__init__(f"{where}: {', '.join(parts)}: {detail}")


class RestoreRefused(BackupError):
    """Restoring would replace or mix what must not be; nothing was done."""
