"""Proofs that leave a node: anyone checks them offline, trusting nothing but the genesis document.

Rules: every proof ends in a header that a CHECKPOINT quorum of its epoch's validators certified;
those are followed from the genesis document through the ends of the epochs before (E4);
the header fixes the record log, the log an anchor, the anchor a sidecar root, the root a record.
A proof of an erased record shows its leaf hash alone. The JSON form is strict and bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import rfc8785
from msgspec import Struct

from bulwark.ledger import jsonfields as jf
from bulwark.ledger.anchor import ANCHOR_BYTES, Anchor, AnchorKind
from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.epochs import MAX_EPOCH_CHANGES, EpochChange, follow
from bulwark.ledger.errors import LedgerError, ProofInvalid
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.header import Header
from bulwark.ledger.ids import (
    DIGEST_BYTES,
    Address,
    Digest,
    Height,
    MemberId,
    RecordId,
    Tag,
    TimestampMs,
)
from bulwark.ledger.limits import MAX_RECORD_PAYLOAD_BYTES
from bulwark.ledger.merkle import EMPTY_ROOT, MAX_PATH, verify_consistency, verify_inclusion
from bulwark.ledger.record import SALT_BYTES, TAG_BYTES, Record, RecordPayload
from bulwark.ledger.sidecar import Entry, ErasedRecord
from bulwark.ledger.votes import Certificate

RECORD_PROOF_FORMAT: Final = "bulwark-record-proof/1"
ANCHOR_PROOF_FORMAT: Final = "bulwark-anchor-proof/1"
CONSISTENCY_PROOF_FORMAT: Final = "bulwark-consistency-proof/1"
MAX_PROOF_BYTES: Final = 8 * 1024 * 1024
"""Two certificates of 128 validators, two paths, the ends of some hundred epochs, in hex."""
_MAX_CERTIFICATE_BYTES: Final = 16 * 1024
_MAX_HEADER_BYTES: Final = 1024
_MAX_CHANGE_BYTES: Final = 40 * 1024

T = TypeVar("T")


class SealedHeader(Struct, frozen=True):
    """A header with the checkpoint certificate that makes it final."""

    header: Header
    certificate: Certificate
    epochs: tuple[EpochChange, ...] = ()
    """The ends of all epochs before the header's, in order."""

    def verify(self, genesis: Genesis) -> None:
        """Check the certificate over exactly this header; raises ProofInvalid."""
        follow(genesis, self.epochs).verify(self.header, self.certificate)

    def document(self) -> dict[str, object]:
        """JSON form: the encodings in hex."""
        return {
            "header": self.header.encode().hex(),
            "certificate": self.certificate.encode().hex(),
            "epochs": [change.write(Writer()).done().hex() for change in self.epochs],
        }

    @classmethod
    def read(cls, value: object, path: str) -> SealedHeader:
        """Inverse of document(); raises FieldInvalid or DecodeError."""
        doc = jf.fields(value, path, ("header", "certificate", "epochs"))
        header = jf.hexadecimal(doc["header"], f"{path}.header", most=_MAX_HEADER_BYTES)
        certificate = jf.hexadecimal(
            doc["certificate"], f"{path}.certificate", most=_MAX_CERTIFICATE_BYTES
        )
        epochs = jf.items(doc["epochs"], f"{path}.epochs", MAX_EPOCH_CHANGES, _read_change)
        return cls(Header.decode(header), Certificate.decode(certificate), epochs)


def _read_change(value: object, path: str) -> EpochChange:
    reader = Reader(jf.hexadecimal(value, path, most=_MAX_CHANGE_BYTES), path)
    change = EpochChange.read(reader)
    reader.end()
    return change


class VerifiedAnchor(Struct, frozen=True):
    """What a checked anchor proof shows."""

    anchor: Anchor
    member: MemberId | None
    """Member of the anchor's account at genesis; None for an account that joined later."""
    sealed_height: Height
    """Height of the certified header, at or above the anchor's."""
    timestamp_ms: TimestampMs
    """Time of the certified header: the anchor was on the ledger by then."""


