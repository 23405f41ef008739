"""The contexts are as strict as the design says, and the key does not touch the disk in clear."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

import pytest

from node.network.tls import client_context, server_context
from tests.unit.node.network.harness import A, local_of, secrets_of


@pytest.mark.parametrize("make", [server_context, client_context])
def test_context_demands_tls_1_3_and_a_certificate_of_the_one_ca(
    make: object,
) -> None:
    context = make(local_of(A))  # type: ignore[operator]
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.cert_store_stats() == {"x509": 1, "crl": 0, "x509_ca": 1}


def test_no_tickets_and_the_client_checks_the_name() -> None:
    assert server_context(local_of(A)).num_tickets == 0
    assert client_context(local_of(A)).check_hostname


def test_key_passes_through_the_disk_sealed_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written: list[bytes] = []
    original = Path.write_bytes

    def watch(path: Path, data: bytes) -> int:
        written.append(data)
        return original(path, data)

    monkeypatch.setattr(Path, "write_bytes", watch)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    client_context(local_of(A))
    assert len(written) == 1
    assert b"ENCRYPTED PRIVATE KEY" in written[0]
    assert secrets_of(A).tls_key_pem[40:120] not in written[0]
    assert list(tmp_path.iterdir()) == []


def test_identity_shows_no_key() -> None:
    text = repr(local_of(A))
    assert "PRIVATE" not in text and "CERTIFICATE" not in text
