"""The messages of the protocol: a closed union of frozen values with one canonical encoding each.

Rules: every length is bounded before allocation; the signed body of a message is everything but
its signature and what proves itself (a batch by its digest). Votes are signed as `VoteSubject`, so
certificates assemble from them; every other signed message has its own tag (pitfall S1).
Decoding checks no signature: that is `consensus.authentication`.
"""

from __future__ import annotations

import struct
from typing import ClassVar, Final, TypeAlias

from msgspec import Struct

from bulwark.ledger.batch import Batch
from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import DecodeError
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Digest, Height, ValidatorIndex, View
from bulwark.ledger.limits import MAX_BATCH_BYTES, MAX_VALIDATORS
from bulwark.ledger.signing import SIGNATURE_BYTES
from bulwark.ledger.votes import Certificate, VoteSubject
from consensus.statusreport import SlotStatus as SlotStatus
from consensus.statusreport import StatusReport as StatusReport
from consensus.statusreport import read_signed, write_signed
from consensus.types import MAX_WINDOW

MAX_MESSAGE_BYTES: Final = MAX_BATCH_BYTES + 16 * 1024
"""The longest message is a batch with one certificate around it."""


_VOTE: Final = struct.Struct(">BQQ32sH65s")
"""A vote in one piece: it is written for every record and message of the common case."""


def _read_batch(reader: Reader) -> Batch:
    return Batch.decode(reader.blob("batch", MAX_BATCH_BYTES))


class PrePrepare(Struct, frozen=True):
    """The proposer orders a batch at a height; also carries the proposer's PREPARE vote."""

    KIND: ClassVar = 1
    TAG: ClassVar = b"pre-prepare/1"
    view: View
    height: Height
    digest: Digest
    """Digest of `batch`; the signature covers this instead of the body."""
    signer: ValidatorIndex
    signature: bytes
    vote_signature: bytes
    """The proposer's PREPARE vote for the same view, height and digest (ADR-0004)."""
    batch: Batch

    def signed_body(self) -> bytes:
        """View, height, digest."""
        return Writer().uint(self.view, 8).uint(self.height, 8).fixed(self.digest, 32).done()

    def write(self, writer: Writer) -> None:
        """Append all fields."""
        writer.uint(self.view, 8).uint(self.height, 8).fixed(self.digest, 32)
        write_signed(writer, self.signer, self.signature)
        writer.fixed(self.vote_signature, SIGNATURE_BYTES).blob(self.batch.encode())

    @classmethod
    def read(cls, reader: Reader) -> PrePrepare:
        """Inverse of write()."""
        view, height = View(reader.uint(8, "view")), Height(reader.uint(8, "height"))
        digest = Digest(reader.fixed(32, "digest"))
        signer, signature = read_signed(reader)
        vote_signature = reader.fixed(SIGNATURE_BYTES, "vote_signature")
        return cls(view, height, digest, signer, signature, vote_signature, _read_batch(reader))


class Vote(Struct, frozen=True):
    """One PREPARE, COMMIT or CHECKPOINT; anyone may forward it, the signature names the voter."""

    KIND: ClassVar = 2
    subject: VoteSubject
    signer: ValidatorIndex
    signature: bytes

    def write(self, writer: Writer) -> None:
        """Append subject, signer, signature."""
        subject = self.subject
        if len(subject.digest) == 32 and len(self.signature) == SIGNATURE_BYTES:
            packed = _VOTE.pack(
                subject.kind,
                subject.view,
                subject.height,
                subject.digest,
                self.signer,
                self.signature,
            )
            writer.fixed(packed, _VOTE.size)
        else:  # the writer says which field is wrong
            write_signed(subject.write(writer), self.signer, self.signature)

    @classmethod
    def read(cls, reader: Reader) -> Vote:
        """Inverse of write()."""
        return cls(VoteSubject.read(reader), *read_signed(reader))


