"""Reads the archive of a pack: only its one encoding, bounded, without unfolding anything.

Rules: the headers in front of the files and the directory behind them are compared, byte by byte,
with what the writer would have written; sizes are checked against the bytes that are there before
one is read. It reads from a seekable stream that it is given and opens nothing itself.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO, Final

from bulwark.audit.packfiles import (
    MAX_ENTRIES,
    MAX_NAME_CHARS,
    MAX_PACK_BYTES,
    is_known,
    is_safe,
    most_bytes,
    place,
)
from bulwark.audit.packzip import (
    CENTRAL_SIGNATURE,
    END_SIGNATURE,
    LOCAL,
    LOCAL_SIGNATURE,
    Measured,
    directory,
    local_header,
)
from bulwark.ledger.ids import Digest
from bulwark.verifier.codes import Code, PackRefused

ARCHIVE: Final = "archive"
CHUNK_BYTES: Final = 1 << 20
Progress = Callable[[int, int], None]
"""Told how many bytes of how many are done."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A file of the archive, measured."""

    entry: Measured
    start: int
    """Offset of its content."""


class Archive:
    """The files of a pack by name."""

    def __init__(self, stream: BinaryIO, files: dict[str, Stored]) -> None:
        """Use `open_archive`."""
        self._stream = stream
        self.files = files

    def __contains__(self, name: str) -> bool:
        return name in self.files

    def read(self, name: str) -> bytes:
        """A whole file; its length is within its bound."""
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        """A file in pieces."""
        stored = self._stored(name)
        done = 0
        while done < stored.entry.size:
            self._stream.seek(stored.start + done)
            chunk = self._stream.read(min(CHUNK_BYTES, stored.entry.size - done))
            if not chunk:
                raise PackRefused(Code.ARCHIVE_TRUNCATED, name, f"byte {done}", "more bytes")
            done += len(chunk)
            yield chunk

    def part(self, name: str, start: int, count: int) -> bytes:
        """Some bytes of a file, fewer where it ends."""
        stored = self._stored(name)
        self._stream.seek(stored.start + start)
        return self._stream.read(max(0, min(count, stored.entry.size - start)))

    def reader(self, name: str) -> FileReader:
        """A file to be taken from front to back."""
        stored = self._stored(name)
        return FileReader(name, stored.entry.size, self.chunks(name))

    def _stored(self, name: str) -> Stored:
        stored = self.files.get(name)
        if stored is None:
            raise PackRefused(Code.FILE_MISSING, name, "", "this file in the pack")
        return stored


