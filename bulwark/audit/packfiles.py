"""The files of an evidence pack: their names, their bounds, and which of them every node agrees on.

Rules: a name is lower-case ASCII of at most four segments that begin with a letter or digit, so
that it can point nowhere outside a folder; a file that is not known here is refused. Files that
hold only what the ledger fixes are the same at every honest node (*agreed*); certificates, proofs,
evidence and documents may differ, since each node has collected its own.
"""

from __future__ import annotations

import re
from typing import Final

from bulwark.ledger.anchor import ANCHOR_BYTES

FORMAT: Final = "bulwark-evidence-pack/1"

MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "signature.json"
CUSTODY: Final = "custody.json"
UNLISTED: Final = (MANIFEST, SIGNATURE, CUSTODY)
"""Files that the manifest does not list: itself, its signature, and what grows behind it."""

HEADERS: Final = "chain/headers.bin"
"""Every header of the chain's range, HEADER_BYTES each, ascending."""
CERTIFICATES: Final = "chain/certificates.bin"
"""Checkpoint certificates, each behind its 4-byte length, ascending by height."""
EPOCHS: Final = "chain/epochs.bin"
"""The end of each epoch: last header and next validators, each behind its 4-byte length."""
FRONTIER: Final = "log/frontier.bin"
"""Right edge of the record log at the first header; only where the chain begins above block 0."""
ANCHORS: Final = "log/anchors.bin"
"""Every leaf of the record log behind the first header, ANCHOR_BYTES each."""
BATCHES: Final = "records/batches.bin"
"""The selected batches with all their leaves (`bulwark.audit.packbatch`)."""
POLICIES: Final = "policies/"
SCHEMAS: Final = "schemas/"
EVIDENCE: Final = "evidence/"
PROOFS: Final = "proofs/"
DOCUMENTS: Final = "documents/"

NEEDED: Final = (ANCHORS, CERTIFICATES, EPOCHS, HEADERS, BATCHES)
"""Files without which a pack shows nothing."""

HEADER_BYTES: Final = 1 + 8 + 32 + 32 + 8 + 3 * 32 + 8 + 3 * 32 + 4 * 8
"""Every header has this length."""
LEAF_BYTES: Final = ANCHOR_BYTES
MAX_PACK_BYTES: Final = (1 << 31) - 1
"""Whole archive: ten million records, and below what the plain ZIP format can say."""
MAX_ENTRIES: Final = 4_096
"""Files of an archive."""
MAX_NAME_CHARS: Final = 128
MAX_MANIFEST_BYTES: Final = 2 * 1024 * 1024
MAX_CUSTODY_BYTES: Final = 1024 * 1024
MAX_SIGNATURE_BYTES: Final = 4 * 1024
MAX_DOCUMENT_BYTES: Final = 8 * 1024 * 1024
"""One policy, schema, proof, piece of evidence or other document."""
MAX_CERTIFICATE_BYTES: Final = 16 * 1024
MAX_FRONTIER_BYTES: Final = 8 + 64 * 32
MAX_SELECTED_RECORDS: Final = 1_000
"""Record ids that one pack may be asked for by name."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]*(?:/[a-z0-9][a-z0-9._-]*){0,3}")
_DIGEST_JSON: Final = re.compile(r"(?:policies|evidence|proofs)/[0-9a-f]{64}\.json")
_SCHEMA: Final = re.compile(r"schemas/[a-z0-9-]{1,64}\.json")
_FIXED: Final = frozenset((*NEEDED, *UNLISTED, FRONTIER))
_AGREED: Final = (POLICIES, SCHEMAS, "log/", "records/")


def is_safe(name: str) -> bool:
    """Whether this is a name that a pack may use at all."""
    return len(name) <= MAX_NAME_CHARS and _NAME.fullmatch(name) is not None


def is_known(name: str) -> bool:
    """Whether this format has a file of that name."""
    return is_safe(name) and (
        name in _FIXED
        or _DIGEST_JSON.fullmatch(name) is not None
        or _SCHEMA.fullmatch(name) is not None
        or name.startswith(DOCUMENTS)
    )


def is_agreed(name: str) -> bool:
    """Whether every honest node writes the same bytes into this file for the same selection."""
    return name in (HEADERS, EPOCHS) or name.startswith(_AGREED)


def most_bytes(name: str) -> int:
    """The longest that this file may be."""
    match name:
        case "manifest.json":
            return MAX_MANIFEST_BYTES
        case "signature.json":
            return MAX_SIGNATURE_BYTES
        case "custody.json":
            return MAX_CUSTODY_BYTES
        case "log/frontier.bin":
            return MAX_FRONTIER_BYTES
        case _ if name in NEEDED:
            return MAX_PACK_BYTES
        case _:
            return MAX_DOCUMENT_BYTES


def place(name: str) -> tuple[int, str]:
    """Sort key of a file in the archive: manifest, signature, the listed by name, custody last."""
    rank = {MANIFEST: 0, SIGNATURE: 1, CUSTODY: 3}
    return rank.get(name, 2), name
