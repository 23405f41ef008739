"""Why a pack is refused: stable codes, each with what it means, and the error that carries one.

Rules: a code never changes its meaning; docs/evidence-pack.md lists them from this table, a test
holds the two together. An error says file, place and what was expected there.
"""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """The first thing that was wrong."""

    ARCHIVE_TRUNCATED = "archive.truncated"
    ARCHIVE_TOO_LARGE = "archive.too-large"
    ARCHIVE_COMPRESSED = "archive.compressed"
    ARCHIVE_NOT_CANONICAL = "archive.not-canonical"
    ARCHIVE_NAME = "archive.name"
    ARCHIVE_DUPLICATE = "archive.duplicate"
    ARCHIVE_ORDER = "archive.order"
    FILE_UNKNOWN = "file.unknown"
    FILE_EXTRA = "file.extra"
    FILE_MISSING = "file.missing"
    FILE_TOO_LARGE = "file.too-large"
    FILE_CHANGED = "file.changed"
    FILE_MALFORMED = "file.malformed"
    FORMAT_UNKNOWN = "format.unknown"
    MANIFEST_MALFORMED = "manifest.malformed"
    MANIFEST_CONTENT = "manifest.content-hash"
    SIGNATURE_MALFORMED = "signature.malformed"
    SIGNATURE_FORGED = "signature.forged"
    SIGNER_UNKNOWN = "signer.not-a-member"
    SIGNER_UNEXPECTED = "signer.unexpected"
    GENESIS_INVALID = "genesis.invalid"
    GENESIS_OTHER = "genesis.other-alliance"
    CHAIN_FOREIGN = "chain.foreign"
    CHAIN_RANGE = "chain.range"
    CHAIN_TRUNCATED = "chain.truncated"
    CHAIN_BROKEN = "chain.broken"
    HEADER_INVALID = "header.invalid"
    CERTIFICATE_MALFORMED = "certificate.malformed"
    CERTIFICATE_OTHER = "certificate.other-header"
    CERTIFICATE_FEW = "certificate.too-few"
    CERTIFICATE_FORGED = "certificate.forged"
    CERTIFICATE_OLD = "certificate.old-validators"
    CERTIFICATE_MISSING = "certificate.missing"
    CERTIFICATE_STRAY = "certificate.stray"
    EPOCH_WRONG = "epoch.wrong-validators"
    EPOCH_MISSING = "epoch.missing"
    EPOCH_EXTRA = "epoch.extra"
    LOG_TRUNCATED = "log.truncated"
    LOG_MISSING = "log.anchor-missing"
    LOG_ORDER = "log.order"
    LOG_ROOT = "log.root"
    LOG_EXTRA = "log.extra"
    LOG_FRONTIER = "log.frontier"
    BATCH_PLACE = "batch.place"
    BATCH_COUNT = "batch.count"
    BATCH_ROOT = "batch.root"
    BATCH_MISSING = "batch.missing"
    RECORD_CHANGED = "record.changed"
    RECORD_MALFORMED = "record.malformed"
    RECORD_WITHHELD = "record.withheld"
    RECORD_MISSING = "record.missing"
    RECORD_OUTSIDE = "record.outside-selection"
    ERASURE_NO_ORDER = "erasure.no-order"
    POLICY_CHANGED = "policy.changed"
    POLICY_MISSING = "policy.missing"
    SCHEMA_CHANGED = "schema.changed"
    PROOF_INVALID = "proof.invalid"
    PROOF_SWAPPED = "proof.swapped"
    PROOF_FORK = "proof.other-chain"
    CUSTODY_MALFORMED = "custody.malformed"
    CUSTODY_BROKEN = "custody.broken"
    CUSTODY_FORGED = "custody.forged"
    CUSTODY_MAKER = "custody.maker"
    CUSTODY_SIGNER = "custody.not-a-member"
    CUSTODY_UNEXPECTED = "custody.unexpected-end"


