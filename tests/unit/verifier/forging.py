"""Tools of a forger with a member's node key: takes a pack apart, changes it, signs it anew.

The forger can write any archive and any manifest and sign both; what it does not have is the votes
of a quorum. So a test that re-signs shows what holds beyond the maker's word.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from bulwark.audit.packbatch import PackBatch, Shown, read_batch
from bulwark.audit.packcustody import custody_document
from bulwark.audit.packfiles import (
    ANCHORS,
    BATCHES,
    CERTIFICATES,
    CUSTODY,
    EPOCHS,
    HEADER_BYTES,
    HEADERS,
    LEAF_BYTES,
    MANIFEST,
    SIGNATURE,
    UNLISTED,
)
from bulwark.audit.packmanifest import (
    ListedFile,
    Manifest,
    listed,
    manifest_digest,
    read_manifest,
    signature_document,
)
from bulwark.audit.packwriter import Maker, custody_entry
from bulwark.audit.packzip import Measured, Source, measure, write
from bulwark.ledger.anchor import Anchor
from bulwark.ledger.codec import Writer
from bulwark.ledger.header import Header
from bulwark.ledger.validators import ValidatorSet
from bulwark.ledger.votes import Certificate
from bulwark.verifier.archive import FileReader
from bulwark.verifier.chain import read_epochs
from bulwark.verifier.codes import Code
from tests.unit.verifier.scene import AT_MS, maker, packed, scene

Files = dict[str, bytes]


def files_of(data: bytes) -> Files:
    """A pack taken apart by an ordinary ZIP reader."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def whole() -> Files:
    """The files of an honest pack of everything."""
    return files_of(packed())


def archived(files: Files) -> bytes:
    """The canonical archive of some files."""
    sources = [Source.of(name, content) for name, content in files.items()]
    return b"".join(write([(source, measure(source)) for source in sources]))


def manifest_of(files: Files) -> Manifest:
    """The manifest, read."""
    return read_manifest(files[MANIFEST])[0]


def signed(files: Files, by: Maker | None = None, **changes: Any) -> bytes:
    """The archive with manifest, signature and custody made anew for what the files are now."""
    by = by or maker(scene().node)
    entries = [
        ListedFile(m.name, m.size, m.sha256)
        for m in (measure(Source.of(n, c)) for n, c in files.items() if n not in UNLISTED)
    ]
    claims = {"files": listed(entries), "member": by.member, "key": by.key.address, **changes}
    manifest = replace(manifest_of(files), **claims)
    return archived({**files, **paperwork(manifest.to_json(), by, manifest.chain_last)})


def paperwork(manifest: bytes, by: Maker, height: int) -> Files:
    """Manifest, signature and custody of a maker."""
    signature = by.key.sign(manifest_digest(by.genesis, manifest))
    made = custody_entry(by, None, manifest, height, AT_MS, "")  # type: ignore[arg-type]
    return {
        MANIFEST: manifest,
        SIGNATURE: signature_document(by.member, by.key.address, signature),
        CUSTODY: custody_document([made]),
    }


# Pieces of the files


def headers(files: Files) -> list[Header]:
    return [Header.decode(piece) for piece in pieces(files[HEADERS], HEADER_BYTES)]


def with_headers(files: Files, changed: Iterable[Header]) -> Files:
    return {**files, HEADERS: b"".join(header.encode() for header in changed)}


def certificates(files: Files) -> list[Certificate]:
    reader = reading(files, CERTIFICATES)
    found = []
    while reader.left:
        length = int.from_bytes(reader.take(4), "big")
        found.append(Certificate.decode(reader.take(length)))
    return found


def with_certificates(files: Files, changed: Iterable[Certificate]) -> Files:
    encoded = [certificate.encode() for certificate in changed]
    return {**files, CERTIFICATES: b"".join(len(e).to_bytes(4, "big") + e for e in encoded)}


def epochs(files: Files) -> list[tuple[Header, ValidatorSet]]:
    return read_epochs(reading(files, EPOCHS))


def with_epochs(files: Files, changed: Iterable[tuple[Header, ValidatorSet]]) -> Files:
    written = (Writer().blob(h.encode()).blob(v.encode()).done() for h, v in changed)
    return {**files, EPOCHS: b"".join(written)}


def anchors(files: Files) -> list[Anchor]:
    return [Anchor.decode(piece) for piece in pieces(files[ANCHORS], LEAF_BYTES)]


def with_anchors(files: Files, changed: Iterable[Anchor]) -> Files:
    return {**files, ANCHORS: b"".join(anchor.encode() for anchor in changed)}


def batches(files: Files) -> list[PackBatch]:
    reader = reading(files, BATCHES)
    found = []
    while reader.left:
        found.append(read_batch(reader.take))
    return found


def with_batches(files: Files, changed: Iterable[PackBatch]) -> Files:
    """Written plainly, so that nothing of the forger's work is put right on the way."""
    parts: list[bytes] = []
    for batch in changed:
        parts += (batch.position.to_bytes(8, "big"), len(batch.entries).to_bytes(4, "big"))
        for entry in batch.entries:
            parts += (bytes([entry.shown]), entry.leaf)
            if entry.shown is Shown.FULL and entry.record is not None:
                record = entry.record
                parts += (record.salt, record.tag, record.payload_bytes)
    return {**files, BATCHES: b"".join(parts)}


def measured(name: str, content: bytes) -> Measured:
    """A file as the archive's directory names it."""
    return measure(Source.of(name, content))


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def reading(files: Files, name: str) -> FileReader:
    return FileReader(name, len(files[name]), iter((files[name],)))


# The catalogue of what a forger does


@dataclass(frozen=True)
class Tampering:
    """One kind: how it is done and how it has to be named."""

    what: str
    forge: Callable[[], bytes]
    code: Code
    file: str
    place: str = ""
    """Part of the place that the refusal names."""


KINDS: list[Tampering] = []
"""Every kind, in the order of their files."""


def kind(
    what: str, code: Code, file: str, place: str = ""
) -> Callable[[Callable[[], bytes]], Callable[[], bytes]]:
    """Enter a way of forging a pack into the catalogue."""

    def enter(forge: Callable[[], bytes]) -> Callable[[], bytes]:
        KINDS.append(Tampering(what, forge, code, file, place))
        return forge

    return enter


def each(items: Iterable[Any], at: int, change: Callable[[Any], Any]) -> list[Any]:
    """A list with one item changed."""
    return [change(item) if i == at else item for i, item in enumerate(items)]


def without(items: Iterable[Any], at: int) -> list[Any]:
    """A list with one item left out."""
    return [item for i, item in enumerate(items) if i != at]
