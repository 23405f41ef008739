"""Reads a backup: its manifest, its parts in order, and whether every byte is what was written.

Rules: a part is good when all its frames open and its size and digest are those of the manifest;
the first thing that is wrong with a part is told under its name, and all parts are looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from node.backup.container import Reader
from node.backup.errors import BackupDamaged, NotABackup
from node.backup.manifest import Manifest, Part, Verified, decode_manifest

Progress = Callable[[str, int], None]
Sink = Callable[[Part, bytes], None]
"""Takes a part's bytes, in order, in pieces."""


@dataclass(slots=True)
class _Check:
    """One part as it is read."""

    size: int = 0
    fault: str | None = None


class Backup:
    """One file that the passphrase opens."""

    def __init__(self, reader: Reader, where: str) -> None:
        """Raises BackupDamaged, NotABackup."""
        self._reader = reader
        self._where = where
        self.manifest: Manifest = decode_manifest(reader.manifest(), where)

    def read(self, sink: Sink, progress: Progress = lambda name, done: None) -> Verified:
        """Give every good frame to `sink` and say which parts are damaged."""
        verified = Verified(self.manifest)
        checks = [_Check() for _ in self.manifest.parts]
        digests = [hashlib.sha256() for _ in self.manifest.parts]
        done = 0
        try:
            for number, plain in self._reader.frames():
                if number >= len(checks):
                    raise BackupDamaged(self._where, [f"part {number}"], "is not in the manifest")
                part, check = self.manifest.parts[number], checks[number]
                if plain is None:
                    check.fault = "a frame does not open"
                    continue
                check.size += len(plain)
                digests[number].update(plain)
                if check.fault is None:
                    sink(part, plain)
                done += len(plain)
                progress(part.name, done)
        except BackupDamaged as error:
            self._mark_rest(checks, str(error))
        for part, check, digest in zip(self.manifest.parts, checks, digests, strict=True):
            if check.fault is None and check.size != part.size:
                check.fault = f"{check.size} bytes are there, {part.size} were written"
            if check.fault is None and digest.hexdigest() != part.sha256:
                check.fault = "its digest is another one"
            if check.fault is not None:
                verified.damaged[part.name] = check.fault
        return verified

    def _mark_rest(self, checks: list[_Check], reason: str) -> None:
        """What can not be reached any more: every part that is not whole yet."""
        for part, check in zip(self.manifest.parts, checks, strict=True):
            if check.fault is None and check.size != part.size:
                check.fault = reason

    def whole(self, sink: Sink, progress: Progress = lambda name, done: None) -> Manifest:
        """As `read`, but damage is an error. Raises BackupDamaged naming the parts."""
        verified = self.read(sink, progress)
        if verified.damaged:
            detail = "; ".join(sorted(set(verified.damaged.values())))
            raise BackupDamaged(self._where, list(verified.damaged), detail)
        return self.manifest


@contextmanager
def open_backup(path: Path, passphrase: bytes) -> Iterator[Backup]:
    """Open a file. Raises OSError, NotABackup, WrongPassphrase, BackupDamaged."""
    if not path.is_file():
        raise NotABackup(str(path), "is no file")
    with path.open("rb") as stream:
        yield Backup(Reader(stream, passphrase, str(path)), str(path))
