"""The papers of a pack: signature, custody, policies, schemas and proofs of single records.

Rules: a policy is named by its SHA-256, a schema is the format's own, a proof is of the record that
its file is named after and ends in a header of the pack's chain. Evidence cases and other documents
are only held to their listed digest: what they say is not judged here, and the verdict says so.
"""

from __future__ import annotations

from bulwark.audit.packcustody import HELD, MADE, CustodyEntry, following, read_custody
from bulwark.audit.packfiles import (
    CUSTODY,
    EVIDENCE,
    MANIFEST,
    MAX_DOCUMENT_BYTES,
    POLICIES,
    PROOFS,
    SIGNATURE,
)
from bulwark.audit.packmanifest import Manifest, manifest_digest, read_signature
from bulwark.audit.packschemas import SCHEMA_FILES
from bulwark.ledger import jsonfields as jf
from bulwark.ledger.errors import LedgerError, SignatureInvalid
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Address, Digest
from bulwark.ledger.proofs import RecordProof
from bulwark.ledger.signing import verify
from bulwark.verifier.archive import Archive
from bulwark.verifier.certificates import EpochBook
from bulwark.verifier.chain import ProvenChain
from bulwark.verifier.codes import Code, PackRefused


def check_signature(archive: Archive, genesis: Genesis, manifest: Manifest) -> None:
    """That the key which the manifest names signed it; raises PackRefused."""
    try:
        member, key, signature = read_signature(archive.read(SIGNATURE))
    except jf.FieldInvalid as error:
        raise PackRefused(Code.SIGNATURE_MALFORMED, SIGNATURE, error.path, error.detail) from error
    if (member, key) != (manifest.member, manifest.key):
        detail = f"the maker of the manifest, {manifest.member} with 0x{manifest.key.hex()}"
        raise PackRefused(Code.SIGNATURE_MALFORMED, SIGNATURE, "", detail)
    try:
        verify(key, manifest_digest(genesis, archive.read(MANIFEST)), signature)
    except SignatureInvalid as error:
        raise PackRefused(Code.SIGNATURE_FORGED, SIGNATURE, "", str(error)) from error


def check_signer(manifest: Manifest, epochs: EpochBook, expected: Address | None) -> None:
    """That the maker's key is the member's, or the very one that was expected."""
    if expected is not None:
        if manifest.key != expected:
            detail = f"0x{expected.hex()}, 0x{manifest.key.hex()} given"
            raise PackRefused(Code.SIGNER_UNEXPECTED, SIGNATURE, "", detail)
        return
    if epochs.member_of_key(manifest.key) != manifest.member:
        detail = f"a node key of {manifest.member}, by genesis or by a validator set of the chain"
        raise PackRefused(Code.SIGNER_UNKNOWN, SIGNATURE, "", detail)


def check_custody(
    archive: Archive,
    genesis: Genesis,
    manifest: Manifest,
    epochs: EpochBook,
    expected_signer: Address | None,
    expected_entry: Digest | None,
) -> tuple[CustodyEntry, ...]:
    """Every entry against the one before it and its key; raises PackRefused."""
    try:
        entries = read_custody(archive.read(CUSTODY))
    except jf.FieldInvalid as error:
        raise PackRefused(Code.CUSTODY_MALFORMED, CUSTODY, error.path, error.detail) from error
    if not entries:
        raise PackRefused(Code.CUSTODY_MAKER, CUSTODY, "", "the entry of the maker")
    manifest_bytes = archive.read(MANIFEST)
    last: CustodyEntry | None = None
    for index, entry in enumerate(entries):
        where = f"entry {index}"
        if (entry.number, entry.previous, entry.kind) != following(last, manifest_bytes):
            what = MADE if last is None else HELD
            detail = f"number {index}, kind {what}, and the hash of what comes before"
            raise PackRefused(Code.CUSTODY_BROKEN, CUSTODY, where, detail)
        try:
            verify(entry.key, entry.signing_digest(genesis), entry.signature)
        except SignatureInvalid as error:
            raise PackRefused(Code.CUSTODY_FORGED, CUSTODY, where, str(error)) from error
        if last is None and (entry.member, entry.key) != (manifest.member, manifest.key):
            detail = f"{manifest.member}, who signed the manifest"
            raise PackRefused(Code.CUSTODY_MAKER, CUSTODY, where, detail)
        known = entry.key == expected_signer or epochs.member_of_key(entry.key) == entry.member
        if not known:
            detail = f"a node key of {entry.member}"
            raise PackRefused(Code.CUSTODY_SIGNER, CUSTODY, where, detail)
        last = entry
    if expected_entry is not None and expected_entry not in {entry.hash for entry in entries}:
        detail = f"the entry {expected_entry.hex()}"
        raise PackRefused(Code.CUSTODY_UNEXPECTED, CUSTODY, "", detail)
    return entries


