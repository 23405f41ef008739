"""The keystore's file and its passphrase: opened with either passphrase of a change under way.

Rules: a change of the passphrase in a file writes the new one beside it first, then the keystore,
then the new file over the old one; whichever of these steps was the last, one of the two files
opens the keystore. One process at a time changes a keystore (a lock beside it); a running node only
reads it.
"""

from __future__ import annotations

import base64
import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from node.keys import (
    ENVIRONMENT_NAME,
    MAX_PASSPHRASE_BYTES,
    KeystoreDamaged,
    KeystoreError,
    NodeSecrets,
    passphrase_from,
    read_private,
    write_private,
)
from node.sections import KeystoreConfig

NEW_ENVIRONMENT_NAME: Final = "BULWARK_KEYSTORE_NEW_PASSPHRASE"
LEAST_PASSPHRASE: Final = 12
"""Bytes of a new passphrase."""


class PassphraseUnfit(Exception):
    """A new passphrase is too short, too long or the old one."""


@dataclass(frozen=True, slots=True, repr=False)
class OpenKeystore:
    """An opened keystore: what is in it, where it is and what opened it."""

    path: Path
    secrets: NodeSecrets
    passphrase: bytes
    file: Path | None
    """The passphrase file in use, None when the passphrase came from the environment."""

    def save(self, secrets: NodeSecrets) -> None:
        """Write other secrets under the same passphrase, atomically. Raises KeystoreError."""
        secrets.save(self.path, self.passphrase, overwrite=True)


def next_passphrase_file(file: Path) -> Path:
    """Where the passphrase to come stands while it is changed."""
    return file.with_name(f"{file.name}.next")


def open_keystore(
    home: Path, settings: KeystoreConfig, environment: Mapping[str, str]
) -> OpenKeystore:
    """Open the keystore of a home. Raises PassphraseMissing, KeystoreError."""
    path = home / settings.path
    named = None if settings.passphrase_file is None else home / settings.passphrase_file
    file = None if environment.get(ENVIRONMENT_NAME) else named
    passphrase = passphrase_from(environment, file)
    try:
        return OpenKeystore(path, NodeSecrets.load(path, passphrase), passphrase, file)
    except KeystoreDamaged:
        coming = None if file is None else next_passphrase_file(file)
        if coming is None or not coming.exists():
            raise
        passphrase = read_private(coming, MAX_PASSPHRASE_BYTES).rstrip(b"\r\n")
        return OpenKeystore(path, NodeSecrets.load(path, passphrase), passphrase, file)


def change_passphrase(opened: OpenKeystore, new: bytes | None) -> None:
    """Encrypt the keystore under another passphrase; can be repeated after a crash at any step.

    `new` None makes a random one, for a keystore whose passphrase is in a file. Raises
    PassphraseUnfit, KeystoreError.
    """
    if opened.file is None:
        if new is None:
            raise PassphraseUnfit(f"the new passphrase is missing; set {NEW_ENVIRONMENT_NAME}")
        _check(new, opened.passphrase)
        opened.secrets.save(opened.path, new, overwrite=True)
        return
    coming = next_passphrase_file(opened.file)
    left = _left_behind(coming)
    if left == opened.passphrase:  # cut off after the keystore was written: finish that one
        _install(coming, opened.file)
        if new in (None, left):
            return
        left = None
    new = new or left or base64.urlsafe_b64encode(os.urandom(24))
    _check(new, opened.passphrase)
    write_private(coming, new + b"\n", overwrite=True)
    opened.secrets.save(opened.path, new, overwrite=True)
    _install(coming, opened.file)


def _install(coming: Path, file: Path) -> None:
    try:
        coming.replace(file)
        sync_folder(file.parent)
    except OSError as error:
        raise KeystoreError(file, f"can not be replaced: {error.strerror}") from error


def _left_behind(coming: Path) -> bytes | None:
    """The passphrase of a change that was cut off."""
    if not coming.exists():
        return None
    return read_private(coming, MAX_PASSPHRASE_BYTES).rstrip(b"\r\n") or None


def _check(new: bytes, old: bytes) -> None:
    if not LEAST_PASSPHRASE <= len(new) < MAX_PASSPHRASE_BYTES:
        most = MAX_PASSPHRASE_BYTES - 1
        raise PassphraseUnfit(
            f"the new passphrase has {len(new)} bytes, {LEAST_PASSPHRASE} to {most} are allowed"
        )
    if new == old:
        raise PassphraseUnfit("the new passphrase is the old one")
    if b"\n" in new or b"\r" in new or b"\x00" in new:
        raise PassphraseUnfit("the new passphrase has a line break or a zero byte in it")


def sync_folder(folder: Path) -> None:
    """Make a renaming in this folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def changing(home: Path, settings: KeystoreConfig) -> Iterator[None]:
    """Keep a second process from changing the keystore. Raises KeystoreError, never waits."""
    path = home / settings.path
    lock = path.with_name(f"{path.name}.lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise KeystoreError(path, f"can not be locked: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise KeystoreError(path, "another command is changing it") from error
        yield
    finally:
        os.close(descriptor)