class AnchorProof(Struct, frozen=True):
    """That an anchor is in the record log of a final header."""

    anchor: Anchor
    position: int
    """Position of the anchor in the record log."""
    path: tuple[Digest, ...]
    """Inclusion path in the log of the header's size."""
    sealed: SealedHeader

    def verify(self, genesis: Genesis) -> VerifiedAnchor:
        """Check everything against the genesis document alone; raises ProofInvalid."""
        self.sealed.verify(genesis)
        header = self.sealed.header
        if not 1 <= self.anchor.height <= header.height:
            raise ProofInvalid(
                "anchor", f"height {self.anchor.height} under a header of height {header.height}"
            )
        verify_inclusion(
            self.anchor.leaf_hash,
            self.position,
            header.record_log_size,
            self.path,
            header.record_log_root,
        )
        member = genesis.member_of_account(self.anchor.account)
        return VerifiedAnchor(
            self.anchor, None if member is None else member.id, header.height, header.timestamp_ms
        )

    def document(self) -> dict[str, object]:
        """JSON form without the format field, as it is inside a record proof."""
        return {
            "anchor": self.anchor.encode().hex(),
            "position": self.position,
            "path": _path_document(self.path),
            "sealed": self.sealed.document(),
        }

    @classmethod
    def read(cls, value: object, path: str) -> AnchorProof:
        """Inverse of document(); raises FieldInvalid or DecodeError."""
        doc = jf.fields(value, path, ("anchor", "position", "path", "sealed"))
        anchor = jf.hexadecimal(doc["anchor"], jf.join(path, "anchor"), exactly=ANCHOR_BYTES)
        return cls(
            Anchor.decode(anchor),
            jf.integer(doc["position"], jf.join(path, "position")),
            _read_path(doc["path"], jf.join(path, "path")),
            SealedHeader.read(doc["sealed"], jf.join(path, "sealed")),
        )

    def to_json(self) -> bytes:
        """Canonical JSON (RFC 8785)."""
        return _dump({"format": ANCHOR_PROOF_FORMAT, "proof": self.document()})

    @classmethod
    def from_json(cls, data: bytes) -> AnchorProof:
        """Inverse of to_json(), also for other JSON spellings; raises ProofInvalid."""
        return _load(data, ANCHOR_PROOF_FORMAT, cls.read)


class VerifiedRecord(Struct, frozen=True):
    """What a checked record proof shows."""

    record_id: RecordId
    height: Height
    """Block that anchored the record."""
    timestamp_ms: TimestampMs
    """Time of the certified header: the record was on the ledger by then."""
    account: Address
    """Account of the reporter."""
    member: MemberId | None
    """Member of that account at genesis; None for an account that joined later."""
    policy: Digest
    """Policy id that the batch was reported under."""
    payload: RecordPayload | None
    """None if the record is erased."""


class RecordProof(Struct, frozen=True):
    """That a record, or what an erasure left of it, was anchored by its reporter."""

    entry: Entry
    index: int
    """Position of the record in its sidecar."""
    path: tuple[Digest, ...]
    """Inclusion path in the sidecar."""
    anchored: AnchorProof

    def verify(self, genesis: Genesis) -> VerifiedRecord:
        """Check everything against the genesis document alone; raises ProofInvalid."""
        found = self.anchored.verify(genesis)
        anchor = found.anchor
        if anchor.kind is not AnchorKind.RECORDS:
            raise ProofInvalid("record", f"its anchor is of kind {anchor.kind.name}")
        record_id = self.entry.record_id
        verify_inclusion(Digest(record_id), self.index, anchor.count, self.path, anchor.digest)
        return VerifiedRecord(
            record_id=record_id,
            height=anchor.height,
            timestamp_ms=found.timestamp_ms,
            account=anchor.account,
            member=found.member,
            policy=anchor.reference,
            payload=self.entry.payload if isinstance(self.entry, Record) else None,
        )

    def to_json(self) -> bytes:
        """Canonical JSON (RFC 8785)."""
        return _dump(
            {
                "format": RECORD_PROOF_FORMAT,
                "proof": {
                    "record": _entry_document(self.entry),
                    "index": self.index,
                    "path": _path_document(self.path),
                    "anchored": self.anchored.document(),
                },
            }
        )

    @classmethod
    def from_json(cls, data: bytes) -> RecordProof:
        """Inverse of to_json(), also for other JSON spellings; raises ProofInvalid."""
        return _load(data, RECORD_PROOF_FORMAT, cls._read)

    @classmethod
    def _read(cls, value: object, path: str) -> RecordProof:
        doc = jf.fields(value, path, ("record", "index", "path", "anchored"))
        return cls(
            _read_entry(doc["record"], f"{path}.record"),
            jf.integer(doc["index"], f"{path}.index"),
            _read_path(doc["path"], f"{path}.path"),
            AnchorProof.read(doc["anchored"], f"{path}.anchored"),
        )


