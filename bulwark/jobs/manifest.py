"""The manifest of a screening job: what was asked, as of which block, what came out, signed.

Rules: the manifest is canonical JSON (RFC 8785) and other spellings are refused; every part of the
result is a leaf (SHA-256 of its canonical lines) of an RFC 6962 tree whose root is in the manifest;
the node's key signs it under a tag of its own, so that it passes for nothing else. The signature
says whose node answered so, not that the answers are right: for that a reader asks its own node as
of the same block. No value of a row is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import rfc8785
from msgspec import Struct

from bulwark.jobs.row import OUTCOMES
from bulwark.ledger import jsonfields as jf
from bulwark.ledger.errors import SignatureInvalid
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.genesismember import MAX_NAME_CHARS
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import ADDRESS_BYTES, DIGEST_BYTES, Address, Digest, Height, MemberId
from bulwark.ledger.limits import MAX_MEMBER_ID_CHARS
from bulwark.ledger.merkle import leaf_hash, root_of
from bulwark.ledger.signing import SIGNATURE_BYTES, Signer, verify

FORMAT: Final = "bulwark-screening-job/1"
MAX_MANIFEST_BYTES: Final = 64 * 1024 * 1024
MAX_PARTS: Final = 1 << 19
MAX_CODES: Final = 4_096
_TAG: Final = b"screening-job/manifest/1"


class ManifestInvalid(Exception):
    """A manifest is none, or its signature does not hold; the message says where."""


class Part(Struct, frozen=True):
    """Some rows of the result that follow each other."""

    rows: int
    digest: Digest
    """SHA-256 of their canonical lines."""


class Manifest(Struct, frozen=True, kw_only=True):
    """What a job says of itself."""

    alliance: str
    genesis_hash: Digest
    member: MemberId
    """Whose node answered."""
    key: Address
    """Address of the key that signs: the member's node key."""
    job: str
    input_format: str
    input_bytes: int
    input_sha256: Digest
    height: Height
    """Block as after which every row is answered."""
    block_hash: Digest
    """Hash of that block's header."""
    block_time_ms: int
    """Ledger time of that block, against which ages and dates were counted."""
    behind: str | None
    """Why the node's data may have been old when the job began; then no answer is complete."""
    scoring: str
    """Version of the scoring rules."""
    tool_version: str
    started_ms: int
    ended_ms: int
    references: tuple[str, ...]
    """Columns of the caller's that the result repeats."""
    values: bool
    """Whether the result repeats the values."""
    outcomes: Mapping[str, int]
    bands: Mapping[str, int]
    """Rows by band, of those that were answered."""
    errors: Mapping[str, int]
    """Errors of rows by code."""
    parts: tuple[Part, ...]

    @property
    def rows(self) -> int:
        """Rows of the result, one for each row of the input."""
        return sum(part.rows for part in self.parts)

    @property
    def root(self) -> Digest:
        """Root of the tree over the parts: the digest of the result."""
        return root_of([leaf_hash(part.digest) for part in self.parts])

    def document(self) -> dict[str, Any]:
        """JSON form without the signature."""
        return {
            "format": FORMAT,
            "alliance": self.alliance,
            "genesis_hash": self.genesis_hash.hex(),
            "created_by": {"member": self.member, "key": f"0x{self.key.hex()}"},
            "job": self.job,
            "input": {
                "format": self.input_format,
                "bytes": self.input_bytes,
                "sha256": self.input_sha256.hex(),
            },
            "ledger": {
                "height": self.height,
                "block_hash": self.block_hash.hex(),
                "time_ms": self.block_time_ms,
                "behind": self.behind,
            },
            "scoring": self.scoring,
            "tool_version": self.tool_version,
            "started_ms": self.started_ms,
            "ended_ms": self.ended_ms,
            "references": list(self.references),
            "values": self.values,
            "rows": self.rows,
            "outcomes": dict(self.outcomes),
            "bands": dict(self.bands),
            "errors": dict(self.errors),
            "result_root": self.root.hex(),
            "parts": [[part.rows, part.digest.hex()] for part in self.parts],
        }


def _digest_of(genesis: Genesis, document: Mapping[str, Any]) -> Digest:
    return genesis.domain().digest(_TAG, sha256(rfc8785.dumps(dict(document))))


def signed(manifest: Manifest, genesis: Genesis, key: Signer) -> bytes:
    """The manifest with its signature, canonical JSON."""
    document = manifest.document()
    signature = key.sign(_digest_of(genesis, document))
    return rfc8785.dumps({**document, "signature": signature.hex()})


