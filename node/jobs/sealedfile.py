"""Files of a job on disk: mode 0600, encrypted in pieces under the job's own key.

Rules: an input is a row of blocks of one size (the last may be shorter), a result a row of frames;
every piece is AES-256-GCM with a random nonce and its job, use and number as associated data, so
that pieces can not be moved, swapped or mixed. Without the key, which lies encrypted in the node's
database, a file is noise: a job is destroyed by its key. What was cut off or changed is told.
"""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from node.jobs.port import InputTooLarge

BLOCK: Final = 256 * 1024
"""Clear bytes of a block."""
NONCE: Final = 12
OVERHEAD: Final = NONCE + 16
LEVEL: Final = 1
"""zlib level of frames: rows of a result repeat themselves."""


class FileDamaged(Exception):
    """A piece of a job's file is missing or does not open under the job's key."""


class Cipher:
    """Encrypts the pieces of one job's files."""

    def __init__(self, key: bytes, job_id: bytes) -> None:
        """`key` has 32 bytes."""
        self._cipher = AESGCM(key)
        self._job = job_id

    def encrypt(self, use: bytes, number: int, plain: bytes) -> bytes:
        """A piece as it is stored."""
        nonce = os.urandom(NONCE)
        return nonce + self._cipher.encrypt(nonce, plain, self._place(use, number))

    def decrypt(self, use: bytes, number: int, stored: bytes) -> bytes:
        """Inverse of encrypt(); raises FileDamaged."""
        try:
            return self._cipher.decrypt(stored[:NONCE], stored[NONCE:], self._place(use, number))
        except (InvalidTag, ValueError) as error:
            raise FileDamaged(f"{use.decode()}, piece {number}: does not open") from error

    def _place(self, use: bytes, number: int) -> bytes:
        return b"screening-job/" + use + b"/" + self._job + number.to_bytes(8, "big")


def create(path: Path) -> io.FileIO:
    """A new file that its owner alone can read; raises OSError."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "r+b", buffering=0)


class InputWriter:
    """Writes an input as it arrives; call everything on a thread."""

    def __init__(self, path: Path, cipher: Cipher, most: int) -> None:
        """`most`: clear bytes. Raises OSError."""
        self._file = create(path)
        self._cipher = cipher
        self._most = most
        self._held = bytearray()
        self._blocks = 0
        self.size = 0
        """Clear bytes so far."""

    def write(self, data: bytes) -> None:
        """Add bytes; raises InputTooLarge, OSError."""
        self.size += len(data)
        if self.size > self._most:
            raise InputTooLarge(f"the file is over {self._most:,} bytes; nothing was taken")
        self._held += data
        while len(self._held) >= BLOCK:
            self._block(bytes(self._held[:BLOCK]))
            del self._held[:BLOCK]

    def finish(self) -> None:
        """Put everything on disk; raises OSError."""
        if self._held:
            self._block(bytes(self._held))
            self._held.clear()
        os.fsync(self._file.fileno())

    def _block(self, plain: bytes) -> None:
        stored = memoryview(self._cipher.encrypt(b"input", self._blocks, plain))
        while stored:
            stored = stored[self._file.write(stored) or 0 :]
        self._blocks += 1

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class InputReader(io.RawIOBase):
    """An input as a seekable stream of its clear bytes; holds one block."""

    def __init__(self, path: Path, cipher: Cipher, size: int) -> None:
        """`size`: clear bytes that were written. Raises FileDamaged."""
        super().__init__()
        self._cipher = cipher
        self._size = size
        self._at = 0
        self._number = -1
        self._block = b""
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise FileDamaged(f"input: {error.strerror}") from error

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; returns the new place."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Where it is."""
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read at most what is left of a block; raises FileDamaged."""
        left = min(len(buffer), self._size - self._at)
        if left <= 0:
            return 0
        number, start = divmod(self._at, BLOCK)
        if number != self._number:
            self._load(number)
        piece = self._block[start : start + left]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _load(self, number: int) -> None:
        length = min(BLOCK, self._size - number * BLOCK) + OVERHEAD
        try:
            self._file.seek(number * (BLOCK + OVERHEAD))
            stored = self._file.read(length)
        except OSError as error:
            raise FileDamaged(f"input: {error.strerror}") from error
        self._block = self._cipher.decrypt(b"input", number, stored or b"")
        self._number = number

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._file.close()
        super().close()


class Frames:
    """The result file: one frame a part, appended, each compressed and encrypted."""

    def __init__(self, path: Path, cipher: Cipher) -> None:
        self._path = path
        self._cipher = cipher

    def append(self, number: int, at: int, plain: bytes) -> int:
        """Write frame `number` at byte `at` and put it on disk; where it ends. Raises OSError.

        What stood behind `at` is gone: it is of a part that was not finished.
        """
        stored = self._cipher.encrypt(b"result", number, zlib.compress(plain, LEVEL))
        flags = os.O_WRONLY | os.O_CREAT
        with os.fdopen(os.open(self._path, flags, 0o600), "wb", buffering=0) as file:
            file.truncate(at)
            file.seek(at)
            view = memoryview(stored)
            while view:
                view = view[file.write(view) or 0 :]
            os.fsync(file.fileno())
        return at + len(stored)

    def read(self, number: int, start: int, end: int) -> bytes:
        """The rows of frame `number` between two bytes of the file; raises FileDamaged."""
        try:
            with self._path.open("rb", buffering=0) as file:
                file.seek(start)
                stored = file.read(end - start) or b""
        except OSError as error:
            raise FileDamaged(f"result: {error.strerror}") from error
        try:
            return zlib.decompress(self._cipher.decrypt(b"result", number, stored))
        except zlib.error as error:
            raise FileDamaged(f"result, piece {number}: {error}") from error
