"""This node's shares of the members' keys and its part in ceremonies under way, on disk.

Rules: one file beside the keystore, not in the database, so that a wiped database costs no share;
AES-256-GCM under a key derived from the vault key, 0600, written whole or not at all; a share is
on disk before the node confirms a ceremony, and the one before it stays until the new sharing is in
force (`settle`), then goes for ever; what a crash left of a write goes at the next start. What was
deleted may lie in backups and in the file system's free blocks: erasing those is the operator's.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import DecodeError
from bulwark.privacy.errors import PrivacyError
from bulwark.privacy.group import RandomBytes, decode_element, decode_scalar
from bulwark.privacy.threshold import EvaluatorShare
from node.keys import (
    KeystoreDamaged,
    KeystoreError,
    KeystoreMissing,
    read_private,
    write_private,
)
from node.rotation.keyline import generations

FILE_NAME: Final = "shares"
"""In the folder of the keystore."""
MAX_FILE_BYTES: Final = 4 * 1024 * 1024
MAX_ENTRIES: Final = 64
MAX_STATE_BYTES: Final = 1024 * 1024
_MAGIC: Final = b"bulwark shares 1\n"
_NONCE_BYTES: Final = 12


class KeptShare(Struct, frozen=True):
    """A share that a ceremony gave this node."""

    session: bytes
    """Of the ceremony, 32 bytes."""
    purpose: int
    share: EvaluatorShare


class KeptState(Struct, frozen=True):
    """The node's secret state in a ceremony under way."""

    session: bytes
    state: bytes

    def __repr__(self) -> str:
        return f"KeptState({self.session.hex()})"


class ShareStore:
    """Shares by session, and states by session. Not for threads."""

    def __init__(self, path: Path, vault_key: bytes, random_bytes: RandomBytes) -> None:
        """Reads the file; none yet is an empty one. Raises KeystoreError."""
        self._path = path
        self._ciphers = [AESGCM(_file_key(key)) for key in generations(vault_key)]
        """Of each vault key of the line; the last one encrypts."""
        self._random_bytes = random_bytes
        self._shares: dict[bytes, KeptShare] = {}
        self._states: dict[bytes, KeptState] = {}
        self._is_behind = False
        self._read()

    def share(self, session: bytes) -> EvaluatorShare | None:
        """The share that a ceremony gave, None if it gave none or it was erased."""
        kept = self._shares.get(session)
        return None if kept is None else kept.share

    def state(self, session: bytes) -> bytes | None:
        """The state of a ceremony under way."""
        kept = self._states.get(session)
        return None if kept is None else kept.state

    def keep_state(self, session: bytes, state: bytes) -> None:
        """Write a ceremony's secret state; durable on return. Raises KeystoreError."""
        self._states[session] = KeptState(session, state)
        self._write()

    def keep_share(self, session: bytes, purpose: int, share: EvaluatorShare) -> None:
        """Write a new share beside the old ones; durable on return. Raises KeystoreError."""
        self._shares[session] = KeptShare(session, purpose, share)
        self._write()

    def settle(self, purpose: int, session: bytes) -> bool:
        """The sharing of `session` is in force: erase the older shares of its purpose.

        Whether anything was erased. Raises KeystoreError.
        """
        old = [kept.session for kept in self._shares.values() if kept.purpose == purpose]
        return self.forget(other for other in old if other != session)

    def forget(self, sessions: Iterator[bytes] | list[bytes]) -> bool:
        """Erase shares and states of these sessions; whether there were any."""
        found = False
        for session in list(sessions):
            found |= self._shares.pop(session, None) is not None
            found |= self._states.pop(session, None) is not None
        if found:
            self._write()
        return found

    def drop_state(self, session: bytes) -> None:
        """A ceremony is over: erase its state, keep its share."""
        if self._states.pop(session, None) is not None:
            self._write()

    def clear_leftovers(self) -> None:
        """Remove what a crash left of a write: shares that would outlive their erasure.

        Only for the one process that writes here. Raises KeystoreError.
        """
        for path in self._path.parent.glob(f".{self._path.name}.*.new"):
            try:
                path.unlink()
            except OSError as error:
                raise KeystoreError(path, f"can not remove: {error.strerror}") from error

    def _read(self) -> None:
        try:
            data = read_private(self._path, MAX_FILE_BYTES)
        except KeystoreMissing:
            return
        nonce_end = len(_MAGIC) + _NONCE_BYTES
        if data[: len(_MAGIC)] != _MAGIC or len(data) < nonce_end:
            raise KeystoreDamaged(self._path, "no file of shares")
        try:
            plain = self._opened(data[len(_MAGIC) : nonce_end], data[nonce_end:])
            reader = Reader(plain, "shares")
            shares = reader.sequence("shares", MAX_ENTRIES, _read_share)
            states = reader.sequence("states", MAX_ENTRIES, _read_state)
            reader.end()
        except InvalidTag as error:
            raise KeystoreDamaged(self._path, "of another keystore, or damaged") from error
        except (DecodeError, PrivacyError):
            # The cause is dropped: it could quote what it could not read.
            raise KeystoreDamaged(self._path, "bad content") from None
        self._shares = {kept.session: kept for kept in shares}
        self._states = {kept.session: kept for kept in states}

    def _opened(self, nonce: bytes, sealed: bytes) -> bytes:
        """The content under the newest key that opens it. Raises InvalidTag."""
        for cipher in self._ciphers[:0:-1]:
            with suppress(InvalidTag):
                return cipher.decrypt(nonce, sealed, _MAGIC)
            self._is_behind = True
        return self._ciphers[0].decrypt(nonce, sealed, _MAGIC)

    def rekey(self) -> bool:
        """Write the file under the vault key of now if it is under a former one; whether it was.

        Only for the one process that writes here. Raises KeystoreError.
        """
        was_behind, self._is_behind = self._is_behind, False
        if was_behind:
            self._write()
        return was_behind

    def _write(self) -> None:
        writer = Writer()
        writer.sequence(list(self._shares.values())[-MAX_ENTRIES:], _write_share)
        writer.sequence(list(self._states.values())[-MAX_ENTRIES:], _write_state)
        nonce = self._random_bytes(_NONCE_BYTES)
        sealed = self._ciphers[-1].encrypt(nonce, writer.done(), _MAGIC)
        write_private(self._path, _MAGIC + nonce + sealed, overwrite=True)


def _file_key(vault_key: bytes) -> bytes:
    return hmac.digest(vault_key, b"bulwark/shares/1", "sha256")


def _write_share(writer: Writer, kept: KeptShare) -> None:
    writer.fixed(kept.session, 32).uint(kept.purpose, 1).uint(kept.share.index, 1)
    writer.fixed(kept.share.secret_share.encoding, 32)
    writer.fixed(kept.share.public_share.encoding, 32)


def _read_share(reader: Reader) -> KeptShare:
    session, purpose = reader.fixed(32, "session"), reader.uint(1, "purpose")
    index = reader.uint(1, "index")
    secret = decode_scalar(reader.fixed(32, "share"))
    public = decode_element(reader.fixed(32, "share key"))
    return KeptShare(session, purpose, EvaluatorShare(index, secret, public))


def _write_state(writer: Writer, kept: KeptState) -> None:
    writer.fixed(kept.session, 32).blob(kept.state)


def _read_state(reader: Reader) -> KeptState:
    return KeptState(reader.fixed(32, "session"), reader.blob("state", MAX_STATE_BYTES))
