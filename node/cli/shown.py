"""Which certificates the other members' nodes show now, asked by a connection of our own to each.

Rules: only the handshake is done, with no certificate and no key of ours, so the other end refuses
the connection and notes it; nothing but that is sent. A running mesh keeps connections made with
former certificates, so only a fresh one tells what is shown today. A certificate counts for a
member if a trusted authority issued it in that member's name; the handshake proves its key.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from cryptography import x509

from node.pki import dns_names, issued_by
from node.sections import PeerConfig

TIMEOUT_S: Final = 4.0
_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class Shown:
    """What one member's node shows."""

    member: str
    address: str
    certificate: x509.Certificate | None
    """None: nobody answered."""
    issuer: x509.Certificate | None
    """The trusted authority that issued it; None: none of them did."""
    detail: str
    """Why there is no certificate, or why it does not count; empty otherwise."""


def shown_by(peers: Iterable[PeerConfig], trusted: Sequence[x509.Certificate]) -> list[Shown]:
    """Ask all peers at once, each for at most TIMEOUT_S to connect and as long again to answer."""
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return list(pool.map(lambda peer: _ask(peer, trusted), peers))


def _ask(peer: PeerConfig, trusted: Sequence[x509.Certificate]) -> Shown:
    address = f"{peer.host}:{peer.port}"
    try:
        der = _handshake(peer)
    except (OSError, UnicodeError) as error:  # the latter: a host name that no resolver takes
        return Shown(peer.member, address, None, None, f"no answer ({_short(error)})")
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = dns_names(certificate)
    except ValueError:
        return Shown(peer.member, address, None, None, "its certificate can not be read")
    issuer = next((each for each in trusted if issued_by(certificate, each)), None)
    detail = ""
    if issuer is None:
        detail = "no authority that is trusted here issued it"
    elif names != [peer.member]:
        detail = f"it is in the name of {', '.join(names)[:64] or 'nobody'}"
    return Shown(peer.member, address, certificate, issuer, detail)


def _handshake(peer: PeerConfig) -> bytes:
    """The leaf certificate, DER: of TLS 1.3, as in the mesh (node/network/tls.py)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # Which authority it is shall be told even where it is a wrong one, so we look ourselves.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((peer.host, peer.port), timeout=TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname=peer.member) as connection,
    ):
        return connection.getpeercert(binary_form=True) or b""


def _short(error: OSError | UnicodeError) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, ssl.SSLError):
        return error.reason or "TLS failed"
    return getattr(error, "strerror", None) or str(error)
