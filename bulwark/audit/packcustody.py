"""The chain of custody of an evidence pack: who made it, who held it after, in whose words.

Rules: each entry is signed under a tag of its own and names the hash of the entry before it, the
first one the manifest; so an entry can not be changed, moved, or taken out of the middle. Whoever
holds the file can take entries off its end: who hands a pack over keeps the hash of his entry, and
the verifier can be told to expect it. Times are what each signer says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import rfc8785
from msgspec import Struct
from msgspec.structs import replace

from bulwark.audit.packfiles import MAX_CUSTODY_BYTES
from bulwark.audit.packmanifest import MAX_VERSION_CHARS
from bulwark.ledger import jsonfields as jf
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import (
    ADDRESS_BYTES,
    DIGEST_BYTES,
    Address,
    Digest,
    Height,
    MemberId,
    TimestampMs,
)
from bulwark.ledger.limits import MAX_MEMBER_ID_CHARS
from bulwark.ledger.signing import SIGNATURE_BYTES, Signer

CUSTODY_FORMAT: Final = "bulwark-custody/1"
MADE: Final = "made"
HELD: Final = "held"
MAX_CUSTODY_ENTRIES: Final = 256
MAX_NOTE_CHARS: Final = 1_000
_TAG: Final = b"evidence-pack/custody/1"
_HASH_TAG: Final = b"bulwark/evidence-pack/custody/1\x00"
_UNSIGNED: Final = bytes(SIGNATURE_BYTES)


class CustodyEntry(Struct, frozen=True, kw_only=True):
    """One step of a pack's way."""

    number: int
    """0 for the making, then without a gap."""
    previous: Digest
    """Hash of the entry before; for the first SHA-256 of the manifest."""
    kind: str
    """`made` for the first, `held` for all others."""
    at_ms: TimestampMs
    """When, by the signer's clock."""
    member: MemberId
    key: Address
    """Address of the signing key."""
    tool_version: str
    height: Height
    """Last block of the pack that the signer had in hand."""
    note: str
    """Who handed it to whom and why, in the signer's words."""
    signature: bytes = _UNSIGNED

    def document(self) -> dict[str, object]:
        """JSON form."""
        return {**self._body(), "signature": self.signature.hex()}

    def _body(self) -> dict[str, object]:
        return {
            "number": self.number,
            "previous": self.previous.hex(),
            "kind": self.kind,
            "at_ms": self.at_ms,
            "member": self.member,
            "key": f"0x{self.key.hex()}",
            "tool_version": self.tool_version,
            "height": self.height,
            "note": self.note,
        }

    def signing_digest(self, genesis: Genesis) -> Digest:
        """The 32 bytes that the key signs."""
        body = rfc8785.dumps(self._body())  # type: ignore[arg-type]  # JSON by construction
        return genesis.domain().digest(_TAG, sha256(body))

    def signed(self, genesis: Genesis, key: Signer) -> CustodyEntry:
        """This entry with the signature of `key`, whose address it names."""
        return replace(self, signature=key.sign(self.signing_digest(genesis)))

    @property
    def hash(self) -> Digest:
        """What the next entry names, signature included."""
        document = rfc8785.dumps(self.document())  # type: ignore[arg-type]
        return sha256(_HASH_TAG + document)


def custody_document(entries: Sequence[CustodyEntry]) -> bytes:
    """The content of custody.json."""
    document = {"format": CUSTODY_FORMAT, "entries": [entry.document() for entry in entries]}
    return rfc8785.dumps(document)  # type: ignore[arg-type]  # JSON by construction


def read_custody(data: bytes) -> tuple[CustodyEntry, ...]:
    """Inverse of custody_document(); checks neither order nor signature. Raises FieldInvalid."""
    doc = jf.fields(jf.parse(data, MAX_CUSTODY_BYTES), "", ("format", "entries"))
    if doc["format"] != CUSTODY_FORMAT:
        raise jf.FieldInvalid("format", f"{CUSTODY_FORMAT!r} is needed")
    return jf.items(doc["entries"], "entries", MAX_CUSTODY_ENTRIES, _read)


def following(last: CustodyEntry | None, manifest: bytes) -> tuple[int, Digest, str]:
    """Number, previous hash and kind of the entry that comes behind `last`."""
    if last is None:
        return 0, sha256(manifest), MADE
    return last.number + 1, last.hash, HELD


def _read(value: object, path: str) -> CustodyEntry:
    names = ("number", "previous", "kind", "at_ms", "member", "key", "tool_version", "height")
    doc = jf.fields(value, path, (*names, "note", "signature"))
    return CustodyEntry(
        number=jf.integer(doc["number"], f"{path}.number"),
        previous=Digest(jf.hexadecimal(doc["previous"], f"{path}.previous", exactly=DIGEST_BYTES)),
        kind=jf.text(doc["kind"], f"{path}.kind", 8),
        at_ms=TimestampMs(jf.integer(doc["at_ms"], f"{path}.at_ms")),
        member=MemberId(jf.text(doc["member"], f"{path}.member", MAX_MEMBER_ID_CHARS)),
        key=Address(jf.prefixed(doc["key"], f"{path}.key", exactly=ADDRESS_BYTES)),
        tool_version=jf.text(doc["tool_version"], f"{path}.tool_version", MAX_VERSION_CHARS),
        height=Height(jf.integer(doc["height"], f"{path}.height")),
        note=jf.text(doc["note"], f"{path}.note", MAX_NOTE_CHARS),
        signature=jf.hexadecimal(doc["signature"], f"{path}.signature", exactly=SIGNATURE_BYTES),
    )
