"""The errors of the store; each says what is wrong, where, and what the operator can do."""

from __future__ import annotations


class StorageError(Exception):
    """The store can not do what was asked."""


class StoreLocked(StorageError):
    """Another process holds the database; one process may open it at a time."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"{path}: held by another process; stop it, or use another data folder")


class StoreDamaged(StorageError):
    """Stored bytes are not what was written; the node never repairs them by itself."""

    def __init__(self, where: str, detail: str) -> None:
        self.where = where
        self.detail = detail
        super().__init__(f"{where}: {detail}; resync this node from its peers")


class StoreWriteFailed(StorageError):
    """A write did not reach the disk, so nothing may be promised any more: the node halts."""

    def __init__(self, path: str, detail: str) -> None:
        self.path = path
        self.detail = detail
        super().__init__(f"{path}: write failed ({detail}); nothing is written until a restart")


class StoreUnreadable(StorageError):
    """The database can not be opened or read for a reason other than damage."""

    def __init__(self, path: str, detail: str) -> None:
        self.path = path
        self.detail = detail
        super().__init__(f"{path}: {detail}")


class StoreClosed(StorageError):
    """The store was closed before this call."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"{path}: the store is closed")