class ConsistencyProof(Struct, frozen=True):
    """That the record log of a later header only appends to that of an earlier one."""

    first: SealedHeader
    second: SealedHeader
    path: tuple[Digest, ...]

    def verify(self, genesis: Genesis) -> None:
        """Check both seals and the path; raises ProofInvalid.

        Two different certified headers of one height are refused as well: they prove that more
        than f validators signed twice.
        """
        self.first.verify(genesis)
        self.second.verify(genesis)
        first, second = self.first.header, self.second.header
        if first.height > second.height or (first.height == second.height and first != second):
            raise ProofInvalid(
                "consistency", f"header {second.height} does not follow header {first.height}"
            )
        if first.record_log_size == 0:
            if self.path or first.record_log_root != EMPTY_ROOT:
                raise ProofInvalid("consistency", "an empty log has the empty root and no path")
            return
        verify_consistency(
            first.record_log_size,
            second.record_log_size,
            first.record_log_root,
            second.record_log_root,
            self.path,
        )

    def to_json(self) -> bytes:
        """Canonical JSON (RFC 8785)."""
        return _dump(
            {
                "format": CONSISTENCY_PROOF_FORMAT,
                "proof": {
                    "first": self.first.document(),
                    "second": self.second.document(),
                    "path": _path_document(self.path),
                },
            }
        )

    @classmethod
    def from_json(cls, data: bytes) -> ConsistencyProof:
        """Inverse of to_json(), also for other JSON spellings; raises ProofInvalid."""
        return _load(data, CONSISTENCY_PROOF_FORMAT, cls._read)

    @classmethod
    def _read(cls, value: object, path: str) -> ConsistencyProof:
        doc = jf.fields(value, path, ("first", "second", "path"))
        return cls(
            SealedHeader.read(doc["first"], f"{path}.first"),
            SealedHeader.read(doc["second"], f"{path}.second"),
            _read_path(doc["path"], f"{path}.path"),
        )


def _path_document(path: tuple[Digest, ...]) -> list[str]:
    return [digest.hex() for digest in path]


def _read_path(value: object, path: str) -> tuple[Digest, ...]:
    return jf.items(
        value, path, MAX_PATH, lambda v, p: Digest(jf.hexadecimal(v, p, exactly=DIGEST_BYTES))
    )


def _entry_document(entry: Entry) -> dict[str, str]:
    if isinstance(entry, Record):
        return {
            "salt": entry.salt.hex(),
            "tag": entry.tag.hex(),
            "payload": entry.payload_bytes.hex(),
        }
    return {"leaf": entry.leaf.hex()}


def _read_entry(value: object, path: str) -> Entry:
    if jf.mapping(value, path).keys() == {"leaf"}:
        doc = jf.fields(value, path, ("leaf",))
        return ErasedRecord(
            RecordId(jf.hexadecimal(doc["leaf"], f"{path}.leaf", exactly=DIGEST_BYTES))
        )
    doc = jf.fields(value, path, ("salt", "tag", "payload"))
    return Record(
        jf.hexadecimal(doc["salt"], f"{path}.salt", exactly=SALT_BYTES),
        Tag(jf.hexadecimal(doc["tag"], f"{path}.tag", exactly=TAG_BYTES)),
        jf.hexadecimal(doc["payload"], f"{path}.payload", most=MAX_RECORD_PAYLOAD_BYTES),
    )


def _dump(document: dict[str, object]) -> bytes:
    return rfc8785.dumps(document)  # type: ignore[arg-type]  # JSON by construction


def _load(data: bytes, form: str, read: Callable[[object, str], T]) -> T:
    """A proof of this format from JSON; every refusal becomes a ProofInvalid."""
    try:
        doc = jf.fields(jf.parse(data, MAX_PROOF_BYTES), "", ("format", "proof"))
        if doc["format"] != form:
            raise ProofInvalid("format", f"{form!r} is needed")
        return read(doc["proof"], "proof")
    except jf.FieldInvalid as error:
        raise ProofInvalid(error.path, error.detail) from error
    except ProofInvalid:
        raise
    except LedgerError as error:
        raise ProofInvalid("proof", str(error)) from error
