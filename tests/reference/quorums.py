"""Quorums and certificates a second time: by counting sets, not by the formula of the code.

f is the most faulty validators with 3f < n. A quorum is the least q for which any two sets of q
validators share more than f of them, so an honest one. A certificate is checked field by field on
its encoding, so that a decoder's mistake does not hide behind a verifier's.
"""

from __future__ import annotations

from dataclasses import dataclass

from bulwark.ledger.signing import Check, SigningDomain, verify
from bulwark.ledger.validators import ValidatorSet

SUBJECT_BYTES = 49
BITMAP_BYTES = 16
SIGNATURE_BYTES = 65
KINDS = {1: "PREPARE", 2: "COMMIT", 3: "CHECKPOINT"}


def reference_faulty(n: int) -> int:
    """The most faulty ones among n with n > 3f."""
    return max(f for f in range(n) if 3 * f < n)


def reference_quorum(n: int) -> int:
    """The least q where two quorums overlap in more than f: q + q - n > f."""
    return next(q for q in range(1, n + 1) if q + q - n > reference_faulty(n))


@dataclass(frozen=True)
class PlainCertificate:
    """The fields of an encoded certificate."""

    kind: str
    view: int
    height: int
    digest: bytes
    signatures: tuple[tuple[int, bytes], ...]


def read_certificate(data: bytes) -> PlainCertificate:
    """Take the bytes apart by hand; raises ValueError."""
    if len(data) < SUBJECT_BYTES + BITMAP_BYTES or data[0] not in KINDS:
        raise ValueError("no certificate")
    bitmap = int.from_bytes(data[SUBJECT_BYTES : SUBJECT_BYTES + BITMAP_BYTES], "big")
    signers = [i for i in range(8 * BITMAP_BYTES) if bitmap & (1 << i)]
    rest = data[SUBJECT_BYTES + BITMAP_BYTES :]
    if len(rest) != SIGNATURE_BYTES * len(signers):
        raise ValueError("another number of signatures than signers")
    cut = [rest[i * SIGNATURE_BYTES : (i + 1) * SIGNATURE_BYTES] for i, _ in enumerate(signers)]
    return PlainCertificate(
        KINDS[data[0]],
        int.from_bytes(data[1:9], "big"),
        int.from_bytes(data[9:17], "big"),
        data[17:49],
        tuple(zip(signers, cut, strict=True)),
    )


def certificate_holds(
    data: bytes, validators: ValidatorSet, domain: SigningDomain, check: Check = verify
) -> bool:
    """Whether a quorum of distinct validators signed exactly these fields in this domain."""
    try:
        certificate = read_certificate(data)
    except ValueError:
        return False
    members = [validator.address for validator in validators.validators]
    if domain.epoch != validators.epoch:
        return False
    if len(certificate.signatures) < reference_quorum(len(members)):
        return False
    body = data[1:SUBJECT_BYTES]
    signed = domain.digest(b"vote/" + data[:1], body)
    for signer, signature in certificate.signatures:
        if signer >= len(members):
            return False
        try:
            check(members[signer], signed, signature, "reference")
        except Exception:  # any complaint of any scheme means: not signed
            return False
    return True