MEANINGS: dict[Code, str] = {
    Code.ARCHIVE_TRUNCATED: "the archive ends before its directory does",
    Code.ARCHIVE_TOO_LARGE: "the archive, or the number of its files, is over the format's bound",
    Code.ARCHIVE_COMPRESSED: "a file is compressed: a pack's files are stored as they are",
    Code.ARCHIVE_NOT_CANONICAL: "the archive is not the one encoding of its content",
    Code.ARCHIVE_NAME: "a name that could point outside a folder, or is not of the form",
    Code.ARCHIVE_DUPLICATE: "two files have one name",
    Code.ARCHIVE_ORDER: "the files do not stand in the format's order",
    Code.FILE_UNKNOWN: "the format has no file of that name",
    Code.FILE_EXTRA: "a file that the manifest does not list",
    Code.FILE_MISSING: "a file that the manifest lists or the format needs is not there",
    Code.FILE_TOO_LARGE: "a file is over its bound",
    Code.FILE_CHANGED: "a file has not the length or SHA-256 that the manifest states",
    Code.FILE_MALFORMED: "a file is not of its form",
    Code.FORMAT_UNKNOWN: "the manifest names another version of the format",
    Code.MANIFEST_MALFORMED: "the manifest is no canonical JSON with exactly its fields",
    Code.MANIFEST_CONTENT: "the stated content hash is not that of the listed files",
    Code.SIGNATURE_MALFORMED: "signature.json is not of its form or names another maker",
    Code.SIGNATURE_FORGED: "the signature over the manifest is not by the key it names",
    Code.SIGNER_UNKNOWN: "the signing key is no member's, by genesis or by a proven validator set",
    Code.SIGNER_UNEXPECTED: "the pack is signed by another key than the one that was expected",
    Code.GENESIS_INVALID: "the genesis document that was given can not be read",
    Code.GENESIS_OTHER: "the pack names another genesis document than the one that was given",
    Code.CHAIN_FOREIGN: "the first header is not that of the given genesis document's chain",
    Code.CHAIN_RANGE: "heights, block hash or time of the manifest are not those of the headers",
    Code.CHAIN_TRUNCATED: "headers end before the height that the manifest states",
    Code.CHAIN_BROKEN: "a header does not follow the one before it",
    Code.HEADER_INVALID: "a header can not be read or contradicts its epoch",
    Code.CERTIFICATE_MALFORMED: "a certificate can not be read, is out of order or of another kind",
    Code.CERTIFICATE_OTHER: "a certificate is over another header than the one at its height",
    Code.CERTIFICATE_FEW: "a certificate has fewer signers than a quorum",
    Code.CERTIFICATE_FORGED: "a signature of a certificate is not by the validator it names",
    Code.CERTIFICATE_OLD: "a certificate is by the validators of an earlier epoch",
    Code.CERTIFICATE_MISSING: "the last header of the pack or of an epoch has no certificate",
    Code.CERTIFICATE_STRAY: "a certificate of a height that the pack has no header of",
    Code.EPOCH_WRONG: "the validators of an epoch are not those that the header before commits to",
    Code.EPOCH_MISSING: "an epoch ends in the pack without saying who votes next",
    Code.EPOCH_EXTRA: "an end of an epoch that the headers do not have",
    Code.LOG_TRUNCATED: "the record log ends before the size that the headers commit to",
    Code.LOG_MISSING: "a block has fewer anchors than its header commits to",
    Code.LOG_ORDER: "the anchors of a block are not in the order of their events",
    Code.LOG_ROOT: "the anchors do not lead to the record-log root of a header",
    Code.LOG_EXTRA: "anchors behind the last one that the headers commit to",
    Code.LOG_FRONTIER: "the edge of the log is not that of the first header",
    Code.BATCH_PLACE: "a batch stands at a place of the log that is no batch's, or out of order",
    Code.BATCH_COUNT: "a batch has more or fewer records than its anchor says",
    Code.BATCH_ROOT: "the leaves of a batch do not lead to the root that its anchor holds",
    Code.BATCH_MISSING: "a batch that the selection covers is not in the pack",
    Code.RECORD_CHANGED: "salt, tag or payload of a record do not have the hash that is its id",
    Code.RECORD_MALFORMED: "a record can not be read",
    Code.RECORD_WITHHELD: "a record that the selection covers is held back",
    Code.RECORD_MISSING: "a record that was asked for by its id is not in the pack",
    Code.RECORD_OUTSIDE: "a record outside the selection that is about none inside it",
    Code.ERASURE_NO_ORDER: "a bare leaf without an erasure order on the ledger that names it",
    Code.POLICY_CHANGED: "a policy document does not have the SHA-256 that is its id",
    Code.POLICY_MISSING: "a policy that a batch names is neither here nor stated as not held",
    Code.SCHEMA_CHANGED: "a JSON schema is not the one of this format",
    Code.PROOF_INVALID: "a record's own proof does not hold",
    Code.PROOF_SWAPPED: "a record's own proof is of another record",
    Code.PROOF_FORK: "a record's own proof ends in a header that is not of the pack's chain",
    Code.CUSTODY_MALFORMED: "custody.json is not of its form",
    Code.CUSTODY_BROKEN: "a custody entry does not follow the one before it",
    Code.CUSTODY_FORGED: "a custody entry is not signed by the key it names",
    Code.CUSTODY_MAKER: "the first custody entry is not the maker's",
    Code.CUSTODY_SIGNER: "the key of a custody entry is no member's",
    Code.CUSTODY_UNEXPECTED: "the custody does not hold the entry that was expected",
}


class PackRefused(Exception):
    """The pack does not show what it claims."""

    def __init__(self, code: Code, file: str, place: str, expected: str) -> None:
        self.code = code
        self.file = file
        """Name of the file inside the pack; `archive` for the container itself."""
        self.place = place
        """Where in the file: header, entry, anchor or byte, counted from 0; may be empty."""
        self.expected = expected
        """What should have been there, and what was."""
        at = f" {place}" if place else ""
        super().__init__(f"{code.value}: {file}{at}: {expected}")

    def document(self) -> dict[str, object]:
        """JSON form."""
        return {
            "valid": False,
            "code": self.code.value,
            "file": self.file,
            "place": self.place,
            "expected": self.expected,
        }
