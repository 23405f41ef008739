"""What surrounds a node, running or not: its disk and its certificates, as facts for diagnosis.

Rules: it only looks; what can not be read is left out, since whoever needs it says so louder.
"""

from __future__ import annotations

import os
import time
from collections.abc import Container, Iterable
from pathlib import Path

from cryptography import x509
from prometheus_client.core import GaugeMetricFamily, Metric

from node.config import NodeConfig
from node.diagnosis.facts import CertificateFacts, DiskFacts
from node.pki import CertificateUnusable, load_certificates, spki_pin
from node.sections import NetworkConfig


def disk_facts(path: Path) -> DiskFacts | None:
    """Free and total bytes of a folder's file system; None if it can not be asked."""
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    return DiskFacts(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize, str(path))


def certificate_facts(
    home: Path, network: NetworkConfig, pins: Container[bytes] | None
) -> tuple[CertificateFacts, ...]:
    """The node's certificate, held against its pinned keys, and its authority's.

    `pins` None: nobody can say which keys the ledger pins, so that is not judged.
    """
    found = []
    for certificate in _certificates(home / network.certificate)[:1]:
        pinned = pins is None or spki_pin(certificate) in pins
        found.append(CertificateFacts(str(network.certificate), _ends_ms(certificate), pinned))
    for certificate in _certificates(home / network.authority):
        found.append(CertificateFacts(str(network.authority), _ends_ms(certificate)))
    return tuple(found)


def _ends_ms(certificate: x509.Certificate) -> int:
    return int(certificate.not_valid_after_utc.timestamp() * 1000)


def _certificates(path: Path) -> list[x509.Certificate]:
    """Those of a file, none where it can not be read."""
    try:
        return load_certificates(path.read_bytes())
    except (OSError, CertificateUnusable):
        return []


def certificate_families(home: Path, config: NodeConfig) -> Iterable[Metric]:
    """Seconds until each certificate of this node ends, negative afterwards; reads the files."""
    family = GaugeMetricFamily(
        "bulwark_certificate_expiry_seconds",
        "Seconds until a certificate of this node ends",
        labels=["certificate"],
    )
    places = {
        "node": config.network.certificate,
        "authority": config.network.authority,
        "http": config.http.certificate,
    }
    for name, path in places.items():
        if path is None:
            continue
        ends_ms = [_ends_ms(each) for each in _certificates(home / path)]
        if ends_ms:  # of a chain, or of authorities side by side: the first that ends
            family.add_metric([name], min(ends_ms) / 1000 - time.time())
    yield family
