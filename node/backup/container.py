"""The backup's file: encrypted frames in parts, the manifest behind them, a footer that finds it.

    magic | length4 | header JSON | frames | manifest's offset8 | its frame number8 | tail
    frame: length4 | part2 | kind1 | AES-256-GCM ciphertext

Rules: the key comes from the passphrase by scrypt with a salt of this file alone, so frames count
their nonces from 0; each frame is bound to the header, its part and kind, so none can be left out,
repeated or moved; the footer is a hint that the manifest's own frame confirms. A frame that does
not open is damage of the part whose number it bears, and reading goes on behind it. What a header
may ask of scrypt is fixed. It does not know what is in the parts.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from node.backup.errors import BackupDamaged, NotABackup, WrongPassphrase

MAGIC: Final = b"bulwark-backup/1\n"
TAIL: Final = b"bulwark!"
FRAME_BYTES: Final = 1024 * 1024
"""Plain bytes of a full frame."""
MAX_MANIFEST_BYTES: Final = 8 * 1024 * 1024
MAX_PARTS: Final = 4_096
_SCRYPT: Final = {"name": "scrypt", "n": 2**16, "r": 8, "p": 1}
_SALT_BYTES: Final = 32
_MAX_HEADER_BYTES: Final = 4_096
_LENGTH: Final = struct.Struct(">I")
_FRAME: Final = struct.Struct(">IHB")
_FOOTER: Final = struct.Struct(">QQ8s")
_TAG_BYTES: Final = 16

RandomBytes = Callable[[int], bytes]


class Kind(IntEnum):
    """What a frame holds."""

    HELLO = 0
    """Nothing: the first one, which tells a wrong passphrase from damage."""
    DATA = 1
    """Bytes of its part."""
    MANIFEST = 2
    """What the file claims to hold; the last one."""


@dataclass(frozen=True, slots=True)
class Written:
    """A part as it was written."""

    number: int
    size: int
    """Plain bytes."""
    sha256: str


class Writer:
    """Writes one file, part by part."""

    def __init__(self, stream: BinaryIO, passphrase: bytes, random_bytes: RandomBytes) -> None:
        """Takes some 0.2 s and 64 MiB for scrypt."""
        header = {
            "kdf": {**_SCRYPT, "salt": random_bytes(_SALT_BYTES).hex()},
            "cipher": "AES-256-GCM",
        }
        data = json.dumps(header, sort_keys=True, separators=(",", ":")).encode("ascii")
        self._stream = stream
        self._cipher, self._bound = _cipher(passphrase, data)
        self._frames = 0
        self._part = 0
        self._size = 0
        self._digest = hashlib.sha256()
        self._waiting = bytearray()
        stream.write(MAGIC + _LENGTH.pack(len(data)) + data)
        self._put(Kind.HELLO, b"")

    def write(self, data: bytes) -> None:
        """Add to the part that is open."""
        self._size += len(data)
        self._digest.update(data)
        self._waiting += data
        while len(self._waiting) >= FRAME_BYTES:
            self._put(Kind.DATA, bytes(self._waiting[:FRAME_BYTES]))
            del self._waiting[:FRAME_BYTES]

    def end_part(self) -> Written:
        """Close the part; what is written next belongs to another one."""
        if self._part + 1 >= MAX_PARTS:
            raise NotABackup("backup", f"more than {MAX_PARTS} parts")
        if self._waiting:
            self._put(Kind.DATA, bytes(self._waiting))
        done = Written(self._part, self._size, self._digest.hexdigest())
        self._part += 1
        self._size, self._digest, self._waiting = 0, hashlib.sha256(), bytearray()
        return done

    def finish(self, manifest: bytes) -> None:
        """Write the manifest and the footer; the caller flushes the file."""
        if len(manifest) > MAX_MANIFEST_BYTES:
            raise NotABackup("backup", f"a manifest of {len(manifest)} bytes")
        at, number = self._stream.tell(), self._frames
        self._put(Kind.MANIFEST, manifest)
        self._stream.write(_FOOTER.pack(at, number, TAIL))

    def _put(self, kind: Kind, plain: bytes) -> None:
        head = _FRAME.pack(len(plain) + _TAG_BYTES, self._part, kind)
        sealed = self._cipher.encrypt(_nonce(self._frames), plain, self._bound + head)
        self._stream.write(head + sealed)
        self._frames += 1


class Reader:
    """Reads one file; the stream must be seekable."""

    def __init__(self, stream: BinaryIO, passphrase: bytes, where: str) -> None:
        """`where` names the file in errors. Raises NotABackup, WrongPassphrase."""
        self._stream = stream
        self._where = where
        if stream.read(len(MAGIC)) != MAGIC:
            raise NotABackup(where, "is no backup of this format")
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size, "header"))
        if length > _MAX_HEADER_BYTES:
            raise NotABackup(where, "its header is too long")
        header = self._exactly(length, "header")
        self._cipher, self._bound = _cipher(passphrase, header, where)
        head = self._exactly(_FRAME.size, "first frame")
        size, part, kind = _FRAME.unpack(head)
        if (size, part, kind) != (_TAG_BYTES, 0, Kind.HELLO):
            raise NotABackup(where, "its first frame is not one")
        try:
            self._cipher.decrypt(_nonce(0), self._exactly(size, "first frame"), self._bound + head)
        except InvalidTag as error:
            raise WrongPassphrase(where) from error
        self._first = stream.tell()

    def manifest(self) -> bytes:
        """The manifest's bytes. Raises BackupDamaged."""
        end = self._stream.seek(0, 2) - _FOOTER.size
        if end < self._first:
            raise self._cut("manifest")
        self._stream.seek(end)
        at, number, tail = _FOOTER.unpack(self._exactly(_FOOTER.size, "footer"))
        if tail != TAIL or not self._first <= at < end:
            raise self._cut("manifest")
        self._stream.seek(at)
        head = self._exactly(_FRAME.size, "manifest")
        size, _, kind = _FRAME.unpack(head)
        if kind != Kind.MANIFEST or size > MAX_MANIFEST_BYTES + _TAG_BYTES:
            raise BackupDamaged(self._where, ["manifest"], "is not where the footer says")
        try:
            sealed = self._exactly(size, "manifest")
            return self._cipher.decrypt(_nonce(number), sealed, self._bound + head)
        except (InvalidTag, OverflowError) as error:
            raise BackupDamaged(self._where, ["manifest"], "does not open") from error

    def frames(self) -> Iterator[tuple[int, bytes | None]]:
        """Part number and plain bytes of each frame in order; None for one that does not open.

        Raises BackupDamaged where the file ends before its manifest.
        """
        self._stream.seek(self._first)
        number, part = 1, 0
        while True:
            head = self._exactly(_FRAME.size, f"part {part}")
            size, part, kind = _FRAME.unpack(head)
            if kind == Kind.MANIFEST:
                return
            if kind != Kind.DATA or not _TAG_BYTES <= size <= FRAME_BYTES + _TAG_BYTES:
                raise BackupDamaged(self._where, [f"part {part}"], "a frame's head is damaged")
            sealed = self._exactly(size, f"part {part}")
            plain: bytes | None
            try:
                plain = self._cipher.decrypt(_nonce(number), sealed, self._bound + head)
            except InvalidTag:
                plain = None
            yield part, plain
            number += 1

    def _exactly(self, size: int, what: str) -> bytes:
        data = self._stream.read(size)
        if len(data) != size:
            raise self._cut(what)
        return data

    def _cut(self, what: str) -> BackupDamaged:
        return BackupDamaged(self._where, [what], "the file ends before it; it was cut off")


def _cipher(passphrase: bytes, header: bytes, where: str = "backup") -> tuple[AESGCM, bytes]:
    """The cipher of a header, and what its frames are bound to. Raises NotABackup."""
    try:
        kdf = json.loads(header)["kdf"]
        salt = bytes.fromhex(kdf.pop("salt"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotABackup(where, "its header can not be read") from error
    if kdf != _SCRYPT or len(salt) != _SALT_BYTES:
        raise NotABackup(where, "its key derivation is not the one of this version")
    key = hashlib.scrypt(passphrase, salt=salt, n=2**16, r=8, p=1, maxmem=256 * 2**16 * 8, dklen=32)
    return AESGCM(key), hashlib.sha256(MAGIC + header).digest()


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")
