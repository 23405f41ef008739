"""What surrounds a node, running or not: its disk and its certificates, as facts for diagnosis.

Rules: it only looks; what can not be read is left out, since whoever needs it says so louder.
"""

from __future__ import annotations

import os
from pathlib import Path

from node.diagnosis.facts import CertificateFacts, DiskFacts
from node.pki import CertificateUnusable, load_certificate, spki_pin
from node.sections import NetworkConfig


def disk_facts(path: Path) -> DiskFacts | None:
    """Free and total bytes of a folder's file system; None if it can not be asked."""
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    return DiskFacts(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize, str(path))


def certificate_facts(
    home: Path, network: NetworkConfig, pin: bytes
) -> tuple[CertificateFacts, ...]:
    """The node's certificate, held against its pinned key, and its authority's."""
    found = []
    for path, own in ((network.certificate, True), (network.authority, False)):
        try:
            certificate = load_certificate((home / path).read_bytes())
        except (OSError, CertificateUnusable):
            continue
        ends_ms = int(certificate.not_valid_after_utc.timestamp() * 1000)
        pinned = not own or spki_pin(certificate) == pin
        found.append(CertificateFacts(str(path), ends_ms, pinned))
    return tuple(found)
