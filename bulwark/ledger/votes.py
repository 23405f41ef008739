"""Votes and the certificates that a quorum of equal votes makes.

Rules: a vote signs (kind, view, height, digest) under its own domain tag, so a PREPARE can never
count as a COMMIT (pitfall S1); a certificate is a signer bitmap and the signatures in validator
order, so a signer can not be counted twice (S4) and one set of votes has one encoding.
The proposer votes PREPARE like everybody else, so a prepared certificate is uniform (ADR-0004).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from itertools import pairwise

from msgspec import Struct

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import CertificateInvalid, DecodeError, SignatureInvalid
from bulwark.ledger.ids import Digest, Height, ValidatorIndex, View
from bulwark.ledger.limits import MAX_VALIDATORS
from bulwark.ledger.signing import SIGNATURE_BYTES, Check, SigningDomain, verify
from bulwark.ledger.validators import ValidatorSet


class VoteKind(IntEnum):
    """What a vote says; the number is signed."""

    PREPARE = 1
    """The batch with this digest has this height in this view, and I hold its body durably."""
    COMMIT = 2
    """I hold a prepared certificate for it durably."""
    CHECKPOINT = 3
    """I executed the block and its header has this hash; the view is always 0."""


class VoteSubject(Struct, frozen=True):
    """The tuple that equal votes agree on; votes are grouped by all of it (pitfall D3)."""

    kind: VoteKind
    view: View
    height: Height
    digest: Digest

    def signing_digest(self, domain: SigningDomain) -> Digest:
        """The 32 bytes that a validator signs to cast this vote."""
        body = self.view.to_bytes(8, "big") + self.height.to_bytes(8, "big") + self.digest
        return domain.digest(b"vote/" + bytes([self.kind]), body)

    def write(self, writer: Writer) -> Writer:
        """Append kind, view, height, digest (49 bytes)."""
        return (
            writer.uint(self.kind, 1).uint(self.view, 8).uint(self.height, 8).fixed(self.digest, 32)
        )

    @classmethod
    def read(cls, reader: Reader) -> VoteSubject:
        """Inverse of write(); raises DecodeError."""
        start = reader.offset
        number = reader.uint(1, "kind")
        try:
            kind = VoteKind(number)
        except ValueError as error:
            raise DecodeError("vote.kind", f"{number} is no vote kind", start) from error
        view = View(reader.uint(8, "view"))
        height = Height(reader.uint(8, "height"))
        return cls(kind, view, height, Digest(reader.fixed(32, "digest")))


class Certificate(Struct, frozen=True):
    """A quorum of equal votes: anyone with the validator set can check it, also years later."""

    subject: VoteSubject
    signatures: tuple[tuple[ValidatorIndex, bytes], ...]
    """(signer, 65-byte signature), signers strictly increasing."""

    @classmethod
    def assemble(
        cls, subject: VoteSubject, votes: Mapping[ValidatorIndex, bytes], quorum: int
    ) -> Certificate:
        """The canonical certificate of the `quorum` lowest-numbered of these checked votes."""
        chosen = sorted(votes.items())[:quorum]
        if len(chosen) < quorum:
            raise CertificateInvalid("certificate", f"{len(chosen)} votes, {quorum} needed")
        return cls(subject, tuple(chosen))

    def verify(
        self, validators: ValidatorSet, domain: SigningDomain, check: Check = verify
    ) -> None:
        """Check signers, quorum and every signature; raises CertificateInvalid."""
        name = f"{self.subject.kind.name} certificate of height {self.subject.height}"
        if domain.epoch != validators.epoch:
            raise CertificateInvalid(
                name, f"domain is of epoch {domain.epoch}, set of {validators.epoch}"
            )
        signers = [signer for signer, _ in self.signatures]
        if any(a >= b for a, b in pairwise(signers)):
            raise CertificateInvalid(name, "signers are not strictly increasing")
        if len(signers) < validators.quorum:
            raise CertificateInvalid(name, f"{len(signers)} signers, quorum is {validators.quorum}")
        if signers[0] < 0 or signers[-1] >= len(validators):
            raise CertificateInvalid(name, "a signer is outside the validator set")
        digest = self.subject.signing_digest(domain)
        for signer, signature in self.signatures:
            try:
                check(validators.address_of(signer), digest, signature, f"signer {signer}")
            except SignatureInvalid as error:
                raise CertificateInvalid(name, str(error)) from error

    def write(self, writer: Writer) -> Writer:
        """Append subject, 16-byte signer bitmap (bit i = validator i), signatures in order."""
        self.subject.write(writer)
        bitmap = 0
        for signer, _ in self.signatures:
            bitmap |= 1 << signer
        writer.uint(bitmap, MAX_VALIDATORS // 8)
        for _, signature in self.signatures:
            writer.fixed(signature, SIGNATURE_BYTES)
        return writer

    @classmethod
    def read(cls, reader: Reader) -> Certificate:
        """Inverse of write(); raises DecodeError. Checks no signature."""
        subject = VoteSubject.read(reader)
        bitmap = reader.uint(MAX_VALIDATORS // 8, "signers")
        signers = [ValidatorIndex(i) for i in range(MAX_VALIDATORS) if bitmap >> i & 1]
        signatures = tuple(
            (signer, reader.fixed(SIGNATURE_BYTES, "signature")) for signer in signers
        )
        return cls(subject, signatures)

    def encode(self) -> bytes:
        """Canonical bytes."""
        return self.write(Writer()).done()

    @classmethod
    def decode(cls, data: bytes) -> Certificate:
        """Inverse of encode(); raises DecodeError."""
        reader = Reader(data, "certificate")
        certificate = cls.read(reader)
        reader.end()
        return certificate
