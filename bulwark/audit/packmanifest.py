"""The manifest of an evidence pack: what it claims to be, and the digest of every file in it.

Rules: the manifest is canonical JSON (RFC 8785) and bytes in another spelling are refused; the
signature over it is made under a tag of its own, so that it can never pass for a vote, and says who
made the pack (custody), never that what it says is true: that is for the certificates.
The content hash covers only what every honest node writes alike, so packs of two nodes compare.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import rfc8785
from msgspec import Struct

from bulwark.audit.packfiles import (
    FORMAT,
    MAX_ENTRIES,
    MAX_MANIFEST_BYTES,
    MAX_NAME_CHARS,
    MAX_SELECTED_RECORDS,
    MAX_SIGNATURE_BYTES,
    is_agreed,
)
from bulwark.ledger import jsonfields as jf
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.genesismember import MAX_NAME_CHARS as MAX_ALLIANCE_CHARS
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import (
    ADDRESS_BYTES,
    DIGEST_BYTES,
    Address,
    Digest,
    Height,
    MemberId,
    RecordId,
    TimestampMs,
)
from bulwark.ledger.limits import MAX_MEMBER_ID_CHARS
from bulwark.ledger.signing import SIGNATURE_BYTES

SIGNATURE_FORMAT: Final = "bulwark-pack-signature/1"
MAX_VERSION_CHARS: Final = 64
MAX_MISSING_POLICIES: Final = 1_024
ALL: Final = "all"
REPORTER: Final = "reporter"
RECORDS: Final = "records"
SELECTIONS: Final = (ALL, REPORTER, RECORDS)
_MANIFEST_TAG: Final = b"evidence-pack/manifest/1"
_CONTENT_TAG: Final = b"bulwark/evidence-pack/content/1\x00"


class ListedFile(Struct, frozen=True):
    """One file as the manifest lists it."""

    name: str
    size: int
    """Bytes."""
    sha256: Digest


class Selection(Struct, frozen=True, kw_only=True):
    """Which records a pack is about."""

    kind: str
    """`all` of the heights, those of one `reporter` there, or the named `records`."""
    first: Height
    """First block of the selection."""
    last: Height
    """Last block of the selection."""
    account: Address | None = None
    """Account of the reporter."""
    records: tuple[RecordId, ...] = ()
    """Ascending."""

    def document(self) -> dict[str, object]:
        """JSON form."""
        return {
            "kind": self.kind,
            "from_height": self.first,
            "to_height": self.last,
            "account": None if self.account is None else f"0x{self.account.hex()}",
            "records": [record.hex() for record in self.records],
        }

    @classmethod
    def read(cls, value: object, path: str) -> Selection:
        """Inverse of document(); raises FieldInvalid."""
        names = ("kind", "from_height", "to_height", "account", "records")
        doc = jf.fields(value, path, names)
        kind = jf.text(doc["kind"], f"{path}.kind", 16)
        if kind not in SELECTIONS:
            raise jf.FieldInvalid(f"{path}.kind", f"one of {', '.join(SELECTIONS)} is needed")
        made = cls(
            kind=kind,
            first=Height(jf.integer(doc["from_height"], f"{path}.from_height")),
            last=Height(jf.integer(doc["to_height"], f"{path}.to_height")),
            account=_account(doc["account"], f"{path}.account"),
            records=jf.items(
                doc["records"],
                f"{path}.records",
                MAX_SELECTED_RECORDS,
                lambda v, p: RecordId(jf.hexadecimal(v, p, exactly=DIGEST_BYTES)),
            ),
        )
        if (made.account is not None) != (kind == REPORTER):
            raise jf.FieldInvalid(f"{path}.account", "goes with the selection of a reporter")
        if bool(made.records) != (kind == RECORDS):
            raise jf.FieldInvalid(f"{path}.records", "go with the selection of records")
        if list(made.records) != sorted(set(made.records)):
            raise jf.FieldInvalid(f"{path}.records", "ascending ids, each once, are needed")
        if made.first > made.last:
            raise jf.FieldInvalid(f"{path}.from_height", f"is over to_height {made.last}")
        return made


class Manifest(Struct, frozen=True, kw_only=True):
    """What a pack claims to be; the verifier holds every field against the files."""

    alliance: str
    genesis_hash: Digest
    member: MemberId
    """Whose node made the pack."""
    key: Address
    """Address of the key that signs the manifest."""
    tool_version: str
    chain_first: Height
    """First header in the pack; 0 if it has the whole chain."""
    chain_last: Height
    """Last header in the pack, which is final."""
    block_hash: Digest
    """Hash of the last header."""
    time_ms: TimestampMs
    """Ledger time of the last header."""
    selection: Selection
    missing_policies: tuple[Digest, ...]
    """Policies that the records name and the maker does not hold."""
    files: tuple[ListedFile, ...]
    """By name, ascending."""

    @property
    def content_hash(self) -> Digest:
        """SHA-256 over range, selection and the files that all honest nodes write alike."""
        agreed = [_file_document(file) for file in self.files if is_agreed(file.name)]
        content = {
            "genesis_hash": self.genesis_hash.hex(),
            "chain": [self.chain_first, self.chain_last, self.block_hash.hex()],
            "selection": self.selection.document(),
            "files": agreed,
        }
        return sha256(_CONTENT_TAG + rfc8785.dumps(content))  # type: ignore[arg-type]

    def to_json(self) -> bytes:
        """Canonical JSON (RFC 8785)."""
        document: dict[str, object] = {
            "format": FORMAT,
            "alliance": self.alliance,
            "genesis_hash": self.genesis_hash.hex(),
            "created_by": {"member": self.member, "key": f"0x{self.key.hex()}"},
            "tool_version": self.tool_version,
            "chain": {
                "from_height": self.chain_first,
                "to_height": self.chain_last,
                "block_hash": self.block_hash.hex(),
                "time_ms": self.time_ms,
            },
            "selection": self.selection.document(),
            "missing_policies": [policy.hex() for policy in self.missing_policies],
            "content_hash": self.content_hash.hex(),
            "files": [_file_document(file) for file in self.files],
        }
        return rfc8785.dumps(document)  # type: ignore[arg-type]  # JSON by construction


def format_of(data: bytes) -> object:
    """The format that a manifest names; raises FieldInvalid for what is no JSON object."""
    return jf.mapping(jf.parse(data, MAX_MANIFEST_BYTES), "manifest").get("format")


def read_manifest(data: bytes) -> tuple[Manifest, Digest]:
    """A manifest and the content hash that it states; raises FieldInvalid."""
    names = ("format", "alliance", "genesis_hash", "created_by", "tool_version", "chain")
    more = ("selection", "missing_policies", "content_hash", "files")
    doc = jf.fields(jf.parse(data, MAX_MANIFEST_BYTES), "", (*names, *more))
    by = jf.fields(doc["created_by"], "created_by", ("member", "key"))
    chain_names = ("from_height", "to_height", "block_hash", "time_ms")
    chain = jf.fields(doc["chain"], "chain", chain_names)
    manifest = Manifest(
        alliance=jf.text(doc["alliance"], "alliance", MAX_ALLIANCE_CHARS),
        genesis_hash=_digest(doc["genesis_hash"], "genesis_hash"),
        member=MemberId(jf.text(by["member"], "created_by.member", MAX_MEMBER_ID_CHARS)),
        key=Address(jf.prefixed(by["key"], "created_by.key", exactly=ADDRESS_BYTES)),
        tool_version=jf.text(doc["tool_version"], "tool_version", MAX_VERSION_CHARS),
        chain_first=Height(jf.integer(chain["from_height"], "chain.from_height")),
        chain_last=Height(jf.integer(chain["to_height"], "chain.to_height")),
        block_hash=_digest(chain["block_hash"], "chain.block_hash"),
        time_ms=TimestampMs(jf.integer(chain["time_ms"], "chain.time_ms")),
        selection=Selection.read(doc["selection"], "selection"),
        missing_policies=jf.items(
            doc["missing_policies"], "missing_policies", MAX_MISSING_POLICIES, _digest
        ),
        files=jf.items(doc["files"], "files", MAX_ENTRIES, _read_file),
    )
    listed = [file.name for file in manifest.files]
    if listed != sorted(set(listed)):
        raise jf.FieldInvalid("files", "names in ascending order, each once, are needed")
    return manifest, _digest(doc["content_hash"], "content_hash")


def manifest_digest(genesis: Genesis, manifest: bytes) -> Digest:
    """The 32 bytes that the maker's key signs."""
    return genesis.domain().digest(_MANIFEST_TAG, sha256(manifest))


