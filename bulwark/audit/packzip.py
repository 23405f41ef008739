"""The archive of an evidence pack: a ZIP file of stored files with one encoding for one content.

Rules: nothing is compressed, no entry has a time, an extra field or a comment, entries follow each
other without a gap and the directory repeats them in order; so equal content has equal bytes,
nothing hides between files, and no archive can unfold to more than it is. Any ZIP tool opens it.
(PKWARE APPNOTE 4.3.7, 4.3.12, 4.3.16; ADR-0024 says why not the writer of the standard library.)
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Final

from msgspec import Struct

from bulwark.audit.packfiles import MAX_ENTRIES, MAX_PACK_BYTES, is_safe, place
from bulwark.ledger.errors import LedgerError
from bulwark.ledger.ids import Digest

LOCAL: Final = struct.Struct("<4s5H3I2H")
"""Local file header: signature, version, flags, method, time, date, CRC, two sizes, two lengths."""
CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
END: Final = struct.Struct("<4s4H2IH")
LOCAL_SIGNATURE: Final = b"PK\x03\x04"
CENTRAL_SIGNATURE: Final = b"PK\x01\x02"
END_SIGNATURE: Final = b"PK\x05\x06"
_VERSION: Final = 10
"""What a stored file needs."""
_DATE: Final = 1 << 5 | 1
"""1980-01-01: the format has no way to say none."""

Chunks = Callable[[], Iterable[bytes]]
"""Gives the content of a file, as often as it is called."""


class PackInvalid(LedgerError):
    """What should go into a pack does not fit into one."""


class Source(Struct, frozen=True):
    """A file that is to be written."""

    name: str
    chunks: Chunks

    @classmethod
    def of(cls, name: str, content: bytes) -> Source:
        """A file that is in memory."""
        return cls(name, lambda: (content,))


class Measured(Struct, frozen=True):
    """A file of the archive."""

    name: str
    size: int
    """Bytes."""
    crc: int
    """CRC-32, for ZIP tools; nothing here rests on it."""
    sha256: Digest


def measure(source: Source) -> Measured:
    """Length and digests of a file; raises PackInvalid for one that no archive holds."""
    if not is_safe(source.name):
        raise PackInvalid(f"{source.name[:80]!r} is no name of a pack's file")
    size = crc = 0
    digest = sha256()
    for chunk in source.chunks():
        size += len(chunk)
        crc = zlib.crc32(chunk, crc)
        digest.update(chunk)
    return Measured(source.name, size, crc, Digest(digest.digest()))


def local_header(entry: Measured) -> bytes:
    """The bytes before a file's content."""
    name = entry.name.encode("ascii")
    sizes = (entry.crc, entry.size, entry.size)
    head = LOCAL.pack(LOCAL_SIGNATURE, _VERSION, 0, 0, 0, _DATE, *sizes, len(name), 0)
    return head + name


def directory(entries: Iterable[tuple[Measured, int]]) -> bytes:
    """Everything behind the last file; each entry with the offset of its local header."""
    parts: list[bytes] = []
    start = 0
    for entry, offset in entries:
        name = entry.name.encode("ascii")
        sizes = (entry.crc, entry.size, entry.size)
        versions = (_VERSION, _VERSION, 0, 0, 0, _DATE)
        parts.append(
            CENTRAL.pack(CENTRAL_SIGNATURE, *versions, *sizes, len(name), *[0] * 5, offset)
        )
        parts.append(name)
        start = offset + LOCAL.size + len(name) + entry.size
    count = len(parts) // 2
    size = sum(map(len, parts))
    return b"".join(parts) + END.pack(END_SIGNATURE, 0, 0, count, count, size, start, 0)


def write(files: Sequence[tuple[Source, Measured]]) -> Iterator[bytes]:
    """The archive's bytes, in pieces; `files` in any order, the archive has its own.

    Raises PackInvalid for too many or too much, for a name that occurs twice, and for a file whose
    content is not what was measured.
    """
    files = sorted(files, key=lambda pair: place(pair[0].name))
    names = [source.name for source, _ in files]
    if len(set(names)) != len(names):
        raise PackInvalid("two files have one name")
    if len(files) > MAX_ENTRIES:
        raise PackInvalid(f"{len(files)} files, at most {MAX_ENTRIES} fit into a pack")
    total = whole_size([measured for _, measured in files])
    if total > MAX_PACK_BYTES:
        raise PackInvalid(f"{total} bytes, at most {MAX_PACK_BYTES} fit into a pack")
    offset = 0
    placed: list[tuple[Measured, int]] = []
    for source, measured in files:
        placed.append((measured, offset))
        head = local_header(measured)
        yield head
        size = 0
        for chunk in source.chunks():
            size += len(chunk)
            yield chunk
        if size != measured.size:
            raise PackInvalid(f"{source.name} changed while it was packed")
        offset += len(head) + size
    yield directory(placed)


def whole_size(entries: Iterable[Measured]) -> int:
    """Bytes of the archive of these files."""
    listed = list(entries)
    heads = LOCAL.size + CENTRAL.size
    return END.size + sum(heads + 2 * len(e.name) + e.size for e in listed)
