"""Journal: the state file that lets an interrupted import go on without losing or doubling a row.

Rules: it is written whole (a new file renamed over the old, synced) before the first batch and
after every acknowledged one; it holds names, digests and counts, never a value or a key. A file
whose digest or mapping changed, or another node, is not gone on with. Together with the random run
id the first row of a batch names the batch's Idempotency-Key, so that a batch whose answer was lost
is the same wish when it is sent again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from node.importing.errors import JournalInvalid
from node.importing.summary import FileSummary

FORMAT: Final = "bulwark-import/1"
MAX_BYTES: Final = 64 * 1024 * 1024


@dataclass(slots=True)
class FileState:
    """How far one file got."""

    sha256: str
    mapping: str
    """Digest of the mapping it was read with."""
    next_row: int
    """Source rows acknowledged; the next batch begins after them."""
    summary: FileSummary


@dataclass(slots=True)
class _Document:
    format: str
    run: str
    target: str
    files: dict[str, FileState] = field(default_factory=dict)


class Journal:
    """State of one run of `bulwark import`."""

    def __init__(self, path: Path | None, run: str, target: str) -> None:
        """A new one; `path` None keeps it in memory only. `run` is a random name."""
        self.path = path
        self._document = _Document(FORMAT, run, target)

    @property
    def run(self) -> str:
        """Random name of the run."""
        return self._document.run

    @classmethod
    def load(cls, path: Path, target: str) -> Journal:
        """The journal of an interrupted run against the same node; raises JournalInvalid."""
        try:
            with path.open("rb") as stream:
                raw = stream.read(MAX_BYTES + 1)
            document = msgspec.json.decode(raw, type=_Document)
        except OSError as error:
            raise JournalInvalid(path, error.strerror or "can not be read") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise JournalInvalid(
                path, f"is no state file ({error}); begin anew: --restart"
            ) from None
        if document.format != FORMAT:
            raise JournalInvalid(path, f"is not of the format {FORMAT}; begin anew: --restart")
        if document.target != target:
            raise JournalInvalid(
                path, f"is of an import through {document.target}; go on there, or --restart"
            )
        journal = cls(path, document.run, target)
        journal._document = document
        return journal

    def state(self, name: str, sha256: str, mapping: str) -> FileState | None:
        """How far a file got, None for a new one; raises JournalInvalid when it changed."""
        known = self._document.files.get(name)
        if known is None:
            return None
        if known.sha256 != sha256 or known.mapping != mapping:
            what = "the file" if known.sha256 != sha256 else "its mapping"
            path = self.path or Path(name)
            raise JournalInvalid(path, f"{what} ({name}) changed since; begin anew: --restart")
        return known

    def put(self, name: str, state: FileState) -> None:
        """Keep a file's state durably; raises JournalInvalid."""
        self._document.files[name] = state
        self.save()

    def save(self) -> None:
        """Write the state file; raises JournalInvalid."""
        if self.path is None:
            return
        data = msgspec.json.format(msgspec.json.encode(self._document), indent=1)
        fresh = self.path.with_name(self.path.name + ".new")
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            fresh.replace(self.path)
        except OSError as error:
            detail = f"can not be written ({error.strerror}); give --state FILE"
            raise JournalInvalid(self.path, detail) from error

    def remove(self) -> None:
        """Forget the run: all of it is done."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def place_for(source: Path, fallback: Path) -> Path:
    """Where the state file of a source goes: beside it, or in `fallback` where that is closed."""
    beside = source.parent / f".{source.name}.bulwark-import.json"
    if source.is_dir():
        beside = source / ".bulwark-import.json"
    # Root may write anywhere; a folder that is marked read-only is left alone by root, too.
    marked = beside.parent.stat().st_mode & 0o222
    if marked and os.access(beside.parent, os.W_OK):
        return beside
    return fallback / f"{str(source.resolve()).strip('/').replace('/', '_')[-200:]}.json"
