"""Which files of a home go into a backup, and which stay out with the reason why.

Rules: every regular file under the home goes in but the database, logs, locks, notes of running,
files of screening jobs, what a restore put aside, and three kinds that must not lie beside what
they open: the keystore's passphrase, the clear API keys, and, unless asked for, this member's
shares of the alliance's keys. What only its owner can read counts as a key. Links are not followed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from genesis.home import CLEAR_API_KEYS_FILE
from node.backup.errors import BackupError
from node.ceremony.shares import FILE_NAME as SHARES_FILE
from node.config import NodeConfig
from node.exitnote import FILE as EXIT_NOTE
from node.rotation.keyfile import next_passphrase_file

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
ASIDE: Final = ".replaced-"
"""In the name of what a restore moved aside."""
STAGING: Final = ".restore"
MARKER: Final = "node.voted"


@dataclass(frozen=True, slots=True)
class HomeFile:
    """One file that goes in."""

    name: str
    """Path under the home, with slashes."""
    path: Path
    mode: int

    @property
    def is_key(self) -> bool:
        """Whether only its owner can read it."""
        return self.mode & 0o077 == 0


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that does not go in."""

    name: str
    why: str

    def document(self) -> dict[str, str]:
        """For the manifest."""
        return {"name": self.name, "why": self.why}


def gather(
    home: Path, config: NodeConfig, *, with_keys: bool, with_shares: bool
) -> tuple[list[HomeFile], list[LeftOut]]:
    """Files that go in, by name, and what does not. Raises BackupError, OSError."""
    taken: list[HomeFile] = []
    left: list[LeftOut] = []
    for path in sorted(_walk(home, _outside(home, config))):
        name = path.relative_to(home).as_posix()
        found = path.lstat()
        file = HomeFile(name, path, found.st_mode & 0o777)
        why = _why_not(file, config, with_keys=with_keys, with_shares=with_shares)
        if why is not None:
            left.append(LeftOut(name, why))
        elif found.st_size > MAX_FILE_BYTES:
            raise BackupError(
                f"{path}: {found.st_size} bytes, a file of a home has at most {MAX_FILE_BYTES}; "
                "move what is not the node's out of its home"
            )
        else:
            taken.append(file)
    return taken, left


def _why_not(
    file: HomeFile, config: NodeConfig, *, with_keys: bool, with_shares: bool
) -> str | None:
    name = Path(file.name)
    secret = config.keystore.passphrase_file
    if secret is not None and name in (secret, next_passphrase_file(secret)):
        return "opens the keystore: keep it elsewhere"
    token = config.keystore.pkcs11
    if token is not None and token.pin_file is not None and name == token.pin_file:
        return "opens the token: keep it elsewhere"
    if file.name == CLEAR_API_KEYS_FILE:
        return "clear API keys are handed out once"
    if file.name == MARKER:
        return "a restore writes it anew"
    if name == config.keystore.path.parent / SHARES_FILE:
        if not (with_keys and with_shares):
            return "an old share is what a thief needs; the next refresh gives a new one"
    elif file.is_key and not with_keys:
        return "keys were not asked for"
    return None


def _outside(home: Path, config: NodeConfig) -> set[Path]:
    """Paths that are never looked at."""
    names = {Path("node.lock"), Path(EXIT_NOTE), Path(STAGING), Path("logs"), config.storage.path}
    # Files of screening jobs end with their jobs and must not live on in a backup.
    names.add(config.jobs.path)
    if config.consensus.trace_file is not None:
        names.add(config.consensus.trace_file)
    log = config.log.file
    logs = set() if log is None else (home / log).parent.glob(f"{log.name}*")
    return {home / name for name in names} | set(logs)


def _walk(folder: Path, outside: set[Path]) -> Iterator[Path]:
    for entry in os.scandir(folder):
        path = Path(entry.path)
        if path in outside or ASIDE in entry.name or entry.name.endswith(".part"):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path, outside)
        elif entry.is_file(follow_symlinks=False):
            yield path
