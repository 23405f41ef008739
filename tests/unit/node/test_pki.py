"""The alliance's certificates satisfy OpenSSL's strict mode and carry one member id."""

from __future__ import annotations

import random
import ssl
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.verification import PolicyBuilder, Store

from bulwark.ledger.ids import MemberId
from node.keys import KeystoreExists, KeystoreExposed, NodeSecrets
from node.pki import (
    CA_CERTIFICATE_FILE,
    CA_KEY_FILE,
    CaKeyInvalid,
    CertificateAuthority,
    CertificateUnusable,
    certificate_pem,
    create_ca,
    days_left,
    dns_names,
    issue,
    load_certificate,
    spki_pin,
)

NOW_MS = 1_800_000_000_000
DAY_MS = 86_400_000
BANK = MemberId("bank-a")


@pytest.fixture(scope="module")
def ca() -> CertificateAuthority:
    return create_ca("Test Alliance", now_ms=NOW_MS)


@pytest.fixture(scope="module")
def secrets() -> NodeSecrets:
    return NodeSecrets.generate(random.Random(1).randbytes)


@pytest.fixture(scope="module")
def certificate(ca: CertificateAuthority, secrets: NodeSecrets) -> x509.Certificate:
    return issue(ca, BANK, secrets.tls_public_key(), now_ms=NOW_MS)


def test_chain_satisfies_an_independent_verifier(
    ca: CertificateAuthority, certificate: x509.Certificate
) -> None:
    store = Store([ca.certificate])
    builder = PolicyBuilder().store(store).time(certificate.not_valid_before_utc)
    verified = builder.build_server_verifier(x509.DNSName(BANK)).verify(certificate, [])
    assert verified == [certificate, ca.certificate]
    assert builder.build_client_verifier().verify(certificate, []).chain == verified


def test_pin_is_the_hash_of_the_public_key_and_survives_renewal(
    ca: CertificateAuthority, certificate: x509.Certificate, secrets: NodeSecrets
) -> None:
    key = secrets.tls_public_key()
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert spki_pin(certificate) == sha256(der).digest()
    renewed = issue(ca, BANK, key, now_ms=NOW_MS + DAY_MS)
    assert renewed.serial_number != certificate.serial_number
    assert spki_pin(renewed) == spki_pin(certificate)


def test_member_id_is_the_only_dns_name(
    ca: CertificateAuthority, certificate: x509.Certificate
) -> None:
    assert dns_names(certificate) == [BANK]
    assert dns_names(ca.certificate) == []


def test_validity_starts_a_day_early_and_counts_down(certificate: x509.Certificate) -> None:
    assert days_left(certificate, NOW_MS) == 5 * 365
    assert days_left(certificate, NOW_MS + 5 * 365 * DAY_MS + DAY_MS) == -1
    assert certificate.not_valid_before_utc.timestamp() * 1000 == NOW_MS - DAY_MS


def test_openssl_loads_the_pair(
    ca: CertificateAuthority,
    certificate: x509.Certificate,
    secrets: NodeSecrets,
    tmp_path: Path,
) -> None:
    pair = tmp_path / "pair.pem"
    pair.write_bytes(secrets.tls_key_pem + certificate_pem(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    context.load_verify_locations(cadata=certificate_pem(ca.certificate).decode("ascii"))
    assert context.cert_store_stats()["x509_ca"] == 1


@pytest.mark.parametrize("name", ["", "Bank", "a_b", "-a", "a.b", "a" * 32, "a\n", "ü"])
def test_bad_member_id_gets_no_certificate(
    ca: CertificateAuthority, secrets: NodeSecrets, name: str
) -> None:
    with pytest.raises(CertificateUnusable, match="member id"):
        issue(ca, MemberId(name), secrets.tls_public_key(), now_ms=NOW_MS)


def test_other_curve_gets_no_certificate(ca: CertificateAuthority) -> None:
    key = ec.derive_private_key(7, ec.SECP384R1()).public_key()
    with pytest.raises(CertificateUnusable, match="secp384r1"):
        issue(ca, BANK, key, now_ms=NOW_MS)


def test_alliance_without_a_name_is_refused() -> None:
    with pytest.raises(CertificateUnusable, match="0 characters"):
        create_ca("", now_ms=NOW_MS)


def test_saved_ca_opens_with_its_passphrase_only(ca: CertificateAuthority, tmp_path: Path) -> None:
    ca.save(tmp_path, b"secret")
    assert (tmp_path / CA_KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert b"ENCRYPTED PRIVATE KEY" in (tmp_path / CA_KEY_FILE).read_bytes()
    again = CertificateAuthority.load(tmp_path, b"secret")
    assert again.certificate == ca.certificate
    assert again.key.private_numbers() == ca.key.private_numbers()
    with pytest.raises(CaKeyInvalid):
        CertificateAuthority.load(tmp_path, b"wrong")
    with pytest.raises(KeystoreExists):
        ca.save(tmp_path, b"secret")
    (tmp_path / CA_KEY_FILE).chmod(0o604)
    with pytest.raises(KeystoreExposed):
        CertificateAuthority.load(tmp_path, b"secret")


def test_ca_key_of_another_ca_is_refused(ca: CertificateAuthority, tmp_path: Path) -> None:
    ca.save(tmp_path, b"secret")
    other = create_ca("Other", now_ms=NOW_MS)
    (tmp_path / CA_CERTIFICATE_FILE).write_bytes(certificate_pem(other.certificate))
    with pytest.raises(CaKeyInvalid, match="not the one of the CA certificate"):
        CertificateAuthority.load(tmp_path, b"secret")


def test_repr_of_the_ca_hides_its_key(ca: CertificateAuthority) -> None:
    assert "EllipticCurvePrivateKey" not in repr(ca)
    assert str(ca.key.private_numbers().private_value) not in repr(ca)


@pytest.mark.parametrize("pem", [b"", b"x", b"x" * 20_000])
def test_text_that_is_no_certificate_is_refused(pem: bytes) -> None:
    with pytest.raises(CertificateUnusable):
        load_certificate(pem)
