"""TLS of the HTTP listener: its certificate, and which client certificates it asks for.

Rules: TLS 1.2 or newer. With a client authority, certificates of it are asked for (`optional`) or
wanted (`required`) in the handshake, checked for their purpose, their time and, where there is a
list, against revocation. Sessions are not resumed then: a resumed one would skip those checks.
Every call makes a new context from the files as they are now; who holds connections of an older one
keeps them.
"""

from __future__ import annotations

import ssl
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from msgspec import Struct

from node.identity.principal import IdentityInvalid
from node.sections import HttpConfig

MAX_PEM_BYTES = 4 * 1024 * 1024


class Tls(Struct, frozen=True):
    """TLS of one generation of the listener."""

    context: ssl.SSLContext
    revoked: frozenset[tuple[bytes, int]]
    """Issuer (DER) and serial number of client certificates that are revoked."""
    print: str
    """Hash of the files and settings that it was made of."""
    until: str
    """When the server certificate ends, RFC 3339."""


def make_tls(home: Path, http: HttpConfig) -> Tls | None:
    """TLS as configured, None for plain HTTP. Raises IdentityInvalid naming the file."""
    if http.certificate is None:
        return None
    certificate = home / http.certificate
    key = None if http.private_key is None else home / http.private_key
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    read = [_readable(path) for path in (certificate, *(() if key is None else (key,)))]
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise IdentityInvalid(str(certificate), f"no certificate with its key: {error}") from error
    revoked: frozenset[tuple[bytes, int]] = frozenset()
    if http.client_authority is not None:
        authority = home / http.client_authority
        read.append(_readable(authority))
        try:
            context.load_verify_locations(authority)
        except ssl.SSLError as error:
            raise IdentityInvalid(str(authority), "no PEM certificates in it") from error
        wanted = http.client_certificates == "required"
        context.verify_mode = ssl.CERT_REQUIRED if wanted else ssl.CERT_OPTIONAL
        context.num_tickets = 0
        context.options |= ssl.OP_NO_TICKET
        if http.client_revocations is not None:
            read.append(_readable(home / http.client_revocations))
            revoked = _revocations(home / http.client_revocations, read[-1], context)
    digest = sha256(f"{context.verify_mode}".encode())
    for raw in read:
        digest.update(sha256(raw).digest())
    return Tls(context, revoked, digest.hexdigest(), _end(read[0], certificate))


def _end(raw: bytes, path: Path) -> str:
    try:
        end = x509.load_pem_x509_certificates(raw)[0].not_valid_after_utc
    except ValueError as error:
        raise IdentityInvalid(str(path), "no PEM certificate in it") from error
    return end.strftime("%Y-%m-%dT%H:%M:%SZ")


def _revocations(path: Path, raw: bytes, context: ssl.SSLContext) -> frozenset[tuple[bytes, int]]:
    """What the list revokes; TLS checks it from now on too."""
    try:
        lists = [
            x509.load_pem_x509_crl(part + b"-----END X509 CRL-----\n")
            for part in raw.split(b"-----END X509 CRL-----")[:-1]
        ]
        if not lists:
            raise ValueError
        context.load_verify_locations(path)
    except (ValueError, ssl.SSLError) as error:
        raise IdentityInvalid(str(path), "no revocation list (PEM) in it") from error
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return frozenset(
        (each.issuer.public_bytes(), entry.serial_number) for each in lists for entry in each
    )


def _readable(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_PEM_BYTES + 1)
    except OSError as error:
        raise IdentityInvalid(str(path), error.strerror or "can not be read") from error
    if len(raw) > MAX_PEM_BYTES:
        raise IdentityInvalid(str(path), f"more than {MAX_PEM_BYTES} bytes")
    return raw


def _no_password() -> str:
    """A key with a password would make OpenSSL ask on the terminal."""
    raise ValueError("the private key has a password; the node can not ask for it")
