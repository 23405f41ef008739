"""The chain of a pack: every header follows its parent, every epoch its proof, and all is final.

Rules: one pass over headers, certificates, ends of epochs and anchors together, in constant memory
but for 32 bytes a header. Every certificate that is given is verified; the last header has one, so
that parent hashes make all before it final. The record log is recomputed at every header: an
anchor that was dropped, added, changed or moved leads to another root.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from bulwark.audit.packfiles import (
    ANCHORS,
    CERTIFICATES,
    EPOCHS,
    FRONTIER,
    HEADER_BYTES,
    HEADERS,
    LEAF_BYTES,
)
from bulwark.audit.packmanifest import Manifest
from bulwark.ledger.anchor import Anchor
from bulwark.ledger.epochs import MAX_EPOCH_CHANGES, MAX_VALIDATORS_BYTES
from bulwark.ledger.errors import LedgerError
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.hashing import keccak256
from bulwark.ledger.header import Header
from bulwark.ledger.ids import ZERO_DIGEST, Digest, Height
from bulwark.ledger.merkle import Frontier
from bulwark.ledger.validators import ValidatorSet
from bulwark.verifier.archive import Archive, FileReader
from bulwark.verifier.certificates import CertificateFile, EpochBook
from bulwark.verifier.codes import Code, PackRefused

_HASH_BYTES: Final = 32
Step = Callable[[int, int], None]
"""Told how many headers of how many are done."""


@dataclass(slots=True)
class ProvenChain:
    """What the headers of a pack show."""

    first: Height
    tip: Header
    log_first: int
    """Position of the first anchor in the pack."""
    epochs: EpochBook
    certificates: int = 0
    hashes: bytearray = field(default_factory=bytearray, repr=False)

    def hash_at(self, height: int) -> Digest | None:
        """Hash of a header of the pack."""
        at = (height - self.first) * _HASH_BYTES
        if not 0 <= at < len(self.hashes):
            return None
        return Digest(bytes(self.hashes[at : at + _HASH_BYTES]))


def prove_chain(archive: Archive, genesis: Genesis, manifest: Manifest, step: Step) -> ProvenChain:
    """Check headers, certificates, epochs and record log; raises PackRefused."""
    return _Walk(archive, genesis, manifest, step).run()


class _Walk:
    def __init__(self, archive: Archive, genesis: Genesis, manifest: Manifest, step: Step) -> None:
        self._archive = archive
        self._genesis = genesis
        self._manifest = manifest
        self._step = step
        self._headers = archive.reader(HEADERS)
        self._anchors = archive.reader(ANCHORS)
        self._certificates = CertificateFile(archive.reader(CERTIFICATES))
        self._epochs = EpochBook(genesis, read_epochs(archive.reader(EPOCHS)))
        self._frontier = Frontier()
        self._log_first = 0
        self._hashes = bytearray()

    def run(self) -> ProvenChain:
        manifest = self._manifest
        count = manifest.chain_last - manifest.chain_first + 1
        if count < 1:
            raise PackRefused(
                Code.CHAIN_RANGE, HEADERS, "", f"a range of heights, {count} headers stated"
            )
        if self._headers.size != count * HEADER_BYTES:
            self._refuse_count(count)
        self._follow_earlier()
        before: Header | None = None
        certified = False
        for number in range(count):
            header = self._header(number)
            self._check_link(before, header)
            self._grow_log(before, header)
            certified = self._certify(header)
            before = header
            self._step(number + 1, count)
        if before is None or not certified:
            where = f"header {manifest.chain_last}"
            raise PackRefused(
                Code.CERTIFICATE_MISSING, CERTIFICATES, where, "a certificate of the last header"
            )
        return self._end(before)

    def _refuse_count(self, count: int) -> None:
        there = self._headers.size // HEADER_BYTES
        code = Code.CHAIN_TRUNCATED if there < count else Code.CHAIN_RANGE
        detail = f"{count} headers for the heights that the manifest states, {there} are here"
        raise PackRefused(code, HEADERS, f"header {self._manifest.chain_first + there}", detail)

    def _follow_earlier(self) -> None:
        """Prove the epochs that ended below the first header."""
        first = self._manifest.chain_first
        while (change := self._epochs.following) is not None and change[0].height < first:
            certificate = self._certificates.at(change[0].height)
            if certificate is None:
                where = f"header {change[0].height}"
                raise PackRefused(
                    Code.CERTIFICATE_MISSING, CERTIFICATES, where, "the end of an epoch"
                )
            self._epochs.verify(change[0], certificate)
            self._epochs.advance(change[0])

    def _header(self, number: int) -> Header:
        where = f"header {self._manifest.chain_first + number}"
        data = self._headers.take(HEADER_BYTES, Code.CHAIN_TRUNCATED, where)
        try:
            header = Header.decode(data)
        except LedgerError as error:
            raise PackRefused(Code.HEADER_INVALID, HEADERS, where, str(error)) from error
        if header.height != self._manifest.chain_first + number:
            detail = f"height {self._manifest.chain_first + number}, {header.height} given"
            raise PackRefused(Code.CHAIN_BROKEN, HEADERS, where, detail)
        self._hashes += keccak256(data)
        return header

    def _check_link(self, before: Header | None, header: Header) -> None:
        where = f"header {header.height}"
        if before is None:
            if header.height == 0:
                foreign = (
                    header.batch_digest != self._genesis.hash
                    or header.parent_hash != ZERO_DIGEST
                    or header.timestamp_ms != self._genesis.created_ms
                )
                if foreign:
                    detail = f"the block of genesis {self._genesis.hash.hex()}"
                    raise PackRefused(Code.CHAIN_FOREIGN, HEADERS, where, detail)
        elif header.parent_hash != Digest(bytes(self._hashes[-2 * _HASH_BYTES : -_HASH_BYTES])):
            detail = f"the hash of header {before.height} as its parent"
            raise PackRefused(Code.CHAIN_BROKEN, HEADERS, where, detail)
        elif header.timestamp_ms <= before.timestamp_ms:
            detail = f"a time after {before.timestamp_ms}, {header.timestamp_ms} given"
            raise PackRefused(Code.HEADER_INVALID, HEADERS, where, detail)
        if header.epoch != self._epochs.number:
            detail = f"epoch {self._epochs.number}, {header.epoch} given"
            raise PackRefused(Code.HEADER_INVALID, HEADERS, where, detail)

    def _grow_log(self, before: Header | None, header: Header) -> None:
        if before is None:
            self._begin_log(header)
            return
        if header.record_log_size < before.record_log_size:
            detail = f"a record log of at least {before.record_log_size} anchors"
            raise PackRefused(Code.HEADER_INVALID, HEADERS, f"header {header.height}", detail)
        last = (-1, -1)
        while self._frontier.size < header.record_log_size:
            last = self._append(header, last)
        # Without new anchors only an equal root is right, so the whole root is not made anew.
        same_size = header.record_log_size == before.record_log_size
        root = before.record_log_root if same_size else self._frontier.root
        if header.record_log_root != root:
            detail = f"anchors of block {header.height} that lead to its record-log root"
            where = f"anchors {before.record_log_size} to {header.record_log_size - 1}"
            raise PackRefused(Code.LOG_ROOT, ANCHORS, where, detail)

    def _append(self, header: Header, last: tuple[int, int]) -> tuple[int, int]:
        where = f"anchor {self._frontier.size}"
        if not self._anchors.left:
            detail = f"{header.record_log_size} anchors up to block {header.height}"
            raise PackRefused(Code.LOG_TRUNCATED, ANCHORS, where, detail)
        anchor = read_anchor(self._anchors, self._frontier.size)
        if anchor.height != header.height:
            detail = f"an anchor of block {header.height}, one of {anchor.height} given"
            raise PackRefused(Code.LOG_MISSING, ANCHORS, where, detail)
        place = (anchor.transaction_index, anchor.log_index)
        if place[0] < last[0] or place[1] <= last[1]:
            detail = "anchors of a block in the order of their events"
            raise PackRefused(Code.LOG_ORDER, ANCHORS, where, detail)
        self._frontier.append(anchor.leaf_hash)
        return place

    def _begin_log(self, header: Header) -> None:
        """Where the log stands at the first header, which adds nothing in this pack."""
        if header.height == 0 and FRONTIER not in self._archive:
            self._frontier = Frontier()
        else:
            try:
                self._frontier = Frontier.decode(self._archive.read(FRONTIER))
            except LedgerError as error:
                raise PackRefused(Code.LOG_FRONTIER, FRONTIER, "", str(error)) from error
        found = (self._frontier.size, self._frontier.root)
        if found != (header.record_log_size, header.record_log_root):
            detail = f"the edge of the log of header {header.height}"
            raise PackRefused(Code.LOG_FRONTIER, FRONTIER, "", detail)
        self._log_first = self._frontier.size

    def _certify(self, header: Header) -> bool:
        """Verify the certificate of a header if there is one, and end its epoch if it is last."""
        certificate = self._certificates.at(header.height)
        if certificate is not None:
            self._epochs.verify(header, certificate)
        if header.height == header.epoch_end and header.height > 0:
            if certificate is None:
                where = f"header {header.height}"
                raise PackRefused(
                    Code.CERTIFICATE_MISSING, CERTIFICATES, where, "the end of an epoch"
                )
            self._epochs.advance(header)
        return certificate is not None

    def _end(self, tip: Header) -> ProvenChain:
        manifest = self._manifest
        self._certificates.end()
        self._epochs.end()
        if self._anchors.left:
            where = f"anchor {self._frontier.size}"
            raise PackRefused(Code.LOG_EXTRA, ANCHORS, where, "the end of the record log")
        stated = (manifest.block_hash, manifest.time_ms)
        if stated != (tip.hash(), tip.timestamp_ms):
            detail = f"hash and time of header {tip.height} as the manifest states them"
            raise PackRefused(Code.CHAIN_RANGE, HEADERS, f"header {tip.height}", detail)
        return ProvenChain(
            manifest.chain_first,
            tip,
            self._log_first,
            self._epochs,
            self._certificates.taken,
            self._hashes,
        )


def read_anchor(reader: FileReader, position: int) -> Anchor:
    """The next anchor; raises PackRefused."""
    where = f"anchor {position}"
    data = reader.take(LEAF_BYTES, Code.LOG_TRUNCATED, where)
    try:
        return Anchor.decode(data)
    except LedgerError as error:
        raise PackRefused(Code.FILE_MALFORMED, ANCHORS, where, str(error)) from error


def read_epochs(reader: FileReader) -> list[tuple[Header, ValidatorSet]]:
    """The ends of epochs, nothing verified; raises PackRefused."""
    found: list[tuple[Header, ValidatorSet]] = []
    while reader.left:
        where = f"epoch {len(found) + 1}"
        if len(found) == MAX_EPOCH_CHANGES:
            detail = f"at most {MAX_EPOCH_CHANGES} epochs"
            raise PackRefused(Code.FILE_TOO_LARGE, EPOCHS, where, detail)
        header = reader.blob(HEADER_BYTES, Code.FILE_MALFORMED, where)
        validators = reader.blob(MAX_VALIDATORS_BYTES, Code.FILE_MALFORMED, where)
        try:
            found.append((Header.decode(header), ValidatorSet.decode(validators)))
        except LedgerError as error:
            raise PackRefused(Code.FILE_MALFORMED, EPOCHS, where, str(error)) from error
    return found