def check_schemas(archive: Archive) -> None:
    """That the format's schemas are there as they are; raises PackRefused."""
    for name, content in SCHEMA_FILES.items():
        if archive.read(name) != content:
            raise PackRefused(Code.SCHEMA_CHANGED, name, "", "the schema of this format")
    for name in _of(archive, "schemas/"):
        if name not in SCHEMA_FILES:
            raise PackRefused(Code.FILE_UNKNOWN, name, "", "a schema of this format")


def check_policies(archive: Archive, manifest: Manifest, named: set[Digest]) -> int:
    """That each policy is what its id says and none is left out; how many there are."""
    held: set[Digest] = set()
    for name in _of(archive, POLICIES):
        stated = _stated(name, POLICIES)
        content = archive.read(name)
        if sha256(content) != stated:
            detail = f"a document with SHA-256 {stated.hex()}"
            raise PackRefused(Code.POLICY_CHANGED, name, "", detail)
        _check_json(name, content)
        held.add(stated)
    for policy in sorted(named - held - set(manifest.missing_policies)):
        detail = f"policy {policy.hex()}, which a batch of the selection names"
        raise PackRefused(Code.POLICY_MISSING, MANIFEST, "", detail)
    return len(held)


def check_proofs(archive: Archive, genesis: Genesis, chain: ProvenChain) -> int:
    """That each proof is of its record and of this chain; how many there are."""
    names = _of(archive, PROOFS)
    for name in names:
        try:
            proof = RecordProof.from_json(archive.read(name))
            found = proof.verify(genesis)
        except LedgerError as error:
            raise PackRefused(Code.PROOF_INVALID, name, "", str(error)) from error
        if Digest(found.record_id) != _stated(name, PROOFS):
            detail = f"a proof of this record, one of {found.record_id.hex()} given"
            raise PackRefused(Code.PROOF_SWAPPED, name, "", detail)
        header = proof.anchored.sealed.header
        if chain.hash_at(header.height) != header.hash():
            detail = f"header {header.height} of the pack's chain"
            raise PackRefused(Code.PROOF_FORK, name, "", detail)
    return len(names)


def check_evidence(archive: Archive) -> int:
    """That evidence cases are JSON; how many there are. What they say is not judged."""
    names = _of(archive, EVIDENCE)
    for name in names:
        _check_json(name, archive.read(name))
    return len(names)


def _of(archive: Archive, folder: str) -> list[str]:
    return [name for name in archive.files if name.startswith(folder)]


def _stated(name: str, folder: str) -> Digest:
    return Digest(bytes.fromhex(name.removeprefix(folder).removesuffix(".json")))


def _check_json(name: str, content: bytes) -> None:
    try:
        jf.parse(content, MAX_DOCUMENT_BYTES)
    except jf.FieldInvalid as error:
        raise PackRefused(Code.FILE_MALFORMED, name, error.path, error.detail) from error
