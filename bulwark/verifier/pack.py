"""Verifies a whole evidence pack against the genesis document, and says what it shows.

Rules: nothing is believed because of who signed: the signature shows whose node made the pack, the
certificates show what the alliance agreed on. The order is from the outside in: archive, manifest,
digests, signature, chain, record log, records, papers. The first thing that is wrong is named and
nothing of the pack is returned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final

from bulwark.audit.packcustody import CustodyEntry
from bulwark.audit.packfiles import DOCUMENTS, FORMAT, MANIFEST, NEEDED, UNLISTED
from bulwark.audit.packmanifest import ALL, Manifest, format_of, read_manifest
from bulwark.ledger import jsonfields as jf
from bulwark.ledger.errors import LedgerError
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.ids import Address, Digest
from bulwark.verifier import papers
from bulwark.verifier.archive import Archive, open_archive
from bulwark.verifier.chain import ProvenChain, prove_chain
from bulwark.verifier.codes import Code, PackRefused
from bulwark.verifier.records import ProvenRecords, prove_records

Progress = Callable[[str, int, int], None]
"""Told what is being checked, and how much of it is done of how much."""
GENESIS: Final = "genesis.json"


@dataclass(frozen=True, slots=True)
class Expectations:
    """What the reader knows from elsewhere."""

    signer: Address | None = None
    """Key that has to have made the pack; also trusted where no genesis document names it."""
    custody: Digest | None = None
    """Hash of a custody entry that has to be there."""


@dataclass(frozen=True, slots=True)
class PackVerdict:
    """What a pack shows that holds."""

    manifest: Manifest
    alliance: str
    chain: ProvenChain
    records: ProvenRecords
    policies: int
    proofs: int
    evidence: int
    documents: int
    custody: tuple[CustodyEntry, ...]

    def facts(self) -> dict[str, object]:
        """In words, for people and for JSON."""
        manifest, records = self.manifest, self.records
        return {
            "valid": True,
            "alliance": self.alliance,
            "genesis_hash": manifest.genesis_hash.hex(),
            "made_by": manifest.member,
            "signing_key": f"0x{manifest.key.hex()}",
            "content_hash": manifest.content_hash.hex(),
            "chain": f"{manifest.chain_first}..{manifest.chain_last}",
            "last_block": manifest.block_hash.hex(),
            "ledger_time_ms": manifest.time_ms,
            "epochs": self.chain.epochs.count,
            "certificates": self.chain.certificates,
            "selection": _selection(manifest),
            "anchors": records.anchors,
            "batches": records.batches,
            "records": records.records,
            "follow_ups": records.follow_ups,
            "erased": records.erased,
            "withheld": records.withheld,
            "policies": self.policies,
            "proofs": self.proofs,
            "evidence": self.evidence,
            "documents": self.documents,
            "custody_entries": len(self.custody),
            "custody_end": self.custody[-1].hash.hex(),
            "notes": self.notes(),
        }

    def notes(self) -> list[str]:
        """What the pack does not show."""
        manifest, records = self.manifest, self.records
        notes = [
            f"the signature of {manifest.member} shows whose node made the pack, not that it is "
            "true; the certificates of the validators show what the alliance agreed on",
        ]
        if manifest.chain_first:
            notes.append(
                f"the chain begins at block {manifest.chain_first}: records of earlier blocks are "
                "not covered, nor orders in them"
            )
        if manifest.selection.kind != ALL:
            notes.append(
                "the selection is of single records or of one reporter: follow-ups of others in "
                "batches that are not here can not be ruled out"
            )
        if records.orders_of_others:
            notes.append(
                f"{records.orders_of_others} erased records were ordered by neither their reporter "
                "nor a regulator of the genesis document; ask who allowed it"
            )
        if manifest.missing_policies:
            notes.append(
                f"{len(manifest.missing_policies)} policies that the records name are not on the "
                "maker's ledger and not in the pack"
            )
        if self.evidence or self.documents:
            notes.append(
                "evidence cases and documents are as the maker listed them; what they say was not "
                "judged"
            )
        notes.append(
            "entries at the end of the custody can be taken off by whoever holds the file: compare "
            "custody_end with what was handed over"
        )
        return notes


def read_genesis(data: bytes) -> Genesis:
    """The trusted document; raises PackRefused."""
    try:
        return Genesis.from_json(data)
    except LedgerError as error:
        raise PackRefused(Code.GENESIS_INVALID, GENESIS, "", str(error)) from error


def verify_pack(
    stream: BinaryIO,
    genesis: Genesis,
    expected: Expectations = Expectations(),
    progress: Progress = lambda what, done, total: None,
) -> PackVerdict:
    """Check a pack from a seekable stream; raises PackRefused with the first thing wrong."""
    archive = open_archive(stream, lambda done, total: progress("archive", done, total))
    manifest = read_listed_manifest(archive)
    if manifest.genesis_hash != genesis.hash or manifest.alliance != genesis.alliance:
        detail = f"genesis {genesis.hash.hex()} of {genesis.alliance}"
        raise PackRefused(Code.GENESIS_OTHER, MANIFEST, "genesis_hash", detail)
    _check_files(archive, manifest)
    papers.check_signature(archive, genesis, manifest)
    papers.check_schemas(archive)
    chain = prove_chain(
        archive, genesis, manifest, lambda done, total: progress("chain", done, total)
    )
    papers.check_signer(manifest, chain.epochs, expected.signer)
    _check_range(manifest)
    records = prove_records(
        archive,
        genesis,
        manifest.selection,
        chain,
        lambda done, total: progress("records", done, total),
    )
    return PackVerdict(
        manifest=manifest,
        alliance=genesis.alliance,
        chain=chain,
        records=records,
        policies=papers.check_policies(archive, manifest, records.policies),
        proofs=papers.check_proofs(archive, genesis, chain),
        evidence=papers.check_evidence(archive),
        documents=sum(name.startswith(DOCUMENTS) for name in archive.files),
        custody=papers.check_custody(
            archive, genesis, manifest, chain.epochs, expected.signer, expected.custody
        ),
    )


def read_listed_manifest(archive: Archive) -> Manifest:
    """The manifest of an opened archive; raises PackRefused."""
    data = archive.read(MANIFEST)
    try:
        form = format_of(data)
        if form != FORMAT:
            raise PackRefused(
                Code.FORMAT_UNKNOWN, MANIFEST, "format", f"{FORMAT!r}, {form!r} given"
            )
        manifest, content_hash = read_manifest(data)
    except jf.FieldInvalid as error:
        raise PackRefused(Code.MANIFEST_MALFORMED, MANIFEST, error.path, error.detail) from error
    if content_hash != manifest.content_hash:
        detail = f"{manifest.content_hash.hex()}, {content_hash.hex()} stated"
        raise PackRefused(Code.MANIFEST_CONTENT, MANIFEST, "content_hash", detail)
    if data != manifest.to_json():
        raise PackRefused(Code.MANIFEST_MALFORMED, MANIFEST, "", "the canonical spelling")
    return manifest


def _check_files(archive: Archive, manifest: Manifest) -> None:
    """The files are exactly those that the manifest lists, byte for byte."""
    listed = {file.name: file for file in manifest.files}
    for name in (*listed, *NEEDED, *UNLISTED):
        if name not in archive:
            raise PackRefused(Code.FILE_MISSING, name, "", "this file in the pack")
    for name, stored in archive.files.items():
        if name in UNLISTED:
            continue
        file = listed.get(name)
        if file is None:
            raise PackRefused(Code.FILE_EXTRA, name, "", "only files that the manifest lists")
        if (stored.entry.size, stored.entry.sha256) != (file.size, file.sha256):
            detail = f"{file.size} bytes with SHA-256 {file.sha256.hex()}"
            raise PackRefused(Code.FILE_CHANGED, name, "", detail)


def _check_range(manifest: Manifest) -> None:
    """The selection lies inside the chain, behind its first header."""
    wish, first = manifest.selection, manifest.chain_first
    if wish.last > manifest.chain_last or (wish.first <= first and first > 0):
        detail = f"blocks {first + 1} to {manifest.chain_last}"
        raise PackRefused(Code.CHAIN_RANGE, MANIFEST, "selection", detail)


def _selection(manifest: Manifest) -> str:
    wish = manifest.selection
    what = {"all": "all records", "records": f"{len(wish.records)} records"}.get(wish.kind)
    if wish.account is not None:
        what = f"records of 0x{wish.account.hex()}"
    return f"{what} of blocks {wish.first}..{wish.last}"
