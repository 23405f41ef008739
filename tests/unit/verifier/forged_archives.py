"""Archives that are cut, padded, compressed, reordered or filled with other files."""

from __future__ import annotations

import io
import struct
import zipfile
from hashlib import sha256
from typing import Any

from bulwark.audit.packfiles import (
    CERTIFICATES,
    EPOCHS,
    HEADERS,
    MANIFEST,
    SIGNATURE,
    place,
)
from bulwark.audit.packzip import directory, local_header
from bulwark.verifier.codes import Code
from tests.unit.verifier.forging import (
    archived,
    kind,
    measured,
    whole,
)
from tests.unit.verifier.scene import (
    POLICY_ID,
    packed,
)

POLICY_FILE = f"policies/{POLICY_ID.hex()}.json"
EVIDENCE_FILE = f"evidence/{sha256(b'case').hexdigest()}.json"


def byte_changed(name: str) -> bytes:
    files = whole()
    content = bytearray(files[name])
    content[len(content) // 2] ^= 1
    return archived({**files, name: bytes(content)})


def file_dropped(name: str) -> bytes:
    files = whole()
    del files[name]
    return archived(files)


@kind("a truncated archive", Code.ARCHIVE_TRUNCATED, "archive")
def archive_truncated() -> bytes:
    return packed()[:-200]


@kind("an archive cut inside a file", Code.ARCHIVE_TRUNCATED, HEADERS)
def archive_cut_inside_a_file() -> bytes:
    data = packed()
    return data[: len(data) // 2]


def zipped(name: str, content: bytes, **options: Any) -> bytes:
    """A file in front of the others, written by an ordinary ZIP writer."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content, **options)
        for entry, data in whole().items():
            if entry != name:
                archive.writestr(entry, data)
    return buffer.getvalue()


@kind("a zip bomb", Code.ARCHIVE_COMPRESSED, HEADERS)
def zip_bomb() -> bytes:
    return zipped(HEADERS, bytes(200_000_000), compress_type=zipfile.ZIP_DEFLATED, compresslevel=9)


@kind("one name twice", Code.ARCHIVE_DUPLICATE, MANIFEST)
def names_twice() -> bytes:
    data = packed()
    end = data.index(b"PK\x01\x02")
    size = struct.unpack_from("<I", data, 22)[0] + 30 + len(MANIFEST)
    return data[:size] + data[:end] + data[end:]


@kind("bytes hidden between files", Code.ARCHIVE_NOT_CANONICAL, "archive")
def with_bytes_between() -> bytes:
    data = packed()
    end = data.index(b"PK\x01\x02")
    return data[:end] + b"hidden" + data[end:]


@kind("bytes hidden behind the end", Code.ARCHIVE_NOT_CANONICAL, "archive")
def with_bytes_behind() -> bytes:
    return packed() + b"hidden"


@kind("files in another order", Code.ARCHIVE_ORDER, EPOCHS)
def files_in_another_order() -> bytes:
    files = whole()
    last, first = f"{HEADERS}", f"{CERTIFICATES}"
    data = archived(files)
    # Swap two neighbours and write the directory that fits: only the order is wrong.
    names = sorted(files, key=place)
    at = names.index(first)
    names[at], names[at + 1] = names[at + 1], names[at]
    assert last in names
    parts, placed, offset = [], [], 0
    for name in names:
        entry = measured(name, files[name])
        head = local_header(entry)
        placed.append((entry, offset))
        parts += [head, files[name]]
        offset += len(head) + len(files[name])
    assert len(data) == offset + len(directory(placed))
    return b"".join(parts) + directory(placed)


@kind("a byte of a file changed", Code.FILE_CHANGED, HEADERS)
def a_byte_of_a_file_changed() -> bytes:
    return byte_changed(HEADERS)


@kind("a byte of the evidence changed", Code.FILE_CHANGED, EVIDENCE_FILE)
def a_byte_of_the_evidence_changed() -> bytes:
    return byte_changed(EVIDENCE_FILE)


@kind("a missing file", Code.FILE_MISSING, EVIDENCE_FILE)
def a_missing_file() -> bytes:
    return file_dropped(EVIDENCE_FILE)


@kind("a missing manifest", Code.FILE_MISSING, MANIFEST)
def a_missing_manifest() -> bytes:
    return file_dropped(MANIFEST)


@kind("an extra file", Code.FILE_EXTRA, "documents/more.txt")
def an_extra_file() -> bytes:
    return archived({**whole(), "documents/more.txt": b"x"})


@kind("an unknown file", Code.FILE_UNKNOWN, "notes.txt")
def an_unknown_file() -> bytes:
    return archived({**whole(), "notes.txt": b"x"})


@kind("an oversized file", Code.FILE_TOO_LARGE, SIGNATURE)
def an_oversized_file() -> bytes:
    return archived({**whole(), SIGNATURE: bytes(5_000)})


@kind("a path out of the folder", Code.ARCHIVE_NAME, "archive")
def a_path_out_of_the_folder() -> bytes:
    return zipped("../../etc/passwd", b"x")


@kind("an absolute path", Code.ARCHIVE_NAME, "archive")
def an_absolute_path() -> bytes:
    return zipped("/etc/passwd", b"x")


@kind("an archive of another writer", Code.ARCHIVE_NOT_CANONICAL, MANIFEST)
def an_archive_of_another_writer() -> bytes:
    return zipped(MANIFEST, b"{}")


@kind("no archive at all", Code.ARCHIVE_TRUNCATED, "archive")
def no_archive_at_all() -> bytes:
    return b""
