"""A verified pack as one side of a comparison of histories (`bulwark.audit.packcompare`)."""

from __future__ import annotations

from bisect import bisect_left
from typing import BinaryIO

from bulwark.audit.packfiles import (
    CERTIFICATES,
    EPOCHS,
    HEADER_BYTES,
    HEADERS,
    MAX_CERTIFICATE_BYTES,
)
from bulwark.ledger.epochs import EpochChange
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Height
from bulwark.ledger.proofs import SealedHeader
from bulwark.ledger.votes import Certificate
from bulwark.verifier.archive import Archive, open_archive
from bulwark.verifier.chain import read_epochs
from bulwark.verifier.codes import Code
from bulwark.verifier.pack import Expectations, Progress, verify_pack


class PackHistory:
    """The chain of a pack that holds; see `History`."""

    def __init__(
        self,
        name: str,
        stream: BinaryIO,
        genesis: Genesis,
        expected: Expectations = Expectations(),
        progress: Progress = lambda what, done, total: None,
    ) -> None:
        """Verify the pack; raises PackRefused."""
        verdict = verify_pack(stream, genesis, expected, progress)
        self.name = name
        self.first = verdict.manifest.chain_first
        self.last = verdict.manifest.chain_last
        self._archive = open_archive(stream)
        self._certificates = _certificates(self._archive)
        self._heights = sorted(self._certificates)
        self._changes = [
            EpochChange(header, self._certificates[header.height], validators)
            for header, validators in read_epochs(self._archive.reader(EPOCHS))
        ]

    async def header(self, height: Height) -> Header:
        """See History; raises LookupError outside the pack."""
        if not self.first <= height <= self.last:
            raise LookupError(f"{self.name} has no block {height}")
        start = (height - self.first) * HEADER_BYTES
        return Header.decode(self._archive.part(HEADERS, start, HEADER_BYTES))

    async def sealed(self, height: Height) -> SealedHeader | None:
        """See History."""
        at = bisect_left(self._heights, max(height, self.first))
        if at == len(self._heights):
            return None
        found = Height(self._heights[at])
        changes = tuple(c for c in self._changes if c.header.height < found)
        return SealedHeader(await self.header(found), self._certificates[found], changes)


def _certificates(archive: Archive) -> dict[int, Certificate]:
    """All certificates of a pack by height."""
    reader = archive.reader(CERTIFICATES)
    found: dict[int, Certificate] = {}
    while reader.left:
        data = reader.blob(MAX_CERTIFICATE_BYTES, Code.CERTIFICATE_MALFORMED, "")
        certificate = Certificate.decode(data)
        found[certificate.subject.height] = certificate
    return found