class ViewChange(Struct, frozen=True):
    """A replica leaves its view: what it knows to be stable and what it has prepared since."""

    KIND: ClassVar = 3
    TAG: ClassVar = b"view-change/1"
    view: View
    """The view it wants to enter."""
    checkpoint: Certificate | None
    """Highest stable checkpoint; None stands for the start of the epoch."""
    prepared: tuple[Certificate, ...]
    """PREPARE certificates above it, heights strictly increasing, highest view of each."""
    signer: ValidatorIndex
    signature: bytes

    def base_above(self, start: Height) -> Height:
        """Height of the stable checkpoint in an epoch that begins above `start`."""
        return start if self.checkpoint is None else self.checkpoint.subject.height

    def signed_body(self) -> bytes:
        """View, checkpoint, prepared certificates."""
        writer = Writer().uint(self.view, 8)
        writer.optional(self.checkpoint, lambda w, c: c.write(w))
        return writer.sequence(self.prepared, lambda w, c: c.write(w)).done()

    def write(self, writer: Writer) -> None:
        """Append all fields."""
        writer.uint(self.view, 8).optional(self.checkpoint, lambda w, c: c.write(w))
        writer.sequence(self.prepared, lambda w, c: c.write(w))
        write_signed(writer, self.signer, self.signature)

    @classmethod
    def read(cls, reader: Reader) -> ViewChange:
        """Inverse of write()."""
        view = View(reader.uint(8, "view"))
        checkpoint = reader.optional("checkpoint", Certificate.read)
        prepared = reader.sequence("prepared", MAX_WINDOW, Certificate.read)
        return cls(view, checkpoint, prepared, *read_signed(reader))

    def hash(self) -> Digest:
        """What NEW-VIEW names it by; covers the signature."""
        writer = Writer()
        self.write(writer)
        return sha256(b"bulwark/view-change/1\x00" + writer.done())


class NewView(Struct, frozen=True):
    """The leader opens a view: exactly a quorum of VIEW-CHANGEs and what follows from them."""

    KIND: ClassVar = 4
    TAG: ClassVar = b"new-view/1"
    view: View
    view_changes: tuple[tuple[ValidatorIndex, Digest], ...]
    """(signer, hash) of the chosen VIEW-CHANGEs, signers strictly increasing."""
    digests: tuple[Digest, ...]
    """O: batch digests of the heights from the highest checkpoint + 1 on."""
    signer: ValidatorIndex
    signature: bytes

    def signed_body(self) -> bytes:
        """View, references, digests."""
        writer = Writer().uint(self.view, 8)
        writer.sequence(self.view_changes, lambda w, r: w.uint(r[0], 2).fixed(r[1], 32))
        return writer.sequence(self.digests, lambda w, d: w.fixed(d, 32)).done()

    def write(self, writer: Writer) -> None:
        """Append all fields."""
        writer.uint(self.view, 8)
        writer.sequence(self.view_changes, lambda w, r: w.uint(r[0], 2).fixed(r[1], 32))
        writer.sequence(self.digests, lambda w, d: w.fixed(d, 32))
        write_signed(writer, self.signer, self.signature)

    @classmethod
    def read(cls, reader: Reader) -> NewView:
        """Inverse of write()."""
        view = View(reader.uint(8, "view"))
        references = reader.sequence("view_changes", MAX_VALIDATORS, _read_reference)
        digests = reader.sequence("digests", MAX_WINDOW, lambda r: Digest(r.fixed(32, "digest")))
        return cls(view, references, digests, *read_signed(reader))


def _read_reference(reader: Reader) -> tuple[ValidatorIndex, Digest]:
    signer = ValidatorIndex(reader.uint(2, "signer", MAX_VALIDATORS - 1))
    return signer, Digest(reader.fixed(32, "hash"))


class BodyRequest(Struct, frozen=True):
    """Asks for the batch with a digest that was voted for at a height."""

    KIND: ClassVar = 6
    TAG: ClassVar = b"body-request/1"
    height: Height
    digest: Digest
    signer: ValidatorIndex
    signature: bytes

    def signed_body(self) -> bytes:
        """Height, digest."""
        return Writer().uint(self.height, 8).fixed(self.digest, 32).done()

    def write(self, writer: Writer) -> None:
        """Append all fields."""
        writer.uint(self.height, 8).fixed(self.digest, 32)
        write_signed(writer, self.signer, self.signature)

    @classmethod
    def read(cls, reader: Reader) -> BodyRequest:
        """Inverse of write()."""
        height, digest = Height(reader.uint(8, "height")), Digest(reader.fixed(32, "digest"))
        return cls(height, digest, *read_signed(reader))


