"""The alliance's certificate authority and the certificates of its nodes.

Rules: a certificate only gets a node through TLS; who it is follows from the SHA-256 of its public
key, pinned in the member table (privacy.md section 5). Certificates carry what OpenSSL's strict
mode asks for: subject and authority key ids, key usage, both extended usages, and the member id as
DNS name. The CA key is written encrypted, to a folder outside every node's home, and is needed only
to admit a member or renew a certificate. A node may trust an old and a new CA side by side. There
is no revocation list: removing a member from the table closes its connections.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bulwark.ledger.ids import MemberId
from node.keys import RandomBytes, generate_tls_key, read_private, write_private

CA_DAYS: Final = 20 * 365
NODE_DAYS: Final = 5 * 365
CLOCK_SLACK: Final = timedelta(days=1)
"""Validity starts this much before now, as clocks of members differ."""
CA_KEY_FILE: Final = "ca-key.pem"
CA_CERTIFICATE_FILE: Final = "ca.pem"
PIN_BYTES: Final = 32
MAX_PEM_BYTES: Final = 16 * 1024
MAX_CERTIFICATES: Final = 8
"""Of one file: a chain, or the authorities that are trusted side by side."""
_MEMBER_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")


class PkiError(Exception):
    """A certificate or the CA's key is not usable."""


class CaKeyInvalid(PkiError):
    """The CA's key file does not open with this passphrase or is not the certificate's key."""


class CertificateUnusable(PkiError):
    """A certificate or what it should be made from breaks a rule of the alliance."""


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """The alliance's CA with its secret key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    def save(self, folder: Path, passphrase: bytes) -> None:
        """Write `ca.pem` and the encrypted `ca-key.pem` (0600); neither is overwritten.

        Raises KeystoreError.
        """
        pem = self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(passphrase),
        )
        write_private(folder / CA_KEY_FILE, pem)
        (folder / CA_CERTIFICATE_FILE).write_bytes(certificate_pem(self.certificate))

    @classmethod
    def load(cls, folder: Path, passphrase: bytes) -> CertificateAuthority:
        """Read what save() wrote. Raises CaKeyInvalid, CertificateUnusable, KeystoreError."""
        certificate = load_certificate((folder / CA_CERTIFICATE_FILE).read_bytes())
        pem = read_private(folder / CA_KEY_FILE, MAX_PEM_BYTES)
        try:
            key = serialization.load_pem_private_key(pem, passphrase)
        except (ValueError, TypeError) as error:
            raise CaKeyInvalid("the passphrase is wrong or the CA key damaged") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise CaKeyInvalid("the CA key is not an elliptic curve key")
        if key.public_key() != certificate.public_key():
            raise CaKeyInvalid("the CA key is not the one of the CA certificate")
        return cls(certificate, key)


def create_ca(
    alliance: str, *, now_ms: int, days: int = CA_DAYS, random_bytes: RandomBytes = os.urandom
) -> CertificateAuthority:
    """A fresh self-signed CA (EC P-256, may sign end certificates only) named after the alliance.

    Raises CertificateUnusable when the name is not 1..64 characters.
    """
    if not 1 <= len(alliance) <= 64:
        raise CertificateUnusable(f"alliance name has {len(alliance)} characters, 1..64 allowed")
    key = _private_key(generate_tls_key(random_bytes))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, alliance)])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    usage = _key_usage(certificate_authority=True)
    certificate = (
        _builder(name, name, key.public_key(), now_ms, days, random_bytes)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(_authority(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )
    return CertificateAuthority(certificate, key)


def issue(
    ca: CertificateAuthority,
    member_id: MemberId,
    public_key: ec.EllipticCurvePublicKey,
    *,
    now_ms: int,
    days: int = NODE_DAYS,
    random_bytes: RandomBytes = os.urandom,
) -> x509.Certificate:
    """A node certificate for `public_key` (EC P-256) with `member_id` as its only DNS name.

    Raises CertificateUnusable for a bad member id or another curve.
    """
    if not _MEMBER_ID.fullmatch(member_id):
        raise CertificateUnusable(f"member id {member_id!r:.40} is not [a-z0-9][a-z0-9-]{{0,30}}")
    if public_key.curve.name != "secp256r1":
        raise CertificateUnusable(f"curve is {public_key.curve.name}, secp256r1 needed")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, member_id)])
    authority = x509.SubjectKeyIdentifier.from_public_key(ca.key.public_key())
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = _builder(subject, ca.certificate.subject, public_key, now_ms, days, random_bytes)
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(certificate_authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(member_id)]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(_authority(authority), critical=False)
        .sign(ca.key, hashes.SHA256())
    )


def spki_pin(certificate: x509.Certificate) -> bytes:
    """SHA-256 of the certificate's SubjectPublicKeyInfo (DER), 32 bytes: survives a renewal."""
    return public_key_pin(certificate.public_key())


def public_key_pin(key: object) -> bytes:
    """SHA-256 of a public key's SubjectPublicKeyInfo (DER), 32 bytes.

    Raises CertificateUnusable when it is not an elliptic curve key.
    """
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise CertificateUnusable("the key is not an elliptic curve key")
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).digest()


def tls_public_key(pem: bytes) -> ec.EllipticCurvePublicKey:
    """Public half of a PEM key; raises CertificateUnusable when it is not an elliptic curve key."""
    return _private_key(pem).public_key()


def issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether the authority's key signed the certificate."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def dns_names(certificate: x509.Certificate) -> list[str]:
    """DNS names of the certificate; empty without the extension."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return names.value.get_values_for_type(x509.DNSName)


def days_left(certificate: x509.Certificate, now_ms: int) -> float:
    """Days until the certificate ends, negative afterwards: a metric (pitfall P13)."""
    return (certificate.not_valid_after_utc - _moment(now_ms)) / timedelta(days=1)


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """PEM text of a certificate."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def load_certificate(pem: bytes) -> x509.Certificate:
    """Parse one PEM certificate; raises CertificateUnusable."""
    if len(pem) > MAX_PEM_BYTES:
        raise CertificateUnusable(f"{len(pem)} bytes of PEM, at most {MAX_PEM_BYTES}")
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise CertificateUnusable("not a PEM certificate") from error


def load_certificates(pem: bytes) -> list[x509.Certificate]:
    """Parse all PEM certificates of a file, at least one; raises CertificateUnusable."""
    if len(pem) > MAX_PEM_BYTES:
        raise CertificateUnusable(f"{len(pem)} bytes of PEM, at most {MAX_PEM_BYTES}")
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise CertificateUnusable("no PEM certificates") from error
    if len(found) > MAX_CERTIFICATES:
        raise CertificateUnusable(f"{len(found)} certificates, at most {MAX_CERTIFICATES}")
    return found


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it is a CA's own certificate: signed by itself, and allowed to sign others."""
    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return basic.ca and usage.key_cert_sign and issued_by(certificate, certificate)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    now_ms: int,
    days: int,
    random_bytes: RandomBytes,
) -> x509.CertificateBuilder:
    start = _moment(now_ms) - CLOCK_SLACK
    serial = (int.from_bytes(random_bytes(20), "big") >> 1) | 1
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(start)
        .not_valid_after(start + CLOCK_SLACK + timedelta(days=days))
    )


def _key_usage(*, certificate_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificate_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificate_authority,
        crl_sign=certificate_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _authority(identifier: x509.SubjectKeyIdentifier) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _moment(now_ms: int) -> datetime:
    return datetime.fromtimestamp(now_ms // 1000, UTC)


def _private_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CertificateUnusable("the CA key is not an elliptic curve key")
    return key