def read_signed(data: bytes, genesis: Genesis, key: Address | None = None) -> Manifest:
    """A manifest whose signature holds under the genesis document; raises ManifestInvalid.

    The key is that of the member's node in the genesis document, unless `key` says that the member
    has had another one since.
    """
    try:
        parsed = dict(jf.mapping(jf.parse(data, MAX_MANIFEST_BYTES), "manifest"))
        manifest, signature = _read(parsed)
    except jf.FieldInvalid as error:
        raise ManifestInvalid(str(error)) from error
    if rfc8785.dumps(parsed) != data:  # type: ignore[arg-type]  # parsed from JSON
        raise ManifestInvalid("manifest: is not canonical JSON (RFC 8785)")
    if manifest.genesis_hash != genesis.hash:
        raise ManifestInvalid("genesis_hash: belongs to another alliance than the genesis document")
    known = {member.id: member.node for member in genesis.members}
    wanted = known.get(manifest.member) if key is None else key
    if wanted is None:
        raise ManifestInvalid(
            f"created_by.member: genesis has no member {manifest.member}; name its key with --key"
        )
    if manifest.key != wanted:
        raise ManifestInvalid(
            f"created_by.key: 0x{manifest.key.hex()} is not the key of {manifest.member}'s node, "
            f"0x{wanted.hex()}"
        )
    try:
        verify(wanted, _digest_of(genesis, manifest.document()), signature, "manifest signature")
    except SignatureInvalid as error:
        raise ManifestInvalid(str(error)) from error
    return manifest


_NAMES: Final = (
    "format", "alliance", "genesis_hash", "created_by", "job", "input", "ledger", "scoring",
    "tool_version", "started_ms", "ended_ms", "references", "values", "rows", "outcomes", "bands",
    "errors", "result_root", "parts", "signature",
)  # fmt: skip


def _read(parsed: Mapping[str, object]) -> tuple[Manifest, bytes]:
    doc = jf.fields(parsed, "", _NAMES)
    if doc["format"] != FORMAT:
        raise jf.FieldInvalid("format", f"{FORMAT!r} is needed")
    by = jf.fields(doc["created_by"], "created_by", ("member", "key"))
    given = jf.fields(doc["input"], "input", ("format", "bytes", "sha256"))
    ledger = jf.fields(doc["ledger"], "ledger", ("height", "block_hash", "time_ms", "behind"))
    if not isinstance(doc["values"], bool):
        raise jf.FieldInvalid("values", "true or false is needed")
    manifest = Manifest(
        alliance=jf.text(doc["alliance"], "alliance", MAX_NAME_CHARS),
        genesis_hash=_digest(doc["genesis_hash"], "genesis_hash"),
        member=MemberId(jf.text(by["member"], "created_by.member", MAX_MEMBER_ID_CHARS)),
        key=Address(jf.prefixed(by["key"], "created_by.key", exactly=ADDRESS_BYTES)),
        job=jf.text(doc["job"], "job", 64),
        input_format=jf.text(given["format"], "input.format", 16),
        input_bytes=jf.integer(given["bytes"], "input.bytes"),
        input_sha256=_digest(given["sha256"], "input.sha256"),
        height=Height(jf.integer(ledger["height"], "ledger.height")),
        block_hash=_digest(ledger["block_hash"], "ledger.block_hash"),
        block_time_ms=jf.integer(ledger["time_ms"], "ledger.time_ms"),
        behind=None
        if ledger["behind"] is None
        else jf.text(ledger["behind"], "ledger.behind", 512),
        scoring=jf.text(doc["scoring"], "scoring", 64),
        tool_version=jf.text(doc["tool_version"], "tool_version", 64),
        started_ms=jf.integer(doc["started_ms"], "started_ms"),
        ended_ms=jf.integer(doc["ended_ms"], "ended_ms"),
        references=jf.items(doc["references"], "references", 64, lambda v, p: jf.text(v, p, 256)),
        values=doc["values"],
        outcomes=_counts(doc["outcomes"], "outcomes"),
        bands=_counts(doc["bands"], "bands"),
        errors=_counts(doc["errors"], "errors"),
        parts=jf.items(doc["parts"], "parts", MAX_PARTS, _part),
    )
    if set(manifest.outcomes) != set(OUTCOMES):
        raise jf.FieldInvalid("outcomes", f"has {', '.join(OUTCOMES)}")
    if manifest.rows != doc["rows"] or sum(manifest.outcomes.values()) != manifest.rows:
        raise jf.FieldInvalid("rows", f"the parts have {manifest.rows} rows")
    if manifest.root.hex() != doc["result_root"]:
        raise jf.FieldInvalid("result_root", "is not the root over the parts")
    return manifest, jf.hexadecimal(doc["signature"], "signature", exactly=SIGNATURE_BYTES)


def _part(value: object, path: str) -> Part:
    if not isinstance(value, list) or len(value) != 2:
        raise jf.FieldInvalid(path, "a number of rows and a digest are needed")
    return Part(jf.integer(value[0], f"{path}[0]"), _digest(value[1], f"{path}[1]"))


def _counts(value: object, path: str) -> dict[str, int]:
    found = jf.mapping(value, path)
    if len(found) > MAX_CODES:
        raise jf.FieldInvalid(path, f"at most {MAX_CODES} entries")
    return {name: jf.integer(count, f"{path}.{name[:64]}") for name, count in found.items()}


def _digest(value: object, path: str) -> Digest:
    return Digest(jf.hexadecimal(value, path, exactly=DIGEST_BYTES))