def signature_document(member: MemberId, key: Address, signature: bytes) -> bytes:
    """The content of signature.json."""
    return rfc8785.dumps(
        {
            "format": SIGNATURE_FORMAT,
            "member": member,
            "key": f"0x{key.hex()}",
            "signature": signature.hex(),
        }
    )


def read_signature(data: bytes) -> tuple[MemberId, Address, bytes]:
    """Member, key and signature of signature.json; raises FieldInvalid."""
    parsed = jf.parse(data, MAX_SIGNATURE_BYTES)
    doc = jf.fields(parsed, "", ("format", "member", "key", "signature"))
    if doc["format"] != SIGNATURE_FORMAT:
        raise jf.FieldInvalid("format", f"{SIGNATURE_FORMAT!r} is needed")
    member = MemberId(jf.text(doc["member"], "member", MAX_MEMBER_ID_CHARS))
    key = Address(jf.prefixed(doc["key"], "key", exactly=ADDRESS_BYTES))
    return member, key, jf.hexadecimal(doc["signature"], "signature", exactly=SIGNATURE_BYTES)


def listed(files: Iterable[ListedFile]) -> tuple[ListedFile, ...]:
    """Files in the order of a manifest."""
    return tuple(sorted(files, key=lambda file: file.name))


def _file_document(file: ListedFile) -> dict[str, object]:
    return {"name": file.name, "bytes": file.size, "sha256": file.sha256.hex()}


def _read_file(value: object, path: str) -> ListedFile:
    doc = jf.fields(value, path, ("name", "bytes", "sha256"))
    return ListedFile(
        jf.text(doc["name"], f"{path}.name", MAX_NAME_CHARS),
        jf.integer(doc["bytes"], f"{path}.bytes"),
        _digest(doc["sha256"], f"{path}.sha256"),
    )


def _digest(value: object, path: str) -> Digest:
    return Digest(jf.hexadecimal(value, path, exactly=DIGEST_BYTES))


def _account(value: object, path: str) -> Address | None:
    return None if value is None else Address(jf.prefixed(value, path, exactly=ADDRESS_BYTES))
