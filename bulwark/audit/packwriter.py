"""Puts an evidence pack together: manifest, signature and custody around files that are given.

Rules: it takes files as sources that can be read twice (once to measure, once to write), reads no
ledger, no clock and no disk, and holds no file in memory; equal sources, maker and time give equal
bytes, since signatures are deterministic (RFC 6979).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from bulwark.audit.packcustody import CustodyEntry, custody_document, following
from bulwark.audit.packfiles import CUSTODY, MANIFEST, SIGNATURE
from bulwark.audit.packmanifest import (
    ListedFile,
    Manifest,
    Selection,
    listed,
    manifest_digest,
    signature_document,
)
from bulwark.audit.packschemas import SCHEMA_FILES
from bulwark.audit.packzip import Measured, Source, measure, whole_size, write
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Digest, Height, MemberId, TimestampMs
from bulwark.ledger.signing import Signer


class Maker(Struct, frozen=True, kw_only=True):
    """Who makes a pack."""

    genesis: Genesis
    member: MemberId
    key: Signer
    """Vote key of the member's node."""
    tool_version: str


class Contents(Struct, frozen=True, kw_only=True):
    """What a pack is about and the files that say so."""

    chain_first: Height
    tip: Header
    """Last header of the pack."""
    selection: Selection
    files: tuple[Source, ...]
    """Without manifest, signature, custody and schemas."""
    missing_policies: tuple[Digest, ...] = ()


class Pack(Struct, frozen=True):
    """A pack that is ready to be written."""

    manifest: Manifest
    size: int
    """Bytes of the archive."""
    _files: tuple[tuple[Source, Measured], ...]

    def chunks(self) -> Iterator[bytes]:
        """The archive in pieces. Raises PackInvalid."""
        return write(self._files)


def make_pack(maker: Maker, contents: Contents, at_ms: TimestampMs, note: str = "") -> Pack:
    """Measure, sign and lay out a pack; `at_ms` is the maker's clock. Raises PackInvalid."""
    schemas = [Source.of(name, data) for name, data in SCHEMA_FILES.items()]
    measured = [(source, measure(source)) for source in (*contents.files, *schemas)]
    manifest = _manifest(maker, contents, [found for _, found in measured])
    data = manifest.to_json()
    signature = maker.key.sign(manifest_digest(maker.genesis, data))
    made = custody_entry(maker, None, data, contents.tip.height, at_ms, note)
    around = [
        Source.of(MANIFEST, data),
        Source.of(SIGNATURE, signature_document(maker.member, maker.key.address, signature)),
        Source.of(CUSTODY, custody_document([made])),
    ]
    files = (*measured, *((source, measure(source)) for source in around))
    return Pack(manifest, whole_size([found for _, found in files]), tuple(files))


def custody_entry(
    maker: Maker,
    last: CustodyEntry | None,
    manifest: bytes,
    height: Height,
    at_ms: TimestampMs,
    note: str,
) -> CustodyEntry:
    """The signed entry that follows `last`; the first one if there is none."""
    number, previous, kind = following(last, manifest)
    return CustodyEntry(
        number=number,
        previous=previous,
        kind=kind,
        at_ms=at_ms,
        member=maker.member,
        key=maker.key.address,
        tool_version=maker.tool_version,
        height=height,
        note=note,
    ).signed(maker.genesis, maker.key)


def _manifest(maker: Maker, contents: Contents, files: Sequence[Measured]) -> Manifest:
    return Manifest(
        alliance=maker.genesis.alliance,
        genesis_hash=maker.genesis.hash,
        member=maker.member,
        key=maker.key.address,
        tool_version=maker.tool_version,
        chain_first=contents.chain_first,
        chain_last=contents.tip.height,
        block_hash=contents.tip.hash(),
        time_ms=contents.tip.timestamp_ms,
        selection=contents.selection,
        missing_policies=contents.missing_policies,
        files=listed(ListedFile(f.name, f.size, f.sha256) for f in files),
    )