class Body(Struct, frozen=True):
    """A batch for a height; unsigned, its digest is what it is checked against."""

    KIND: ClassVar = 7
    height: Height
    batch: Batch

    def write(self, writer: Writer) -> None:
        """Append all fields."""
        writer.uint(self.height, 8).blob(self.batch.encode())

    @classmethod
    def read(cls, reader: Reader) -> Body:
        """Inverse of write()."""
        return cls(Height(reader.uint(8, "height")), _read_batch(reader))


class ViewChangeRequest(Struct, frozen=True):
    """Asks for VIEW-CHANGEs that a NEW-VIEW names and the asker lacks."""

    KIND: ClassVar = 8
    TAG: ClassVar = b"view-change-request/1"
    view: View
    hashes: tuple[Digest, ...]
    signer: ValidatorIndex
    signature: bytes

    def signed_body(self) -> bytes:
        """View, hashes."""
        writer = Writer().uint(self.view, 8)
        return writer.sequence(self.hashes, lambda w, d: w.fixed(d, 32)).done()

    def write(self, writer: Writer) -> None:
        """Append all fields."""
        writer.uint(self.view, 8).sequence(self.hashes, lambda w, d: w.fixed(d, 32))
        write_signed(writer, self.signer, self.signature)

    @classmethod
    def read(cls, reader: Reader) -> ViewChangeRequest:
        """Inverse of write()."""
        view = View(reader.uint(8, "view"))
        hashes = reader.sequence("hashes", MAX_VALIDATORS, lambda r: Digest(r.fixed(32, "hash")))
        return cls(view, hashes, *read_signed(reader))


class Decision(Struct, frozen=True):
    """A COMMIT certificate with its batch: settles a height for whoever is behind, in any view."""

    KIND: ClassVar = 9
    certificate: Certificate
    batch: Batch

    def write(self, writer: Writer) -> None:
        """Append all fields."""
        self.certificate.write(writer).blob(self.batch.encode())

    @classmethod
    def read(cls, reader: Reader) -> Decision:
        """Inverse of write()."""
        return cls(Certificate.read(reader), _read_batch(reader))


class StableProof(Struct, frozen=True):
    """A CHECKPOINT certificate: proves finality to whoever is behind."""

    KIND: ClassVar = 10
    certificate: Certificate

    def write(self, writer: Writer) -> None:
        """Append the certificate."""
        self.certificate.write(writer)

    @classmethod
    def read(cls, reader: Reader) -> StableProof:
        """Inverse of write()."""
        return cls(Certificate.read(reader))


Message: TypeAlias = (
    PrePrepare
    | Vote
    | ViewChange
    | NewView
    | StatusReport
    | BodyRequest
    | Body
    | ViewChangeRequest
    | Decision
    | StableProof
)
_CLASSES: Final[tuple[type[Message], ...]] = (
    PrePrepare, Vote, ViewChange, NewView, StatusReport,
    BodyRequest, Body, ViewChangeRequest, Decision, StableProof,
)  # fmt: skip
_BY_KIND: Final = {cls.KIND: cls for cls in _CLASSES}


def encode_message(message: Message) -> bytes:
    """Canonical bytes: kind byte, then the fields."""
    writer = Writer().uint(message.KIND, 1)
    message.write(writer)
    return writer.done()


def decode_message(data: bytes) -> Message:
    """Inverse of encode_message(); raises DecodeError on anything else."""
    if len(data) > MAX_MESSAGE_BYTES:
        raise DecodeError("message", f"{len(data)} bytes, at most {MAX_MESSAGE_BYTES}")
    reader = Reader(data, "message")
    kind = reader.uint(1, "kind")
    cls = _BY_KIND.get(kind)
    if cls is None:
        raise DecodeError("message.kind", f"{kind} is no message kind", 0)
    message: Message = cls.read(reader)
    reader.end()
    return message
