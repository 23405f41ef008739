"""TLS contexts of the mesh: version 1.3 only, certificates both ways, one CA.

Rules (privacy.md section 5): minimum TLS 1.3, CERT_REQUIRED at both ends, no default trust store,
strict X.509 checks, no session tickets. A name or CA match is not an identity yet: `hello` checks
the pin and the name of the certificate that arrived. The key never lies on disk in the clear.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from node.network.errors import IdentityInvalid
from node.network.identity import LocalIdentity


def server_context(local: LocalIdentity) -> ssl.SSLContext:
    """Context for accepted connections; raises IdentityInvalid."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, local)
    context.num_tickets = 0
    return context


def client_context(local: LocalIdentity) -> ssl.SSLContext:
    """Context for dialled connections; raises IdentityInvalid."""
    context = _context(ssl.PROTOCOL_TLS_CLIENT, local)
    context.check_hostname = True
    return context


def _context(protocol: int, local: LocalIdentity) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    try:
        context.load_verify_locations(cadata=local.ca_pem.decode("ascii"))
        _load_pair(context, local)
    except (ssl.SSLError, ValueError, TypeError) as error:
        raise IdentityInvalid(f"TLS key, certificate or CA unusable ({error})") from None
    return context


def _load_pair(context: ssl.SSLContext, local: LocalIdentity) -> None:
    """Load certificate and key; `ssl` reads files only, so the key passes through one, sealed."""
    password = os.urandom(32).hex()
    key = serialization.load_pem_private_key(local.tls_key_pem, password=None)
    sealed = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password.encode("ascii")),
    )
    with tempfile.TemporaryDirectory(prefix="bulwark-") as folder:
        pair = Path(folder) / "pair.pem"
        pair.write_bytes(local.certificate_pem + sealed)
        context.load_cert_chain(pair, password=password)