class FileReader:
    """Takes bytes off the front of one file."""

    def __init__(self, name: str, size: int, chunks: Iterator[bytes]) -> None:
        self.name = name
        self.size = size
        self.offset = 0
        """Bytes taken so far."""
        self._chunks = chunks
        self._buffer = b""
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes that are still there."""
        return self.size - self.offset

    def take(self, count: int, code: Code = Code.FILE_MALFORMED, where: str = "") -> bytes:
        """Exactly so many bytes; raises PackRefused with `code` where the file ends before."""
        if count > self.left:
            detail = f"{count} bytes, {self.left} are left"
            raise PackRefused(code, self.name, where or f"byte {self.offset}", detail)
        while len(self._buffer) - self._at < count:
            self._buffer = self._buffer[self._at :] + next(self._chunks)
            self._at = 0
        taken = self._buffer[self._at : self._at + count]
        self._at += count
        self.offset += count
        return taken

    def blob(self, most: int, code: Code, where: str) -> bytes:
        """A byte string behind its 4-byte length, at most `most` bytes."""
        length = int.from_bytes(self.take(4, code, where), "big")
        if length > most:
            raise PackRefused(code, self.name, where, f"at most {most} bytes, {length} named")
        return self.take(length, code, where)


def open_archive(stream: BinaryIO, progress: Progress = lambda done, total: None) -> Archive:
    """Check and measure the whole archive; raises PackRefused."""
    total = stream.seek(0, 2)
    if total > MAX_PACK_BYTES:
        raise _refused(Code.ARCHIVE_TOO_LARGE, 0, f"at most {MAX_PACK_BYTES} bytes, {total} given")
    files: dict[str, Stored] = {}
    offsets: list[tuple[Measured, int]] = []
    offset = 0
    while (head := _at(stream, offset, LOCAL.size))[:4] == LOCAL_SIGNATURE:
        stored = _stored(stream, head, offset, total)
        name = stored.entry.name
        if name in files:
            raise PackRefused(Code.ARCHIVE_DUPLICATE, name, f"byte {offset}", "each name once")
        if len(files) == MAX_ENTRIES:
            raise _refused(Code.ARCHIVE_TOO_LARGE, offset, f"at most {MAX_ENTRIES} files")
        files[name] = stored
        offsets.append((stored.entry, offset))
        offset = stored.start + stored.entry.size
        progress(offset, total)
    _check_end(stream, head, offset, total, offsets)
    names = list(files)
    if names != sorted(names, key=place):
        wrong = next(
            n for n, right in zip(names, sorted(names, key=place), strict=True) if n != right
        )
        raise PackRefused(Code.ARCHIVE_ORDER, wrong, "", "files in the order of the format")
    return Archive(stream, files)


def _stored(stream: BinaryIO, head: bytes, offset: int, total: int) -> Stored:
    if len(head) < LOCAL.size:
        raise _refused(Code.ARCHIVE_TRUNCATED, offset, "the header of a file")
    _, _, flags, method, _, _, _, packed, size, name_length, _ = LOCAL.unpack(head)
    if name_length > MAX_NAME_CHARS:
        detail = f"a name of at most {MAX_NAME_CHARS} characters"
        raise _refused(Code.ARCHIVE_NAME, offset, detail)
    raw_name = _at(stream, offset + LOCAL.size, name_length)
    name = raw_name.decode("ascii", "backslashreplace")
    if not is_safe(name):
        raise _refused(Code.ARCHIVE_NAME, offset, f"a name of the format, {name!r} given")
    if method != 0 or flags & 1 or packed != size:
        raise PackRefused(Code.ARCHIVE_COMPRESSED, name, f"byte {offset}", "a stored file")
    if not is_known(name):
        raise PackRefused(Code.FILE_UNKNOWN, name, "", "a file that the format knows")
    if size > most_bytes(name):
        detail = f"at most {most_bytes(name)} bytes, {size} named"
        raise PackRefused(Code.FILE_TOO_LARGE, name, "", detail)
    start = offset + LOCAL.size + name_length
    if start + size > total:
        raise PackRefused(
            Code.ARCHIVE_TRUNCATED, name, f"byte {total}", f"{start + size - total} bytes more"
        )
    entry = _measured(stream, name, start, size)
    if head + raw_name != local_header(entry):
        raise PackRefused(
            Code.ARCHIVE_NOT_CANONICAL, name, f"byte {offset}", "the format's file header"
        )
    return Stored(entry, start)


def _measured(stream: BinaryIO, name: str, start: int, size: int) -> Measured:
    stream.seek(start)
    digest, crc, left = sha256(), 0, size
    while left:
        chunk = stream.read(min(CHUNK_BYTES, left))
        if not chunk:
            raise PackRefused(Code.ARCHIVE_TRUNCATED, name, f"byte {size - left}", "more bytes")
        digest.update(chunk)
        crc = zlib.crc32(chunk, crc)
        left -= len(chunk)
    return Measured(name, size, crc, Digest(digest.digest()))


def _check_end(
    stream: BinaryIO, head: bytes, offset: int, total: int, files: list[tuple[Measured, int]]
) -> None:
    if head[:4] not in (CENTRAL_SIGNATURE, END_SIGNATURE):
        code = Code.ARCHIVE_TRUNCATED if len(head) < 4 else Code.ARCHIVE_NOT_CANONICAL
        raise _refused(code, offset, "a file or the directory")
    wanted = directory(files)
    given = _at(stream, offset, len(wanted))
    if given != wanted:
        same = len(given) < len(wanted) and wanted.startswith(given)
        code = Code.ARCHIVE_TRUNCATED if same else Code.ARCHIVE_NOT_CANONICAL
        raise _refused(code, offset, "the directory of exactly the files before it")
    if offset + len(wanted) != total:
        raise _refused(Code.ARCHIVE_NOT_CANONICAL, offset + len(wanted), "the end of the archive")


def _at(stream: BinaryIO, offset: int, count: int) -> bytes:
    stream.seek(offset)
    return stream.read(count)


def _refused(code: Code, offset: int, expected: str) -> PackRefused:
    return PackRefused(code, ARCHIVE, f"byte {offset}", expected)
